//! Reads a snapshot back: lists its blocks, and reads blocks concurrently.

use std::collections::HashMap;
use std::sync::Arc;

use amiforge_formats::digest::BLOCK;
use amiforge_progress::{CancelToken, Monitor};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::api::{Ebs, FetchedBlock, ListedBlock, SnapshotCalls};
use super::error::{PublishError, call_failed, unless_interrupted};
use super::pages::Pages;
use super::rate_limiter::{MAX_IN_FLIGHT, RateLimiter};
use super::retry::{CallStep, NoObserver, RetryExhausted, retry};
use super::service_error::{ServiceError, ServiceErrorKind};
use super::services::Services;

/// Maximum number of reads of a block whose bytes do not match their checksum.
const MAX_CHECKSUM_TRIES: u32 = 3;

/// Reasons of the service for an expired token. Page tokens are valid for an hour and block tokens for a week, and a
/// suspended command may resume later.
const STALE_PAGE: &str = "INVALID_PAGE_TOKEN";
const STALE_BLOCK: &str = "INVALID_BLOCK_TOKEN";

/// The blocks of a snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct BlockList {
    /// Every block, in order.
    pub(super) blocks: Vec<ListedBlock>,
    /// Length of the volume in GiB.
    pub(super) volume_gib: u64,
}

/// A block that was requested.
pub(super) struct RequestedBlock {
    /// Block index.
    pub(super) index: u64,
    /// The block, or the error.
    pub(super) bytes: Result<FetchedBlock, PublishError>,
}

/// Length of a number of blocks in bytes.
pub(super) fn byte_len(blocks: usize) -> u64 {
    blocks as u64 * BLOCK
}

/// Lists the blocks of a completed snapshot. The EBS direct APIs may not know a snapshot for about a minute after its
/// completion, so this may take as long.
pub(super) async fn list_blocks<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    cancel: &CancelToken,
) -> Result<BlockList, PublishError> {
    let mut list = BlockList::default();
    let mut next: Option<String> = None;
    let mut pages = Pages::default();
    loop {
        let from = list.blocks.last().map_or(0, |block: &ListedBlock| block.index + 1);
        let call = || services.ebs.list_blocks(id, from, next.clone());
        let page = retry(&services.timer, CallStep::Read, &NoObserver, call).await;
        if next.is_some() && page.as_ref().is_err_and(|exhausted| has_reason(&exhausted.error, STALE_PAGE)) {
            next = None;
            continue;
        }
        let page = page.map_err(call_failed(format!("listing the blocks of {id}")))?;
        pages.record(page.blocks.len(), page.next.as_deref()).map_err(|problem| endless(id, problem))?;
        list.volume_gib = page.volume_gib;
        list.blocks.extend(page.blocks);
        if byte_len(list.blocks.len()) > list.volume_gib.saturating_mul(1 << 30) {
            let gib = list.volume_gib;
            return Err(endless(id, format!("more blocks are listed than a volume of {gib} GiB has")));
        }
        next = page.next;
        if cancel.is_cancelled() {
            return Err(PublishError::Interrupted);
        }
        if next.is_none() {
            break;
        }
    }
    // EBS returns an ordered list; an emulator of it may not.
    list.blocks.sort_by_key(|block| block.index);
    if list.blocks.is_sorted_by(|a, b| a.index < b.index) {
        return Ok(list);
    }
    let problem = "a block of it is listed twice".to_owned();
    Err(PublishError::InconsistentResponse { snapshot: id.to_owned(), problem })
}

/// The error for a list of blocks that does not end.
pub(super) fn endless(id: &str, problem: impl std::fmt::Display) -> PublishError {
    PublishError::InconsistentResponse { snapshot: id.to_owned(), problem: problem.to_string() }
}

