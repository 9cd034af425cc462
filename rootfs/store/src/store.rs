//! The folder of a store: finding, opening and creating entries, and removing the parts that killed builds left.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Once;

use amiforge_formats::digest::Digest;
use tempfile::{NamedTempFile, TempDir};

use crate::entry::{EntryWriter, OpenEntry};
use crate::error::StoreError;

/// Prefix of an entry that is being written.
pub(crate) const PART: &str = ".part-";

/// A folder of decompressed inputs, layers and objects.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// A folder that is removed with this value.
    scratch: Option<TempDir>,
    /// Stale parts are removed once.
    swept: Once,
}

impl Store {
    /// A store at `folder`, created when first written to.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), scratch: None, swept: Once::new() }
    }

    /// A store that is removed with this value, made in `beside`: for a build that keeps nothing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn scratch(beside: &Path) -> Result<Self, StoreError> {
        let made = tempfile::Builder::new().prefix(".amiforge-").tempdir_in(beside);
        let made = made.map_err(|source| StoreError::Write { folder: beside.to_owned(), source })?;
        Ok(Self { folder: made.path().to_owned(), scratch: Some(made), swept: Once::new() })
    }

    /// Path of its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether an input of this compressed length may be in the store; if not, its digest need not be known.
    pub fn may_contain(&self, compressed: u64) -> bool {
        let end = format!("-{compressed}");
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return false };
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(&end))
    }

    /// The decompressed form of an input, given the digest and the length of its compressed form.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its trailer is wrong.
    pub fn find(&self, digest: Digest, compressed: u64) -> Result<Option<OpenEntry>, StoreError> {
        self.open(&format!("{digest}-{compressed}"))
    }

    /// An entry by its name in the folder.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its trailer is wrong.
    pub fn open(&self, name: &str) -> Result<Option<OpenEntry>, StoreError> {
        OpenEntry::open(self.folder.join(name))
    }

    /// The digest of the content of the entry at a path; none if that is no entry of this store.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its trailer is wrong.
    pub fn entry_digest(&self, path: &Path) -> Result<Option<Digest>, StoreError> {
        let entry = self.entry_name(path).map(|name| self.open(name)).transpose()?.flatten();
        Ok(entry.map(|entry| entry.digest))
    }

    /// The name that an entry at a path would have; none if the path is not directly in the folder of this store.
    pub fn entry_name<'p>(&self, path: &'p Path) -> Option<&'p str> {
        (path.parent() == Some(&self.folder)).then(|| path.file_name()?.to_str())?
    }

    /// Creates an entry.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn create_entry(&self) -> Result<EntryWriter, StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder.clone(), source };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        self.swept.call_once(|| self.remove_stale_parts());
        let part = self.create_part().map_err(failed)?;
        Ok(EntryWriter::new(part, &self.folder, self.scratch.is_none()))
    }

    /// A new part, locked for as long as the file is open, which distinguishes it from one that a dead build left.
    fn create_part(&self) -> io::Result<NamedTempFile> {
        loop {
            let part = tempfile::Builder::new().prefix(PART).tempfile_in(&self.folder)?;
            rustix::fs::flock(part.as_file(), rustix::fs::FlockOperation::LockExclusive)?;
            // Between creating and locking it, another build may have taken it for a stale one and removed it.
            if part.as_file().metadata()?.nlink() > 0 {
                return Ok(part);
            }
        }
    }

    /// Path of its folder, if what is in it is kept.
    pub(crate) fn kept_folder(&self) -> Option<&Path> {
        self.scratch.is_none().then_some(self.folder.as_path())
    }

    /// Makes the names of entries that were renamed so far survive a power cut.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn sync(&self) -> Result<(), StoreError> {
        if self.scratch.is_some() {
            return Ok(());
        }
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| StoreError::Write { folder: self.folder.clone(), source })
    }

    /// Removes the parts that killed builds left: those that no process has locked.
    fn remove_stale_parts(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if !entry.file_name().to_string_lossy().starts_with(PART) {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else { continue };
            let free = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok();
            if free {
                // Nothing depends on it; a failure only leaves the file for the next build.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The paths in a folder, sorted; none where there is no folder.
pub(crate) fn list_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = listed.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests;
