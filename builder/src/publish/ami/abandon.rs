//! Takes back what a publish that is not done has made: copies, the AMI, snapshots, and then journals and ledger.

use std::path::Path;

use super::ledger::{CopyEntry, Entry, Ledger, Origin, Stage};
use super::region::Region;
use super::removal::{WithSnapshots, delete_snapshot, deregister};
use super::{AmiError, copy};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::publish::api::Ebs;
use crate::publish::api::ec2::{Ec2, Regions};
use crate::publish::error::PublishError;
use crate::publish::folder::Folder;
use crate::publish::journal::Journal;
use crate::publish::request::ContentOf;
use crate::publish::services::Services;
use crate::publish::upload;

/// Something that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// Where.
    pub region: String,
    /// Its id.
    pub id: String,
}

/// Deletes what the publish of `image` has made, as far as its journals and its ledger know.
///
/// # Errors
/// [`AmiError::NothingToAbandon`] also when the publish is done, [`AmiError::Call`]. What could not be deleted stays in
/// the ledger, and the same call tries it again.
pub async fn abandon<E: Ebs, C: Ec2, R: Regions<Ec2 = C>>(
    services: &Services<E, C>,
    regions: &R,
    image: &Path,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Vec<Deleted>, AmiError> {
    let ledger = Ledger::open(&Ledger::beside(image, &services.region)?)?;
    let entry = ledger.entry()?;
    let mut undo = Undo { services, regions, image, progress, interrupt, deleted: Vec::new() };
    if let Some(entry) = &entry {
        if entry.stage == Stage::Done {
            let image = entry.image.as_deref().unwrap_or("an AMI");
            let found = format!("`{}` is published as {image}", entry.request.name);
            return Err(AmiError::NothingToAbandon { found });
        }
        for copy in ledger.copies()? {
            undo.copy(entry, &copy).await?;
        }
        undo.registered(entry).await?;
    }
    undo.uploads(entry.as_ref()).await?;
    ledger.clear()?;
    Ok(undo.deleted)
}

struct Undo<'a, E, C, R> {
    services: &'a Services<E, C>,
    regions: &'a R,
    image: &'a Path,
    progress: &'a dyn Progress,
    interrupt: &'a Interrupt,
    deleted: Vec<Deleted>,
}

impl<E: Ebs, C: Ec2, R: Regions<Ec2 = C>> Undo<'_, E, C, R> {
    fn region<'b>(&'b self, name: &'b str, ec2: &'b C) -> Region<'b, C> {
        let (pace, progress, interrupt) = (&self.services.pace, self.progress, self.interrupt);
        Region { name, ec2, pace, progress, interrupt }
    }

    /// Deletes a copy with its snapshots.
    async fn copy(&mut self, entry: &Entry, copy: &CopyEntry) -> Result<(), AmiError> {
        let ec2 = self.regions.ec2(&copy.region);
        let region = self.region(&copy.region, &ec2);
        let noted = match &copy.image {
            Some(id) => region.known(id).await?,
            None => None,
        };
        let image = if noted.is_some() {
            noted
        } else {
            // The call may have been heard though its answer was not.
            let found = region.by_name(&entry.request.name).await?;
            found.filter(|image| copy::is_copy_of(image, &copy.source, &entry.request))
        };
        let mut gone = Vec::new();
        if let Some(image) = image {
            gone = deregister(&region, &image, WithSnapshots::Deleted).await?;
        }
        for id in &copy.left {
            delete_snapshot(&region, id).await?;
            gone.push(Deleted { region: copy.region.clone(), id: id.clone() });
        }
        self.deleted.extend(gone);
        Ok(())
    }

    /// Deregisters the AMI if it was made from the snapshot of this publish. Its snapshots go with their uploads.
    async fn registered(&mut self, entry: &Entry) -> Result<(), AmiError> {
        let Some(root) = entry.root().filter(|_| entry.origin == Origin::Registered) else { return Ok(()) };
        let ec2 = &*self.services.ec2;
        let region = self.region(&self.services.region, ec2);
        let found = region.by_name(&entry.request.name).await?;
        let Some(image) = found.filter(|image| image.root_snapshot() == Some(root)) else { return Ok(()) };
        let gone = deregister(&region, &image, WithSnapshots::Kept).await?;
        self.deleted.extend(gone);
        Ok(())
    }

    /// Deletes the snapshots of uploads, done or not, with their journals.
    async fn uploads(&mut self, entry: Option<&Entry>) -> Result<(), AmiError> {
        let mut paths = vec![self.image];
        let volumes = entry.map(|entry| entry.request.volumes.as_slice()).unwrap_or_default();
        paths.extend(volumes.iter().filter_map(|volume| match &volume.content {
            ContentOf::Bundle(path) => Some(path.as_path()),
            _ => None,
        }));
        for path in paths {
            let failed = |source| AmiError::Upload { path: path.to_owned(), source };
            match upload::abandon(self.services, path, &upload::Options::default()).await {
                Ok(id) => self.gone(id),
                Err(PublishError::NothingToAbandon { .. }) if entry.is_some() => {
                    // An AMI that was there already was made from other snapshots than ours.
                    let made = entry.is_some_and(|entry| entry.origin == Origin::Registered);
                    if made && let Some(id) = self.finished(path).await? {
                        self.gone(id);
                    }
                }
                Err(PublishError::NothingToAbandon { found }) => {
                    return Err(AmiError::NothingToAbandon { found });
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// Deletes the snapshot of an upload that is done, and its journal.
    async fn finished(&self, path: &Path) -> Result<Option<String>, AmiError> {
        let failed = |source: PublishError| AmiError::Upload { path: path.to_owned(), source };
        let folder = Folder::open(&Folder::beside(path, &self.services.region)?)?;
        let journal = Journal::open(folder.path()).map_err(|error| failed(error.into()))?;
        let Some(journal) = journal else { return Ok(None) };
        let Some((id, _)) = journal.state().started.clone() else { return Ok(None) };
        let region = self.region(&self.services.region, &*self.services.ec2);
        delete_snapshot(&region, &id).await?;
        journal.remove().map_err(|error| failed(error.into()))?;
        Ok(Some(id))
    }

    fn gone(&mut self, id: String) {
        self.deleted.push(Deleted { region: self.services.region.clone(), id });
    }
}