/// Reads blocks concurrently and in any order, and passes each to `take` in the task that received it.
pub(super) async fn read_blocks<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    blocks: Vec<ListedBlock>,
    rate: u32,
    take: impl Fn(RequestedBlock) -> Result<(), PublishError> + Send + Sync + 'static,
    monitor: Monitor<'_>,
) -> Result<(), PublishError> {
    let reader = Arc::new(BlockReader::new(services, id, rate));
    let take = Arc::new(take);
    let mut tasks = JoinSet::new();
    let mut blocks = blocks.into_iter();
    loop {
        while tasks.len() < MAX_IN_FLIGHT as usize
            && let Some(block) = blocks.next()
        {
            let (reader, take) = (Arc::clone(&reader), Arc::clone(&take));
            tasks.spawn(async move {
                let bytes = reader.read(&block).await;
                take(RequestedBlock { index: block.index, bytes })
            });
        }
        let Some(done) = tasks.join_next().await else { return Ok(()) };
        match done {
            Ok(outcome) => outcome?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(PublishError::Interrupted),
            },
        }
        monitor.progress.advance(BLOCK);
        if monitor.cancel.is_cancelled() {
            return Err(PublishError::Interrupted);
        }
    }
}

/// Reads blocks of a snapshot one by one, each as often as it takes.
pub(super) struct BlockReader<E> {
    ebs: Arc<E>,
    rate_limiter: RateLimiter,
    timer: super::timer::Timer,
    snapshot: String,
    /// Tokens that replace expired ones of the list.
    renewed_tokens: Mutex<HashMap<u64, String>>,
}

/// Whether an error has this reason.
fn has_reason(error: &ServiceError, reason: &str) -> bool {
    error.reason.as_deref() == Some(reason)
}

impl<E: Ebs> BlockReader<E> {
    /// A reader of the blocks of a snapshot.
    pub(super) fn new<S>(services: &Services<E, S>, id: &str, rate: u32) -> Self {
        Self {
            ebs: Arc::clone(&services.ebs),
            rate_limiter: RateLimiter::new(services.timer.clone(), rate),
            timer: services.timer.clone(),
            snapshot: id.to_owned(),
            renewed_tokens: Mutex::default(),
        }
    }

    /// Reads a block. Bytes that were corrupted in transit are correct when read again; bytes that are corrupted in
    /// storage are not.
    pub(super) async fn read(&self, block: &ListedBlock) -> Result<FetchedBlock, PublishError> {
        let mut token = block.token.clone();
        let mut attempts = 0;
        for check in 1.. {
            let fetched = retry(&self.timer, CallStep::Read, &self.rate_limiter, || async {
                let permit = self.rate_limiter.acquire().await;
                let fetched = self.ebs.read_block(&self.snapshot, block.index, &token).await?;
                permit.succeeded();
                Ok(fetched)
            })
            .await;
            match fetched {
                Err(exhausted)
                    if exhausted.error.kind == ServiceErrorKind::Checksum && check < MAX_CHECKSUM_TRIES =>
                {
                    attempts += exhausted.attempts;
                }
                Err(exhausted) if has_reason(&exhausted.error, STALE_BLOCK) && check < MAX_CHECKSUM_TRIES => {
                    token = self.renew_token(block.index, &token, exhausted).await?;
                }
                Err(exhausted) => {
                    let all = RetryExhausted { attempts: attempts + exhausted.attempts, ..exhausted };
                    return Err(self.failed(block.index, all));
                }
                Ok(fetched) => return Ok(fetched),
            }
        }
        Err(PublishError::Interrupted)
    }

    /// Requests a token of a block that differs from `stale`. One page renews the tokens of ten thousand blocks, so it
    /// is requested once and not by every concurrent read.
    async fn renew_token(
        &self,
        index: u64,
        stale: &str,
        refused: RetryExhausted,
    ) -> Result<String, PublishError> {
        let mut renewed_tokens = self.renewed_tokens.lock().await;
        if let Some(token) = renewed_tokens.get(&index).filter(|token| *token != stale) {
            return Ok(token.clone());
        }
        let call = || self.ebs.list_blocks(&self.snapshot, index, None);
        let page = retry(&self.timer, CallStep::Read, &NoObserver, call).await;
        let page = page.map_err(|source| self.failed(index, source))?;
        renewed_tokens.extend(page.blocks.into_iter().map(|block| (block.index, block.token)));
        renewed_tokens.get(&index).cloned().ok_or_else(|| self.failed(index, refused))
    }

    fn failed(&self, block: u64, source: RetryExhausted) -> PublishError {
        let snapshot = self.snapshot.clone();
        unless_interrupted(|source| PublishError::Block { block, snapshot, source })(source)
    }
}
