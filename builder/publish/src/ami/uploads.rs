//! The uploads that belong to a publish: what their journals say, and deleting the snapshots that no AMI needs.

use std::path::Path;

use super::AmiError;
use super::delete::delete_snapshot;
use super::ledger::{AmiLedger, AmiOrigin, LedgerEntry, PublishStage, read_copies, read_entry};
use super::region::AmiRegion;
use crate::api::ec2::Ec2;
use crate::error::PublishError;
use crate::folder::LockedFolder;
use crate::journal::{Journal, JournalState};
use crate::upload as uploads;

/// What a publish that ended early has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Whether an earlier run finished: what it made stays.
    pub published: bool,
    /// What was made, in words.
    pub made: Vec<String>,
}

/// What the publish of an image has made in a region and from there, by its ledger and the journal of its root.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Ledger`], [`AmiError::Foreign`].
pub fn unfinished(image: &Path, region: &str) -> Result<Unfinished, AmiError> {
    let folder = AmiLedger::path_for(image, region)?;
    let entry = read_entry(&folder)?;
    let mut unfinished = Unfinished::default();
    unfinished.made.extend(uploads::unfinished(image, region));
    let Some(entry) = entry else { return Ok(unfinished) };
    unfinished.published = entry.stage == PublishStage::Done;
    let mut add = |ids: &[&String], region: &str| {
        let ids = ids.iter().filter(|id| !entry.is_published(id));
        unfinished.made.extend(ids.map(|id| format!("{id} in {region}")));
    };
    add(&entry.uploaded_snapshots().collect::<Vec<_>>(), region);
    if entry.origin == AmiOrigin::Registered {
        add(&entry.image.iter().collect::<Vec<_>>(), region);
    }
    for copy in read_copies(&folder)? {
        add(&copy.image.iter().collect::<Vec<_>>(), &copy.region);
    }
    Ok(unfinished)
}

/// What the journal of an image and a region says, without locking or changing it.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
pub(super) fn journal_state(image: &Path, region: &str) -> Result<Option<JournalState>, AmiError> {
    let folder = LockedFolder::path_for(image, region)?;
    Journal::read(&folder).map_err(|error| upload_error(image, error.into()))
}

/// Deletes the snapshots that the ledger lists as left, and the journals of their uploads. Gives their ids.
///
/// # Errors
/// [`AmiError::Call`], [`AmiError::Upload`], [`AmiError::Ledger`]; what is not deleted stays listed.
pub(super) async fn delete_orphans<C: Ec2>(
    home: &AmiRegion<'_, C>,
    image: &Path,
    ledger: &AmiLedger,
    entry: &mut LedgerEntry,
) -> Result<Vec<String>, AmiError> {
    let unfinished = entry.orphans.clone();
    for id in &unfinished {
        delete_snapshot(home, id).await?;
        for path in entry.request.bundles(image) {
            remove_journal_of(path, home.name, id)?;
        }
        entry.orphans.retain(|other| other != id);
        ledger.save(entry)?;
    }
    Ok(unfinished)
}

/// Removes the journal of an upload if it is that of the snapshot.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
pub(super) fn remove_journal_of(image: &Path, region: &str, snapshot: &str) -> Result<(), AmiError> {
    let folder = LockedFolder::open(&LockedFolder::path_for(image, region)?)?;
    let failed = |error| upload_error(image, PublishError::Journal(error));
    match Journal::open(folder.path()).map_err(failed)? {
        Some(journal) if journal.state().started.as_ref().is_some_and(|(id, _)| id == snapshot) => {
            journal.remove().map_err(failed)
        }
        _ => Ok(()),
    }
}

fn upload_error(path: &Path, source: PublishError) -> AmiError {
    AmiError::Upload { path: path.to_owned(), source }
}
