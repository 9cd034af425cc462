//! The store of a build: the user's, or a temporary one beside the bundle.

use std::fs;
use std::path::Path;

use amiforge_store::Store;
use tempfile::TempDir;

use super::BuildError;
use super::created_dirs::folder_of;

/// A store, and the folder that goes with the build if it is not one that stays.
#[derive(Debug)]
pub(super) struct WorkStore {
    store: Store,
    _folder: Option<TempDir>,
}

impl WorkStore {
    /// Opens the store at `wanted` if it can be written to, else a temporary one beside `out`.
    pub(super) fn open(wanted: Option<&Path>, out: &Path) -> Result<Self, BuildError> {
        if let Some(folder) = wanted.filter(|folder| can_be_written(folder)) {
            return Ok(Self { store: Store::at(folder), _folder: None });
        }
        let beside = folder_of(out);
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let folder = tempfile::Builder::new()
            .prefix(&format!(".{name}.store."))
            .tempdir_in(beside)
            .map_err(|source| BuildError::Folder { path: beside.to_owned(), source })?;
        Ok(Self { store: Store::at(folder.path()), _folder: Some(folder) })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }
}

/// Whether the folder is there or can be made, and takes files.
fn can_be_written(folder: &Path) -> bool {
    fs::create_dir_all(folder).is_ok() && tempfile::tempfile_in(folder).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_store_that_can_be_used_there_is_one_beside_the_bundle_until_the_end() {
        let base = tempfile::tempdir().unwrap();
        let out = base.path().join("out");
        let blocked = base.path().join("file");
        fs::write(&blocked, "").unwrap();
        for wanted in [None, Some(blocked.join("store"))] {
            let spool = WorkStore::open(wanted.as_deref(), &out).unwrap();
            assert_eq!(spool.store().folder().parent(), Some(base.path()));
            drop(spool);
            assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
        }
        let store = base.path().join("cache/amiforge");
        let spool = WorkStore::open(Some(&store), &out).unwrap();
        assert_eq!(spool.store().folder(), store);
        drop(spool);
        assert!(store.exists());
    }
}
