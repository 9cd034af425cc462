//! Sends parts concurrently: reads each, and sends it unless the upload has it with the same digest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_progress::Monitor;
use tokio::task::JoinSet;

use super::parts::{self, PartBytes, PartPlan};
use crate::api::imports::{ImportCalls, NewPart, PartUpload, UploadedPart};
use crate::error::{PublishError, unless_interrupted};
use crate::retry::{CallStep, NoObserver, RetryExhausted, retry};
use crate::service_error::ServiceErrorKind;
use crate::source::{ImageSource, KnownRun};
use crate::timer::Timer;

/// Interval at which the interrupt is checked while nothing else happens.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A part that the upload has now.
#[derive(Debug, Clone)]
pub(super) struct StoredPart {
    /// The part; without an entity tag if it was only read.
    pub(super) part: UploadedPart,
    /// Its SHA-256, computed from the image.
    pub(super) digest: Digest,
    /// Blocks that were sent: none if the upload had the part.
    pub(super) sent: u64,
}

/// Sends the parts of an image.
pub(super) struct PartSender<I> {
    pub(super) calls: Arc<I>,
    pub(super) timer: Timer,
    pub(super) source: Arc<ImageSource>,
    pub(super) runs: Vec<KnownRun>,
    pub(super) plan: PartPlan,
    /// The upload; `None` to read the image only.
    pub(super) upload: Option<PartUpload>,
    /// The parts that the upload has.
    pub(super) present: BTreeMap<u32, UploadedPart>,
}

impl<I: ImportCalls> PartSender<I> {
    /// Sends what is missing; returns all parts, in order.
    ///
    /// # Errors
    /// [`PublishError::Read`], [`PublishError::BlockChanged`], [`PublishError::Part`], [`PublishError::Interrupted`].
    pub(super) async fn send(self, monitor: Monitor<'_>) -> Result<Vec<StoredPart>, PublishError> {
        let action = if self.upload.is_some() { "uploading" } else { "reading" };
        monitor.progress.begin(action, Some(self.plan.len()));
        let outcome = self.send_all(monitor).await;
        monitor.progress.end();
        outcome
    }

    async fn send_all(self, monitor: Monitor<'_>) -> Result<Vec<StoredPart>, PublishError> {
        let (plan, sender) = (self.plan, Arc::new(self));
        let mut numbers = plan.numbers();
        let mut tasks = JoinSet::new();
        let mut stored = BTreeMap::new();
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        loop {
            while tasks.len() < plan.in_flight()
                && let Some(number) = numbers.next()
            {
                let sender = Arc::clone(&sender);
                tasks.spawn(async move { sender.store(number).await });
            }
            if tasks.is_empty() {
                return Ok(stored.into_values().collect());
            }
            tokio::select! {
                Some(done) = tasks.join_next() => {
                    let part: StoredPart = joined(done)?;
                    let blocks = plan.blocks_of(part.part.number);
                    monitor.progress.advance((blocks.end - blocks.start) * BLOCK);
                    stored.insert(part.part.number, part);
                }
                _ = poll.tick() => {}
            }
            // Parts in flight are lost; S3 knows those that arrived.
            if monitor.cancel.is_cancelled() {
                return Err(PublishError::Interrupted);
            }
        }
    }

    async fn store(self: Arc<Self>, number: u32) -> Result<StoredPart, PublishError> {
        let read = self.read(number).await?;
        let present = self.present.get(&number).filter(|part| part.digest == Some(read.digest));
        let (part, digest, sent) = match (&self.upload, present) {
            (_, Some(part)) => (part.clone(), read.digest, 0),
            (None, None) => {
                let part = UploadedPart { number, etag: String::new(), digest: Some(read.digest) };
                (part, read.digest, 0)
            }
            (Some(upload), None) => {
                let (part, digest) = self.put(upload, number, read).await?;
                let blocks = self.plan.blocks_of(number);
                (part, digest, blocks.end - blocks.start)
            }
        };
        Ok(StoredPart { part, digest, sent })
    }

    async fn read(self: &Arc<Self>, number: u32) -> Result<PartBytes, PublishError> {
        let sender = Arc::clone(self);
        let blocks = self.plan.blocks_of(number);
        joined(tokio::task::spawn_blocking(move || parts::read(&sender.source, &sender.runs, blocks)).await)
    }

    /// Sends a part. If the service computes another digest, the bytes were altered on the way: they are read and sent
    /// once more.
    async fn put(
        self: &Arc<Self>,
        upload: &PartUpload,
        number: u32,
        read: PartBytes,
    ) -> Result<(UploadedPart, Digest), PublishError> {
        let part =
            |read: &PartBytes, etag| (UploadedPart { number, etag, digest: Some(read.digest) }, read.digest);
        match self.put_with_retry(upload, number, &read).await {
            Ok(etag) => Ok(part(&read, etag)),
            Err(exhausted) if exhausted.error.kind == ServiceErrorKind::Checksum => {
                let again = self.read(number).await?;
                let sent = self.put_with_retry(upload, number, &again).await;
                sent.map(|etag| part(&again, etag)).map_err(|mut source| {
                    source.attempts += exhausted.attempts;
                    failed(upload, number)(source)
                })
            }
            Err(source) => Err(failed(upload, number)(source)),
        }
    }

    async fn put_with_retry(
        &self,
        upload: &PartUpload,
        number: u32,
        read: &PartBytes,
    ) -> Result<String, RetryExhausted> {
        let part = NewPart { number, bytes: read.bytes.clone(), digest: read.digest };
        retry(&self.timer, CallStep::Part, &NoObserver, || self.calls.put_part(upload, part.clone())).await
    }
}

fn failed(upload: &PartUpload, part: u32) -> impl FnOnce(RetryExhausted) -> PublishError {
    let object = format!("s3://{}/{}", upload.object.bucket, upload.object.key);
    unless_interrupted(move |source| PublishError::Part { part, object, source })
}

/// The result of a task. A panic continues; a cancelled task counts as interrupted.
fn joined<T>(done: Result<Result<T, PublishError>, tokio::task::JoinError>) -> Result<T, PublishError> {
    match done {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(PublishError::Interrupted),
        },
    }
}
