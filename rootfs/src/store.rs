//! The store: a content-addressed folder of unpacked inputs, shared by builds.

use std::io;
use std::path::{Path, PathBuf};

/// A folder of spooled inputs.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder cannot be made or written.
    #[error("opening the store `{}`", folder.display())]
    Open {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Store {
    /// A store at `folder`, created when first written to.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
