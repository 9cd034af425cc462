//! What publishing needs of the service, in plain types: the six calls of EBS direct, and what EC2 tells of
//! snapshots.
//!
//! One call is one request: nothing here repeats, waits or checks. Whoever implements a trait gives back what the
//! service said; [`super::retry`] decides whether to ask again. Knows no AWS crate.

mod ebs;
pub mod ec2;
mod keys;
mod snapshots;

pub use ebs::{
    ChangedBlock, ChangedPage, Ebs, Encryption, FetchedBlock, ListedBlock, ListedPage, PutBlock,
    StartSnapshot, StartedSnapshot,
};
pub use keys::{KeyRegions, Keys, KmsKey};
pub use snapshots::{DescribedSnapshot, SnapshotCalls, SnapshotState, Tier};
