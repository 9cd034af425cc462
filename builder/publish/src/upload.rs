//! An upload: an image becomes the blocks of a completed snapshot. The same call, made again, goes on where it was
//! stopped, whatever stopped it, and finds what is done already.

mod begin;
mod options;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use amiforge_formats::digest::Digest;
use amiforge_image::image::Aggregate;
use amiforge_progress::Monitor;
use sha2::{Digest as _, Sha256};

use super::api::{DescribedSnapshot, Ebs, SnapshotCalls, SnapshotState};
use super::error::{PublishError, doing};
use super::flow::RateLimiter;
use super::folder::LockedFolder;
use super::journal::{Journal, JournalState, Record};
use super::parent::{self, Parent};
use super::prove;
use super::retry::{CallStep, NoListener, retry};
use super::send::{self, Lane};
use super::services::{KnownSnapshot, Services};
use super::sieve::{Sieve, ZeroPolicy};
use super::source::ImageSource;
use super::wait;

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
    pub proven: u64,
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
    let services = &services.stopped_by(monitor.cancel);
    let source = Arc::new(ImageSource::open(image)?);
    let folder = LockedFolder::open(&options.folder_for(image, &services.region)?)?;
    let task = UploadTask { services, options, source, folder, monitor };
    let (journal, standing) = task.begin().await?;
    match standing {
        begin::UploadStanding::Completed(snapshot) => task.found(journal, snapshot).await,
        begin::UploadStanding::Open { snapshot, age } => task.fill(journal, snapshot, age).await,
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
    let nothing = |found: String| PublishError::NothingToAbandon { found };
    let Some(journal) = Journal::open(folder.path())? else {
        return Err(nothing(format!("there is no journal in `{}`", folder.path().display())));
    };
    let state = journal.state();
    let snapshot = match &state.started {
        Some((snapshot, _)) if state.finished => return Err(nothing(format!("{snapshot} is complete"))),
        Some((snapshot, _)) => snapshot.clone(),
        // The service may have begun it without our hearing of that; the token makes it say so.
        None => {
            let request = state.intent.start();
            let call = || services.ebs.start(&request);
            let started = retry(&services.pace, CallStep::Start, &NoListener, call).await;
            started.map_err(doing("asking which snapshot was begun"))?.snapshot
        }
    };
    services.delete(&snapshot).await?;
    journal.remove()?;
    Ok(snapshot)
}

