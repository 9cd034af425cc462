//! Abandons a publish that has not finished: deletes its copies, the AMI and the snapshots, and then its journals and
//! its ledger.

use std::path::Path;

use amiforge_progress::Monitor;

use super::delete::{Deleted, SnapshotDisposal, delete_snapshot, deregister};
use super::ledger::{AmiLedger, AmiOrigin, CopyEntry, LedgerEntry, PublishStage};
use super::region::AmiRegion;
use super::{AmiError, copy, uploads};
use crate::api::Ebs;
use crate::api::ec2::{DescribedImage, Ec2};
use crate::api::imports::ImportRegions;
use crate::error::PublishError;
use crate::import;
use crate::journal::UploadIdentity;
use crate::request::VolumeContent;
use crate::services::Services;
use crate::tags;
use crate::upload;

/// Deletes what the publish of `image` has created, according to its journals and its ledger. AMIs and snapshots of a
/// finished run are kept, whatever a later run was to add to them.
///
/// # Errors
/// [`AmiError::NothingToAbandon`], also when everything is published; [`AmiError::Call`]. What could not be deleted
/// stays in the ledger, and the same call retries it.
pub async fn abandon<E: Ebs, C: Ec2, R: ImportRegions<Ec2 = C>>(
    services: &Services<E, C>,
    regions: &R,
    image: &Path,
    monitor: Monitor<'_>,
) -> Result<Vec<Deleted>, AmiError> {
    let services = &services.with_cancel(monitor.cancel);
    let ledger = AmiLedger::open(&AmiLedger::path_for(image, &services.region)?)?;
    let entry = ledger.entry()?;
    let mut cleanup = Cleanup { services, regions, image, monitor, deleted: Vec::new() };
    let Some(mut entry) = entry else {
        cleanup.delete_upload(image, None).await?;
        return Ok(cleanup.deleted);
    };
    for copy in ledger.copies()? {
        cleanup.delete_copy(&entry, &copy, &ledger).await?;
    }
    cleanup.deregister_own(&entry).await?;
    cleanup.delete_orphans(&mut entry, &ledger).await?;
    for path in entry.request.bundles(image) {
        if entry.stage == PublishStage::Done && is_other_bundle(path, &entry, &services.region)? {
            continue;
        }
        cleanup.delete_upload(path, Some(&entry)).await?;
    }
    if entry.published.is_empty() {
        ledger.clear()?;
        return Ok(cleanup.deleted);
    }
    let name = entry.request.name.clone();
    let published = entry.image.clone().filter(|id| entry.is_published(id));
    let entry = match entry.stage {
        PublishStage::Done => LedgerEntry { image: published.clone(), ..entry },
        PublishStage::Open => LedgerEntry { published: entry.published, ..LedgerEntry::new(entry.request) },
    };
    ledger.save(&entry)?;
    if !cleanup.deleted.is_empty() {
        return Ok(cleanup.deleted);
    }
    let reason = match published {
        Some(image) => format!("`{name}` is published as {image}"),
        None => format!("the publish of `{name}` has made nothing"),
    };
    Err(AmiError::NothingToAbandon { reason })
}

/// Whether the upload of an image belongs to another bundle than the one that was published from this path.
fn is_other_bundle(path: &Path, entry: &LedgerEntry, region: &str) -> Result<bool, AmiError> {
    let Some(state) = uploads::journal_state(path, region)? else { return Ok(false) };
    let published = entry.request.digests.get(tags::MANIFEST);
    Ok(match (&state.intent.identity, published) {
        (UploadIdentity::Bundle { manifest }, Some(published)) => {
            manifest != published && is_root_path(entry, path)
        }
        _ => false,
    })
}

/// Whether a path is that of the root volume and not of a further volume.
fn is_root_path(entry: &LedgerEntry, path: &Path) -> bool {
    entry.request.volumes.iter().all(|volume| volume.content != VolumeContent::Bundle(path.to_owned()))
}

struct Cleanup<'a, E, C, R> {
    services: &'a Services<E, C>,
    regions: &'a R,
    image: &'a Path,
    monitor: Monitor<'a>,
    deleted: Vec<Deleted>,
}

