//! Fetches files over the network into the store, checked by digest. Behind the feature `fetch`; only `lock` and
//! `fetch` use it, a build never does.

mod error;
mod git;
mod http;
mod measure;
mod objects;
mod probe;
mod requests;
mod snapshots;

use amiforge_packages::host::HostSettings;
use amiforge_progress::Monitor;
use amiforge_store::Store;

pub use error::FetchError;
pub use git::RemoteRef;
pub use http::{HttpClient, TransferError};
pub(crate) use measure::measure;
pub(crate) use objects::fetch_unpinned;
pub use objects::{FetchOutcome, fetch};
pub(crate) use probe::{len, refs};
pub use requests::{FileLocation, FileRequest};
pub use snapshots::{FoundDisk, NamedSnapshot, SnapshotFiles, SnapshotPlace, WantedDisk};
pub(crate) use snapshots::{clean_up, fetch_snapshot, identify};

/// What a fetch works with.
#[derive(Clone, Copy)]
pub struct Fetcher<'a> {
    /// The store for the fetched files.
    pub store: &'a Store,
    /// The connections.
    pub client: &'a HttpClient,
    /// The settings of this machine, which may name mirrors of archives.
    pub host: &'a HostSettings,
    /// Reads snapshots, where there is a client of the service.
    pub snapshots: Option<&'a dyn SnapshotFiles>,
    /// Files fetched in parallel.
    pub jobs: usize,
    /// The time in seconds since 1970, for the expiry of archives and keys.
    pub now: i64,
    /// Receives the progress, and cancels the work.
    pub monitor: Monitor<'a>,
}
