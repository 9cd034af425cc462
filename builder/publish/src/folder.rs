//! The folder beside a bundle that holds what publishing it to a region has done so far.
//!
//! It stands beside the bundle and not in it, so that the bundle stays what its sums say, and it names nothing of this
//! machine: moved together with the bundle, both are continued elsewhere. Whoever works in it holds its lock (flock,
//! which ends with its owner, however it ends).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The file whose lock is held.
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
    /// Another process works in it.
    #[error("another process is working on `{}`", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Something in it cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path names nothing that something could stand beside.
    #[error("`{}` does not end in a name", path.display())]
    Unnamed {
        /// The path.
        path: PathBuf,
    },
}

impl LockedFolder {
    /// Where the folder of an image (a bundle or a raw file) and a region is.
    ///
    /// # Errors
    /// [`FolderError::File`] when the image is not there, [`FolderError::Unnamed`].
    pub fn path_for(image: &Path, region: &str) -> Result<PathBuf, FolderError> {
        let real = image.canonicalize().map_err(|source| failed(image, source))?;
        let name = real.file_name().ok_or_else(|| FolderError::Unnamed { path: image.to_owned() })?;
        let mut folder = OsString::from(name);
        folder.push(".publish");
        // A region's name comes from the user and must stay one name.
        let region: String =
            region.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        Ok(real.with_file_name(folder).join(region))
    }

    /// Makes the folder if need be and locks it.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the names in the folder are on the disk.
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
    /// Closing the file would give the lock back too, but not while a child that was forked meanwhile, and has not yet
    /// become another program, still has it open.
    fn drop(&mut self) {
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_stands_beside_the_image_and_is_used_by_one_at_a_time() {
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
