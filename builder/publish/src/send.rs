//! Sends blocks: as many at a time as the service takes, each until it is acknowledged, each acknowledgement into the
//! journal before anything else.

use std::sync::Arc;
use std::time::Duration;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_progress::{CancelToken, Monitor, Progress};
use tokio::task::JoinSet;

use super::api::{Ebs, PutBlock};
use super::backoff::Pace;
use super::error::{PublishError, unless_interrupted};
use super::fault::ServiceErrorKind;
use super::flow::RateLimiter;
use super::journal::Journal;
use super::reader::{self, ReadItem};
use super::retry::{CallStep, GaveUp, retry};
use super::sieve::Sieve;
use super::source::ImageSource;

/// How often an interrupt is looked at while nothing else happens.
const GLANCE: Duration = Duration::from_millis(100);

/// How long requests that are under way may take to end after a failure or an interrupt, so that what they achieve is
/// in the journal.
const LINGER: Duration = Duration::from_secs(5);

/// Where blocks go.
#[derive(Debug)]
pub(super) struct Lane<E> {
    pub(super) ebs: Arc<E>,
    pub(super) pace: Pace,
    pub(super) flow: RateLimiter,
    pub(super) snapshot: String,
    /// When the snapshot was begun, by the clock of `pace`.
    pub(super) born: Duration,
    pub(super) source: Arc<ImageSource>,
}

/// A block that the service has, or why not.
type Sent = Result<(u64, Digest), PublishError>;

/// Sends every block that the sieve wants and gives their number.
pub(super) async fn send<E: Ebs>(
    lane: Arc<Lane<E>>,
    sieve: Arc<Sieve>,
    journal: &mut Journal,
    monitor: Monitor<'_>,
) -> Result<u64, PublishError> {
    let jobs = reader::jobs(&lane.source.stretches()?, &sieve);
    monitor.progress.begin("uploading", Some(jobs.len() as u64 * BLOCK));
    let mut items = reader::start(&lane.source, &sieve, jobs, readers(&lane.source));
    let mut run = Run { lane, journal, progress: monitor.progress, tasks: JoinSet::new(), sent: 0 };
    let outcome = run.all(&mut items, monitor.cancel).await;
    // The reader's threads end when nobody listens.
    drop(items);
    if outcome.is_err() {
        run.linger().await;
    }
    monitor.progress.end();
    run.journal.sync()?;
    outcome.map(|()| run.sent)
}

/// One thread reads as fast as any network; where blocks are hashed too, one for each core but four at most.
fn readers(source: &ImageSource) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if source.manifest().is_some() { 1 } else { cores.min(4) }
}

struct Run<'a, E> {
    lane: Arc<Lane<E>>,
    journal: &'a mut Journal,
    progress: &'a dyn Progress,
    tasks: JoinSet<Sent>,
    sent: u64,
}

impl<E: Ebs> Run<'_, E> {
    async fn all(
        &mut self,
        items: &mut tokio::sync::mpsc::Receiver<ReadItem>,
        cancel: &CancelToken,
    ) -> Result<(), PublishError> {
        let mut glance = tokio::time::interval(GLANCE);
        let mut reading = true;
        while reading || !self.tasks.is_empty() {
            let room = self.lane.flow.room() as usize;
            tokio::select! {
                Some(done) = self.tasks.join_next() => self.acknowledge(joined(done)?)?,
                item = items.recv(), if reading && self.tasks.len() < room => match item {
                    Some(item) => self.take(item)?,
                    None => reading = false,
                },
                _ = glance.tick() => {}
            }
            if cancel.is_cancelled() {
                return Err(PublishError::Interrupted);
            }
        }
        Ok(())
    }

    fn take(&mut self, item: ReadItem) -> Result<(), PublishError> {
        match item {
            ReadItem::Send { index, bytes, digest } => {
                let put = PutBlock { index, bytes, digest };
                let lane = Arc::clone(&self.lane);
                self.tasks.spawn(async move { lane.put(put).await });
            }
            ReadItem::Passed => self.progress.advance(BLOCK),
            ReadItem::Failed { index, source } => return Err(PublishError::Read { block: index, source }),
        }
        Ok(())
    }

    fn acknowledge(&mut self, (index, digest): (u64, Digest)) -> Result<(), PublishError> {
        self.journal.acknowledge(index, digest)?;
        self.sent += 1;
        self.progress.advance(BLOCK);
        Ok(())
    }

    /// Lets what is under way end, for a while; further failures add nothing.
    async fn linger(&mut self) {
        let rest = async {
            while let Some(done) = self.tasks.join_next().await {
                if let Ok(Ok((index, digest))) = done
                    && self.journal.acknowledge(index, digest).is_ok()
                {
                    self.sent += 1;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, rest).await;
        self.tasks.abort_all();
    }
}

/// A task neither panics nor is cancelled before its end; if it did, that is ours to say.
fn joined(done: Result<Sent, tokio::task::JoinError>) -> Sent {
    match done {
        Ok(sent) => sent,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(PublishError::Interrupted),
        },
    }
}

impl<E: Ebs> Lane<E> {
    /// Sends a block until the service has it.
    async fn put(&self, put: PutBlock) -> Sent {
        let (index, digest) = (put.index, put.digest);
        match self.attempts(&put).await {
            Ok(()) => Ok((index, digest)),
            Err(gave_up) if gave_up.fault.kind == ServiceErrorKind::Checksum => {
                self.look_again(&put, gave_up).await
            }
            Err(source) => Err(self.failed(index, source)),
        }
    }

    fn failed(&self, block: u64, gave_up: GaveUp) -> PublishError {
        let snapshot = self.snapshot.clone();
        unless_interrupted(|source| PublishError::Put { block, snapshot, source })(gave_up)
    }

    async fn attempts(&self, put: &PutBlock) -> Result<(), GaveUp> {
        let step = CallStep::Put { born: self.born };
        retry(&self.pace, step, &self.flow, || async {
            let passed = self.flow.pass().await;
            self.ebs.put(&self.snapshot, put.clone()).await?;
            passed.well();
            Ok(())
        })
        .await
    }

    /// The service computed another digest than ours. Either the disk has changed, which is the end, or the bytes were
    /// hurt on their way, and are sent once more as the disk has them.
    async fn look_again(&self, put: &PutBlock, refused: GaveUp) -> Sent {
        let mut bytes = vec![0; BLOCK as usize];
        self.source
            .read(put.index, &mut bytes)
            .map_err(|source| PublishError::Read { block: put.index, source })?;
        let found = Digest::of(&bytes);
        if found != put.digest && self.source.manifest().is_some() {
            return Err(PublishError::BlockChanged {
                block: put.index,
                places: self.source.places(put.index),
                expected: put.digest.to_string(),
                found: found.to_string(),
            });
        }
        let again = PutBlock { index: put.index, bytes: bytes.into(), digest: found };
        match self.attempts(&again).await {
            Ok(()) => Ok((again.index, again.digest)),
            Err(mut source) => {
                source.tries += refused.tries;
                Err(self.failed(put.index, source))
            }
        }
    }
}
