//! Backup of AMIs and storage of their snapshots: store and restore, copies, tiers, locks, fast snapshot restore.
//!
//! The calls that begin something take no client token, except the copy of an image. So each step first looks for what
//! an earlier run, or a call whose response was lost, has begun, and joins it.

pub mod backup;
pub mod copy;
mod error;
mod missing_tags;
pub mod plan;
pub mod restore;
pub mod snapshots;

pub use error::StorageError;

use amiforge_publish::ami::AmiRegion;

use crate::api::storage::{ObjectCalls, StorageCalls};

/// Checks that a bucket exists and is in the region.
async fn check_bucket<C: StorageCalls, O: ObjectCalls>(
    region: &AmiRegion<'_, C>,
    objects: &O,
    bucket: &str,
) -> Result<(), StorageError> {
    let action = format!("asking for the bucket `{bucket}`");
    let actual = region.call(&action, || objects.bucket_region(bucket)).await?;
    if actual == region.name {
        return Ok(());
    }
    Err(StorageError::BucketRegion { bucket: bucket.to_owned(), actual, expected: region.name.to_owned() })
}

/// The size of an object in bytes, if it exists.
async fn object_size<C: StorageCalls, O: ObjectCalls>(
    region: &AmiRegion<'_, C>,
    objects: &O,
    (bucket, key): (&str, &str),
) -> Result<Option<u64>, StorageError> {
    let action = format!("asking for the object `{key}` of the bucket `{bucket}`");
    Ok(region.call(&action, || objects.object_size(bucket, key)).await?)
}
