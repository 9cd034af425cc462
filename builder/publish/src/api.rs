//! The service as publishing needs it, in plain types: the six calls of the EBS direct APIs, and the calls of EC2 for
//! snapshots and images.
//!
//! One method is one request: nothing here retries, waits or checks. An implementation returns the response of the
//! service; [`super::retry`] decides about retries. Must not name an AWS crate.

mod copies;
mod ebs;
pub mod ec2;
pub mod imports;
mod keys;
mod snapshots;

pub use copies::{NewSnapshotCopy, SnapshotCopies};
pub use ebs::{
    ChangedBlock, ChangedPage, Ebs, Encryption, FetchedBlock, ListedBlock, ListedPage, PutBlock,
    StartSnapshot, StartedSnapshot,
};
pub use keys::{KeyRegions, Keys, KmsKey};
pub use snapshots::{DescribedSnapshot, SnapshotCalls, SnapshotState, Tier};
