//! An upload: an image becomes the blocks of a completed snapshot. The same call, made again, goes on where it was
//! stopped, whatever stopped it, and finds what is done already.

mod begin;
mod block_selector;
mod options;
mod parent;
mod reader;
mod send;
mod verify_delta;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use amiforge_formats::digest::Digest;
use amiforge_image::image::Aggregate;
use amiforge_progress::Monitor;
use sha2::{Digest as _, Sha256};

use self::block_selector::BlockSelector;
use self::parent::Parent;
use self::send::UploadContext;
use super::api::{DescribedSnapshot, Ebs, SnapshotCalls, SnapshotState};
use super::error::{PublishError, call_failed};
use super::folder::LockedFolder;
use super::journal::{Journal, JournalState, Record};
use super::rate_limiter::RateLimiter;
use super::retry::{CallStep, NoObserver, retry};
use super::services::{Services, SnapshotLookup};
use super::source::ImageSource;
use super::wait;

pub use block_selector::ZeroPolicy;
pub use options::{LaterEncryption, ParentChoice, TAG_UPLOAD, UploadOptions};

/// What came of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The snapshot.
    pub snapshot: DescribedSnapshot,
    /// Its parent.
    pub parent: Option<String>,
    /// Blocks that it holds of its own.
    pub written: u64,
    /// Blocks that this call sent: fewer when an upload was continued, none when it was done.
    pub sent: u64,
    /// Blocks that were read back and compared, where there is a parent.
    pub verified: u64,
    /// Throttles that were met.
    pub throttled: u64,
    /// The folder of the journal.
    pub folder: PathBuf,
}

/// Everything that the steps of one upload share.
struct UploadTask<'a, E, S> {
    services: &'a Services<E, S>,
    options: &'a UploadOptions,
    source: Arc<ImageSource>,
    folder: LockedFolder,
    monitor: Monitor<'a>,
}

/// Uploads a bundle or a raw file.
///
/// # Errors
/// [`PublishError`]. What was begun stays in the journal, except where the error says that it is gone.
pub async fn upload<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    image: &Path,
    options: &UploadOptions,
    monitor: Monitor<'_>,
) -> Result<Uploaded, PublishError> {
    let services = &services.with_cancel(monitor.cancel);
    let source = Arc::new(ImageSource::open(image)?);
    let folder = LockedFolder::open(&options.folder_for(image, &services.region)?)?;
    let task = UploadTask { services, options, source, folder, monitor };
    let (journal, upload_state) = task.begin().await?;
    match upload_state {
        begin::UploadState::Completed(snapshot) => task.already_completed(journal, snapshot).await,
        begin::UploadState::Open { snapshot, age } => task.complete_upload(journal, snapshot, age).await,
    }
}

/// Deletes the snapshot of an upload that is not done, and its journal. Gives the snapshot's id.
///
/// # Errors
/// [`PublishError::NothingToAbandon`], and what else may go wrong.
pub async fn abandon<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    image: &Path,
    options: &UploadOptions,
) -> Result<String, PublishError> {
    let folder = LockedFolder::open(&options.folder_for(image, &services.region)?)?;
    let nothing_to_abandon = |found: String| PublishError::NothingToAbandon { found };
    let Some(journal) = Journal::open(folder.path())? else {
        return Err(nothing_to_abandon(format!("there is no journal in `{}`", folder.path().display())));
    };
    let state = journal.state();
    let snapshot = match &state.started {
        Some((snapshot, _)) if state.finished => {
            return Err(nothing_to_abandon(format!("{snapshot} is complete")));
        }
        Some((snapshot, _)) => snapshot.clone(),
        // The service may have begun it without our hearing of that; the token makes it say so.
        None => {
            let request = state.intent.start();
            let call = || services.ebs.start_snapshot(&request);
            let started = retry(&services.timer, CallStep::Start, &NoObserver, call).await;
            started.map_err(call_failed("asking which snapshot was begun"))?.snapshot
        }
    };
    services.delete_snapshot(&snapshot).await?;
    journal.remove()?;
    Ok(snapshot)
}

/// What an upload that is not finished has made, in words; nothing where there is none.
pub fn unfinished(image: &Path, region: &str) -> Option<String> {
    let folder = LockedFolder::path_for(image, region).ok()?;
    let state = Journal::read(&folder).ok()??;
    if state.finished {
        return None;
    }
    Some(match &state.started {
        Some((id, _)) => format!("{id} in {region}, pending with {} blocks", state.acknowledged.len()),
        None => format!("perhaps a snapshot in {region} with the tag {TAG_UPLOAD}={}", state.intent.token),
    })
}

