//! The parts of an object, and their bytes.

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::image::{Block, BlockMap};
use bytes::Bytes;

use crate::error::PublishError;
use crate::source::{ImageSource, KnownRun};

/// Number of blocks of a part of a usual image: 8 MiB. S3 takes no part but the last below 5 MiB.
const BLOCKS: u64 = 16;
/// Maximum number of parts of an upload.
const MAX_PARTS: u64 = 10_000;
/// Bytes of parts in memory at the same time.
const MEMORY: u64 = 128 << 20;
/// Maximum number of parts in flight.
const MAX_IN_FLIGHT: u64 = 16;

/// How an image is cut into parts. The last block is filled up with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartPlan {
    blocks: u64,
    blocks_per_part: u64,
}

impl PartPlan {
    pub(super) fn new(size: u64) -> Self {
        let blocks = BlockMap::count_for(size);
        Self { blocks, blocks_per_part: BLOCKS.max(blocks.div_ceil(MAX_PARTS)) }
    }

    /// Number of blocks of the object.
    pub(super) fn blocks(self) -> u64 {
        self.blocks
    }

    /// Length of the object in bytes.
    pub(super) fn len(self) -> u64 {
        self.blocks * BLOCK
    }

    /// The numbers of the parts.
    pub(super) fn numbers(self) -> std::ops::RangeInclusive<u32> {
        // At most `MAX_PARTS`.
        1..=u32::try_from(self.blocks.div_ceil(self.blocks_per_part)).unwrap_or(u32::MAX)
    }

    /// The blocks of a part.
    pub(super) fn blocks_of(self, number: u32) -> std::ops::Range<u64> {
        let first = u64::from(number - 1) * self.blocks_per_part;
        first..(first + self.blocks_per_part).min(self.blocks)
    }

    /// Number of parts to send at the same time: fewer of an image of terabytes, whose parts are large.
    pub(super) fn in_flight(self) -> usize {
        let parts = MEMORY / (self.blocks_per_part * BLOCK);
        parts.clamp(1, MAX_IN_FLIGHT) as usize
    }
}

/// The bytes of a part and their digest.
#[derive(Debug, Clone)]
pub(super) struct PartBytes {
    pub(super) bytes: Bytes,
    pub(super) digest: Digest,
}

/// Reads the blocks of a part. Each block of a bundle is compared with its manifest.
///
/// # Errors
/// [`PublishError::Read`], [`PublishError::BlockChanged`].
pub(super) fn read(
    source: &ImageSource,
    runs: &[KnownRun],
    blocks: std::ops::Range<u64>,
) -> Result<PartBytes, PublishError> {
    let mut bytes = vec![0; ((blocks.end - blocks.start) * BLOCK) as usize];
    for (index, block) in blocks.zip(bytes.chunks_exact_mut(BLOCK as usize)) {
        let expected = known(runs, index);
        if matches!(expected, Some(Block::Zero | Block::Free)) {
            continue;
        }
        source.read(index, block).map_err(|source| PublishError::Read { block: index, source })?;
        if let Some(expected) = expected {
            compare(source, index, expected, Digest::of(block))?;
        }
    }
    let digest = Digest::of(&bytes);
    Ok(PartBytes { bytes: bytes.into(), digest })
}

fn compare(source: &ImageSource, index: u64, expected: Block, actual: Digest) -> Result<(), PublishError> {
    if expected.digest() == actual {
        return Ok(());
    }
    Err(PublishError::BlockChanged {
        block: index,
        locations: source.locations(index),
        expected: expected.digest().to_string(),
        found: actual.to_string(),
    })
}

/// The known content of a block.
fn known(runs: &[KnownRun], index: u64) -> Option<Block> {
    let at = runs.partition_point(|run| run.first + run.count <= index);
    runs.get(at)?.block
}