impl<E: Ebs, C: Ec2, R: ImportRegions<Ec2 = C>> Cleanup<'_, E, C, R> {
    fn region<'b>(&'b self, name: &'b str, ec2: &'b C) -> AmiRegion<'b, C> {
        let (timer, monitor) = (&self.services.timer, self.monitor);
        AmiRegion { name, ec2, timer, monitor }
    }

    /// Deletes a copy with its snapshots, unless it is published.
    async fn delete_copy(
        &mut self,
        entry: &LedgerEntry,
        copy: &CopyEntry,
        ledger: &AmiLedger,
    ) -> Result<(), AmiError> {
        let ec2 = self.regions.ec2(&copy.region);
        let region = self.region(&copy.region, &ec2);
        let image = match &copy.image {
            Some(id) if entry.is_published(id) => return Ok(()),
            Some(id) => region.find_image(id).await?,
            None => None,
        };
        let image = if image.is_some() {
            image
        } else {
            // The service may have executed the call although its response was lost.
            let existing = region.image_by_name(&entry.request.name).await?;
            existing.filter(|image| copy::is_copy_of(image, &copy.source, &entry.request))
        };
        let mut deleted = Vec::new();
        if let Some(image) = image.filter(|image| !entry.is_published(&image.id)) {
            deleted = deregister(&region, &image, SnapshotDisposal::Delete).await?;
        }
        for id in &copy.orphans {
            delete_snapshot(&region, id).await?;
            deleted.push(Deleted { region: copy.region.clone(), id: id.clone() });
        }
        self.deleted.extend(deleted);
        ledger.remove_copy(&copy.region)
    }

    /// Deregisters the AMI if it was made from the snapshot of this publish. Its snapshots are deleted with their
    /// uploads.
    async fn deregister_own(&mut self, entry: &LedgerEntry) -> Result<(), AmiError> {
        let Some(root) = entry.root_snapshot().filter(|_| entry.origin == AmiOrigin::Registered) else {
            return Ok(());
        };
        let ec2 = &*self.services.ec2;
        let region = self.region(&self.services.region, ec2);
        let existing = region.image_by_name(&entry.request.name).await?;
        let is_own =
            |image: &DescribedImage| image.root_snapshot() == Some(root) && !entry.is_published(&image.id);
        let Some(image) = existing.filter(is_own) else { return Ok(()) };
        let deleted = deregister(&region, &image, SnapshotDisposal::Keep).await?;
        self.deleted.extend(deleted);
        Ok(())
    }

    /// Deletes the snapshots that belong to no AMI.
    async fn delete_orphans(&mut self, entry: &mut LedgerEntry, ledger: &AmiLedger) -> Result<(), AmiError> {
        let ec2 = &*self.services.ec2;
        let region = self.region(&self.services.region, ec2);
        let deleted = uploads::delete_orphans(&region, self.image, ledger, entry).await?;
        for id in deleted {
            self.record(id);
        }
        Ok(())
    }

    /// Deletes the snapshot of an upload with its journal. The snapshot of a finished upload is deleted only if it
    /// belongs to a publish and is not published.
    async fn delete_upload(&mut self, path: &Path, entry: Option<&LedgerEntry>) -> Result<(), AmiError> {
        if self.delete_import(path).await? {
            return Ok(());
        }
        let options = upload::UploadOptions::default();
        match (upload::abandon(self.services, path, &options).await, entry) {
            (Ok(id), _) => self.record(id),
            (Err(PublishError::NothingToAbandon { .. }), Some(entry)) => {
                let finished = uploads::finished_snapshots(path, &self.services.region)?;
                for id in finished.into_iter().filter(|id| !entry.is_published(id)) {
                    let region = self.region(&self.services.region, &*self.services.ec2);
                    delete_snapshot(&region, &id).await?;
                    uploads::remove_journal_of(path, &self.services.region, &id)?;
                    self.record(id);
                }
            }
            (Err(PublishError::NothingToAbandon { reason }), None) => {
                return Err(AmiError::NothingToAbandon { reason });
            }
            (Err(PublishError::Interrupted), _) => return Err(AmiError::Interrupted),
            (Err(source), _) => return Err(AmiError::Upload { path: path.to_owned(), source }),
        }
        Ok(())
    }

    /// Takes an unfinished import back; whether there was one.
    async fn delete_import(&mut self, path: &Path) -> Result<bool, AmiError> {
        let calls = self.regions.import(&self.services.region);
        match import::abandon(self.services, &calls, path).await {
            Ok(None) => Ok(false),
            Ok(Some(abandoned)) => {
                abandoned.deleted.into_iter().for_each(|id| self.record(id));
                Ok(true)
            }
            Err(PublishError::Interrupted) => Err(AmiError::Interrupted),
            Err(source) => Err(AmiError::Upload { path: path.to_owned(), source }),
        }
    }

    fn record(&mut self, id: String) {
        self.deleted.push(Deleted { region: self.services.region.clone(), id });
    }
}