impl<E: Ebs, S: SnapshotCalls> UploadTask<'_, E, S> {
    /// Sends what is missing, seals the snapshot and waits for it.
    async fn complete_upload(
        &self,
        mut journal: Journal,
        snapshot: String,
        age: std::time::Duration,
    ) -> Result<Uploaded, PublishError> {
        let parent = self.parent(&journal).await?;
        let context = Arc::new(UploadContext {
            ebs: Arc::clone(&self.services.ebs),
            timer: self.services.timer.clone(),
            rate_limiter: RateLimiter::new(self.services.timer.clone(), self.options.rate),
            created_at: self.services.timer.now().saturating_sub(age),
            source: Arc::clone(&self.source),
            snapshot,
        });
        let mut sent = 0;
        if !journal.state().sealing {
            sent += self.send(&context, &parent, &mut journal).await?;
            if self.turned_out_encrypted(&context.snapshot, &mut journal).await? {
                sent += self.send(&context, &parent, &mut journal).await?;
            }
            self.source.check_unchanged()?;
            journal.append_synced(&Record::Sealing)?;
        }
        let completed = self.seal(&context.snapshot, journal.state()).await?;
        let verified = self.verify_delta(&completed, &parent, journal.state()).await?;
        self.save_manifest(&completed.id)?;
        journal.append_synced(&Record::Finished)?;
        Ok(self.uploaded(&journal, completed, sent, verified, context.rate_limiter.throttled()))
    }

    async fn send(
        &self,
        context: &Arc<UploadContext<E>>,
        parent: &Parent,
        journal: &mut Journal,
    ) -> Result<u64, PublishError> {
        let state = journal.state();
        let selector = Arc::new(BlockSelector {
            zeros: if state.intent.write_zeros { ZeroPolicy::Write } else { ZeroPolicy::LeaveOut },
            parent: parent.blocks.clone(),
            acknowledged: state.acknowledged.clone(),
        });
        send::send(Arc::clone(context), selector, journal, self.monitor).await
    }

    /// Whether the snapshot is encrypted though nothing said that it would be; then zeros have to be sent too.
    async fn turned_out_encrypted(&self, id: &str, journal: &mut Journal) -> Result<bool, PublishError> {
        if journal.state().intent.write_zeros || !self.services.await_snapshot(id).await?.encrypted {
            return Ok(false);
        }
        self.monitor.progress.message(&format!("{id} is encrypted: blocks of zeros are sent too"));
        journal.append_synced(&Record::WriteZeros)?;
        Ok(true)
    }

    /// Seals the snapshot and waits until the service has confirmed every block.
    async fn seal(&self, id: &str, state: &JournalState) -> Result<DescribedSnapshot, PublishError> {
        let written = aggregate(state);
        let call = || self.services.ebs.complete_snapshot(id, written);
        let sealed = retry(&self.services.timer, CallStep::Complete, &NoObserver, call).await;
        sealed.map_err(call_failed(format!("completing {id}")))?;
        self.monitor.progress.begin("waiting for the snapshot", None);
        let completed =
            wait::until_completed(self.services, id, self.options.wait, self.monitor.cancel).await;
        self.monitor.progress.end();
        completed
    }

    /// Where there is a parent: that it and what was sent make the image.
    async fn verify_delta(
        &self,
        completed: &DescribedSnapshot,
        parent: &Parent,
        state: &JournalState,
    ) -> Result<u64, PublishError> {
        let Some(id) = &parent.id else { return Ok(0) };
        let expected = verify_delta::ExpectedDelta {
            source: &self.source,
            parent: id,
            held: &parent.blocks,
            sent: &state.acknowledged,
        };
        verify_delta::verify_delta(self.services, &completed.id, &expected, self.monitor).await
    }

    /// The blocks of the parent that the journal names.
    async fn parent(&self, journal: &Journal) -> Result<Parent, PublishError> {
        let intent = &journal.state().intent;
        let Some(id) = &intent.parent else { return Ok(Parent::default()) };
        let hints = parent::Hints {
            folder: self.folder.path(),
            bundle: self.options.parent_bundle.as_deref(),
            rate: self.options.rate,
        };
        parent::load(self.services, id, &hints, self.monitor).await
    }

    /// The manifest stays with the journal under the snapshot's name: the next version is compared with it.
    fn save_manifest(&self, snapshot: &str) -> Result<(), PublishError> {
        let Some(manifest) = self.source.manifest() else { return Ok(()) };
        let path = parent::manifest_path(self.folder.path(), snapshot);
        let failed = |source| PublishError::File { path: path.clone(), source };
        let aside = path.with_extension("new");
        std::fs::write(&aside, manifest.to_text()).map_err(failed)?;
        std::fs::rename(&aside, &path).map_err(failed)
    }

    /// An upload that was done before.
    async fn already_completed(
        &self,
        mut journal: Journal,
        snapshot: DescribedSnapshot,
    ) -> Result<Uploaded, PublishError> {
        let mut verified = 0;
        if !journal.state().finished {
            // It ended between the service's confirmation and our note of it.
            let parent = self.parent(&journal).await?;
            verified = self.verify_delta(&snapshot, &parent, journal.state()).await?;
            self.save_manifest(&snapshot.id)?;
            journal.append_synced(&Record::Finished)?;
        }
        Ok(self.uploaded(&journal, snapshot, 0, verified, 0))
    }

    fn uploaded(
        &self,
        journal: &Journal,
        snapshot: DescribedSnapshot,
        sent: u64,
        verified: u64,
        throttled: u64,
    ) -> Uploaded {
        let state = journal.state();
        Uploaded {
            snapshot,
            parent: state.intent.parent.clone(),
            written: state.acknowledged.len() as u64,
            sent,
            verified,
            throttled,
            folder: self.folder.path().to_owned(),
        }
    }
}

/// What `CompleteSnapshot` is told: the number of blocks written and the digest over their digests, in order.
fn aggregate(state: &JournalState) -> Aggregate {
    let mut sha256 = Sha256::new();
    for digest in state.acknowledged.values() {
        sha256.update(digest.0);
    }
    Aggregate { blocks: state.acknowledged.len() as u64, sha256: Digest(sha256.finalize().into()) }
}

/// The states in which a snapshot may be that the journal says is complete.
fn is_completed(known: &SnapshotLookup) -> bool {
    matches!(known, SnapshotLookup::Exists(snapshot) if snapshot.state == SnapshotState::Completed)
}