/// What an upload that is not finished has made, in words; nothing where there is none.
pub fn left(image: &Path, region: &str) -> Option<String> {
    let folder = LockedFolder::beside(image, region).ok()?;
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
    async fn fill(
        &self,
        mut journal: Journal,
        snapshot: String,
        age: std::time::Duration,
    ) -> Result<Uploaded, PublishError> {
        let parent = self.parent(&journal).await?;
        let lane = Arc::new(Lane {
            ebs: Arc::clone(&self.services.ebs),
            pace: self.services.pace.clone(),
            flow: RateLimiter::new(self.services.pace.clone(), self.options.rate),
            born: self.services.pace.now().saturating_sub(age),
            source: Arc::clone(&self.source),
            snapshot,
        });
        let mut sent = 0;
        if !journal.state().sealing {
            sent += self.send(&lane, &parent, &mut journal).await?;
            if self.turned_out_encrypted(&lane.snapshot, &mut journal).await? {
                sent += self.send(&lane, &parent, &mut journal).await?;
            }
            self.source.unchanged()?;
            journal.note(&Record::Sealing)?;
        }
        let done = self.seal(&lane.snapshot, journal.state()).await?;
        let proven = self.prove(&done, &parent, journal.state()).await?;
        self.keep_manifest(&done.id)?;
        journal.note(&Record::Finished)?;
        Ok(self.uploaded(&journal, done, sent, proven, lane.flow.throttled()))
    }

    async fn send(
        &self,
        lane: &Arc<Lane<E>>,
        parent: &Parent,
        journal: &mut Journal,
    ) -> Result<u64, PublishError> {
        let state = journal.state();
        let sieve = Arc::new(Sieve {
            zeros: if state.intent.write_zeros { ZeroPolicy::Write } else { ZeroPolicy::LeaveOut },
            parent: parent.blocks.clone(),
            acknowledged: state.acknowledged.clone(),
        });
        send::send(Arc::clone(lane), sieve, journal, self.monitor).await
    }

    /// Whether the snapshot is encrypted though nothing said that it would be; then zeros have to be sent too.
    async fn turned_out_encrypted(&self, id: &str, journal: &mut Journal) -> Result<bool, PublishError> {
        if journal.state().intent.write_zeros || !self.services.snapshot(id).await?.encrypted {
            return Ok(false);
        }
        self.monitor.progress.message(&format!("{id} is encrypted: blocks of zeros are sent too"));
        journal.note(&Record::WriteZeros)?;
        Ok(true)
    }

    /// Seals the snapshot and waits until the service has confirmed every block.
    async fn seal(&self, id: &str, state: &JournalState) -> Result<DescribedSnapshot, PublishError> {
        let written = aggregate(state);
        let call = || self.services.ebs.complete(id, written);
        let sealed = retry(&self.services.pace, CallStep::Complete, &NoListener, call).await;
        sealed.map_err(doing(format!("completing {id}")))?;
        self.monitor.progress.begin("waiting for the snapshot", None);
        let done = wait::until_completed(self.services, id, self.options.wait, self.monitor.cancel).await;
        self.monitor.progress.end();
        done
    }

    /// Where there is a parent: that it and what was sent make the image.
    async fn prove(
        &self,
        done: &DescribedSnapshot,
        parent: &Parent,
        state: &JournalState,
    ) -> Result<u64, PublishError> {
        let Some(id) = &parent.id else { return Ok(0) };
        let claim = prove::DeltaClaim {
            source: &self.source,
            parent: id,
            held: &parent.blocks,
            sent: &state.acknowledged,
        };
        prove::prove(self.services, &done.id, &claim, self.monitor).await
    }

    /// The blocks of the parent that the journal names.
    async fn parent(&self, journal: &Journal) -> Result<Parent, PublishError> {
        let intent = &journal.state().intent;
        let Some(id) = &intent.parent else { return Ok(Parent::default()) };
        let hint = parent::Hints {
            folder: self.folder.path(),
            bundle: self.options.parent_bundle.as_deref(),
            rate: self.options.rate,
        };
        parent::load(self.services, id, &hint, self.monitor).await
    }

    /// The manifest stays with the journal under the snapshot's name: the next version is compared with it.
    fn keep_manifest(&self, snapshot: &str) -> Result<(), PublishError> {
        let Some(manifest) = self.source.manifest() else { return Ok(()) };
        let path = parent::manifest_path(self.folder.path(), snapshot);
        let failed = |source| PublishError::File { path: path.clone(), source };
        let aside = path.with_extension("new");
        std::fs::write(&aside, manifest.to_text()).map_err(failed)?;
        std::fs::rename(&aside, &path).map_err(failed)
    }

    /// An upload that was done before.
    async fn found(
        &self,
        mut journal: Journal,
        snapshot: DescribedSnapshot,
    ) -> Result<Uploaded, PublishError> {
        let mut proven = 0;
        if !journal.state().finished {
            // It ended between the service's confirmation and our note of it.
            let parent = self.parent(&journal).await?;
            proven = self.prove(&snapshot, &parent, journal.state()).await?;
            self.keep_manifest(&snapshot.id)?;
            journal.note(&Record::Finished)?;
        }
        Ok(self.uploaded(&journal, snapshot, 0, proven, 0))
    }

    fn uploaded(
        &self,
        journal: &Journal,
        snapshot: DescribedSnapshot,
        sent: u64,
        proven: u64,
        throttled: u64,
    ) -> Uploaded {
        let state = journal.state();
        Uploaded {
            snapshot,
            parent: state.intent.parent.clone(),
            written: state.acknowledged.len() as u64,
            sent,
            proven,
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
fn is_completed(known: &KnownSnapshot) -> bool {
    matches!(known, KnownSnapshot::There(snapshot) if snapshot.state == SnapshotState::Completed)
}
