//! Uploads an image as the blocks of a completed snapshot. A repeated call resumes where the previous one stopped, for
//! whatever reason, and finds work that is done.

mod base;
mod begin;
mod block_selector;
mod hints;
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

pub(crate) use begin::new_token;
pub use block_selector::ZeroPolicy;
pub use options::{LaterEncryption, ParentChoice, TAG_UPLOAD, UploadOptions};

/// The result of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The snapshot.
    pub snapshot: DescribedSnapshot,
    /// Its parent snapshot.
    pub parent: Option<String>,
    /// Blocks that the snapshot holds itself, not its parent.
    pub written: u64,
    /// Blocks that this call sent: fewer if it resumed an upload, zero if the upload was complete.
    pub sent: u64,
    /// Blocks that were read back and compared, if there is a parent.
    pub verified: u64,
    /// Number of throttled requests.
    pub throttled: u64,
    /// The folder of the journal.
    pub folder: PathBuf,
}

/// The state shared by the steps of one upload.
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
/// [`PublishError`]. Progress is recorded in the journal, unless the error says that the snapshot is gone.
pub async fn upload<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    image: &Path,
    options: &UploadOptions,
    monitor: Monitor<'_>,
) -> Result<Uploaded, PublishError> {
    let services = &services.with_cancel(monitor.cancel);
    let source = Arc::new(ImageSource::open(image)?);
    source.refuse_without_parent(options.parent.as_ref().map(|_| "named"))?;
    let folder = LockedFolder::open(&options.folder_for(image, &services.region)?)?;
    let task = UploadTask { services, options, source, folder, monitor };
    let (journal, upload_state) = task.begin().await?;
    match upload_state {
        begin::UploadState::Completed(snapshot) => task.already_completed(journal, snapshot).await,
        begin::UploadState::Open { snapshot, age } => task.complete_upload(journal, snapshot, age).await,
    }
}

/// Deletes the snapshot of an unfinished upload, and its journal. Returns the snapshot's id.
///
/// # Errors
/// [`PublishError::NothingToAbandon`], or the error of a call or of the journal.
pub async fn abandon<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    image: &Path,
    options: &UploadOptions,
) -> Result<String, PublishError> {
    let folder = LockedFolder::open(&options.folder_for(image, &services.region)?)?;
    let nothing_to_abandon = |reason: String| PublishError::NothingToAbandon { reason };
    let Some(journal) = Journal::open(folder.path())? else {
        return Err(nothing_to_abandon(format!("there is no journal in `{}`", folder.path().display())));
    };
    let state = journal.state();
    let snapshot = match &state.started {
        Some((snapshot, _)) if state.finished => {
            return Err(nothing_to_abandon(format!("{snapshot} is complete")));
        }
        Some((snapshot, _)) => snapshot.clone(),
        // The service may have started it although the response was lost; the client token returns its id.
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

/// Describes the snapshot of an unfinished upload; `None` if there is none.
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
    /// Sends the missing blocks, seals the snapshot and waits for its completion.
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

    /// Whether the snapshot is encrypted although this was not expected. Then blocks of zeros must be sent too.
    async fn turned_out_encrypted(&self, id: &str, journal: &mut Journal) -> Result<bool, PublishError> {
        if journal.state().intent.write_zeros || !self.services.await_snapshot(id).await?.encrypted {
            return Ok(false);
        }
        self.monitor.progress.message(&format!("{id} is encrypted: blocks of zeros are sent too"));
        journal.append_synced(&Record::WriteZeros)?;
        Ok(true)
    }

    /// Seals the snapshot and waits until the service has verified every block.
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

    /// With a parent: verifies that the parent and the sent blocks make up the image.
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

    /// Loads the blocks of the parent in the journal.
    async fn parent(&self, journal: &Journal) -> Result<Parent, PublishError> {
        let intent = &journal.state().intent;
        let Some(id) = &intent.parent else { return Ok(Parent::default()) };
        let hints = hints::Hints {
            folder: self.folder.path(),
            bundle: self.options.parent_bundle.as_deref(),
            manifest: self.source.required_parent(),
            base: self.base_disk(id),
            rate: self.options.rate,
        };
        parent::load(self.services, id, &hints, self.monitor).await
    }

    /// The file of the disk that the image keeps, with the digest that it has to have, if the parent is of that disk.
    fn base_disk(&self, parent: &str) -> Option<(&Path, Digest)> {
        let base = self.source.manifest()?.origin.base_snapshot().filter(|base| base.id == parent)?;
        Some((self.options.base_disk.as_deref()?, base.sha256))
    }

    /// Stores the manifest under the snapshot's id beside the journal, for uploads that use the snapshot as their
    /// parent.
    fn save_manifest(&self, snapshot: &str) -> Result<(), PublishError> {
        let Some(manifest) = self.source.manifest() else { return Ok(()) };
        let path = parent::manifest_path(self.folder.path(), snapshot);
        let failed = |source| PublishError::File { path: path.clone(), source };
        let aside = path.with_extension("new");
        std::fs::write(&aside, manifest.to_text()).map_err(failed)?;
        std::fs::rename(&aside, &path).map_err(failed)
    }

    /// Finishes an upload whose snapshot is already completed.
    async fn already_completed(
        &self,
        mut journal: Journal,
        snapshot: DescribedSnapshot,
    ) -> Result<Uploaded, PublishError> {
        let mut verified = 0;
        if !journal.state().finished {
            // The process ended after the completion of the snapshot and before the record of it.
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

/// The checksum for `CompleteSnapshot`: the number of blocks, and the digest over their digests in order.
fn aggregate(state: &JournalState) -> Aggregate {
    let mut sha256 = Sha256::new();
    for digest in state.acknowledged.values() {
        sha256.update(digest.0);
    }
    Aggregate { blocks: state.acknowledged.len() as u64, sha256: Digest(sha256.finalize().into()) }
}

/// Whether the snapshot exists and is completed.
fn is_completed(known: &SnapshotLookup) -> bool {
    matches!(known, SnapshotLookup::Exists(snapshot) if snapshot.state == SnapshotState::Completed)
}
