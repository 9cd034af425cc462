//! Why a build failed.

use std::io;
use std::path::PathBuf;

use amiforge_rootfs::assemble::AssembleError;
use amiforge_rootfs::steps::StepError;

use super::{HostFileError, SplitError};
use crate::bundle::BundleError;
use crate::disk::DiskError;

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The sources do not make a tree.
    #[error("assembling the sources")]
    Sources(#[from] AssembleError),
    /// A step could not be done.
    #[error("making the tree a system")]
    Step(#[from] StepError),
    /// A file that the recipe names beside its sources.
    #[error("reading `{name}`")]
    HostFile {
        /// As the recipe names it.
        name: String,
        /// Why.
        #[source]
        source: HostFileError,
    },
    /// The tree does not go on the partitions.
    #[error("dividing the tree among the partitions")]
    Split(#[from] SplitError),
    /// The partitions do not go on the disk.
    #[error("laying out the disk")]
    Disk(#[from] DiskError),
    /// The folder for the bundle, or the one for unpacked inputs, cannot be made.
    #[error("making the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bundle cannot be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}
