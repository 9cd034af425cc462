//! Why something was not published, read back or verified.

use std::io;
use std::path::PathBuf;

use amiforge_image::inspect::InspectError;
use amiforge_image::manifest::ManifestError;

use super::folder::FolderError;
use super::journal::JournalError;
use super::retry::RetryExhausted;
use super::service_error::ServiceErrorKind;

/// Why something was not published, read back or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The image cannot be opened.
    #[error("opening the image")]
    Image(#[source] InspectError),
    /// A manifest cannot be read.
    #[error("reading the manifest `{}`", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// A file cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The image is not as long as its manifest says, or longer than any volume.
    #[error("`{}` is {found} bytes long, and {expected}", path.display())]
    Length {
        /// The image.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// What it should be.
        expected: String,
    },
    /// The folder beside the image cannot be used.
    #[error("opening the folder of the journal")]
    Folder(#[source] FolderError),
    /// The journal cannot be used.
    #[error("keeping the journal")]
    Journal(#[source] JournalError),
    /// The journal is of an upload that is not this one and not done.
    #[error("an upload to {snapshot} is under way, and {difference}")]
    OtherUpload {
        /// The snapshot, or how it is found.
        snapshot: String,
        /// What is not the same.
        difference: String,
    },
    /// There is nothing to abandon.
    #[error("no upload is under way: {found}")]
    NothingToAbandon {
        /// What the journal says.
        found: String,
    },
    /// A block of the image cannot be read.
    #[error("reading block {block} of the image")]
    Read {
        /// Index of the block.
        block: u64,
        /// Why.
        source: io::Error,
    },
    /// A block on the disk is not the one of the manifest any more.
    #[error(
        "block {block} changed on disk after the build ({}): the manifest says SHA-256 {expected}, and it has {found}",
        location_text(locations)
    )]
    BlockChanged {
        /// Index of the block.
        block: u64,
        /// What lies in it.
        locations: Vec<String>,
        /// Digest of the manifest.
        expected: String,
        /// Digest of what is on the disk.
        found: String,
    },
    /// A raw file was written to while it was sent: no moment may have seen what the snapshot holds.
    #[error("`{}` changed while it was sent", path.display())]
    RawChanged {
        /// The file.
        path: PathBuf,
    },
    /// A block could not be written.
    #[error("uploading block {block} to {snapshot}")]
    Put {
        /// Index of the block.
        block: u64,
        /// The snapshot.
        snapshot: String,
        /// Why.
        source: RetryExhausted,
    },
    /// A block could not be read back.
    #[error("reading block {block} of {snapshot} back")]
    Block {
        /// Index of the block.
        block: u64,
        /// The snapshot.
        snapshot: String,
        /// Why.
        source: RetryExhausted,
    },
    /// Another call failed.
    #[error("{action}")]
    Call {
        /// What was being done, as a gerund.
        action: String,
        /// Why.
        source: RetryExhausted,
    },
    /// The service has given a snapshot up.
    #[error("the service put {snapshot} in the state `error`: {message}")]
    SnapshotFailed {
        /// The snapshot.
        snapshot: String,
        /// What the service says.
        message: String,
    },
    /// The service did not finish in time.
    #[error("{snapshot} is still {state} after {seconds} s")]
    StillPending {
        /// The snapshot.
        snapshot: String,
        /// Its state.
        state: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The parent cannot be one.
    #[error("{parent} cannot be the parent: {reason}")]
    Parent {
        /// How it was named.
        parent: String,
        /// Why.
        reason: String,
    },
    /// What was read back is not what was sent.
    #[error("{snapshot} does not hold the image: {first}{}", difference_count(*count))]
    ReadBack {
        /// The snapshot.
        snapshot: String,
        /// The first difference.
        first: String,
        /// How many there are.
        count: usize,
    },
    /// The answers of the service do not fit together.
    #[error("{snapshot}: {problem}")]
    InconsistentResponse {
        /// The snapshot.
        snapshot: String,
        /// What does not fit.
        problem: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

fn location_text(locations: &[String]) -> String {
    if locations.is_empty() {
        "outside every partition".to_owned()
    } else {
        format!("in {}", locations.join(", "))
    }
}

fn difference_count(count: usize) -> String {
    if count > 1 { format!(" (and {} more differences)", count - 1) } else { String::new() }
}

impl From<FolderError> for PublishError {
    fn from(error: FolderError) -> Self {
        Self::Folder(error)
    }
}

impl From<JournalError> for PublishError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Names what was being done when a call failed.
pub(super) fn call_failed(action: impl Into<String>) -> impl FnOnce(RetryExhausted) -> PublishError {
    let action = action.into();
    unless_interrupted(move |source| PublishError::Call { action, source })
}

/// The error of a call that was given up, or that the work was stopped.
pub(super) fn unless_interrupted(
    error: impl FnOnce(RetryExhausted) -> PublishError,
) -> impl FnOnce(RetryExhausted) -> PublishError {
    move |source| match source.error.kind {
        ServiceErrorKind::Interrupted => PublishError::Interrupted,
        _ => error(source),
    }
}
