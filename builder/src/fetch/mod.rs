//! The network: files by address, digest-checked into the store. Behind the feature `fetch`; only `lock` and `fetch`
//! come here, a build never does.

mod git;
mod http;
mod mirrors;
mod objects;
mod requests;

use std::io;

use amiforge_progress::{Interrupt, Progress};
use amiforge_store::{Store, StoreError};

pub use http::{HttpClient, TransferError};
pub use mirrors::{Mirrors, variable_of};
pub(crate) use objects::fetch_unpinned;
pub use objects::{FetchOutcome, fetch};
pub use requests::{FileLocation, FileRequest};

/// What making a lock and fetching work with.
#[derive(Clone, Copy)]
pub struct Fetcher<'a> {
    /// Where what is fetched goes.
    pub store: &'a Store,
    /// The connections.
    pub wire: &'a HttpClient,
    /// Where archives are.
    pub mirrors: &'a Mirrors,
    /// Files fetched at a time.
    pub jobs: usize,
    /// The time in seconds since 1970, which tells whether archives and keys have expired.
    pub now: i64,
    /// Hears of progress.
    pub progress: &'a dyn Progress,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
}

/// Why something was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A file could not be had.
    #[error("fetching `{url}`")]
    Url {
        /// Its address, without credentials.
        url: String,
        /// Why.
        #[source]
        source: TransferError,
    },
    /// A file is another than the lock says.
    #[error("`{url}` is not what the lock pins ({label}): {found} instead of {expected}")]
    Other {
        /// Its address, without credentials.
        url: String,
        /// What it should be.
        label: String,
        /// What came.
        found: String,
        /// What should have.
        expected: String,
    },
    /// A file beside the recipe cannot be read.
    #[error("reading `{name}`")]
    Local {
        /// As the recipe names it.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody says where an archive is.
    #[error("{0}")]
    Mirror(String),
    /// The commit of a git repository could not be exported.
    #[error("exporting commit {commit} of `{url}`")]
    Git {
        /// Its address, without credentials.
        url: String,
        /// The commit.
        commit: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody asked to stop.
    #[error("interrupted; what is there so far is kept, and the same command goes on from it")]
    Interrupted,
}

/// An address without the credentials that it may have.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_owned(),
    }
}
