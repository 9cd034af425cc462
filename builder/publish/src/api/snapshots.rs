//! The calls of EC2 that every upload needs: descriptions of snapshots, and their deletion.

use std::collections::BTreeMap;
use std::future::Future;

use crate::service_error::ServiceError;

/// The calls of EC2 for snapshots. Its responses are eventually consistent: a snapshot that was just started may not be
/// known yet.
pub trait SnapshotCalls: Send + Sync + 'static {
    /// The snapshot with this id; [`ServiceErrorKind::NotFound`](crate::service_error::ServiceErrorKind::NotFound) if
    /// it does not exist.
    fn describe_snapshot(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<DescribedSnapshot, ServiceError>> + Send;

    /// The account's own snapshots that have all these tags, in any order.
    fn describe_tagged_snapshots(
        &self,
        tags: &[(&str, &str)],
    ) -> impl Future<Output = Result<Vec<DescribedSnapshot>, ServiceError>> + Send;

    /// Deletes a snapshot.
    fn delete_snapshot(&self, id: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Whether the account encrypts every new volume and snapshot of the region.
    fn encryption_by_default(&self) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// The snapshot of the root volume of an image; `NotFound` if the image does not exist.
    fn root_snapshot(&self, image: &str) -> impl Future<Output = Result<String, ServiceError>> + Send;
}

/// A snapshot as `DescribeSnapshots` reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedSnapshot {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: SnapshotState,
    /// The reason for that state, if the service gives one.
    pub state_message: Option<String>,
    /// Progress, such as `99%`.
    pub progress: Option<String>,
    /// Length of the volume in GiB.
    pub volume_gib: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The ARN of the key that it is encrypted with.
    pub kms_key: Option<String>,
    /// The account that owns it.
    pub owner: Option<String>,
    /// When it was started, in seconds since 1970.
    pub started: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its storage tier.
    pub tier: Tier,
}

/// Storage tier of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tier {
    /// Ready for use.
    #[default]
    Standard,
    /// Archived: it must be restored before use.
    Archive,
}

/// State of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotState {
    /// It accepts blocks, or the service is still completing it.
    Pending,
    /// Sealed; volumes can be made from it.
    Completed,
    /// The service has failed it; [`DescribedSnapshot::state_message`] gives the reason.
    Error,
    /// A state that only snapshots of another origin have.
    Other(String),
}
