//! The lock of a folder: one server for one folder. The system releases the lock however the process ends.
//! The lock file contains the endpoint.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::Error;

/// The time within which a server has to write its endpoint.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(3);
/// The interval between two attempts to lock.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// An acquired lock, released when dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    file: File,
    path: PathBuf,
}

impl FolderLock {
    /// Locks the folder; creates it if it does not exist.
    ///
    /// # Errors
    /// [`Error::InUse`] with the other server's endpoint if another process holds the lock.
    pub(crate) fn acquire(folder: &Path) -> Result<Self, Error> {
        Self::acquire_within(folder, ENDPOINT_TIMEOUT)
    }

    /// A holder without an endpoint is starting or stopping: repeats the attempt until it has an endpoint or
    /// has released the lock.
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

    /// Writes the endpoint of the server to the lock file.
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
        // The lock is released with the file; an endpoint without a server must not be read either.
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
