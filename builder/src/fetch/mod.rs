//! The network: files by address, digest-checked into the store. Behind the feature `fetch`; only `lock` and `fetch`
//! come here, a build never does.

mod git;
mod objects;
mod wants;
mod wire;

use std::io;

use amiforge_store::StoreError;

pub(crate) use objects::copy;
pub use objects::{FetchOutcome, fetch};
pub use wants::{FileLocation, Want, archive_of, wants};
pub use wire::{Wire, WireError};

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
        source: WireError,
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
