//! Why there is no AMI, or not all that was asked of it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::compare::FieldDifference;
use crate::error::PublishError;
use crate::folder::FolderError;
use crate::retry::RetryExhausted;

/// Why there is no AMI, or not all that was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AmiError {
    /// A volume could not be uploaded.
    #[error("uploading `{}`", path.display())]
    Upload {
        /// The bundle or raw file.
        path: PathBuf,
        /// Why.
        source: PublishError,
    },
    /// A bundle of a further volume cannot be used.
    #[error("opening `{}`", path.display())]
    Open {
        /// The bundle or raw file.
        path: PathBuf,
        /// Why.
        source: PublishError,
    },
    /// A call failed.
    #[error("{action}")]
    Call {
        /// What was being done, as a gerund.
        action: String,
        /// Why.
        source: RetryExhausted,
    },
    /// The name is that of another AMI.
    #[error(
        "the name `{name}` is that of {image} in {region}, which is another AMI: {}",
        differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Differs {
        /// The name.
        name: String,
        /// The AMI that has it.
        image: String,
        /// Where.
        region: String,
        /// In what they differ.
        differences: Vec<FieldDifference>,
    },
    /// The account keeps AMIs from becoming public.
    #[error("the account blocks public AMIs in {region}")]
    PublicBlocked {
        /// Where.
        region: String,
    },
    /// What would be shared is encrypted in a way that cannot be.
    #[error("the account encrypts every snapshot in {region} with {key}, and {why}")]
    Encrypted {
        /// Where.
        region: String,
        /// With what.
        key: String,
        /// Why that cannot be shared.
        why: &'static str,
    },
    /// The name is that of an AMI that is disabled.
    #[error("{image} in {region} has that name and is disabled")]
    Disabled {
        /// The AMI.
        image: String,
        /// Where.
        region: String,
    },
    /// A snapshot that the user names cannot be used.
    #[error("{snapshot} in {region} cannot be used: {reason}")]
    Snapshot {
        /// The snapshot.
        snapshot: String,
        /// Where.
        region: String,
        /// Why.
        reason: String,
    },
    /// A copy would be encrypted, and the snapshot was sent without blocks of zeros, which encryption needs.
    #[error(
        "the account encrypts every snapshot in {region}, and {image} was sent without blocks of zeros, which an \
         encrypted copy needs"
    )]
    ZerosLeftOut {
        /// The AMI that would be copied.
        image: String,
        /// Where to.
        region: String,
    },
    /// A region that is not there for this account.
    #[error("`{region}` is not a region that this account may use")]
    NoSuchRegion {
        /// Its name.
        region: String,
    },
    /// The service gave an AMI up.
    #[error("{image} in {region} is `{state}`: {reason}")]
    Failed {
        /// The AMI.
        image: String,
        /// Where.
        region: String,
        /// Its state.
        state: String,
        /// The service's words.
        reason: String,
    },
    /// The service did not finish in time.
    #[error("{image} in {region} is still `{state}` after {seconds} s")]
    StillPending {
        /// The AMI.
        image: String,
        /// Where.
        region: String,
        /// Its state.
        state: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A ledger cannot be read or written.
    #[error("using `{}`", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A ledger is none, or of another version.
    #[error("`{}` is not a ledger that this version reads", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The ledger is of a publish that is not this one and not done.
    #[error("a publish of `{name}` is under way, and {difference}")]
    OtherPublish {
        /// Its name.
        name: String,
        /// What is not the same.
        difference: String,
    },
    /// There is nothing to abandon.
    #[error("nothing is under way: {found}")]
    NothingToAbandon {
        /// What the ledger says.
        found: String,
    },
    /// The folder of the ledger cannot be used.
    #[error("opening the folder of the ledger")]
    Folder(#[source] FolderError),
    /// Somebody asked to stop.
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
