//! The last step: deregisters an image and deletes its snapshots.

use std::collections::BTreeMap;

use amiforge_publish::api::ec2::{DescribedImage, Tags};

use super::decide::Step;
use super::marks;
use super::plan::PlannedImage;
use super::reason::KeepReason;
use super::run::{Outcome, Run};
use super::usage::{self, Usage};
use super::{Verdict, undo};
use crate::api::images::{ImageCalls, ImageUse, StoredSnapshot};
use crate::inventory::{ImageError, ImageRegion};

/// Deregisters an image and deletes those of its snapshots that have tags of this program, unless another image of any
/// state uses them.
pub(super) async fn deregister<C: ImageCalls, U: ImageUse>(
    run: &Run<'_, C, U>,
    planned: &PlannedImage,
    image: &DescribedImage,
    usage: &Usage,
) -> Result<Outcome, ImageError> {
    let region = run.region;
    let stored = region.own_snapshots().await?;
    let (ours, foreign): (Vec<String>, Vec<String>) =
        image.snapshots().into_iter().partition(|id| stored.contains_key(id));
    // The mark lets the next run delete what this one does not.
    mark_snapshots(region, &image.id, &ours).await?;
    match run.fresh(planned, usage).await? {
        Err(outcome) => return Ok(outcome),
        Ok(fresh) => match fresh.verdict {
            Verdict::Go { step: Step::Deregister } => {}
            Verdict::Keep { because } => return Ok(Outcome::Kept { because }),
            _ => return Ok(Outcome::Changed),
        },
    }
    let deleted = call(region, &image.id, &foreign).await?;
    let because = match run.used_now(image).await {
        Ok(because) => because,
        // The service may not answer for an image that is gone.
        Err(error) if error.is_missing() => Vec::new(),
        // Its snapshots stay, so that it can be restored: they are marked, and the next run deletes them.
        Err(error) => return Err(error),
    };
    if let Some(reference) = because.iter().find(|reason| reason.is_use()) {
        return taken_back(region, image, reference, &because).await;
    }
    let outcome = delete_snapshots(region, &ours, &foreign, &deleted).await?;
    usage::delete(region, &image.id).await;
    Ok(outcome)
}

/// Marks the snapshots of an image that is about to be deregistered.
async fn mark_snapshots<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &str,
    snapshots: &[String],
) -> Result<(), ImageError> {
    if snapshots.is_empty() {
        return Ok(());
    }
    let tags = Tags::from([(marks::SNAPSHOT_OF.to_owned(), image.to_owned())]);
    let action = format!("marking the snapshots of {image}");
    region.call(&action, || region.ec2.create_tags(snapshots, &tags)).await
}

/// Deregisters an image and returns what became of its snapshots. One that does not exist counts as deregistered: the
/// answer of an earlier attempt may be lost.
async fn call<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &str,
    foreign: &[String],
) -> Result<BTreeMap<String, String>, ImageError> {
    let action = format!("deregistering {image}");
    let answer = if foreign.is_empty() {
        region.call(&action, || region.ec2.deregister_with_snapshots(image)).await
    } else {
        // The service would delete the snapshots of others, too.
        region.call(&action, || region.ec2.deregister_image(image)).await.map(|()| Vec::new())
    };
    match answer {
        Ok(deleted) => Ok(deleted.into_iter().map(|one| (one.snapshot, one.code)).collect()),
        Err(error) if error.is_missing() => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Deletes what the service has not deleted. The service itself refuses to delete a snapshot that an image uses.
async fn delete_snapshots<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    ours: &[String],
    foreign: &[String],
    by_service: &BTreeMap<String, String>,
) -> Result<Outcome, ImageError> {
    let mut kept: Vec<String> =
        foreign.iter().map(|id| format!("{id}: it has no tag of this program")).collect();
    let mut deleted = Vec::new();
    for id in ours {
        if by_service.get(id).is_some_and(|code| code == "success") {
            deleted.push(id.clone());
            continue;
        }
        let users = region.images_with(id).await?;
        if let Some(user) = users.first() {
            super::steps::remove_tags(region, id, &[marks::SNAPSHOT_OF]).await?;
            kept.push(format!("{id}: {user} uses it"));
            continue;
        }
        region.delete_snapshot(id).await?;
        deleted.push(id.clone());
    }
    Ok(Outcome::Done { deleted, kept, lost: Vec::new() })
}

/// Restores an image that something named at the very moment of its deregistration, if the recycle bin has it.
async fn taken_back<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &DescribedImage,
    reference: &KeepReason,
    because: &[KeepReason],
) -> Result<Outcome, ImageError> {
    match undo::undo_image(region, &image.id).await {
        Ok(_) => Ok(Outcome::TakenBack { because: because.to_vec() }),
        Err(ImageError::Interrupted) => Err(ImageError::Interrupted),
        Err(_) => Err(ImageError::NamedSince {
            image: image.id.clone(),
            region: region.name.to_owned(),
            reference: match reference {
                KeepReason::Reference(reference) => reference.arn.clone(),
                other => other.to_string(),
            },
        }),
    }
}

/// Those of the snapshots that are marked with an image.
pub(super) fn marked(
    stored: &BTreeMap<String, StoredSnapshot>,
) -> impl Iterator<Item = (&StoredSnapshot, &str)> {
    stored.values().filter_map(|one| Some((one, one.tags.get(marks::SNAPSHOT_OF)?.as_str())))
}
