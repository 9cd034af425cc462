//! Errors of publishing an AMI.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::compare::FieldDifference;
use crate::error::PublishError;
use crate::folder::FolderError;
use crate::retry::RetryExhausted;

/// Why a publish failed, or is incomplete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AmiError {
    /// A volume could not be uploaded.
    #[error("uploading `{}`", path.display())]
    Upload {
        /// The bundle or raw file.
        path: PathBuf,
        /// The cause.
        source: PublishError,
    },
    /// A bundle of a further volume cannot be used.
    #[error("opening `{}`", path.display())]
    Open {
        /// The bundle or raw file.
        path: PathBuf,
        /// The cause.
        source: PublishError,
    },
    /// A call failed.
    #[error("{action}")]
    Call {
        /// The action that failed, as a gerund.
        action: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// The name belongs to another AMI.
    #[error(
        "the name `{name}` is that of {image} in {region}, which is another AMI: {}",
        differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Differs {
        /// The name.
        name: String,
        /// The AMI that has it.
        image: String,
        /// The region.
        region: String,
        /// The differences between the two.
        differences: Vec<FieldDifference>,
    },
    /// The account blocks public AMIs.
    #[error("the account blocks public AMIs in {region}")]
    PublicBlocked {
        /// The region.
        region: String,
    },
    /// The snapshots would be encrypted in a way that cannot be shared.
    #[error("the account encrypts every snapshot in {region} with {key}, and {why}")]
    Encrypted {
        /// The region.
        region: String,
        /// The key.
        key: String,
        /// Why snapshots with that key cannot be shared.
        why: &'static str,
    },
    /// The name belongs to a disabled AMI.
    #[error("{image} in {region} has that name and is disabled")]
    Disabled {
        /// The AMI.
        image: String,
        /// The region.
        region: String,
    },
    /// A snapshot that the user names cannot be used.
    #[error("{snapshot} in {region} cannot be used: {reason}")]
    Snapshot {
        /// The snapshot.
        snapshot: String,
        /// The region.
        region: String,
        /// The reason.
        reason: String,
    },
    /// A copy would be encrypted, but the snapshot was uploaded without the blocks of zeros that encryption needs.
    #[error(
        "the account encrypts every snapshot in {region}, and {image} was sent without blocks of zeros, which an \
         encrypted copy needs"
    )]
    ZerosLeftOut {
        /// The AMI to copy.
        image: String,
        /// The target region.
        region: String,
    },
    /// A region that does not exist or is not enabled for this account.
    #[error("`{region}` is not a region that this account may use")]
    NoSuchRegion {
        /// Its name.
        region: String,
    },
    /// The service failed to create an AMI.
    #[error("{image} in {region} is `{state}`: {reason}")]
    Failed {
        /// The AMI.
        image: String,
        /// The region.
        region: String,
        /// Its state.
        state: String,
        /// The reason that the service gives.
        reason: String,
    },
    /// The service did not finish in time.
    #[error("{image} in {region} is still `{state}` after {seconds} s")]
    StillPending {
        /// The AMI.
        image: String,
        /// The region.
        region: String,
        /// Its state.
        state: String,
        /// Time waited.
        seconds: u64,
    },
    /// A ledger cannot be read or written.
    #[error("using `{}`", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a ledger, or is one of another version.
    #[error("`{}` is not a ledger that this version reads", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The ledger belongs to another publish that is not finished.
    #[error("a publish of `{name}` is under way, and {difference}")]
    OtherPublish {
        /// The name of that publish.
        name: String,
        /// The difference between the two.
        difference: String,
    },
    /// There is nothing to abandon.
    #[error("nothing is under way: {reason}")]
    NothingToAbandon {
        /// The state that the ledger records.
        reason: String,
    },
    /// The folder of the ledger cannot be used.
    #[error("opening the folder of the ledger")]
    Folder(#[source] FolderError),
    /// The user interrupted the work.
    #[error("interrupted")]
    Interrupted,
}

/// An error with its causes, on one line.
pub struct ErrorChain<'a>(pub &'a AmiError);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl From<FolderError> for AmiError {
    fn from(error: FolderError) -> Self {
        Self::Folder(error)
    }
}
