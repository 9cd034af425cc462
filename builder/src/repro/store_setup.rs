//! The store of each build of a recipe with a lock: it has the files of the lock and no layer of another build.

use std::fs;
use std::path::{Path, PathBuf};

use amiforge_store::Store;

use super::ReproError;
use crate::lock::Lock;

/// A lock, and the store that has its files.
#[derive(Debug)]
pub struct StoreSetup {
    /// The store.
    pub store: Store,
    /// The lock.
    pub lock: Lock,
}

impl StoreSetup {
    /// Makes the store of a build, with hard links where possible.
    ///
    /// # Errors
    /// [`ReproError::NotFetched`], [`ReproError::Scratch`], [`ReproError::Store`].
    pub(super) fn create(&self, folder: PathBuf) -> Result<PathBuf, ReproError> {
        let (from, to) = (self.store.objects(), Store::at(&folder).objects());
        for file in self.lock.files() {
            let object = from.find(file.sha256, file.size).map_err(ReproError::Store)?;
            let object = object.ok_or_else(|| ReproError::NotFetched { label: file.label.clone() })?;
            let path = to.path(file.sha256);
            if link(&object.path, &path).is_ok() {
                continue;
            }
            // Hard links do not cross file systems, so the file is copied.
            let failed = |source| ReproError::Scratch { path: path.clone(), source };
            let mut source = fs::File::open(&object.path).map_err(failed)?;
            to.put(file.sha256, file.size, &mut source).map_err(ReproError::Store)?;
        }
        Ok(folder)
    }
}

fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::hard_link(from, to)
}
