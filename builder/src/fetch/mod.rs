//! Fetches files over the network into the store, checked by digest. Behind the feature `fetch`; only `lock` and
//! `fetch` use it, a build never does.

mod git;
mod http;
mod objects;
mod requests;

use std::io;

use amiforge_packages::host::HostSettings;
use amiforge_progress::Monitor;
use amiforge_store::{Store, StoreError};

pub use http::{HttpClient, TransferError};
pub(crate) use objects::fetch_unpinned;
pub use objects::{FetchOutcome, fetch};
pub use requests::{FileLocation, FileRequest};

/// What a fetch works with.
#[derive(Clone, Copy)]
pub struct Fetcher<'a> {
    /// The store for the fetched files.
    pub store: &'a Store,
    /// The connections.
    pub client: &'a HttpClient,
    /// The settings of this machine, which may name mirrors of archives.
    pub host: &'a HostSettings,
    /// Files fetched in parallel.
    pub jobs: usize,
    /// The time in seconds since 1970, for the expiry of archives and keys.
    pub now: i64,
    /// Receives the progress, and cancels the work.
    pub monitor: Monitor<'a>,
}

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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user interrupted the fetch.
    #[error("interrupted; what was fetched is kept, and the same command resumes")]
    Interrupted,
}
