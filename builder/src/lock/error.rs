//! Why there is no lock.

use std::io;
use std::path::PathBuf;

use amiforge_packages::deb::index::IndexError;
use amiforge_packages::deb::release::ReleaseError;
use amiforge_packages::deb::resolve::ResolveError;
use amiforge_packages::signature::SignatureError;
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
    /// Not the text of a lock.
    #[error("`{}` is not a lock: {fault}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// There is none.
    #[error("there is no `{}`, which pins the packages and sources of the recipe", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It is of another recipe.
    #[error("`{}` was made before the packages or sources of the recipe were changed", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
    },
    /// A suite of an archive cannot be used.
    #[error("reading the suite `{suite}` of the archive `{archive}`")]
    Archive {
        /// The archive.
        archive: String,
        /// The suite.
        suite: String,
        /// Why.
        #[source]
        source: Box<ArchiveFault>,
    },
    /// There is no set of packages that is what the recipe wants.
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
    /// A package that shall be updated is not in the lock.
    #[error("`{name}` is not in the lock, so that it cannot be updated")]
    Unknown {
        /// Its name.
        name: String,
    },
}

/// Why a suite cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// Nobody says where it is.
    #[error("{0}")]
    Mirror(String),
    /// Something of it cannot be fetched.
    #[error(transparent)]
    Fetch(Box<dyn std::error::Error + Send + Sync>),
    /// There are no keys to check it with.
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
    /// The signature is not good.
    #[error("checking the signature of `{url}`")]
    Signature {
        /// What was fetched.
        url: String,
        /// Why.
        #[source]
        source: Box<SignatureError>,
    },
    /// Nobody signed it.
    #[error(
        "`{url}` is not there, and neither is a signature beside its Release: nobody signed this archive; \
         `trusted = true` in a `[[source.archive]]` takes it all the same"
    )]
    Unsigned {
        /// What there should be.
        url: String,
    },
    /// The Release is not good.
    #[error("checking `{url}`")]
    Release {
        /// What was fetched.
        url: String,
        /// Why.
        #[source]
        source: Box<ReleaseError>,
    },
    /// There is no index.
    #[error(
        "there is no index of `{component}` for `{arch}`; the suite has the components {components} for {arches}"
    )]
    NoIndex {
        /// The component.
        component: String,
        /// The architecture.
        arch: String,
        /// The components that there are.
        components: String,
        /// The architectures that there are.
        arches: String,
    },
    /// An index cannot be unpacked.
    #[error("unpacking `{path}`")]
    Unpack {
        /// Its path in the suite.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An index cannot be understood.
    #[error("reading `{path}`")]
    Index {
        /// Its path in the suite.
        path: String,
        /// Why.
        #[source]
        source: IndexError,
    },
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}
