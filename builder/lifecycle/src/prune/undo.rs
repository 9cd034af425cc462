//! Takes back what the clean-up, or anybody else, has done: restores from the recycle bin, enables disabled images,
//! cancels deprecations.

use std::collections::BTreeSet;

use amiforge_publish::api::ec2::{DescribedImage, Grantee};
use amiforge_publish::retry::CallStep;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use serde::Serialize;

use super::marks::{self, DeprecationMark};
use super::steps;
use crate::api::images::{ImageCalls, RecycledImage, RecycledSnapshot};
use crate::inventory::{ImageError, ImageRegion, moment};

/// What can be taken back in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Undoable {
    /// The region.
    pub region: String,
    /// Images in the recycle bin.
    pub images: Vec<RecycledImage>,
    /// Snapshots in the recycle bin.
    pub snapshots: Vec<RecycledSnapshot>,
    /// Images of this program that are disabled.
    pub disabled: Vec<MarkedImage>,
    /// Images that the clean-up has deprecated.
    pub deprecated: Vec<MarkedImage>,
}

/// An image that can be enabled, or whose deprecation can be cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkedImage {
    /// Its id.
    pub id: String,
    /// Its name in EC2.
    pub name: Option<String>,
    /// When it was disabled or deprecated (RFC 3339), if the clean-up did it.
    pub since: Option<String>,
}

/// What was done for an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a step that may be done without the others")]
pub struct UndoneImage {
    /// Whether the image was restored from the recycle bin.
    pub restored: bool,
    /// Snapshots that were restored from the recycle bin.
    pub snapshots: Vec<String>,
    /// Whether the image was enabled.
    pub enabled: bool,
    /// Whether its deprecation was cancelled, or set back to the time before.
    pub deprecation: bool,
    /// Who may launch it again.
    pub shared_with: Vec<String>,
    /// Whether it was public, which is not restored.
    pub was_public: bool,
}

/// What can be taken back in a region.
///
/// # Errors
/// [`ImageError`].
pub async fn undoable<C: ImageCalls>(region: &ImageRegion<'_, C>) -> Result<Undoable, ImageError> {
    let images =
        region.call("listing the images in the recycle bin", || region.ec2.recycled_images()).await?;
    let snapshots =
        region.call("listing the snapshots in the recycle bin", || region.ec2.recycled_snapshots()).await?;
    let own = region.own_images(None).await?;
    let marked = |image: &DescribedImage, since: Option<i64>| MarkedImage {
        id: image.id.clone(),
        name: image.name.clone(),
        since: since.map(moment::show),
    };
    let disabled = own.iter().filter(|image| image.state == "disabled");
    let deprecated = own.iter().filter(|image| image.state == "available").filter_map(|image| {
        let mark = DeprecationMark::of(image).filter(|mark| mark.is_set(image))?;
        Some(marked(image, Some(mark.since)))
    });
    Ok(Undoable {
        region: region.name.to_owned(),
        images,
        snapshots,
        disabled: disabled.map(|image| marked(image, marks::disabled_at(image))).collect(),
        deprecated: deprecated.collect(),
    })
}

/// Makes an image usable again: restores it and its snapshots, enables it, cancels the deprecation of the clean-up,
/// and shares it with the accounts that it was shared with. Each step looks first, so that the call can be repeated.
///
/// # Errors
/// [`ImageError::Missing`], [`ImageError::SnapshotGone`], [`ImageError::Call`].
pub async fn undo_image<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    id: &str,
) -> Result<UndoneImage, ImageError> {
    let mut undone = UndoneImage::default();
    let image = match region.find_image(id).await? {
        Some(image) if image.state != "deregistered" => image,
        _ => restore(region, id, &mut undone).await?,
    };
    restore_missing(region, &image, &mut undone).await?;
    if image.state == "disabled" {
        let before = marks::shared_with(&image);
        let grantees: Vec<Grantee> =
            before.iter().filter(|who| **who != Grantee::Everybody).cloned().collect();
        steps::enable_shared(region, id, &grantees).await?;
        undone.enabled = true;
        undone.was_public = before.contains(&Grantee::Everybody);
        undone.shared_with = grantees.iter().map(ToString::to_string).collect();
    }
    if let Some(mark) = DeprecationMark::of(&image) {
        undone.deprecation = set_deprecation_back(region, &image, mark).await?;
    }
    Ok(undone)
}

