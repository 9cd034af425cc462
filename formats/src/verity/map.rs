//! The map of a hash tree: its superblock, and which data each of its blocks covers.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::read::VeritySuperblock;
use super::spec::{BLOCK, HASHES, SUPERBLOCK};
use crate::map::{MapBuilder, RangeMap, Subject};
use crate::read_at::ReadAt;
use crate::volume::format::FormatError;

/// Maps a superblock and a tree.
pub(super) fn map(volume: &dyn ReadAt) -> Result<RangeMap, FormatError> {
    let superblock = VeritySuperblock::read(volume)?;
    let mut builder = MapBuilder::new(volume.size());
    let named = |name: String| Subject::Structure { name: name.into() };
    builder.add(0, SUPERBLOCK as u64, named("superblock of the hash tree".to_owned()));
    builder.padding(SUPERBLOCK as u64, BLOCK, "behind the superblock of the hash tree");
    // Blocks of data that a hash block of the level covers.
    let mut span = 1_u64;
    for (number, level) in superblock.levels.iter().enumerate() {
        span = span.saturating_mul(HASHES);
        for index in 0..level.blocks {
            let first = index.saturating_mul(span);
            let last = first.saturating_add(span).min(superblock.data_blocks).saturating_sub(1);
            let name =
                format!("hash block {index} of level {number}, of the blocks of data {first} to {last}");
            let at = level.first.saturating_add(index).saturating_mul(BLOCK);
            builder.add(at, BLOCK, named(name));
        }
    }
    builder.padding(superblock.end().saturating_mul(BLOCK), volume.size(), "behind the hash tree");
    Ok(builder.finish(None)?)
}
