//! Reads ahead of the network: threads that fill blocks from the image, with a bounded number of buffers that go
//! round. The one used last is used next, while it is still in the processor's cache.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::image::Block;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::flow::MOST;
use super::sieve::Sieve;
use super::source::{ImageSource, KnownRun};

/// Blocks that are read ahead. More would have left the processor's cache before they are sent.
const AHEAD: usize = 4;

/// Buffers: one for each request that may be under way, those read ahead, and one for each thread that reads.
const BUFFERS: usize = MOST as usize + AHEAD + 4;

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
    Passed,
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
pub(super) fn jobs(stretches: &[KnownRun], sieve: &Sieve) -> Vec<BlockJob> {
    let mut jobs = Vec::new();
    for stretch in stretches {
        let indexes = stretch.first..stretch.first + stretch.count;
        // Long runs of nothing are common and should cost nothing.
        let anything = match stretch.block {
            Some(Block::Data(_)) | None => true,
            Some(block) => {
                sieve.parent.range(indexes.clone()).next().is_some()
                    || sieve.acknowledged.range(indexes.clone()).next().is_some()
                    || sieve.wants(u64::MAX, block)
            }
        };
        if anything {
            let wanted = |index: &u64| stretch.block.is_none_or(|block| sieve.wants(*index, block));
            jobs.extend(indexes.filter(wanted).map(|index| BlockJob { index, block: stretch.block }));
        }
    }
    jobs
}

/// Starts reading. The threads end when all is read, or when nobody listens any more.
pub(super) fn start(
    source: &Arc<ImageSource>,
    sieve: &Arc<Sieve>,
    jobs: Vec<BlockJob>,
    threads: usize,
) -> mpsc::Receiver<ReadItem> {
    let (items, receiver) = mpsc::channel(AHEAD);
    let jobs = Arc::new(Mutex::new(jobs.into_iter()));
    let pool = Arc::new(Pool::default());
    for _ in 0..threads.max(1) {
        let reader = Reader {
            source: Arc::clone(source),
            sieve: Arc::clone(sieve),
            jobs: Arc::clone(&jobs),
            pool: Arc::clone(&pool),
            items: items.clone(),
        };
        std::thread::spawn(move || reader.run());
    }
    receiver
}

struct Reader {
    source: Arc<ImageSource>,
    sieve: Arc<Sieve>,
    jobs: Arc<Mutex<std::vec::IntoIter<BlockJob>>>,
    pool: Arc<Pool>,
    items: mpsc::Sender<ReadItem>,
}

impl Reader {
    fn run(&self) {
        while let Some(job) = self.next() {
            if self.items.blocking_send(self.look(job)).is_err() {
                return;
            }
        }
    }

    fn next(&self) -> Option<BlockJob> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    fn look(&self, BlockJob { index, block }: BlockJob) -> ReadItem {
        if let Some(block @ (Block::Zero | Block::Free)) = block {
            return ReadItem::Send { index, bytes: Bytes::from_static(&ZEROS), digest: block.digest() };
        }
        let mut lent = Lent::from(&self.pool);
        if let Err(source) = self.source.read(index, &mut lent.buffer) {
            return ReadItem::Failed { index, source };
        }
        let read = block.unwrap_or_else(|| Block::hashed(Digest::of(&lent.buffer)));
        if block.is_none() && !self.sieve.wants(index, read) {
            return ReadItem::Passed;
        }
        ReadItem::Send { index, bytes: Bytes::from_owner(lent), digest: read.digest() }
    }
}

/// The buffers that nobody uses, the last one given back on top.
#[derive(Debug, Default)]
struct Pool {
    free: Mutex<FreeBuffers>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct FreeBuffers {
    buffers: Vec<Box<[u8]>>,
    made: usize,
}

/// A buffer that goes back when it is dropped.
#[derive(Debug)]
struct Lent {
    buffer: Box<[u8]>,
    pool: Arc<Pool>,
}

impl Lent {
    /// Waits for a buffer.
    fn from(pool: &Arc<Pool>) -> Self {
        let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = loop {
            if let Some(buffer) = free.buffers.pop() {
                break buffer;
            }
            if free.made < BUFFERS {
                free.made += 1;
                break vec![0; BLOCK as usize].into_boxed_slice();
            }
            free = pool.more.wait(free).unwrap_or_else(PoisonError::into_inner);
        };
        drop(free);
        Self { buffer, pool: Arc::clone(pool) }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).buffers.push(buffer);
        self.pool.more.notify_one();
    }
}
