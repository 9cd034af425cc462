//! The hash tree over a plan: its data is read once, window by window, on several threads.
//!
//! A pass of its own, before the image is written: the root hash is in files that stand before the data on the disk, and the
//! digest of the whole image is a chain through all bytes in order.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use amiforge_formats::digest::BLOCK;
use amiforge_formats::plan::{Plan, Sources};
use amiforge_formats::verity::LEAF_SPAN;
use amiforge_formats::verity::write::{BlockHasher, HashBlock, HashTree, VerityIds};
use amiforge_progress::Monitor;

use super::emission::THREADS_MAX;
use super::window::{Gatherer, Survey, THROUGH, WindowBlock, WindowBuffer};
use super::{EmitError, EmitOptions};

/// A block of an image and a block of the lowest level of the tree cover the same bytes.
const _: () = assert!(BLOCK == LEAF_SPAN);

/// Blocks of the lowest level, by their index.
type Leaves = Vec<(u64, HashBlock)>;

/// Makes the tree over a plan that begins at byte `start` of its image. Ranges of the plan that are `Zero` or `Free` are not
/// read: their digests are those of zeros.
///
/// # Errors
/// [`EmitError::Read`], [`EmitError::Interrupted`], [`EmitError::HashTree`].
pub fn hash_tree(
    plan: &Plan,
    start: u64,
    ids: VerityIds,
    sources: &dyn Sources,
    options: &EmitOptions,
    monitor: Monitor<'_>,
) -> Result<HashTree, EmitError> {
    monitor.progress.begin("hashing the verified partition", Some(plan.len()));
    let hasher = BlockHasher::new(&ids.salt);
    let pass = HashPass { plan, start, sources, hasher: &hasher, monitor, next: AtomicU64::new(0) };
    let leaves = Mutex::new(Ok(Leaves::new()));
    std::thread::scope(|scope| {
        for _ in 1..options.threads.clamp(1, THREADS_MAX) {
            scope.spawn(|| pass.work(&leaves));
        }
        pass.work(&leaves);
    });
    monitor.progress.end();
    let leaves = leaves.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    HashTree::new(ids, plan.len(), leaves).map_err(EmitError::HashTree)
}

/// What all threads see.
struct HashPass<'a> {
    plan: &'a Plan,
    /// First byte of the plan in its image, for errors.
    start: u64,
    sources: &'a dyn Sources,
    hasher: &'a BlockHasher,
    monitor: Monitor<'a>,
    /// Index of the window that is read next.
    next: AtomicU64,
}

impl HashPass<'_> {
    /// Hashes windows until there are none, and adds their blocks to those of the other threads.
    fn work(&self, leaves: &Mutex<Result<Leaves, EmitError>>) {
        let done = self.windows(leaves);
        let mut all = leaves.lock().unwrap_or_else(PoisonError::into_inner);
        match (all.as_mut(), done) {
            (Ok(all), Ok(own)) => all.extend(own),
            (Ok(_), Err(error)) => *all = Err(error),
            (Err(_), _) => {}
        }
    }

    fn windows(&self, leaves: &Mutex<Result<Leaves, EmitError>>) -> Result<Leaves, EmitError> {
        let (mut gatherer, mut buffer) = (Gatherer::default(), WindowBuffer::new(THROUGH));
        let mut own = Leaves::new();
        loop {
            if self.monitor.cancel.is_cancelled() {
                return Err(EmitError::Interrupted);
            }
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let failed = || leaves.lock().unwrap_or_else(PoisonError::into_inner).is_err();
            if index >= self.plan.len().div_ceil(THROUGH) || failed() {
                return Ok(own);
            }
            let survey = Survey::of(self.plan, index * THROUGH, THROUGH);
            if survey.has_data() {
                let gathered = gatherer.gather(self.plan, self.sources, &survey, &mut buffer);
                gathered.map_err(|unread| EmitError::Read {
                    offset: self.start + unread.offset,
                    source: unread.source,
                })?;
                self.hash(&survey, &buffer, &mut own);
            }
            self.monitor.progress.advance(survey.range.end - survey.range.start);
        }
    }

    /// Hashes the blocks of a window that hold data.
    fn hash(&self, survey: &Survey, buffer: &WindowBuffer, own: &mut Leaves) {
        let Range { start, end } = survey.range;
        for (index, holds) in (0..).zip(&survey.blocks) {
            let from = index * LEAF_SPAN;
            let to = (from + LEAF_SPAN).min(end - start);
            if *holds == WindowBlock::Data {
                let data = &buffer.bytes()[from as usize..to as usize];
                own.push(((start + from) / LEAF_SPAN, self.hasher.leaf(data)));
            }
        }
    }
}
