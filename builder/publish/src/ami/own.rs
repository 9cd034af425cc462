//! The uploads that belong to a publish: what their journals say, and deleting the snapshots that no AMI needs.

use std::path::Path;

use super::AmiError;
use super::ledger::{AmiLedger, AmiOrigin, LedgerEntry, PublishStage, read_copies, read_entry};
use super::region::AmiRegion;
use super::removal::delete_snapshot;
use crate::api::ec2::Ec2;
use crate::error::PublishError;
use crate::folder::LockedFolder;
use crate::journal::{Journal, JournalState};
use crate::upload as uploads;

/// What a publish that ended early has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Whether an earlier run finished: what it made stays.
    pub published: bool,
    /// What was made, in words.
    pub made: Vec<String>,
}

/// What the publish of an image has made in a region and from there, by its ledger and the journal of its root.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Ledger`], [`AmiError::Foreign`].
pub fn left(image: &Path, region: &str) -> Result<Left, AmiError> {
    let folder = AmiLedger::beside(image, region)?;
    let entry = read_entry(&folder)?;
    let mut left = Left::default();
    left.made.extend(uploads::left(image, region));
    let Some(entry) = entry else { return Ok(left) };
    left.published = entry.stage == PublishStage::Done;
    let mut known = |ids: &[&String], region: &str| {
        let ids = ids.iter().filter(|id| !entry.is_published(id));
        left.made.extend(ids.map(|id| format!("{id} in {region}")));
    };
    known(&entry.uploaded().collect::<Vec<_>>(), region);
    if entry.origin == AmiOrigin::Registered {
        known(&entry.image.iter().collect::<Vec<_>>(), region);
    }
    for copy in read_copies(&folder)? {
        known(&copy.image.iter().collect::<Vec<_>>(), &copy.region);
    }
    Ok(left)
}

/// What the journal of an image and a region says, without locking or changing it.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
pub(super) fn state(image: &Path, region: &str) -> Result<Option<JournalState>, AmiError> {
    let folder = LockedFolder::beside(image, region)?;
    Journal::read(&folder).map_err(|error| upload(image, error.into()))
}

/// Deletes the snapshots that the ledger lists as left, and the journals of their uploads. Gives their ids.
///
/// # Errors
/// [`AmiError::Call`], [`AmiError::Upload`], [`AmiError::Ledger`]; what is not deleted stays listed.
pub(super) async fn delete_left<C: Ec2>(
    home: &AmiRegion<'_, C>,
    image: &Path,
    ledger: &AmiLedger,
    entry: &mut LedgerEntry,
) -> Result<Vec<String>, AmiError> {
    let left = entry.left.clone();
    for id in &left {
        delete_snapshot(home, id).await?;
        for path in entry.request.bundles(image) {
            forget(path, home.name, id)?;
        }
        entry.left.retain(|other| other != id);
        ledger.keep(entry)?;
    }
    Ok(left)
}

/// Removes the journal of an upload if it is that of the snapshot.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
pub(super) fn forget(image: &Path, region: &str, snapshot: &str) -> Result<(), AmiError> {
    let folder = LockedFolder::open(&LockedFolder::beside(image, region)?)?;
    let failed = |error| upload(image, PublishError::Journal(error));
    match Journal::open(folder.path()).map_err(failed)? {
        Some(journal) if journal.state().started.as_ref().is_some_and(|(id, _)| id == snapshot) => {
            journal.remove().map_err(failed)
        }
        _ => Ok(()),
    }
}

fn upload(path: &Path, source: PublishError) -> AmiError {
    AmiError::Upload { path: path.to_owned(), source }
}
