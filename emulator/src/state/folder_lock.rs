//! One server for one folder: a lock file that the system releases however its holder dies. It names the endpoint.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::Error;

/// How long a holder may take to say where it listens.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to wait until looking again.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// The folder is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    file: File,
    path: PathBuf,
}

impl FolderLock {
    /// Takes the folder, which is made when missing.
    ///
    /// # Errors
    /// [`Error::Held`] with the other server's endpoint when another one has it.
    pub(crate) fn acquire(folder: &Path) -> Result<Self, Error> {
        Self::acquire_within(folder, ENDPOINT_TIMEOUT)
    }

    /// A holder without an endpoint has just begun, or is about to end: after a while it is clear which.
    fn acquire_within(folder: &Path, timeout: Duration) -> Result<Self, Error> {
        let started = Instant::now();
        loop {
            match Self::try_acquire(folder) {
                Err(Error::InUse { endpoint: None, .. }) if started.elapsed() < timeout => {
                    std::thread::sleep(RETRY_INTERVAL);
                }
                other => return other,
            }
        }
    }

    fn try_acquire(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        let path = folder.join("lock");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(Error::io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let folder_lock = Self { file, path };
                folder_lock.set_endpoint("")?;
                Ok(folder_lock)
            }
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(Error::io("read", &path))?;
                let endpoint = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
                Err(Error::InUse { folder: folder.to_owned(), endpoint })
            }
            Err(error) => Err(Error::io("lock", path)(error.into())),
        }
    }

    /// Says where the holder listens.
    pub(crate) fn set_endpoint(&self, endpoint: &str) -> Result<(), Error> {
        let mut file = &self.file;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(endpoint.as_bytes()))
            .map_err(Error::io("write", &self.path))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // The lock goes with the file; an endpoint that nobody serves any more should not be read either.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_reports_the_endpoint_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::acquire(folder.path()).unwrap();
        let error = FolderLock::acquire_within(folder.path(), RETRY_INTERVAL).unwrap_err();
        assert!(matches!(error, Error::InUse { endpoint: None, .. }), "{error}");
        first.set_endpoint("http://127.0.0.1:1").unwrap();
        let error = FolderLock::acquire(folder.path()).unwrap_err();
        assert!(
            matches!(&error, Error::InUse { endpoint: Some(at), .. } if at == "http://127.0.0.1:1"),
            "{error}"
        );
        drop(first);
        FolderLock::acquire(folder.path()).unwrap();
    }
}
