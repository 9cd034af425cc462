//! The errors of locks.

use std::io;
use std::path::PathBuf;

use amiforge_rootfs::packages::index::IndexError;
use amiforge_rootfs::packages::release::ReleaseError;
use amiforge_rootfs::packages::resolve::ResolveError;
use amiforge_rootfs::packages::signature::SignatureError;
use amiforge_store::StoreError;

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
    /// A suite of an archive cannot be read.
    #[error("reading the suite `{suite}` of the archive `{archive}`")]
    Archive {
        /// The archive.
        archive: String,
        /// The suite.
        suite: String,
        /// Why.
        #[source]
        source: Box<SuiteError>,
    },
    /// No set of packages satisfies the recipe.
    #[error("choosing the packages of {what}")]
    Resolve {
        /// The image, or a stage.
        what: String,
        /// Why.
        #[source]
        source: Box<ResolveError>,
    },
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
    /// A package that should be updated is not in the lock.
    #[error("`{name}` is not in the lock, so that it cannot be updated")]
    UnknownPackage {
        /// Its name.
        name: String,
    },
}

/// Why a suite cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// No mirror is configured.
    #[error("{0}")]
    Mirror(String),
    /// A file of the suite cannot be fetched.
    #[error(transparent)]
    Fetch(Box<dyn std::error::Error + Send + Sync>),
    /// There are no keys to verify the signature with.
    #[error("{0}")]
    Keys(String),
    /// A file of keys cannot be read.
    #[error("reading the keys in `{}`", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The signature is invalid.
    #[error("checking the signature of `{url}`")]
    Signature {
        /// What was fetched.
        url: String,
        /// Why.
        #[source]
        source: Box<SignatureError>,
    },
    /// There is no signature.
    #[error(
        "`{url}` does not exist, and the Release has no detached signature: this archive is unsigned; \
         `trusted = true` in a `[[source.archive]]` takes it all the same"
    )]
    Unsigned {
        /// URL of the expected file.
        url: String,
    },
    /// The Release file is invalid or expired.
    #[error("checking `{url}`")]
    Release {
        /// What was fetched.
        url: String,
        /// Why.
        #[source]
        source: Box<ReleaseError>,
    },
    /// The suite has no such index.
    #[error(
        "there is no index of `{component}` for `{arch}`; the suite has the components {components} for {arches}"
    )]
    NoIndex {
        /// The component.
        component: String,
        /// The architecture.
        arch: String,
        /// The components of the suite.
        components: String,
        /// The architectures of the suite.
        arches: String,
    },
    /// An index cannot be decompressed.
    #[error("unpacking `{path}`")]
    Unpack {
        /// Its path in the suite.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An index cannot be parsed.
    #[error("reading `{path}`")]
    Index {
        /// Its path in the suite.
        path: String,
        /// Why.
        #[source]
        source: IndexError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
