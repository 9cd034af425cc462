//! Restores an AMI from the object that it was stored as, with the tags that identify its bundle.
//!
//! `CreateRestoreImageTask` takes no client token. The restored image has a tag that names its object, set by the same
//! call, so that another run and a call whose response was lost find it by its name and know it.

use std::time::Duration;

use amiforge_formats::digest::Digest;
use amiforge_publish::ami::{AmiError, AmiRegion, service_error};
use amiforge_publish::api::ec2::{DescribedImage, Tags};
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_publish::tags;
use serde::Serialize;

use super::missing_tags::create_missing;
use super::{StorageError, check_bucket, object_size};
use crate::api::storage::{NewRestore, ObjectCalls, StorageCalls};

/// Tag with the object that an image was restored from.
pub const RESTORED_FROM: &str = "amiforge:restored-from";

/// Maximum length of a tag's value.
const MAX_VALUE: usize = 255;

/// An image to restore.
#[derive(Debug, Clone)]
pub struct RestoreRequest<'a> {
    /// The bucket, in the region.
    pub bucket: &'a str,
    /// The key of the object.
    pub key: &'a str,
    /// The name of the image.
    pub name: &'a str,
    /// Further tags of the image and of its root's snapshot: those of a bundle, and those of the user.
    pub tags: Tags,
    /// Maximum time to wait.
    pub wait: Duration,
}

/// A restored image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoredImage {
    /// The region.
    pub region: String,
    /// The image.
    pub image_id: String,
    /// Its name.
    pub name: String,
    /// Its snapshots, that of the root first.
    pub snapshot_ids: Vec<String>,
    /// Whether another run, or an earlier call, had begun it.
    pub joined: bool,
}

/// Restores an image, or joins what an earlier run has begun.
///
/// # Errors
/// [`StorageError`].
pub async fn restore<C: StorageCalls, O: ObjectCalls>(
    region: &AmiRegion<'_, C>,
    objects: &O,
    request: &RestoreRequest<'_>,
) -> Result<RestoredImage, StorageError> {
    let (id, joined) = if let Some(image) = existing(region, request).await? {
        (image.id, true)
    } else {
        check_object(region, objects, request).await?;
        begin(region, request).await?
    };
    let image = region.until_available(&id, request.wait).await?;
    set_tags(region, request, &image).await?;
    Ok(RestoredImage {
        region: region.name.to_owned(),
        snapshot_ids: image.snapshots(),
        image_id: image.id,
        name: request.name.to_owned(),
        joined,
    })
}

/// The image of an earlier run. A failed one makes way for another.
async fn existing<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    request: &RestoreRequest<'_>,
) -> Result<Option<DescribedImage>, StorageError> {
    let Some(image) = region.image_by_name(request.name).await? else { return Ok(None) };
    check_is_ours(region, request, &image)?;
    if matches!(image.state.as_str(), "available" | "pending") {
        return Ok(Some(image));
    }
    let reason = image.state_reason.as_deref().unwrap_or("it gives no reason");
    let line = format!("{}: {} is `{}` ({reason}); restored again", region.name, image.id, image.state);
    region.monitor.progress.message(&line);
    // In one call: an interruption leaves no snapshots without their image.
    let action = format!("deregistering {}", image.id);
    match region.call(&action, || region.ec2.deregister_with_snapshots(&image.id)).await {
        Err(error) if service_error(&error).is_none_or(|error| error.kind != ServiceErrorKind::NotFound) => {
            Err(error.into())
        }
        _ => Ok(None),
    }
}

fn check_is_ours<C>(
    region: &AmiRegion<'_, C>,
    request: &RestoreRequest<'_>,
    image: &DescribedImage,
) -> Result<(), StorageError> {
    let difference = match image.tags.get(RESTORED_FROM) {
        Some(object) if *object == origin(request.bucket, request.key) => return Ok(()),
        Some(object) => format!("was restored from {object}"),
        None => "was not restored from an object".to_owned(),
    };
    let (name, image, region) = (request.name.to_owned(), image.id.clone(), region.name.to_owned());
    Err(StorageError::NameTaken { name, image, region, difference })
}

/// The value of the tag for an object: its address, or the digest of one that is too long.
fn origin(bucket: &str, key: &str) -> String {
    let address = format!("s3://{bucket}/{key}");
    if address.chars().count() <= MAX_VALUE {
        return address;
    }
    format!("s3 sha256:{}", Digest::of(address.as_bytes()))
}

async fn check_object<C: StorageCalls, O: ObjectCalls>(
    region: &AmiRegion<'_, C>,
    objects: &O,
    request: &RestoreRequest<'_>,
) -> Result<(), StorageError> {
    check_bucket(region, objects, request.bucket).await?;
    match object_size(region, objects, (request.bucket, request.key)).await? {
        Some(_) => Ok(()),
        None => {
            Err(StorageError::NoObject { bucket: request.bucket.to_owned(), key: request.key.to_owned() })
        }
    }
}

/// Begins the restore. A name that is taken may be that of a call whose response was lost.
async fn begin<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    request: &RestoreRequest<'_>,
) -> Result<(String, bool), StorageError> {
    let mut image_tags = request.tags.clone();
    image_tags.insert(RESTORED_FROM.to_owned(), origin(request.bucket, request.key));
    image_tags.entry(tags::NAME.to_owned()).or_insert_with(|| request.name.to_owned());
    let new = NewRestore {
        bucket: request.bucket.to_owned(),
        key: request.key.to_owned(),
        name: request.name.to_owned(),
        // Not the tags of the bundle: an image may have snapshots of others besides that of the root.
        snapshot_tags: image_tags.iter().filter(|(key, _)| key.as_str() == RESTORED_FROM).map(pair).collect(),
        image_tags,
    };
    let action = format!("restoring `{}` from s3://{}/{}", request.name, request.bucket, request.key);
    match region.copy(request.wait, &action, || region.ec2.create_restore_task(&new)).await {
        Ok(id) => Ok((id, false)),
        Err(error) if is_duplicate(&error) => {
            let image = region.image_of_taken_name(request.name).await?;
            check_is_ours(region, request, &image)?;
            Ok((image.id, true))
        }
        Err(error) => Err(error.into()),
    }
}

fn pair((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

fn is_duplicate(error: &AmiError) -> bool {
    service_error(error).is_some_and(|error| error.kind == ServiceErrorKind::Duplicate)
}

/// Sets the tags that the image should have, and gives those that identify the bundle to the snapshot of its root.
async fn set_tags<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    request: &RestoreRequest<'_>,
    image: &DescribedImage,
) -> Result<(), StorageError> {
    create_missing(region, &image.id, &request.tags, &image.tags).await?;
    let Some(root) = image.root_snapshot() else { return Ok(()) };
    let ours = |key: &str| (key.starts_with(tags::PREFIX) && key != RESTORED_FROM) || key == tags::NAME;
    let mut of_root: Tags = image.tags.iter().filter(|(key, _)| ours(key)).map(pair).collect();
    of_root.extend(request.tags.iter().map(pair));
    let action = format!("asking for the tags of {root}");
    let current = region.call_eventual(&action, || region.ec2.describe_snapshot(root)).await?;
    create_missing(region, root, &of_root, &current.tags).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_names_the_object_and_is_never_too_long() {
        assert_eq!(origin("backups", "ami-1.bin"), "s3://backups/ami-1.bin");
        let long = origin("backups", &"k".repeat(300));
        assert!(long.starts_with("s3 sha256:") && long.len() < MAX_VALUE, "{long}");
        assert_ne!(long, origin("backups", &"k".repeat(301)));
    }
}
