//! The uploads of a publish: their journals, and the deletion of snapshots that belong to no AMI.

use std::path::Path;

use super::AmiError;
use super::delete::delete_snapshot;
use super::ledger::{AmiLedger, AmiOrigin, LedgerEntry, PublishStage, read_copies, read_entry};
use super::region::AmiRegion;
use crate::api::ec2::Ec2;
use crate::error::PublishError;
use crate::folder::LockedFolder;
use crate::import;
use crate::journal::{Journal, JournalState};
use crate::upload as uploads;

/// Resources of a publish that has not finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Whether an earlier run finished, whose resources are kept.
    pub published: bool,
    /// The created resources, as text.
    pub created: Vec<String>,
}

/// The resources that the publish of an image to a region has created, by its ledger and the journal of its root.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Ledger`], [`AmiError::Foreign`].
pub fn unfinished(image: &Path, region: &str) -> Result<Unfinished, AmiError> {
    let folder = AmiLedger::path_for(image, region)?;
    let entry = read_entry(&folder)?;
    let mut unfinished = Unfinished::default();
    unfinished.created.extend(uploads::unfinished(image, region));
    unfinished.created.extend(import::unfinished(image, region));
    let Some(entry) = entry else { return Ok(unfinished) };
    unfinished.published = entry.stage == PublishStage::Done;
    let mut add = |ids: &[&String], region: &str| {
        let ids = ids.iter().filter(|id| !entry.is_published(id));
        unfinished.created.extend(ids.map(|id| format!("{id} in {region}")));
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

/// Reads the journal of an image and a region without locking or changing it.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
pub(super) fn journal_state(image: &Path, region: &str) -> Result<Option<JournalState>, AmiError> {
    let folder = LockedFolder::path_for(image, region)?;
    Journal::read(&folder).map_err(|error| upload_error(image, error.into()))
}

/// Reads the ledger of the import of an image and a region.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
fn import_entry(image: &Path, region: &str) -> Result<Option<import::ImportEntry>, AmiError> {
    let folder = LockedFolder::path_for(image, region)?;
    import::read_ledger(&folder).map_err(|error| upload_error(image, error))
}

/// The snapshots of finished uploads of an image, also of imports.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
pub(super) fn finished_snapshots(image: &Path, region: &str) -> Result<Vec<String>, AmiError> {
    let journal = journal_state(image, region)?.filter(|state| state.finished);
    let imported = import_entry(image, region)?.filter(|entry| entry.finished);
    let sent = journal.and_then(|state| Some(state.started?.0));
    Ok(sent.into_iter().chain(imported.and_then(|entry| entry.snapshot)).collect())
}

/// Whether the snapshot of an image holds its blocks of zeros, so that encrypted copies read as they should. An imported
/// one does: the whole object is written.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
pub(super) fn holds_zeros(image: &Path, region: &str) -> Result<bool, AmiError> {
    let imported = import_entry(image, region)?.is_some();
    Ok(imported || journal_state(image, region)?.is_some_and(|state| state.intent.write_zeros))
}

/// Deletes the orphaned snapshots of the ledger with the journals of their uploads. Returns their ids.
///
/// # Errors
/// [`AmiError::Call`], [`AmiError::Upload`], [`AmiError::Ledger`]. A snapshot that was not deleted stays in the ledger.
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

/// Removes the journal of an upload if it belongs to the snapshot.
///
/// # Errors
/// [`AmiError::Folder`], [`AmiError::Upload`].
pub(super) fn remove_journal_of(image: &Path, region: &str, snapshot: &str) -> Result<(), AmiError> {
    let folder = LockedFolder::open(&LockedFolder::path_for(image, region)?)?;
    let failed = |error| upload_error(image, PublishError::Journal(error));
    match Journal::open(folder.path()).map_err(failed)? {
        Some(journal) if journal.state().started.as_ref().is_some_and(|(id, _)| id == snapshot) => {
            journal.remove().map_err(failed)?;
        }
        _ => {}
    }
    import::remove_ledger_of(folder, snapshot).map_err(|error| upload_error(image, error))
}

fn upload_error(path: &Path, source: PublishError) -> AmiError {
    AmiError::Upload { path: path.to_owned(), source }
}
