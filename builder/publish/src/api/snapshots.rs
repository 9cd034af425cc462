//! What EC2 tells of snapshots, and their end: the part of EC2 without which no block can be sent safely.

use std::collections::BTreeMap;
use std::future::Future;

use crate::service_error::ServiceError;

/// The calls of EC2 that concern snapshots. Its answers lag behind: a snapshot that was begun a moment ago may not
/// be known yet.
pub trait SnapshotCalls: Send + Sync + 'static {
    /// The snapshot of this id; [`super::super::service_error::ServiceErrorKind::NotFound`] when there is none.
    fn describe_snapshot(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<DescribedSnapshot, ServiceError>> + Send;

    /// The account's own snapshots that have all these tags, in no order.
    fn describe_tagged_snapshots(
        &self,
        tags: &[(&str, &str)],
    ) -> impl Future<Output = Result<Vec<DescribedSnapshot>, ServiceError>> + Send;

    /// Deletes a snapshot.
    fn delete_snapshot(&self, id: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Whether the account encrypts every new volume and snapshot of the region.
    fn encryption_by_default(&self) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// The snapshot of the root volume of an image; `NotFound` when there is no such image.
    fn root_snapshot(&self, image: &str) -> impl Future<Output = Result<String, ServiceError>> + Send;
}

/// A snapshot as EC2 tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedSnapshot {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: SnapshotState,
    /// Why it stands there, where the service says.
    pub state_message: Option<String>,
    /// How far it is, such as `99%`.
    pub progress: Option<String>,
    /// Length of the volume in GiB.
    pub volume_gib: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The account that it belongs to.
    pub owner: Option<String>,
    /// When it was begun, in seconds since 1970.
    pub started: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Where it is stored.
    pub tier: Tier,
}

/// Where a snapshot is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tier {
    /// Ready for use.
    #[default]
    Standard,
    /// In the archive: it has to be restored before anything is made of it.
    Archive,
}

/// Where a snapshot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotState {
    /// Blocks are awaited, or what was sent is being put together.
    Pending,
    /// Sealed; volumes can be made from it.
    Completed,
    /// The service has given it up; [`DescribedSnapshot::state_message`] says why.
    Error,
    /// Something that only snapshots of other origins are.
    Other(String),
}
