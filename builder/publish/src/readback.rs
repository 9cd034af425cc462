//! Reading a snapshot back: the list of its blocks, and the blocks themselves, many at a time.

use std::collections::HashMap;
use std::sync::Arc;

use amiforge_formats::digest::BLOCK;
use amiforge_progress::{CancelToken, Monitor};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::api::{Ebs, FetchedBlock, ListedBlock, SnapshotCalls};
use super::error::{PublishError, call_failed, unless_interrupted};
use super::rate_limiter::{MAX_IN_FLIGHT, RateLimiter};
use super::retry::{CallStep, NoObserver, RetryExhausted, retry};
use super::service_error::{ServiceError, ServiceErrorKind};
use super::services::Services;

/// How often a block whose bytes are not what the service says is asked for in all.
const MAX_CHECKSUM_TRIES: u32 = 3;

/// The service's reasons for a token that is not valid any more: tokens of pages live for an hour, those of blocks for a
/// week, and a command that was asleep may come back later.
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

/// A block that was asked for.
pub(super) struct RequestedBlock {
    /// Which.
    pub(super) index: u64,
    /// What came.
    pub(super) bytes: Result<FetchedBlock, PublishError>,
}

/// Bytes of so many blocks.
pub(super) fn byte_len(blocks: usize) -> u64 {
    blocks as u64 * BLOCK
}

/// Lists a completed snapshot. One that was completed a moment ago is not known to this part of the service for about
/// a minute, so this may take that long.
pub(super) async fn list_blocks<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    cancel: &CancelToken,
) -> Result<BlockList, PublishError> {
    let mut list = BlockList::default();
    let mut next: Option<String> = None;
    let mut pages = PageGuard::default();
    loop {
        let from = list.blocks.last().map_or(0, |block: &ListedBlock| block.index + 1);
        let call = || services.ebs.list_blocks(id, from, next.clone());
        let page = retry(&services.timer, CallStep::Read, &NoObserver, call).await;
        if next.is_some() && page.as_ref().is_err_and(|exhausted| has_reason(&exhausted.error, STALE_PAGE)) {
            next = None;
            continue;
        }
        let page = page.map_err(call_failed(format!("listing the blocks of {id}")))?;
        pages.next(id, page.blocks.len(), next.as_deref(), page.next.as_deref())?;
        list.volume_gib = page.volume_gib;
        list.blocks.extend(page.blocks);
        next = page.next;
        if cancel.is_cancelled() {
            return Err(PublishError::Interrupted);
        }
        if next.is_none() {
            break;
        }
    }
    // EBS lists in order; what stands in for it may not.
    list.blocks.sort_by_key(|block| block.index);
    if list.blocks.is_sorted_by(|a, b| a.index < b.index) {
        return Ok(list);
    }
    let problem = "a block of it is listed twice".to_owned();
    Err(PublishError::InconsistentResponse { snapshot: id.to_owned(), problem })
}

/// How many pages without a block may follow each other: a service may give such, and none gives many.
const MAX_EMPTY_PAGES: u32 = 100;

/// Notices a list whose pages never end.
#[derive(Debug, Default)]
pub(super) struct PageGuard {
    empty: u32,
}

impl PageGuard {
    /// A page of `blocks` came for the token `requested`, and names the token `next`.
    ///
    /// # Errors
    /// [`PublishError::InconsistentResponse`].
    pub(super) fn next(
        &mut self,
        id: &str,
        blocks: usize,
        requested: Option<&str>,
        next: Option<&str>,
    ) -> Result<(), PublishError> {
        self.empty = if blocks == 0 { self.empty + 1 } else { 0 };
        let endless = self.empty > MAX_EMPTY_PAGES || (next.is_some() && requested == next);
        if !endless {
            return Ok(());
        }
        let problem = "the pages of the list of its blocks do not end".to_owned();
        Err(PublishError::InconsistentResponse { snapshot: id.to_owned(), problem })
    }
}

/// Reads blocks, many at a time and in no order, and hands each to `take`, in the thread that received it.
pub(super) async fn read_blocks<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    blocks: Vec<ListedBlock>,
    rate: u32,
    take: impl Fn(RequestedBlock) -> Result<(), PublishError> + Send + Sync + 'static,
    monitor: Monitor<'_>,
) -> Result<(), PublishError> {
    let reader = Arc::new(BlockReader {
        ebs: Arc::clone(&services.ebs),
        rate_limiter: RateLimiter::new(services.timer.clone(), rate),
        timer: services.timer.clone(),
        snapshot: id.to_owned(),
        renewed_tokens: Mutex::default(),
    });
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

struct BlockReader<E> {
    ebs: Arc<E>,
    rate_limiter: RateLimiter,
    timer: super::timer::Timer,
    snapshot: String,
    /// Tokens that were asked for because those of the list had become stale.
    renewed_tokens: Mutex<HashMap<u64, String>>,
}

/// Whether the service gives this reason.
fn has_reason(error: &ServiceError, reason: &str) -> bool {
    error.reason.as_deref() == Some(reason)
}

impl<E: Ebs> BlockReader<E> {
    /// Reads a block. Bytes that were hurt on their way come right when asked for again; bytes that were hurt where
    /// they lie do not.
    async fn read(&self, block: &ListedBlock) -> Result<FetchedBlock, PublishError> {
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

    /// A token of a block other than `stale`. One page of the list renews the tokens of ten thousand blocks, so it is
    /// asked for once and not by every request that is under way.
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
