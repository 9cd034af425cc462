//! Lists the images of a region with everything that is known about them.

use amiforge_publish::api::Ebs;

use super::error::ImageError;
use super::region::ImageRegion;
use super::row::{ImageRow, Shared, row};
use super::{in_parallel, look_up, sizes};
use crate::api::images::{ImageCalls, ImageUse};

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOptions {
    /// Only images of this name.
    pub name: Option<String>,
    /// The path of the parameters that are channels.
    pub channels_below: String,
    /// Whether to compare every version with the previous one, which costs calls.
    pub sizes: bool,
    /// The time, in seconds since 1970.
    pub now: i64,
}

/// The images of a region that were made by this program.
///
/// # Errors
/// [`ImageError`].
pub async fn list<E: Ebs, C: ImageCalls, U: ImageUse>(
    region: &ImageRegion<'_, C>,
    ebs: &E,
    other: &U,
    options: &ListOptions,
) -> Result<Vec<ImageRow>, ImageError> {
    region.monitor.progress.begin(&format!("listing the images of {}", region.name), None);
    let images = region.own_images(options.name.as_deref()).await?;
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let stored = region.own_snapshots().await?;
    let ids: Vec<String> = images.iter().map(|image| image.id.clone()).collect();
    region.monitor.progress.begin(&format!("asking who uses {} images of {}", ids.len(), region.name), None);
    let uses = look_up(region, other, &options.channels_below, &ids).await?;
    let mut rows: Vec<ImageRow> =
        images.iter().map(|image| row(region.name, image, &uses, options.now)).collect();
    for (row, shared) in rows.iter_mut().zip(in_parallel(&ids, |image| shared(region, image)).await) {
        row.shared = shared?;
    }
    sizes::set_full(&mut rows, &images, &stored);
    if options.sizes {
        region.monitor.progress.begin(&format!("comparing versions in {}", region.name), None);
        sizes::set_changed(region, ebs, &mut rows, &images, &stored).await?;
    }
    region.monitor.progress.end();
    Ok(rows)
}

/// Who may launch an image. An image that goes meanwhile has no grantees.
async fn shared<C: ImageCalls>(region: &ImageRegion<'_, C>, image: &str) -> Result<Shared, ImageError> {
    let action = format!("asking who may launch {image}");
    match region.call(&action, || region.ec2.launch_permissions(image)).await {
        Ok(grantees) => Ok(Shared::of(&grantees)),
        Err(error) if error.is_missing() => Ok(Shared::default()),
        Err(error) => Err(error),
    }
}
