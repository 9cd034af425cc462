//! The list of blocks in the text of a manifest.

use super::value::{ManifestError, digest, wrong};
use crate::image::{Block, BlockMap};

/// An entry for each block with data, and one for each run of blocks without.
pub(super) fn write_blocks(blocks: &BlockMap) -> Vec<String> {
    let runs = blocks.runs().iter();
    runs.map(|run| match run.block {
        Block::Data(digest) => digest.to_string(),
        Block::Zero => format!("zero*{}", run.count),
        Block::Free => format!("free*{}", run.count),
    })
    .collect()
}

/// The blocks that a list names, of a disk of `size` bytes.
pub(super) fn read_blocks(entries: &[String], size: u64) -> Result<BlockMap, ManifestError> {
    let needed = BlockMap::count_for(size);
    let mut map = BlockMap::default();
    for entry in entries {
        let (block, count) = match entry.split_once('*') {
            None => (data(entry)?, 1),
            Some((kind, count)) => (kind_of(kind, entry)?, count_of(count, entry)?),
        };
        // Counted before the blocks are added, and no count is larger than what is left, so this cannot overflow.
        if count > needed - map.len() {
            let listed = map.len().saturating_add(count);
            return Err(ManifestError::BlockCount { listed, size, needed });
        }
        let last = map.runs().last().map(|run| run.block);
        if last == Some(block) && !matches!(block, Block::Data(_)) {
            return Err(wrong("blocks", entry, "one entry for neighbouring blocks of a kind"));
        }
        map.push(block, count);
    }
    if map.len() == needed {
        Ok(map)
    } else {
        Err(ManifestError::BlockCount { listed: map.len(), size, needed })
    }
}

fn data(entry: &str) -> Result<Block, ManifestError> {
    match Block::hashed(digest("blocks", entry)?) {
        Block::Zero => Err(wrong("blocks", entry, "how a block of zeros is written: zero*N")),
        block => Ok(block),
    }
}

fn kind_of(kind: &str, entry: &str) -> Result<Block, ManifestError> {
    match kind {
        "zero" => Ok(Block::Zero),
        "free" => Ok(Block::Free),
        _ => Err(wrong("blocks", entry, "a digest, zero*N or free*N")),
    }
}

fn count_of(count: &str, entry: &str) -> Result<u64, ManifestError> {
    let number = count.parse::<u64>().ok().filter(|number| *number > 0 && number.to_string() == count);
    number.ok_or_else(|| wrong("blocks", entry, "a digest, zero*N or free*N"))
}
