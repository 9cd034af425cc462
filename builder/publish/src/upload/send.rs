//! Sends blocks concurrently. Each is retried until the service acknowledges it, and each acknowledgement is recorded
//! in the journal before anything else.

use std::sync::Arc;
use std::time::Duration;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_progress::{CancelToken, Monitor, Progress};
use tokio::task::JoinSet;

use super::block_selector::BlockSelector;
use super::reader::{self, ReadItem};
use crate::api::{Ebs, PutBlock};
use crate::error::{PublishError, unless_interrupted};
use crate::journal::Journal;
use crate::rate_limiter::RateLimiter;
use crate::retry::{CallStep, RetryExhausted, retry};
use crate::service_error::ServiceErrorKind;
use crate::source::ImageSource;
use crate::timer::Timer;

/// Interval at which the interrupt is checked while nothing else happens.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum time that requests in flight may take after a failure or an interrupt, so that their results are recorded in
/// the journal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The destination of blocks.
#[derive(Debug)]
pub(super) struct UploadContext<E> {
    pub(super) ebs: Arc<E>,
    pub(super) timer: Timer,
    pub(super) rate_limiter: RateLimiter,
    pub(super) snapshot: String,
    /// When the snapshot was started, on the clock of `timer`.
    pub(super) created_at: Duration,
    pub(super) source: Arc<ImageSource>,
}

/// An acknowledged block, or the error.
type Sent = Result<(u64, Digest), PublishError>;

/// Sends every selected block, and returns their number.
pub(super) async fn send<E: Ebs>(
    context: Arc<UploadContext<E>>,
    selector: Arc<BlockSelector>,
    journal: &mut Journal,
    monitor: Monitor<'_>,
) -> Result<u64, PublishError> {
    let jobs = reader::block_jobs(&context.source.known_runs()?, &selector);
    monitor.progress.begin("uploading", Some(jobs.len() as u64 * BLOCK));
    let mut items = reader::start(&context.source, &selector, jobs, reader_threads(&context.source));
    let mut sender = Sender { context, journal, progress: monitor.progress, tasks: JoinSet::new(), sent: 0 };
    let outcome = sender.send_all(&mut items, monitor.cancel).await;
    // The reader's threads end when their channel is closed.
    drop(items);
    if outcome.is_err() {
        sender.drain().await;
    }
    monitor.progress.end();
    sender.journal.sync()?;
    outcome.map(|()| sender.sent)
}

/// One thread reads as fast as any network. Where blocks must be hashed too: one per core, at most four.
fn reader_threads(source: &ImageSource) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if source.manifest().is_some() { 1 } else { cores.min(4) }
}

struct Sender<'a, E> {
    context: Arc<UploadContext<E>>,
    journal: &'a mut Journal,
    progress: &'a dyn Progress,
    tasks: JoinSet<Sent>,
    sent: u64,
}

impl<E: Ebs> Sender<'_, E> {
    async fn send_all(
        &mut self,
        items: &mut tokio::sync::mpsc::Receiver<ReadItem>,
        cancel: &CancelToken,
    ) -> Result<(), PublishError> {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        let mut reading = true;
        while reading || !self.tasks.is_empty() {
            let limit = self.context.rate_limiter.in_flight_limit() as usize;
            tokio::select! {
                Some(done) = self.tasks.join_next() => self.acknowledge(task_result(done)?)?,
                item = items.recv(), if reading && self.tasks.len() < limit => match item {
                    Some(item) => self.dispatch(item)?,
                    None => reading = false,
                },
                _ = poll.tick() => {}
            }
            if cancel.is_cancelled() {
                return Err(PublishError::Interrupted);
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, item: ReadItem) -> Result<(), PublishError> {
        match item {
            ReadItem::Send { index, bytes, digest } => {
                let put = PutBlock { index, bytes, digest };
                let context = Arc::clone(&self.context);
                self.tasks.spawn(async move { context.put(put).await });
            }
            ReadItem::Skipped => self.progress.advance(BLOCK),
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

    /// Waits for requests in flight, for a limited time; further errors are ignored.
    async fn drain(&mut self) {
        let rest = async {
            while let Some(done) = self.tasks.join_next().await {
                if let Ok(Ok((index, digest))) = done
                    && self.journal.acknowledge(index, digest).is_ok()
                {
                    self.sent += 1;
                }
            }
        };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
        self.tasks.abort_all();
    }
}

/// The result of a task. A panic continues; a cancelled task counts as interrupted.
fn task_result(done: Result<Sent, tokio::task::JoinError>) -> Sent {
    match done {
        Ok(sent) => sent,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(PublishError::Interrupted),
        },
    }
}

impl<E: Ebs> UploadContext<E> {
    /// Sends a block until the service acknowledges it.
    async fn put(&self, put: PutBlock) -> Sent {
        let (index, digest) = (put.index, put.digest);
        match self.put_with_retry(&put).await {
            Ok(()) => Ok((index, digest)),
            Err(exhausted) if exhausted.error.kind == ServiceErrorKind::Checksum => {
                self.resend_after_mismatch(&put, exhausted).await
            }
            Err(source) => Err(self.failed(index, source)),
        }
    }

    fn failed(&self, block: u64, exhausted: RetryExhausted) -> PublishError {
        let snapshot = self.snapshot.clone();
        unless_interrupted(|source| PublishError::Put { block, snapshot, source })(exhausted)
    }

    async fn put_with_retry(&self, put: &PutBlock) -> Result<(), RetryExhausted> {
        let step = CallStep::Put { created_at: self.created_at };
        retry(&self.timer, step, &self.rate_limiter, || async {
            let permit = self.rate_limiter.acquire().await;
            self.ebs.put_block(&self.snapshot, put.clone()).await?;
            permit.succeeded();
            Ok(())
        })
        .await
    }

    /// Handles a digest mismatch. Either the block changed on disk, which is an error, or the bytes were corrupted in
    /// transit and are read and sent once more.
    async fn resend_after_mismatch(&self, put: &PutBlock, refused: RetryExhausted) -> Sent {
        let mut bytes = vec![0; BLOCK as usize];
        self.source
            .read(put.index, &mut bytes)
            .map_err(|source| PublishError::Read { block: put.index, source })?;
        let on_disk = Digest::of(&bytes);
        if on_disk != put.digest && self.source.manifest().is_some() {
            return Err(PublishError::BlockChanged {
                block: put.index,
                locations: self.source.locations(put.index),
                expected: put.digest.to_string(),
                found: on_disk.to_string(),
            });
        }
        let again = PutBlock { index: put.index, bytes: bytes.into(), digest: on_disk };
        match self.put_with_retry(&again).await {
            Ok(()) => Ok((again.index, again.digest)),
            Err(mut source) => {
                source.attempts += refused.attempts;
                Err(self.failed(put.index, source))
            }
        }
    }
}
