//! What builds of a recipe with a lock begin with: a store of their own each, which holds what the lock pins and no
//! layer that another build made.

use std::fs;
use std::path::{Path, PathBuf};

use amiforge_store::Store;

use super::ReproError;
use crate::lock::Lock;

/// A lock, and the store that holds what it pins.
#[derive(Debug)]
pub struct StoreSetup {
    /// The store.
    pub store: Store,
    /// The lock.
    pub lock: Lock,
}

impl StoreSetup {
    /// Makes a store for a build.
    ///
    /// # Errors
    /// [`ReproError::NotFetched`], [`ReproError::Scratch`], [`ReproError::Store`].
    pub(super) fn create(&self, folder: PathBuf) -> Result<PathBuf, ReproError> {
        let (from, to) = (self.store.objects(), Store::at(&folder).objects());
        for need in self.lock.files() {
            let found = from.find(need.sha256, need.size).map_err(ReproError::Store)?;
            let found = found.ok_or_else(|| ReproError::NotFetched { label: need.label.clone() })?;
            let path = to.path(need.sha256);
            if link(&found.path, &path).is_ok() {
                continue;
            }
            // On another file system there is no other way than to copy.
            let failed = |source| ReproError::Scratch { path: path.clone(), source };
            let mut file = fs::File::open(&found.path).map_err(failed)?;
            to.put(need.sha256, need.size, &mut file).map_err(ReproError::Store)?;
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
