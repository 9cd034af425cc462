//! Errors of uploading, reading back and verifying snapshots.

use std::io;
use std::path::PathBuf;

use amiforge_formats::uefi_vars::UefiVarsError;
use amiforge_image::inspect::InspectError;
use amiforge_image::manifest::ManifestError;

use super::folder::FolderError;
use super::journal::JournalError;
use super::retry::RetryExhausted;
use super::service_error::ServiceErrorKind;

/// Why an upload, a download or a verification failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The image cannot be opened.
    #[error("opening the image")]
    Image(#[source] InspectError),
    /// A hand-over cannot be opened.
    #[error("opening the hand-over `{}`", path.display())]
    Handover {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: Box<amiforge_handover::HandoverError>,
    },
    /// A manifest cannot be read.
    #[error("reading the manifest `{}`", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ManifestError,
    },
    /// The variables of a bundle are not those that it was built with.
    #[error("`{}` is not the file that the manifest names", path.display())]
    UefiDataChanged {
        /// The file.
        path: PathBuf,
    },
    /// The variables of a bundle are none that an image is registered with.
    #[error("`{}` cannot be registered with the image", path.display())]
    UefiData {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<UefiVarsError>,
    },
    /// A file cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The length of the image differs from its manifest, or exceeds the largest volume.
    #[error("`{}` is {found} bytes long, and {expected}", path.display())]
    Length {
        /// The image.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The expected length.
        expected: String,
    },
    /// The folder beside the image cannot be used.
    #[error("opening the folder of the journal")]
    Folder(#[source] FolderError),
    /// The journal cannot be used.
    #[error("keeping the journal")]
    Journal(#[source] JournalError),
    /// The journal belongs to another upload that is not finished.
    #[error("an upload to {snapshot} is under way, and {difference}")]
    OtherUpload {
        /// The snapshot, or its tag.
        snapshot: String,
        /// The difference between the two uploads.
        difference: String,
    },
    /// There is nothing to abandon.
    #[error("no upload is under way: {reason}")]
    NothingToAbandon {
        /// The state that the journal records.
        reason: String,
    },
    /// A block of the image cannot be read.
    #[error("reading block {block} of the image")]
    Read {
        /// Index of the block.
        block: u64,
        /// The cause.
        source: io::Error,
    },
    /// A block on disk differs from the manifest.
    #[error(
        "block {block} changed on disk after the build ({}): the manifest says SHA-256 {expected}, and it has {found}",
        location_text(locations)
    )]
    BlockChanged {
        /// Index of the block.
        block: u64,
        /// The partitions and files in the block.
        locations: Vec<String>,
        /// Digest of the manifest.
        expected: String,
        /// Digest of the block on disk.
        found: String,
    },
    /// A raw file was modified during the upload, so the snapshot may hold a state that never existed.
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
        /// The cause.
        source: RetryExhausted,
    },
    /// A part of an object could not be sent.
    #[error("sending part {part} of {object}")]
    Part {
        /// Number of the part.
        part: u32,
        /// The address of the object.
        object: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// The bucket is in another region than the snapshot.
    #[error("the bucket `{bucket}` is in {actual}, not in {expected}")]
    BucketRegion {
        /// The bucket.
        bucket: String,
        /// Its region.
        actual: String,
        /// The region of the snapshot.
        expected: String,
    },
    /// The role cannot be used by the service that imports.
    #[error("importing as the role `{role}`")]
    ImportRole {
        /// The role.
        role: String,
        /// The bucket that it has to read.
        bucket: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// The service ended an import without a snapshot.
    #[error("the service put {task} in the state `{state}`: {message}")]
    ImportFailed {
        /// The task.
        task: String,
        /// Its state.
        state: String,
        /// The message of the service.
        message: String,
    },
    /// A block could not be read back.
    #[error("reading block {block} of {snapshot} back")]
    Block {
        /// Index of the block.
        block: u64,
        /// The snapshot.
        snapshot: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// Another call failed.
    #[error("{action}")]
    Call {
        /// The action that failed, as a gerund.
        action: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// The service failed a snapshot.
    #[error("the service put {snapshot} in the state `error`: {message}")]
    SnapshotFailed {
        /// The snapshot.
        snapshot: String,
        /// The message of the service.
        message: String,
    },
    /// The service did not finish in time.
    #[error("{snapshot} is still {state} after {seconds} s")]
    StillPending {
        /// The snapshot.
        snapshot: String,
        /// Its state.
        state: String,
        /// Time waited.
        seconds: u64,
    },
    /// The snapshot cannot be the parent.
    #[error("{parent} cannot be the parent: {reason}")]
    Parent {
        /// The parent as the user named it.
        parent: String,
        /// The reason.
        reason: String,
    },
    /// The snapshot does not hold the blocks that were sent.
    #[error("{snapshot} does not hold the image: {first}{}", difference_count(*count))]
    ReadBack {
        /// The snapshot.
        snapshot: String,
        /// The first difference.
        first: String,
        /// Number of differences.
        count: usize,
    },
    /// Responses of the service contradict each other or the request.
    #[error("{snapshot}: {problem}")]
    InconsistentResponse {
        /// The snapshot.
        snapshot: String,
        /// The contradiction.
        problem: String,
    },
    /// The user interrupted the work.
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

/// Maps an exhausted retry to [`PublishError::Call`] with the action that failed.
pub(super) fn call_failed(action: impl Into<String>) -> impl FnOnce(RetryExhausted) -> PublishError {
    let action = action.into();
    unless_interrupted(move |source| PublishError::Call { action, source })
}

/// Maps an exhausted retry with `error`, or to [`PublishError::Interrupted`] if the work was interrupted.
pub(super) fn unless_interrupted(
    error: impl FnOnce(RetryExhausted) -> PublishError,
) -> impl FnOnce(RetryExhausted) -> PublishError {
    move |source| match source.error.kind {
        ServiceErrorKind::Interrupted => PublishError::Interrupted,
        _ => error(source),
    }
}
