//! The errors of locks.

use std::io;
use std::path::PathBuf;

use amiforge_packages::backend::LockFailure;

/// Why a lock cannot be used or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The file cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("writing `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a lock.
    #[error("`{}` is not a lock: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// There is no lock.
    #[error("there is no `{}`, which pins the packages and sources of the recipe", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The lock is of another recipe, or of an earlier version of it.
    #[error("`{}` was made before the packages or sources of the recipe were changed", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
    },
    /// An archive cannot be used, or no set of packages meets the recipe.
    #[error(transparent)]
    Packages(#[from] LockFailure),
    /// A source of a stage cannot be pinned.
    #[error("pinning `{label}` of the stage `{stage}`")]
    Source {
        /// The stage.
        stage: String,
        /// The source.
        label: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The image that packages are installed over cannot be read.
    #[error("reading the packages of {label}")]
    Base {
        /// The source.
        label: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk of a snapshot cannot be pinned.
    #[error("pinning {label}")]
    Snapshot {
        /// The source.
        label: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A package that should be updated is not in the lock.
    #[error("`{name}` is not in the lock, so that it cannot be updated")]
    UnknownPackage {
        /// Its name.
        name: String,
    },
}
