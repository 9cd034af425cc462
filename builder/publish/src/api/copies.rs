//! The call of EC2 that copies a snapshot.

use std::future::Future;

use super::SnapshotCalls;
use super::ec2::Tags;
use crate::service_error::ServiceError;

/// EC2 in one region, for copies of snapshots that others own.
pub trait SnapshotCopies: SnapshotCalls {
    /// `CopySnapshot` within the region: begins a copy that the account owns, and returns its id. The call takes no client
    /// token, so its caller has to find out after a lost answer whether it took effect.
    fn copy_snapshot(
        &self,
        copy: &NewSnapshotCopy,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;
}

/// Parameters of `CopySnapshot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSnapshotCopy {
    /// The snapshot to copy.
    pub snapshot: String,
    /// Its region.
    pub region: String,
    /// Description of the copy, at most 255 characters.
    pub description: String,
    /// Tags of the copy, which it has from its beginning.
    pub tags: Tags,
}
