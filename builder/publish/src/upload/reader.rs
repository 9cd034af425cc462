//! Reads blocks ahead of the network, in threads with a bounded pool of buffers. The most recently used buffer is
//! reused first, while it is in the processor's cache.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::image::Block;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::block_selector::BlockSelector;
use crate::rate_limiter::MAX_IN_FLIGHT;
use crate::source::{ImageSource, KnownRun};

/// Number of blocks that are read ahead. More would leave the processor's cache before they are sent.
const READ_AHEAD: usize = 4;

/// Number of buffers: one per concurrent request, per block read ahead, and per reading thread.
const BUFFERS: usize = MAX_IN_FLIGHT as usize + READ_AHEAD + 4;

/// A block of zeros to send.
static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// The result of a job; results come in any order.
#[derive(Debug)]
pub(super) enum ReadItem {
    /// The block must be sent.
    Send {
        /// Index of the block.
        index: u64,
        /// Its bytes.
        bytes: Bytes,
        /// Their digest, from the manifest or computed.
        digest: Digest,
    },
    /// The block was read and need not be sent.
    Skipped,
    /// The block cannot be read.
    Failed {
        /// Index of the block.
        index: u64,
        /// The cause.
        source: std::io::Error,
    },
}

/// A block to read or send.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockJob {
    index: u64,
    block: Option<Block>,
}

/// The blocks to read or send. Progress counts their total length.
pub(super) fn block_jobs(runs: &[KnownRun], selector: &BlockSelector) -> Vec<BlockJob> {
    let mut block_jobs = Vec::new();
    for run in runs {
        let indexes = run.first..run.first + run.count;
        // Long runs without data are common and must be skipped without a check per block.
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

/// Starts the reading threads. They end when all jobs are done or the receiver is dropped.
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

/// Free buffers, a stack.
#[derive(Debug, Default)]
struct BufferPool {
    free: Mutex<FreeBuffers>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct FreeBuffers {
    buffers: Vec<Box<[u8]>>,
    allocated: usize,
}

/// A buffer that returns to the pool when it is dropped.
#[derive(Debug)]
struct PooledBuffer {
    buffer: Box<[u8]>,
    pool: Arc<BufferPool>,
}

impl PooledBuffer {
    /// Waits for a free buffer.
    fn from(pool: &Arc<BufferPool>) -> Self {
        let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = loop {
            if let Some(buffer) = free.buffers.pop() {
                break buffer;
            }
            if free.allocated < BUFFERS {
                free.allocated += 1;
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
