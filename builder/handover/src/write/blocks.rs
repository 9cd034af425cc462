//! Reads, compares and encodes blocks in threads, and hands them on in order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::inspect::Medium;
use amiforge_progress::Monitor;

use crate::codec::{BLOCK_LEN, Encoding, ZstdEncoder};
use crate::contents::NeededBlock;
use crate::error::HandoverError;
use crate::index::StoredBlock;

/// Blocks for each thread in a batch, which is encoded before any of it is written: bounds the memory, 16 MiB a thread.
const BATCH: usize = 32;

/// An encoded block.
type Encoded = Result<(Encoding, Vec<u8>), HandoverError>;

/// Encodes the blocks of an image.
pub(super) struct BlockEncoder<'a> {
    pub(super) medium: &'a Medium,
    pub(super) needed: &'a [NeededBlock],
    pub(super) threads: usize,
}

impl BlockEncoder<'_> {
    /// Hands the stored form of each block to `write`, in order.
    pub(super) fn run(
        &self,
        monitor: Monitor<'_>,
        mut write: impl FnMut(&[u8]) -> Result<(), HandoverError>,
    ) -> Result<Vec<StoredBlock>, HandoverError> {
        let mut blocks = Vec::with_capacity(self.needed.len());
        for batch in self.needed.chunks(BATCH * self.threads) {
            for encoded in self.batch(batch)? {
                let (encoding, stored) = encoded?;
                if monitor.cancel.is_cancelled() {
                    return Err(HandoverError::Interrupted);
                }
                write(&stored)?;
                blocks.push(StoredBlock { len: stored.len() as u32, encoding, sha256: Digest::of(&stored) });
                monitor.progress.advance(BLOCK);
            }
        }
        Ok(blocks)
    }

    /// Encodes some blocks, in their order.
    fn batch(&self, batch: &[NeededBlock]) -> Result<Vec<Encoded>, HandoverError> {
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Encoded)>> = Mutex::new(Vec::with_capacity(batch.len()));
        let work = || -> std::io::Result<()> {
            let (mut encoder, mut buffer) = (ZstdEncoder::new()?, vec![0; BLOCK_LEN]);
            while let Some((at, block)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                batch.get(at).map(|block| (at, *block))
            } {
                let encoded = self.encode(block, &mut encoder, &mut buffer);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((at, encoded));
            }
            Ok(())
        };
        let started = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Result<Vec<()>, _>>()
        });
        started.map_err(|source| HandoverError::Stream { name: "the compressor".to_owned(), source })?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(at, _)| *at);
        Ok(done.into_iter().map(|(_, encoded)| encoded).collect())
    }

    /// Reads a block, compares it with the manifest and encodes it.
    fn encode(&self, block: NeededBlock, encoder: &mut ZstdEncoder, buffer: &mut [u8]) -> Encoded {
        let failed = |source| HandoverError::File { path: self.medium.path().to_owned(), source };
        read_block(self.medium, block.index, buffer).map_err(failed)?;
        let computed = Digest::of(buffer);
        if computed != block.sha256 {
            return Err(HandoverError::BlockChanged { index: block.index, stated: block.sha256, computed });
        }
        encoder
            .encode(buffer)
            .map_err(|source| HandoverError::Stream { name: "the compressor".to_owned(), source })
    }
}

/// Reads a block; the last one is filled up with zeros.
pub(crate) fn read_block(medium: &Medium, index: u64, block: &mut [u8]) -> std::io::Result<()> {
    let start = index.saturating_mul(BLOCK);
    let used = medium.size().saturating_sub(start).min(block.len() as u64) as usize;
    let (used, rest) = block.split_at_mut(used);
    rest.fill(0);
    medium.read_exact_at(start, used)
}
