//! Why a bundle could not be written, and what its name may be taken by.

use std::io;
use std::path::PathBuf;

use crate::image::EmitError;

/// What to do when the bundle's name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingBundle {
    /// Fail with [`BundleError::Exists`].
    Refuse,
    /// Exchange the new bundle with the old one by one rename, if the old one is a bundle.
    Replace,
}

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The name is taken.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// What has the name is not a bundle, so it is not replaced.
    #[error("`{}` holds `{found}`, which is no file of a bundle", path.display())]
    NotABundle {
        /// The directory.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The name is a link where none can be followed.
    #[error("`{}` is a link that leads to no directory; remove it, or give the directory itself", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// What has the name of the directory that a bundle is written in was not made by a build.
    #[error("`{}` is in the way: builds make a directory of that name; remove it", path.display())]
    InTheWay {
        /// The name.
        path: PathBuf,
    },
    /// Another build writes the same bundle.
    #[error("another build is writing `{}`", path.display())]
    Busy {
        /// The directory that it writes in.
        path: PathBuf,
    },
    /// The name cannot be that of a directory.
    #[error("`{}` does not end in a name", path.display())]
    Unnamed {
        /// The path.
        path: PathBuf,
    },
    /// The image could not be written.
    #[error("writing the image")]
    Image(#[source] EmitError),
    /// A file or directory could not be written.
    #[error("writing `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
