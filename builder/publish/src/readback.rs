//! Reading a snapshot back: the list of its blocks, and the blocks themselves, many at a time.

use std::collections::HashMap;
use std::sync::Arc;

use amiforge_formats::digest::BLOCK;
use amiforge_progress::{CancelToken, Monitor};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::api::{Ebs, Fetched, ListedBlock, SnapshotCalls};
use super::error::{PublishError, doing, unless_interrupted};
use super::fault::{ServiceError, ServiceErrorKind};
use super::flow::{MOST, RateLimiter};
use super::retry::{CallStep, GaveUp, NoListener, retry};
use super::services::Services;

/// How often a block whose bytes are not what the service says is asked for in all.
const CHECKS: u32 = 3;

/// The service's reasons for a token that is not valid any more: tokens of pages live for an hour, those of blocks for a
/// week, and a command that was asleep may come back later.
const STALE_PAGE: &str = "INVALID_PAGE_TOKEN";
const STALE_BLOCK: &str = "INVALID_BLOCK_TOKEN";

/// The blocks of a snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
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
    pub(super) bytes: Result<Fetched, PublishError>,
}

/// Bytes of so many blocks.
pub(super) fn len(blocks: usize) -> u64 {
    blocks as u64 * BLOCK
}

/// Lists a completed snapshot. One that was completed a moment ago is not known to this part of the service for about
/// a minute, so this may take that long.
pub(super) async fn list<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    cancel: &CancelToken,
) -> Result<List, PublishError> {
    let mut list = List::default();
    let mut next: Option<String> = None;
    let mut pages = PageGuard::default();
    loop {
        let from = list.blocks.last().map_or(0, |block: &ListedBlock| block.index + 1);
        let call = || services.ebs.list(id, from, next.clone());
        let page = retry(&services.pace, CallStep::Read, &NoListener, call).await;
        if next.is_some() && page.as_ref().is_err_and(|gave_up| is(&gave_up.fault, STALE_PAGE)) {
            next = None;
            continue;
        }
        let page = page.map_err(doing(format!("listing the blocks of {id}")))?;
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
    let what = "a block of it is listed twice".to_owned();
    Err(PublishError::Strange { snapshot: id.to_owned(), what })
}

/// How many pages without a block may follow each other: a service may give such, and none gives many.
const EMPTY_PAGES: u32 = 100;

/// Notices a list whose pages never end.
#[derive(Debug, Default)]
pub(super) struct PageGuard {
    empty: u32,
}

impl PageGuard {
    /// A page of `blocks` came for the token `asked`, and names the token `next`.
    ///
    /// # Errors
    /// [`PublishError::Strange`].
    pub(super) fn next(
        &mut self,
        id: &str,
        blocks: usize,
        asked: Option<&str>,
        next: Option<&str>,
    ) -> Result<(), PublishError> {
        self.empty = if blocks == 0 { self.empty + 1 } else { 0 };
        let endless = self.empty > EMPTY_PAGES || (next.is_some() && asked == next);
        if !endless {
            return Ok(());
        }
        let what = "the pages of the list of its blocks do not end".to_owned();
        Err(PublishError::Strange { snapshot: id.to_owned(), what })
    }
}

/// Reads blocks, many at a time and in no order, and hands each to `take`, in the thread that received it.
pub(super) async fn each<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    blocks: Vec<ListedBlock>,
    rate: u32,
    take: impl Fn(RequestedBlock) -> Result<(), PublishError> + Send + Sync + 'static,
    monitor: Monitor<'_>,
) -> Result<(), PublishError> {
    let lane = Arc::new(Lane {
        ebs: Arc::clone(&services.ebs),
        flow: RateLimiter::new(services.pace.clone(), rate),
        pace: services.pace.clone(),
        snapshot: id.to_owned(),
        fresh: Mutex::default(),
    });
    let take = Arc::new(take);
    let mut tasks = JoinSet::new();
    let mut blocks = blocks.into_iter();
    loop {
        while tasks.len() < MOST as usize
            && let Some(block) = blocks.next()
        {
            let (lane, take) = (Arc::clone(&lane), Arc::clone(&take));
            tasks.spawn(async move {
                let bytes = lane.read(&block).await;
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

struct Lane<E> {
    ebs: Arc<E>,
    flow: RateLimiter,
    pace: super::backoff::Pace,
    snapshot: String,
    /// Tokens that were asked for because those of the list had become stale.
    fresh: Mutex<HashMap<u64, String>>,
}

/// Whether the service gives this reason.
fn is(fault: &ServiceError, reason: &str) -> bool {
    fault.reason.as_deref() == Some(reason)
}

impl<E: Ebs> Lane<E> {
    /// Reads a block. Bytes that were hurt on their way come right when asked for again; bytes that were hurt where
    /// they lie do not.
    async fn read(&self, block: &ListedBlock) -> Result<Fetched, PublishError> {
        let mut token = block.token.clone();
        let mut tries = 0;
        for check in 1.. {
            let fetched = retry(&self.pace, CallStep::Read, &self.flow, || async {
                let passed = self.flow.pass().await;
                let fetched = self.ebs.block(&self.snapshot, block.index, &token).await?;
                passed.well();
                Ok(fetched)
            })
            .await;
            match fetched {
                Err(gave_up) if gave_up.fault.kind == ServiceErrorKind::Checksum && check < CHECKS => {
                    tries += gave_up.tries;
                }
                Err(gave_up) if is(&gave_up.fault, STALE_BLOCK) && check < CHECKS => {
                    token = self.another_token(block.index, &token, gave_up).await?;
                }
                Err(gave_up) => {
                    let all = GaveUp { tries: tries + gave_up.tries, ..gave_up };
                    return Err(self.failed(block.index, all));
                }
                Ok(fetched) => return Ok(fetched),
            }
        }
        Err(PublishError::Interrupted)
    }

    /// A token of a block other than `stale`. One page of the list renews the tokens of ten thousand blocks, so it is
    /// asked for once and not by every request that is under way.
    async fn another_token(&self, index: u64, stale: &str, refused: GaveUp) -> Result<String, PublishError> {
        let mut fresh = self.fresh.lock().await;
        if let Some(token) = fresh.get(&index).filter(|token| *token != stale) {
            return Ok(token.clone());
        }
        let call = || self.ebs.list(&self.snapshot, index, None);
        let page = retry(&self.pace, CallStep::Read, &NoListener, call).await;
        let page = page.map_err(|source| self.failed(index, source))?;
        fresh.extend(page.blocks.into_iter().map(|block| (block.index, block.token)));
        fresh.get(&index).cloned().ok_or_else(|| self.failed(index, refused))
    }

    fn failed(&self, block: u64, source: GaveUp) -> PublishError {
        let snapshot = self.snapshot.clone();
        unless_interrupted(|source| PublishError::Block { block, snapshot, source })(source)
    }
}
