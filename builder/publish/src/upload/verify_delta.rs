//! Verifies an upload onto a parent: the blocks that the service lists as changed are those that were sent, they read
//! back as sent, all others are the parent's, and together they are the image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use amiforge_formats::digest::Digest;
use amiforge_image::image::Block;
use amiforge_progress::{CancelToken, Monitor};

use crate::api::{ChangedBlock, Ebs, ListedBlock, SnapshotCalls};
use crate::error::{PublishError, call_failed};
use crate::pages::Pages;
use crate::readback::{self, RequestedBlock};
use crate::retry::{CallStep, NoObserver, retry};
use crate::services::Services;
use crate::source::ImageSource;

/// The expected result of an upload onto a parent.
pub(super) struct ExpectedDelta<'a> {
    /// The image.
    pub(super) source: &'a ImageSource,
    /// The parent.
    pub(super) parent: &'a str,
    /// Digests of the parent's blocks.
    pub(super) held: &'a BTreeMap<u64, Digest>,
    /// Digests of the blocks that were sent.
    pub(super) sent: &'a BTreeMap<u64, Digest>,
}

/// Verifies that a snapshot consists of its parent and the sent blocks, and that these make up the image. Returns the
/// number of blocks that were read back.
///
/// # Errors
/// [`PublishError::ReadBack`] with the first difference.
pub(super) async fn verify_delta<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    snapshot: &str,
    expected: &ExpectedDelta<'_>,
    monitor: Monitor<'_>,
) -> Result<u64, PublishError> {
    let list = readback::list_blocks(services, snapshot, monitor.cancel).await?;
    let changed = list_changed(services, expected.parent, snapshot, monitor.cancel).await?;
    let mut differences = compare_block_lists(&list.blocks, &changed, expected);
    differences.extend(compare_with_image(expected));
    let tokens: Vec<_> = changed
        .into_iter()
        .filter_map(|block| Some(ListedBlock { index: block.index, token: block.second? }))
        .collect();
    let count = tokens.len() as u64;
    differences.extend(compare_contents(services, snapshot, tokens, expected, monitor).await?);
    match differences.into_iter().min() {
        None => Ok(count),
        Some((block, what)) => {
            let locations = expected.source.locations(block);
            let locations =
                if locations.is_empty() { String::new() } else { format!(" ({})", locations.join(", ")) };
            Err(PublishError::ReadBack {
                snapshot: snapshot.to_owned(),
                first: format!("block {block}{locations} {what}"),
                count: 1,
            })
        }
    }
}

/// Lists every block in which the snapshot differs from its parent.
async fn list_changed<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    parent: &str,
    snapshot: &str,
    cancel: &CancelToken,
) -> Result<Vec<ChangedBlock>, PublishError> {
    let (mut changed, mut next) = (Vec::new(), None::<String>);
    let mut pages = Pages::default();
    loop {
        let call = || services.ebs.list_changed_blocks(parent, snapshot, next.clone());
        let page = retry(&services.timer, CallStep::Read, &NoObserver, call).await;
        let page = page.map_err(call_failed(format!("listing what {snapshot} changed")))?;
        let recorded = pages.record(page.blocks.len(), page.next.as_deref());
        recorded.map_err(|problem| readback::endless(snapshot, problem))?;
        changed.extend(page.blocks);
        next = page.next;
        if cancel.is_cancelled() {
            return Err(PublishError::Interrupted);
        }
        if next.is_none() {
            return Ok(changed);
        }
    }
}

/// Compares the lists of the service with the expected blocks.
fn compare_block_lists(
    listed: &[ListedBlock],
    changed: &[ChangedBlock],
    expected: &ExpectedDelta<'_>,
) -> Vec<(u64, String)> {
    let listed: BTreeSet<u64> = listed.iter().map(|block| block.index).collect();
    let changed: BTreeSet<u64> = changed.iter().map(|block| block.index).collect();
    let sent: BTreeSet<u64> = expected.sent.keys().copied().collect();
    let expected_blocks: BTreeSet<u64> = expected.held.keys().chain(expected.sent.keys()).copied().collect();
    let mut differences = Vec::new();
    let mut push = |block: &u64, what: &str| differences.push((*block, what.to_owned()));
    changed.difference(&sent).for_each(|block| push(block, "is changed and was not sent"));
    sent.difference(&changed).for_each(|block| push(block, "was sent and is not changed"));
    expected_blocks.difference(&listed).for_each(|block| push(block, "is missing"));
    listed
        .difference(&expected_blocks)
        .for_each(|block| push(block, "is neither the parent's nor was it sent"));
    differences
}

/// Compares the parent's blocks and the sent blocks with the image.
fn compare_with_image(expected: &ExpectedDelta<'_>) -> Vec<(u64, String)> {
    let Some(manifest) = expected.source.manifest() else { return Vec::new() };
    let holds = |index: &u64| expected.sent.get(index).or_else(|| expected.held.get(index));
    let blocks = (0..).zip(manifest.blocks.iter());
    blocks
        .filter(|(index, block)| match (block, holds(index)) {
            (Block::Data(digest), held) => held != Some(digest),
            (block, Some(held)) => *held != block.digest(),
            (_, None) => false,
        })
        .map(|(index, _)| (index, "is not the image's".to_owned()))
        .collect()
}

/// Reads the changed blocks back and compares them with what was sent.
async fn compare_contents<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    snapshot: &str,
    tokens: Vec<ListedBlock>,
    expected: &ExpectedDelta<'_>,
    monitor: Monitor<'_>,
) -> Result<Vec<(u64, String)>, PublishError> {
    let differing = Arc::new(Mutex::new(Vec::new()));
    let (sink, sent) = (Arc::clone(&differing), expected.sent.clone());
    let take = move |read: RequestedBlock| {
        let digest = read.bytes?.digest;
        if sent.get(&read.index).is_some_and(|sent| *sent != digest) {
            let what = format!("reads back with SHA-256 {digest}");
            sink.lock().unwrap_or_else(PoisonError::into_inner).push((read.index, what));
        }
        Ok(())
    };
    monitor.progress.begin("reading back", Some(readback::byte_len(tokens.len())));
    let read =
        readback::read_blocks(services, snapshot, tokens, crate::rate_limiter::DEFAULT_RATE, take, monitor)
            .await;
    monitor.progress.end();
    read?;
    let differing = std::mem::take(&mut *differing.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(differing)
}
