//! Why the files of an update cannot be used.

use std::io;
use std::path::PathBuf;

use amiforge_image::bundle::BundleError;
use amiforge_publish::ami::AmiError;
use amiforge_publish::folder::FolderError;

/// Why the files of an update cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StagedError {
    /// The old bundle cannot be replaced.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The folder is used by another process, or cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The decision was written by another version of this program, or by none.
    #[error("`{}` is no file of this version of amiforge", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The ledger of a publish cannot be read.
    #[error("reading the ledger of a publish")]
    Ledger(#[source] AmiError),
    /// The old bundle has a publish that made something and did not finish: its ledger must not be replaced.
    #[error("the publish of `{}` to {region} has not finished; it made {created}", out.display())]
    OldPublish {
        /// The old bundle.
        out: PathBuf,
        /// The region.
        region: String,
        /// What it made.
        created: String,
    },
}
