//! Errors of storage.

use amiforge_publish::ami::AmiError;

use crate::api::storage::ZoneFailure;

/// Why an image or a snapshot cannot be stored, restored, copied, locked, or moved between tiers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A call failed.
    #[error(transparent)]
    Ami(#[from] AmiError),
    /// There is no such image.
    #[error("no AMI `{image}` is listed in {region}")]
    NoImage {
        /// Its id or name.
        image: String,
        /// The region.
        region: String,
    },
    /// The image cannot be stored or copied.
    #[error("{image} in {region} cannot be used: {reason}")]
    Unsuitable {
        /// The image.
        image: String,
        /// The region.
        region: String,
        /// The reason.
        reason: String,
    },
    /// The object would hold decrypted data.
    #[error(
        "{snapshot} of {image} in {region} is encrypted, and the object in `{bucket}` would hold its data decrypted"
    )]
    Decrypted {
        /// The image.
        image: String,
        /// The region.
        region: String,
        /// The encrypted snapshot.
        snapshot: String,
        /// The bucket.
        bucket: String,
    },
    /// The bucket is in another region.
    #[error("the bucket `{bucket}` is in {actual}, not in {expected}")]
    BucketRegion {
        /// The bucket.
        bucket: String,
        /// Its region.
        actual: String,
        /// The region of the image.
        expected: String,
    },
    /// The object does not exist.
    #[error("the bucket `{bucket}` has no object `{key}`")]
    NoObject {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// The task failed.
    #[error("storing {image} in `{bucket}` failed: {reason}")]
    TaskFailed {
        /// The image.
        image: String,
        /// The bucket.
        bucket: String,
        /// The reason that the service gives.
        reason: String,
    },
    /// The task was not finished in time.
    #[error("{what} is not finished after {seconds} s")]
    Unfinished {
        /// The work, as a noun.
        what: String,
        /// Time waited.
        seconds: u64,
    },
    /// The name belongs to another image.
    #[error("the name `{name}` is that of {image} in {region}, which {difference}")]
    NameTaken {
        /// The name.
        name: String,
        /// The image that has it.
        image: String,
        /// The region.
        region: String,
        /// How it differs.
        difference: String,
    },
    /// A copy differs from its source.
    #[error("{image} in {region} differs from its source: {}", differences.join("; "))]
    CopyDiffers {
        /// The copy.
        image: String,
        /// The region.
        region: String,
        /// The differences.
        differences: Vec<String>,
    },
    /// An image that is not disabled uses the snapshot.
    #[error("{snapshot} in {region} is used by {}, and its AMIs have to be disabled before it is archived", images.join(", "))]
    InUse {
        /// The snapshot.
        snapshot: String,
        /// The region.
        region: String,
        /// The images.
        images: Vec<String>,
    },
    /// The snapshot is not in the state that the operation needs.
    #[error("{snapshot} in {region} {reason}")]
    SnapshotState {
        /// The snapshot.
        snapshot: String,
        /// The region.
        region: String,
        /// Its state, as the predicate of a sentence.
        reason: String,
    },
    /// Fast restores could not be changed in some zones.
    #[error(
        "fast restores of {snapshot} cannot be changed in {} zones: {}",
        failures.len(),
        failures.iter().map(|failure| format!("{}: {}: {}", failure.zone, failure.code, failure.message))
            .collect::<Vec<_>>().join("; ")
    )]
    Zones {
        /// The snapshot.
        snapshot: String,
        /// The zones that failed.
        failures: Vec<ZoneFailure>,
    },
    /// The region has no such zone.
    #[error("`{zone}` is not an availability zone of {region}")]
    NoZone {
        /// The zone.
        zone: String,
        /// The region.
        region: String,
    },
}