/// Restores an image from the recycle bin, after those of its snapshots that are known to be in it.
async fn restore<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    id: &str,
    undone: &mut UndoneImage,
) -> Result<DescribedImage, ImageError> {
    let recycled =
        region.call("listing the images in the recycle bin", || region.ec2.recycled_images()).await?;
    if !recycled.iter().any(|image| image.id == id) {
        return Err(ImageError::Missing { id: id.to_owned(), region: region.name.to_owned() });
    }
    let action = format!("looking for the snapshots of {id}");
    let marked = region.call(&action, || region.ec2.tagged_resources(marks::SNAPSHOT_OF, id)).await?;
    let in_bin = in_recycle_bin(region).await?;
    for snapshot in marked.iter().filter(|snapshot| in_bin.contains(*snapshot)) {
        restore_snapshot(region, snapshot).await?;
        undone.snapshots.push(snapshot.clone());
    }
    match region.call(&format!("restoring {id}"), || region.ec2.restore_image(id)).await {
        // The answer of an earlier attempt may be lost.
        Err(error) if region.find_image(id).await?.is_none() => return Err(error),
        _ => undone.restored = true,
    }
    let action = format!("asking for {id}");
    let query = amiforge_publish::api::ec2::ImageQuery::by_id(id);
    region
        .step(CallStep::EventuallyConsistent, &action, || async {
            let images = region.ec2.describe_images(&query).await?;
            images.into_iter().find(|image| image.id == id).ok_or_else(|| {
                ServiceError::local(ServiceErrorKind::NotFound, format!("the AMI {id} is not listed yet"))
            })
        })
        .await
}

async fn in_recycle_bin<C: ImageCalls>(region: &ImageRegion<'_, C>) -> Result<BTreeSet<String>, ImageError> {
    let snapshots =
        region.call("listing the snapshots in the recycle bin", || region.ec2.recycled_snapshots()).await?;
    Ok(snapshots.into_iter().map(|snapshot| snapshot.id).collect())
}

/// Restores every snapshot of an image that is still in the recycle bin, and removes the marks of the clean-up.
async fn restore_missing<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &DescribedImage,
    undone: &mut UndoneImage,
) -> Result<(), ImageError> {
    let in_bin = in_recycle_bin(region).await?;
    let stored = region.own_snapshots().await?;
    for id in image.snapshots() {
        if in_bin.contains(&id) {
            restore_snapshot(region, &id).await?;
            undone.snapshots.push(id.clone());
        } else if undone.restored && !stored.contains_key(&id) && !exists(region, &id).await? {
            let (image, region) = (image.id.clone(), region.name.to_owned());
            return Err(ImageError::SnapshotGone { snapshot: id, image, region });
        }
        if in_bin.contains(&id)
            || undone.snapshots.contains(&id)
            || stored.get(&id).is_some_and(|one| one.tags.contains_key(marks::SNAPSHOT_OF))
        {
            steps::remove_tags(region, &id, &[marks::SNAPSHOT_OF]).await?;
        }
    }
    Ok(())
}

/// Whether a snapshot exists, with or without tags of this program.
async fn exists<C: ImageCalls>(region: &ImageRegion<'_, C>, id: &str) -> Result<bool, ImageError> {
    match region.call(&format!("asking for {id}"), || region.ec2.describe_snapshot(id)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_missing() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Restores a snapshot from the recycle bin. One that is not in it but exists counts as restored.
///
/// # Errors
/// [`ImageError::Call`].
pub async fn restore_snapshot<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    id: &str,
) -> Result<(), ImageError> {
    match region.call(&format!("restoring {id}"), || region.ec2.restore_snapshot(id)).await {
        Err(error) if !exists(region, id).await? => Err(error),
        _ => Ok(()),
    }
}

/// Cancels the deprecation that the clean-up has set, or sets the time back that it replaced. Returns whether there was
/// something to do.
async fn set_deprecation_back<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &DescribedImage,
    mark: DeprecationMark,
) -> Result<bool, ImageError> {
    let (id, is_set) = (&image.id, mark.is_set(image));
    if is_set {
        let ahead = mark.instead_of.filter(|before| *before > mark.at);
        let back = match ahead.map(moment::show) {
            Some(at) => {
                let action = format!("setting the deprecation of {id} back");
                region.call(&action, || region.ec2.enable_image_deprecation(id, &at)).await
            }
            None => Ok(()),
        };
        // The time before may have passed meanwhile, which the service refuses.
        let refused = back
            .as_ref()
            .is_err_and(|error| error.service().is_some_and(|error| error.kind == ServiceErrorKind::Refused));
        if ahead.is_none() || refused {
            let action = format!("cancelling the deprecation of {id}");
            region.call(&action, || region.ec2.cancel_deprecation(id)).await?;
        } else {
            back?;
        }
    }
    steps::remove_tags(region, id, &[marks::DEPRECATED]).await?;
    Ok(is_set)
}
