//! `ListImagesInRecycleBin`, `RestoreImageFromRecycleBin`, `ListSnapshotsInRecycleBin` and
//! `RestoreSnapshotFromRecycleBin`, and the entry of deleted resources into the recycle bin.
//!
//! EBS User Guide, *Recycle Bin*: an image is restored with its tags, and in the state in which it was deregistered; its
//! snapshots are resources of their own. Not tried on AWS: all error codes, and that an image is only restored when its
//! snapshots exist.

use std::sync::Arc;

use super::call::{Ec2Call, check_image_id, check_snapshot_id};
use super::errors::Ec2Error;
use super::pagination::{PageLimits, PageRequest};
use super::register_image;
use super::success::return_true;
use crate::services::xml::Xml;
use crate::state::image::{ImageRecord, Life};
use crate::state::recycle_bin::{BinnedImage, BinnedSnapshot, Retained, RetainedResources, RetentionRules};

const IMAGE_LIMITS: PageLimits = PageLimits { min: 1, max: 1000, default: None };
const SNAPSHOT_LIMITS: PageLimits = PageLimits { min: 5, max: 1000, default: None };

impl Ec2Call<'_> {
    fn retention(&self) -> RetentionRules {
        self.region
            .retention
            .find(self.account)
            .map(|rules| RetentionRules::clone(&rules))
            .unwrap_or_default()
    }

    /// Deregisters an image; a retention rule may move it to the recycle bin.
    pub(super) fn discard_image(&self, image: &ImageRecord) -> Result<(), Ec2Error> {
        let retained = self.retention().retain(RetainedResources::Images, &image.tags, self.now);
        if let Some(retained) = retained {
            let binned = BinnedImage { retained, life: image.life.clone() };
            self.region.image_bin.put(&image.id, binned)?;
        }
        self.edit_image(&image.id, |image| {
            image.life = Life::Deregistered;
            Ok(())
        })
    }

    /// Deletes an unused snapshot; a retention rule may move it to the recycle bin.
    pub(super) fn discard_snapshot(&self, id: &str) -> Result<(), Ec2Error> {
        let tags = self.region.snapshots.find(id).map(|snapshot| snapshot.tags.clone()).unwrap_or_default();
        match self.retention().retain(RetainedResources::Snapshots, &tags, self.now) {
            Some(retained) => Ok(self.region.snapshots.discard(id, retained)?),
            None => self.remove_snapshot(id),
        }
    }

    /// The account's images in the recycle bin. Removes those whose time is over.
    pub(super) fn binned_images(&self) -> Result<Vec<(Retained, Arc<ImageRecord>)>, Ec2Error> {
        let mut binned = Vec::new();
        for (id, one) in self.region.image_bin.all() {
            let image = self.region.images.find(&id).filter(|image| image.life == Life::Deregistered);
            match image {
                Some(image) if !one.retained.is_over(self.now) => {
                    if image.owner == self.account {
                        binned.push((one.retained, image));
                    }
                }
                _ => drop(self.region.image_bin.remove(&id)?),
            }
        }
        Ok(binned)
    }

    /// The account's snapshots in the recycle bin.
    pub(super) fn binned_snapshots(&self) -> Result<Vec<Arc<BinnedSnapshot>>, Ec2Error> {
        let all = self.region.snapshots.binned(self.now)?;
        Ok(all.into_iter().filter(|one| one.snapshot.owner == self.account).collect())
    }
}

/// `ListImagesInRecycleBin`.
pub(crate) fn images(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let ids = params.text_list("ImageId");
    ids.iter().try_for_each(|id| check_image_id(id))?;
    let page = PageRequest::read(&params, IMAGE_LIMITS)?;
    call.commit()?;
    let mut binned = call.binned_images()?;
    binned.retain(|(_, image)| ids.is_empty() || ids.contains(&image.id.as_str()));
    let (page_images, next) = page.paginate(binned, |(_, image)| &image.id);
    let mut xml = Xml::new();
    xml.items("imageSet", page_images, |xml, (retained, image)| {
        xml.value("imageId", &image.id);
        xml.value("name", &image.name);
        xml.optional("description", image.description.as_ref());
        write_stay(xml, retained);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

fn write_stay(xml: &mut Xml, retained: Retained) {
    xml.value("recycleBinEnterTime", retained.entered.iso());
    xml.value("recycleBinExitTime", retained.leaves.iso());
}

/// `RestoreImageFromRecycleBin`.
pub(crate) fn restore_image(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let id = call.params().required("ImageId")?;
    check_image_id(id)?;
    let image = call.binned_images()?.into_iter().find(|(_, image)| image.id == id);
    let (_, image) = image.ok_or_else(|| super::call::no_image(id))?;
    register_image::check_free(call, &image.name)?;
    if let Some(missing) = image.snapshots().find(|id| call.region.snapshots.find(id).is_none()) {
        let message = format!("The snapshot '{missing}' does not exist.");
        return Err(Ec2Error::new("InvalidSnapshot.NotFound", message));
    }
    call.commit()?;
    let life = call.region.image_bin.find(id).map(|binned| binned.life.clone());
    call.edit_image(id, |image| {
        image.life = life.unwrap_or(Life::Ready { from: call.now, failure: None });
        Ok(())
    })?;
    call.region.image_bin.remove(id)?;
    Ok(return_true())
}

/// `ListSnapshotsInRecycleBin`.
pub(crate) fn snapshots(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let ids = params.text_list("SnapshotId");
    ids.iter().try_for_each(|id| check_snapshot_id(id))?;
    let page = PageRequest::read(&params, SNAPSHOT_LIMITS)?;
    call.commit()?;
    let mut binned = call.binned_snapshots()?;
    binned.retain(|one| ids.is_empty() || ids.contains(&one.snapshot.id.as_str()));
    let (page_snapshots, next) = page.paginate(binned, |one| &one.snapshot.id);
    let mut xml = Xml::new();
    xml.items("snapshotSet", page_snapshots, |xml, one| {
        xml.value("snapshotId", &one.snapshot.id);
        write_stay(xml, one.retained);
        xml.value("description", &one.snapshot.description);
        xml.value("volumeId", &one.snapshot.volume_id);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

/// `RestoreSnapshotFromRecycleBin`.
pub(crate) fn restore_snapshot(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let id = call.params().required("SnapshotId")?;
    check_snapshot_id(id)?;
    let missing = || Ec2Error::new(super::call::NO_SNAPSHOT, format!("The snapshot '{id}' does not exist."));
    call.binned_snapshots()?.into_iter().find(|one| one.snapshot.id == id).ok_or_else(missing)?;
    call.commit()?;
    let snapshot = call.region.snapshots.restore(id)?.ok_or_else(missing)?;
    let mut xml = Xml::new();
    xml.value("snapshotId", id);
    xml.value("description", &snapshot.description);
    xml.value("encrypted", snapshot.kms_key.is_some());
    xml.value("ownerId", &snapshot.owner);
    xml.value("progress", snapshot.progress(call.now));
    xml.value("startTime", snapshot.start_time.iso());
    xml.value("status", snapshot.status(call.now).as_str());
    xml.value("volumeId", &snapshot.volume_id);
    xml.value("volumeSize", snapshot.volume_size);
    xml.value("sseType", if snapshot.kms_key.is_some() { "sse-kms" } else { "none" });
    Ok(xml)
}
