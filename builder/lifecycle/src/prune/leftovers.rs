//! Deletes the snapshots that an earlier run has left behind: they are marked with an image that is gone.

use std::collections::BTreeSet;

use amiforge_publish::api::ec2::DescribedImage;

use super::deregister::marked;
use crate::api::images::ImageCalls;
use crate::inventory::{ImageError, ImageRegion};

/// Deletes the marked snapshots of images that do not exist any more, unless another image of any state uses them.
///
/// # Errors
/// [`ImageError`].
pub(super) async fn delete<C: ImageCalls>(region: &ImageRegion<'_, C>) -> Result<Vec<String>, ImageError> {
    let stored = region.own_snapshots().await?;
    if marked(&stored).next().is_none() {
        return Ok(Vec::new());
    }
    let images = region.all_images().await?;
    let existing: BTreeSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
    let used: BTreeSet<String> = images.iter().flat_map(DescribedImage::snapshots).collect();
    let mut deleted = Vec::new();
    for (snapshot, image) in marked(&stored) {
        if existing.contains(image) || used.contains(&snapshot.id) {
            continue;
        }
        // An image that was just restored may not be listed yet.
        if region.find_image(image).await?.is_none() && region.images_with(&snapshot.id).await?.is_empty() {
            region.delete_snapshot(&snapshot.id).await?;
            deleted.push(snapshot.id.clone());
        }
    }
    Ok(deleted)
}
