//! Why packages cannot be locked or made a tree: the errors that every kind has. The sentences of a kind are in their
//! sources.

use std::error::Error;

use amiforge_rootfs::glob::NotAGlob;
use amiforge_rootfs::steps::StepError;
use amiforge_store::StoreError;

/// An error of a kind of package, whose sentences are its own.
pub type KindError = Box<dyn Error + Send + Sync>;

/// Why packages could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockFailure {
    /// A part of an archive cannot be used.
    #[error("reading {what}")]
    Archive {
        /// Name of the archive.
        archive: String,
        /// Description of the archive, or of the part of it.
        what: String,
        /// Why.
        #[source]
        source: Box<RepositoryError>,
    },
    /// No set of packages meets the request.
    #[error("choosing the packages of {what}")]
    Resolve {
        /// Label of the set.
        what: String,
        /// Why.
        #[source]
        source: KindError,
    },
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// Nothing names its address.
    #[error("{0}")]
    Address(String),
    /// A file of it does not exist.
    #[error(transparent)]
    Missing(KindError),
    /// A file of it cannot be fetched.
    #[error(transparent)]
    Fetch(KindError),
    /// The metadata of it is not good.
    #[error(transparent)]
    Metadata(KindError),
    /// The store has an error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why packages could not be made a tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A filter does not parse.
    #[error("reading the filters of the packages")]
    Filters(#[source] NotAGlob),
    /// The packages do not make a tree.
    #[error("unpacking the packages")]
    Unpack(#[source] KindError),
    /// Their database could not be written.
    #[error("entering the packages into the database of {program}")]
    Database {
        /// The program that the database belongs to.
        program: &'static str,
        /// Why.
        #[source]
        source: KindError,
    },
    /// They could not be configured without their scripts.
    #[error("configuring the packages")]
    Configure(#[source] KindError),
    /// The sources of upgrades could not be written.
    #[error("making the tree a system")]
    Step(#[from] StepError),
    /// The sources of upgrades could not be written.
    #[error("writing where machines get upgrades from")]
    UpgradeSources(#[source] KindError),
    /// A file of the host cannot be used.
    #[error(transparent)]
    HostFile(KindError),
    /// Interrupted.
    #[error("interrupted")]
    Interrupted,
}
