//! The errors of a fetch.

use std::io;

use amiforge_store::StoreError;

use super::http::TransferError;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A file could not be transferred.
    #[error("fetching `{url}`")]
    Url {
        /// Its URL, without credentials.
        url: String,
        /// Why.
        #[source]
        source: TransferError,
    },
    /// A file has another digest or length than the lock.
    #[error("`{url}` is not what the lock pins ({label}): {found} instead of {expected}")]
    Other {
        /// Its URL, without credentials.
        url: String,
        /// Its name.
        label: String,
        /// The digest or length of the fetched file.
        found: String,
        /// The expected one.
        expected: String,
    },
    /// A file beside the recipe cannot be read.
    #[error("reading `{name}`")]
    Local {
        /// Its name in the recipe.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No mirror is configured.
    #[error("{0}")]
    Mirror(String),
    /// The commit of a git repository could not be exported.
    #[error("exporting commit {commit} of `{url}`")]
    Git {
        /// Its URL, without credentials.
        url: String,
        /// The commit.
        commit: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk of a snapshot could not be read.
    #[error("reading {id}")]
    Snapshot {
        /// The snapshot, or the AMI.
        id: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no client of the service.
    #[error(
        "{id} is in a region, and this command or this build of the program has no client of its service"
    )]
    NoSnapshots {
        /// The snapshot, or the AMI.
        id: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user interrupted the fetch.
    #[error("interrupted; what was fetched is kept, and the same command resumes")]
    Interrupted,
}
