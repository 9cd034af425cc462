//! The folder beside a bundle with the state of its publish to a region.
//!
//! It is beside the bundle and not in it, so that the checksums of the bundle stay valid. It does not depend on this
//! machine: moved together with the bundle, the publish continues elsewhere. A process that uses the folder holds its
//! lock (flock(2), released when the process ends).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The lock file.
const LOCK: &str = "lock";

/// A locked folder.
#[derive(Debug)]
pub struct LockedFolder {
    path: PathBuf,
    lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Another process holds the lock.
    #[error("another process is working on `{}`", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file in it cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The path has no file name.
    #[error("`{}` does not end in a name", path.display())]
    Unnamed {
        /// The path.
        path: PathBuf,
    },
}

impl LockedFolder {
    /// The path of the folder for an image (a bundle or a raw file) and a region.
    ///
    /// # Errors
    /// [`FolderError::File`] when the image does not exist, [`FolderError::Unnamed`].
    pub fn path_for(image: &Path, region: &str) -> Result<PathBuf, FolderError> {
        let real = image.canonicalize().map_err(|source| failed(image, source))?;
        let name = real.file_name().ok_or_else(|| FolderError::Unnamed { path: image.to_owned() })?;
        let mut folder = OsString::from(name);
        folder.push(".publish");
        // The region is user input and must stay one path component.
        let region: String =
            region.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        Ok(real.with_file_name(folder).join(region))
    }

    /// Creates the folder if necessary, and locks it.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        fs::create_dir_all(path).map_err(|source| failed(path, source))?;
        let name = path.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
        let lock = lock.map_err(|source| failed(&name, source))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(FolderError::Busy { path: path.to_owned() }),
            Err(errno) => Err(failed(&name, errno.into())),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the directory entries to disk.
    ///
    /// # Errors
    /// [`FolderError::File`].
    pub fn sync(&self) -> Result<(), FolderError> {
        File::open(&self.path)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| failed(&self.path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> FolderError {
    FolderError::File { path: path.to_owned(), source }
}

impl Drop for LockedFolder {
    /// Closing the file releases the lock only after every forked child that has not yet called execve(2) has closed it
    /// too.
    fn drop(&mut self) {
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_beside_the_image_and_locked() {
        let parent = tempfile::tempdir().unwrap();
        let bundle = parent.path().join("web");
        fs::create_dir(&bundle).unwrap();
        let path = LockedFolder::path_for(&bundle.join("."), "eu-west-1").unwrap();
        assert!(path.ends_with("web.publish/eu-west-1"), "{}", path.display());
        assert!(LockedFolder::path_for(&bundle, "../x").unwrap().ends_with("web.publish/___x"));
        let first = LockedFolder::open(&path).unwrap();
        assert!(matches!(LockedFolder::open(&path), Err(FolderError::Busy { .. })));
        drop(first);
        LockedFolder::open(&path).unwrap();
    }
}
