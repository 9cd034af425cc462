//! The proof of an upload onto a parent: what the service says has changed is what was sent, it reads back as it was
//! sent, everything else is the parent's, and together they are the image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use amiforge_formats::digest::Digest;
use amiforge_image::image::Block;
use amiforge_progress::{CancelToken, Monitor};

use super::api::{Changed, Ebs, ListedBlock, SnapshotCalls};
use super::error::{PublishError, doing};
use super::readback::{self, RequestedBlock};
use super::retry::{CallStep, NoListener, retry};
use super::services::Services;
use super::source::ImageSource;

/// What is to be proven.
pub(super) struct DeltaClaim<'a> {
    /// The image.
    pub(super) source: &'a ImageSource,
    /// The parent.
    pub(super) parent: &'a str,
    /// What the parent holds.
    pub(super) held: &'a BTreeMap<u64, Digest>,
    /// What was sent.
    pub(super) sent: &'a BTreeMap<u64, Digest>,
}

/// Proves that a snapshot is its parent and what was sent, and that this is the image. Gives the number of blocks that
/// were read back.
///
/// # Errors
/// [`PublishError::ReadBack`] names the first difference.
pub(super) async fn prove<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    snapshot: &str,
    claim: &DeltaClaim<'_>,
    monitor: Monitor<'_>,
) -> Result<u64, PublishError> {
    let list = readback::list(services, snapshot, monitor.cancel).await?;
    let changed = changed(services, claim.parent, snapshot, monitor.cancel).await?;
    let mut differences = presence(&list.blocks, &changed, claim);
    differences.extend(image(claim));
    let tokens: Vec<_> = changed
        .into_iter()
        .filter_map(|block| Some(ListedBlock { index: block.index, token: block.second? }))
        .collect();
    let count = tokens.len() as u64;
    differences.extend(contents(services, snapshot, tokens, claim, monitor).await?);
    match differences.into_iter().min() {
        None => Ok(count),
        Some((block, what)) => {
            let places = claim.source.places(block);
            let places = if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
            Err(PublishError::ReadBack {
                snapshot: snapshot.to_owned(),
                first: format!("block {block}{places} {what}"),
                count: 1,
            })
        }
    }
}

/// Every block that the service says has changed.
async fn changed<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    parent: &str,
    snapshot: &str,
    cancel: &CancelToken,
) -> Result<Vec<Changed>, PublishError> {
    let (mut changed, mut next) = (Vec::new(), None::<String>);
    let mut pages = readback::PageGuard::default();
    loop {
        let call = || services.ebs.changed(parent, snapshot, next.clone());
        let page = retry(&services.pace, CallStep::Read, &NoListener, call).await;
        let page = page.map_err(doing(format!("listing what {snapshot} changed")))?;
        pages.next(snapshot, page.blocks.len(), next.as_deref(), page.next.as_deref())?;
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

/// What the lists of the service say otherwise than we do.
fn presence(listed: &[ListedBlock], changed: &[Changed], claim: &DeltaClaim<'_>) -> Vec<(u64, String)> {
    let listed: BTreeSet<u64> = listed.iter().map(|block| block.index).collect();
    let changed: BTreeSet<u64> = changed.iter().map(|block| block.index).collect();
    let sent: BTreeSet<u64> = claim.sent.keys().copied().collect();
    let meant: BTreeSet<u64> = claim.held.keys().chain(claim.sent.keys()).copied().collect();
    let mut differences = Vec::new();
    let mut say = |block: &u64, what: &str| differences.push((*block, what.to_owned()));
    changed.difference(&sent).for_each(|block| say(block, "is changed and was not sent"));
    sent.difference(&changed).for_each(|block| say(block, "was sent and is not changed"));
    meant.difference(&listed).for_each(|block| say(block, "is missing"));
    listed.difference(&meant).for_each(|block| say(block, "is neither the parent's nor was it sent"));
    differences
}

/// Where what the parent holds and what was sent do not make the image.
fn image(claim: &DeltaClaim<'_>) -> Vec<(u64, String)> {
    let Some(manifest) = claim.source.manifest() else { return Vec::new() };
    let holds = |index: &u64| claim.sent.get(index).or_else(|| claim.held.get(index));
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
async fn contents<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    snapshot: &str,
    tokens: Vec<ListedBlock>,
    claim: &DeltaClaim<'_>,
    monitor: Monitor<'_>,
) -> Result<Vec<(u64, String)>, PublishError> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let (into, sent) = (Arc::clone(&found), claim.sent.clone());
    let take = move |read: RequestedBlock| {
        let digest = read.bytes?.digest;
        if sent.get(&read.index).is_some_and(|sent| *sent != digest) {
            let what = format!("reads back with SHA-256 {digest}");
            into.lock().unwrap_or_else(PoisonError::into_inner).push((read.index, what));
        }
        Ok(())
    };
    monitor.progress.begin("reading back", Some(readback::len(tokens.len())));
    let read = readback::each(services, snapshot, tokens, super::flow::RATE, take, monitor).await;
    monitor.progress.end();
    read?;
    let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(found)
}
