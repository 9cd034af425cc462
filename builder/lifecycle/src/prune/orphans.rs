//! Snapshots of this program that no image of any state uses.

use std::collections::BTreeMap;

use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::tags;
use serde::Serialize;

use super::marks;
use crate::api::images::{ImageCalls, SnapshotUse, StoredSnapshot};
use crate::inventory::{ImageError, ImageRegion, moment};

/// Which snapshots to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanOptions {
    /// Only snapshots of this image name.
    pub name: Option<String>,
    /// Minimum age in seconds: a publish registers its snapshot some time after it is completed.
    pub older_than: i64,
    /// The time, in seconds since 1970.
    pub now: i64,
}

/// The snapshots of a region that no image uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrphanPlan {
    /// The region.
    pub region: String,
    /// The snapshots, the oldest first.
    pub orphans: Vec<Orphan>,
}

/// A snapshot that no image uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// Its id.
    pub snapshot_id: String,
    /// The name of the image that it holds.
    pub image: Option<String>,
    /// The version of that image.
    pub version: Option<String>,
    /// When it was started (RFC 3339).
    pub started: String,
    /// Length of its volume in GiB.
    pub volume_gib: u64,
    /// Length of its blocks in bytes, including those that other snapshots share.
    pub full_bytes: Option<u64>,
    /// Why it is kept; none if it can be deleted.
    pub kept: Option<String>,
}

/// The snapshots of this program that no image of any state uses.
///
/// # Errors
/// [`ImageError`].
pub async fn orphans<C: ImageCalls, S: SnapshotUse>(
    region: &ImageRegion<'_, C>,
    other: &S,
    options: &OrphanOptions,
) -> Result<OrphanPlan, ImageError> {
    region.monitor.progress.begin(&format!("looking for orphans in {}", region.name), None);
    // The images come last: an image that is registered meanwhile is seen.
    let mut stored = region.own_snapshots().await?;
    let held = Held::look_up(region, other).await?;
    let images = region.all_images().await?;
    images.iter().flat_map(DescribedImage::snapshots).for_each(|id| drop(stored.remove(&id)));
    if let Some(name) = &options.name {
        stored.retain(|_, snapshot| snapshot.tags.get(tags::IMAGE) == Some(name));
    }
    let existing = |image: &str| images.iter().any(|other| other.id == image);
    let mut orphans: Vec<Orphan> = stored
        .values()
        .map(|snapshot| Orphan {
            snapshot_id: snapshot.id.clone(),
            image: snapshot.tags.get(tags::IMAGE).cloned(),
            version: snapshot.tags.get(tags::VERSION).cloned(),
            started: moment::show(snapshot.started),
            volume_gib: snapshot.volume_gib,
            full_bytes: snapshot.full_bytes,
            kept: held.reason(snapshot, existing, options),
        })
        .collect();
    orphans.sort_by(|a, b| (&a.started, &a.snapshot_id).cmp(&(&b.started, &b.snapshot_id)));
    region.monitor.progress.end();
    Ok(OrphanPlan { region: region.name.to_owned(), orphans })
}

/// What keeps snapshots although no image uses them.
struct Held {
    locked: Vec<String>,
    being_stored: Vec<String>,
}

impl Held {
    async fn look_up<C: ImageCalls, S: SnapshotUse>(
        region: &ImageRegion<'_, C>,
        other: &S,
    ) -> Result<Self, ImageError> {
        Ok(Self {
            locked: region.optional("asking for locks", || other.locked_snapshots()).await?,
            being_stored: region.optional("asking for store tasks", || other.images_being_stored()).await?,
        })
    }

    fn reason(
        &self,
        snapshot: &StoredSnapshot,
        existing: impl Fn(&str) -> bool,
        options: &OrphanOptions,
    ) -> Option<String> {
        let age = options.now - snapshot.started;
        let stored_of = snapshot.tags.get(marks::SNAPSHOT_OF).map(String::as_str);
        // The task of an image that is gone reads snapshots that nothing else tells of.
        let mut gone = self.being_stored.iter().filter(|image| !existing(image));
        if snapshot.state == "pending" {
            Some("it is pending: an upload or a copy is under way".to_owned())
        } else if self.locked.contains(&snapshot.id) {
            Some("it is locked".to_owned())
        } else if let Some(image) = gone.find(|image| stored_of.is_none_or(|of| of == image.as_str())) {
            Some(format!("{image}, which is gone, is being stored"))
        } else if age < options.older_than {
            let (age, limit) = (moment::span(age), moment::span(options.older_than));
            Some(format!("it is {age} old, not {limit}: its image may not be registered yet"))
        } else {
            None
        }
    }
}

/// Deletes the orphans of a plan, each after it was looked up again. Returns the outcome of each: whether it was deleted.
///
/// # Errors
/// [`ImageError`] when nothing can be looked up, or after an interrupt.
pub async fn delete_orphans<C: ImageCalls, S: SnapshotUse>(
    region: &ImageRegion<'_, C>,
    other: &S,
    plan: &OrphanPlan,
) -> Result<BTreeMap<String, Result<bool, ImageError>>, ImageError> {
    let mut outcomes = BTreeMap::new();
    for orphan in plan.orphans.iter().filter(|orphan| orphan.kept.is_none()) {
        let id = &orphan.snapshot_id;
        region.monitor.progress.begin(&format!("deleting {id}"), None);
        let outcome = delete_one(region, other, id).await;
        if matches!(outcome, Err(ImageError::Interrupted)) {
            return Err(ImageError::Interrupted);
        }
        outcomes.insert(id.clone(), outcome);
    }
    region.monitor.progress.end();
    Ok(outcomes)
}

async fn delete_one<C: ImageCalls, S: SnapshotUse>(
    region: &ImageRegion<'_, C>,
    other: &S,
    id: &str,
) -> Result<bool, ImageError> {
    let held = Held::look_up(region, other).await?;
    if held.locked.iter().any(|locked| locked == id) || !region.images_with(id).await?.is_empty() {
        return Ok(false);
    }
    region.delete_snapshot(id).await?;
    Ok(true)
}
