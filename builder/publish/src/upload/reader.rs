//! Reads ahead of the network: threads that fill blocks from the image, with a bounded number of buffers that go
//! round. The one used last is used next, while it is still in the processor's cache.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::image::Block;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::block_selector::BlockSelector;
use crate::rate_limiter::MAX_IN_FLIGHT;
use crate::source::{ImageSource, KnownRun};

/// Blocks that are read ahead. More would have left the processor's cache before they are sent.
const READ_AHEAD: usize = 4;

/// Buffers: one for each request that may be under way, those read ahead, and one for each thread that reads.
const BUFFERS: usize = MAX_IN_FLIGHT as usize + READ_AHEAD + 4;

/// Zeros to send.
static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// What the reader says of a block, in no order.
#[derive(Debug)]
pub(super) enum ReadItem {
    /// It has to be sent.
    Send {
        /// Index of the block.
        index: u64,
        /// Its bytes.
        bytes: Bytes,
        /// Their digest, as the manifest has it or as they were read.
        digest: Digest,
    },
    /// It was read and need not be sent.
    Skipped,
    /// It cannot be read.
    Failed {
        /// Index of the block.
        index: u64,
        /// Why.
        source: std::io::Error,
    },
}

/// A block to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockJob {
    index: u64,
    block: Option<Block>,
}

/// The blocks that have to be read or sent. Their number times the length of a block is what progress counts.
pub(super) fn block_jobs(runs: &[KnownRun], selector: &BlockSelector) -> Vec<BlockJob> {
    let mut block_jobs = Vec::new();
    for run in runs {
        let indexes = run.first..run.first + run.count;
        // Long runs of nothing are common and should cost nothing.
        let relevant = match run.block {
            Some(Block::Data(_)) | None => true,
            Some(block) => {
                selector.parent.range(indexes.clone()).next().is_some()
                    || selector.acknowledged.range(indexes.clone()).next().is_some()
                    || selector.selects(u64::MAX, block)
            }
        };
        if relevant {
            let selected = |index: &u64| run.block.is_none_or(|block| selector.selects(*index, block));
            block_jobs.extend(indexes.filter(selected).map(|index| BlockJob { index, block: run.block }));
        }
    }
    block_jobs
}

/// Starts reading. The threads end when all is read, or when nobody listens any more.
pub(super) fn start(
    source: &Arc<ImageSource>,
    selector: &Arc<BlockSelector>,
    block_jobs: Vec<BlockJob>,
    threads: usize,
) -> mpsc::Receiver<ReadItem> {
    let (items, receiver) = mpsc::channel(READ_AHEAD);
    let block_jobs = Arc::new(Mutex::new(block_jobs.into_iter()));
    let pool = Arc::new(BufferPool::default());
    for _ in 0..threads.max(1) {
        let reader = Reader {
            source: Arc::clone(source),
            selector: Arc::clone(selector),
            block_jobs: Arc::clone(&block_jobs),
            pool: Arc::clone(&pool),
            items: items.clone(),
        };
        std::thread::spawn(move || reader.run());
    }
    receiver
}

struct Reader {
    source: Arc<ImageSource>,
    selector: Arc<BlockSelector>,
    block_jobs: Arc<Mutex<std::vec::IntoIter<BlockJob>>>,
    pool: Arc<BufferPool>,
    items: mpsc::Sender<ReadItem>,
}

impl Reader {
    fn run(&self) {
        while let Some(job) = self.next() {
            if self.items.blocking_send(self.read_block(job)).is_err() {
                return;
            }
        }
    }

    fn next(&self) -> Option<BlockJob> {
        self.block_jobs.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    fn read_block(&self, BlockJob { index, block }: BlockJob) -> ReadItem {
        if let Some(block @ (Block::Zero | Block::Free)) = block {
            return ReadItem::Send { index, bytes: Bytes::from_static(&ZEROS), digest: block.digest() };
        }
        let mut pooled = PooledBuffer::from(&self.pool);
        if let Err(source) = self.source.read(index, &mut pooled.buffer) {
            return ReadItem::Failed { index, source };
        }
        let read = block.unwrap_or_else(|| Block::hashed(Digest::of(&pooled.buffer)));
        if block.is_none() && !self.selector.selects(index, read) {
            return ReadItem::Skipped;
        }
        ReadItem::Send { index, bytes: Bytes::from_owner(pooled), digest: read.digest() }
    }
}

/// The buffers that nobody uses, the last one given back on top.
#[derive(Debug, Default)]
struct BufferPool {
    free: Mutex<FreeBuffers>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct FreeBuffers {
    buffers: Vec<Box<[u8]>>,
    made: usize,
}

/// A buffer that goes back when it is dropped.
#[derive(Debug)]
struct PooledBuffer {
    buffer: Box<[u8]>,
    pool: Arc<BufferPool>,
}

impl PooledBuffer {
    /// Waits for a buffer.
    fn from(pool: &Arc<BufferPool>) -> Self {
        let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = loop {
            if let Some(buffer) = free.buffers.pop() {
                break buffer;
            }
            if free.made < BUFFERS {
                free.made += 1;
                break vec![0; BLOCK as usize].into_boxed_slice();
            }
            free = pool.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        };
        drop(free);
        Self { buffer, pool: Arc::clone(pool) }
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).buffers.push(buffer);
        self.pool.returned.notify_one();
    }
}
