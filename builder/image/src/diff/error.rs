//! Why two images could not be compared.

use std::io;
use std::path::PathBuf;

use amiforge_formats::tree::Printable;

use crate::inspect::{InspectError, Medium};
use crate::manifest::ManifestError;

/// Why two images could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// An image could not be opened or looked into.
    #[error("looking into `{}`", path.display())]
    Inspect {
        /// The image.
        path: PathBuf,
        /// Why.
        #[source]
        source: InspectError,
    },
    /// An image could not be read.
    #[error("reading `{}`", path.display())]
    Medium {
        /// The image.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A partition could not be read.
    #[error("reading a partition")]
    Partition(#[source] io::Error),
    /// The content of a file could not be read.
    #[error("comparing the content of `/{}`", Printable(path))]
    Content {
        /// The file.
        path: Vec<u8>,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A file system turned out to be damaged below its tree.
    #[error("reading a file system")]
    Ext4(#[from] amiforge_formats::ext4::read::Ext4ReadError),
    /// The same of an EROFS file system.
    #[error("reading a file system")]
    Erofs(#[source] amiforge_formats::erofs::read::ErofsReadError),
    /// A manifest could not be read.
    #[error("reading `{}`", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The caller requested to stop.
    #[error("stopped before the comparison was done")]
    Interrupted,
}

impl DiffError {
    pub(crate) fn medium(medium: &Medium, source: io::Error) -> Self {
        Self::Medium { path: medium.path().to_owned(), source }
    }
}
