//! Errors of reading a snapshot of another account.

use std::io;
use std::path::PathBuf;

use crate::error::PublishError;

/// Why the disk of a snapshot was not read, or its copy not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceCopyError {
    /// The EBS direct APIs do not read the snapshot, and there is no consent to a copy.
    #[error(
        "{snapshot} of the account {owner} is public, and the EBS direct APIs do not read public snapshots: a copy of it in this \
         account is needed while it is read ({gib} GiB at most, about 0.05 US dollars per GB and month, us-east-1, 2026-11)"
    )]
    NeedsCopy {
        /// The snapshot.
        snapshot: String,
        /// Its owner.
        owner: String,
        /// Length of its volume in GiB.
        gib: u64,
    },
    /// The AMI is shared, and its snapshot is not.
    #[error(
        "{image} is of the account {owner}, which does not share its snapshot {snapshot}{because}: it can be started and neither \
         read nor copied"
    )]
    NotShared {
        /// The AMI.
        image: String,
        /// Its owner.
        owner: String,
        /// The snapshot of its root volume.
        snapshot: String,
        /// What is known of the reason, after a comma, or nothing.
        because: String,
    },
    /// There is no AMI that is asked for.
    #[error("{0}")]
    NoImage(String),
    /// A copy failed, as often as it was tried.
    #[error("the copies of {snapshot} failed: {reason}")]
    Failed {
        /// The snapshot.
        snapshot: String,
        /// The reason of the last failure.
        reason: String,
    },
    /// A copy is not completed after a long time.
    #[error("{copy} is pending for {hours} hours; the same command waits on")]
    StillPending {
        /// The copy.
        copy: String,
        /// How long it was waited for.
        hours: u64,
    },
    /// Another process copies the snapshot.
    #[error("another process is reading the same snapshot, by `{}`", path.display())]
    Busy {
        /// The ledger.
        path: PathBuf,
    },
    /// The ledger cannot be used.
    #[error("using the ledger `{}`", path.display())]
    Ledger {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A call or a download failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
}
