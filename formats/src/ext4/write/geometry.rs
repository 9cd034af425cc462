//! Geometry: how many groups and inodes, and where superblocks, descriptors, bitmaps, inode tables and the journal
//! stand. A function of length, number of inodes and journal length alone; knows nothing of the tree.
//!
//! Follows mke2fs (lib/ext2fs/initialize.c) but for three choices that keep things where they are when the length
//! changes: the descriptors and their reserve together take a power of two of blocks, the inodes of a group come from
//! a ladder, and the metadata of the first sixteen groups always has the addresses that sixteen groups need.

use super::{Ext4WriteError, JournalSize};
use crate::ext4::spec::group::DESCS_PER_BLOCK;
use crate::ext4::spec::{BLOCK_SIZE, BLOCKS_PER_GROUP, FLEX_GROUPS, INODES_PER_BLOCK, has_super};
use crate::stable::SLOT;

/// Inodes in the reserved table block: 1 to 10, `lost+found`, and five that stay free.
pub(super) const RESERVED_INODES: u32 = INODES_PER_BLOCK;

/// Most inodes of a group: the bits of a bitmap block.
const MAX_INODES_PER_GROUP: u32 = 32768;

/// Blocks of consecutive addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockRun {
    /// First block.
    pub start: u64,
    /// Blocks.
    pub len: u64,
}

impl BlockRun {
    /// First block after it.
    pub(super) fn end(self) -> u64 {
        self.start + self.len
    }
}

/// Where a group keeps its maps and its inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupPlaces {
    /// Block of the block bitmap.
    pub block_bitmap: u64,
    /// Block of the inode bitmap.
    pub inode_bitmap: u64,
    /// First block of the inode table.
    pub inode_table: u64,
}

/// All metadata at fixed addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ext4Geometry {
    /// Blocks of the file system.
    pub blocks: u64,
    /// Block groups.
    pub groups: u32,
    /// Inodes of each group.
    pub inodes_per_group: u32,
    /// Blocks of descriptors.
    pub gdt_blocks: u32,
    /// Blocks reserved for more descriptors.
    pub reserved_gdt: u32,
    /// The block of the resize inode's addresses; none when nothing is reserved.
    pub dind: Option<u64>,
    /// Addresses by group.
    pub places: Vec<GroupPlaces>,
    /// Ranges of the journal, in its order.
    pub journal: Vec<BlockRun>,
    /// The block of the journal's extents, when they do not fit its inode.
    pub journal_tree: Option<u64>,
    /// All of the above, sorted, merged.
    pub taken: Vec<BlockRun>,
}

/// Blocks of the journal that the options request in a file system of `blocks` blocks.
pub(super) fn journal_blocks(journal: JournalSize, blocks: u64) -> Result<u64, Ext4WriteError> {
    /// The tiers of mke2fs: blocks of the file system up to which the journal has a number of blocks.
    const TIERS: [(u64, u64); 8] = [
        (2048, 0),
        (32_768, 1024),
        (262_144, 4096),
        (524_288, 8192),
        (4_194_304, 16_384),
        (8_388_608, 32_768),
        (16_777_216, 65_536),
        (33_554_432, 131_072),
    ];
    const LEAST: u64 = 1024;
    const MOST: u64 = 10_240_000;
    match journal {
        JournalSize::None => Ok(0),
        JournalSize::Auto => {
            Ok(TIERS.iter().find(|(below, _)| blocks < *below).map_or(262_144, |(_, journal)| *journal))
        }
        JournalSize::Bytes(bytes) => {
            let needed = bytes.div_ceil(BLOCK_SIZE);
            if needed < LEAST {
                Err(Ext4WriteError::JournalTooSmall { requested: bytes, least: LEAST * BLOCK_SIZE })
            } else if needed > MOST.min(blocks / 2) {
                Err(Ext4WriteError::JournalTooBig {
                    requested: bytes,
                    most: MOST.min(blocks / 2) * BLOCK_SIZE,
                })
            } else {
                Ok(needed)
            }
        }
    }
}

/// Blocks of descriptors and reserve: what mke2fs keeps for growing 1024 times, rounded up to a power of two.
fn descriptor_blocks(blocks: u64, gdt_blocks: u32) -> u32 {
    const MOST_RESERVED: u32 = 1024;
    let grown = (blocks * 1024).min(u64::from(u32::MAX)).div_ceil(u64::from(BLOCKS_PER_GROUP)) as u32;
    let needed = grown.div_ceil(DESCS_PER_BLOCK);
    if gdt_blocks > MOST_RESERVED / 2 {
        return gdt_blocks + needed.saturating_sub(gdt_blocks).min(MOST_RESERVED);
    }
    needed.next_power_of_two().clamp(16, MOST_RESERVED)
}

/// Inodes of each group: the least step of the ladder that leaves a tenth of the needed ones to spare, else the
/// least that holds them.
fn inodes_per_group(blocks: u64, groups: u32, needed: u64) -> Result<u32, Ext4WriteError> {
    const STEP: u32 = 8192;
    const LEAST: u32 = 64;
    let base = if blocks >= u64::from(BLOCKS_PER_GROUP) {
        STEP
    } else {
        let quarter = (blocks / 4).max(1) as u32;
        (1u32 << quarter.ilog2()).clamp(LEAST, STEP)
    };
    let ladder = || {
        std::iter::successors(Some(base), |step| Some(step * 2)).take_while(|s| *s <= MAX_INODES_PER_GROUP)
    };
    let holds =
        |step: u32, needed: u64| u64::from(step) * u64::from(groups) >= needed + u64::from(RESERVED_INODES);
    let roomy = ladder().find(|step| holds(*step, needed.div_ceil(9) * 10));
    roomy.or_else(|| ladder().find(|step| holds(*step, needed))).ok_or_else(|| Ext4WriteError::TooManyNodes {
        needed: needed + u64::from(RESERVED_INODES),
        available: u64::from(MAX_INODES_PER_GROUP) * u64::from(groups),
    })
}

impl Ext4Geometry {
    /// Lays out a file system of at most `blocks` blocks with `inodes` inodes besides the reserved ones.
    pub(super) fn new(blocks: u64, inodes: u64, journal: JournalSize) -> Result<Self, Ext4WriteError> {
        if blocks > u64::from(u32::MAX) {
            let most = u64::from(u32::MAX) * BLOCK_SIZE;
            return Err(Ext4WriteError::TooLarge { len: blocks.saturating_mul(BLOCK_SIZE), most });
        }
        let mut geometry = Self::sized(blocks, inodes)?;
        let journal = journal_blocks(journal, geometry.blocks)?;
        geometry.put_maps()?;
        geometry.put_journal(journal)?;
        Ok(geometry)
    }

    /// Counts; the rest of a last group too small for its own metadata and fifty blocks is left out, as mke2fs does.
    fn sized(blocks: u64, inodes: u64) -> Result<Self, Ext4WriteError> {
        let too_small = |needed: u64| Ext4WriteError::NoSpace {
            needed: needed * BLOCK_SIZE,
            available: blocks * BLOCK_SIZE,
        };
        let mut kept = blocks;
        loop {
            let groups = kept.div_ceil(u64::from(BLOCKS_PER_GROUP)) as u32;
            if groups == 0 {
                return Err(too_small(u64::from(SLOT)));
            }
            let inodes_per_group = inodes_per_group(kept, groups, inodes)?;
            let gdt_blocks = groups.div_ceil(DESCS_PER_BLOCK);
            let descriptors = descriptor_blocks(kept, gdt_blocks);
            let last = kept - u64::from(groups - 1) * u64::from(BLOCKS_PER_GROUP);
            let copies = if has_super(groups - 1) { 1 + descriptors } else { 0 };
            let overhead = u64::from(2 + inodes_per_group / INODES_PER_BLOCK + copies);
            if groups == 1 && last < overhead + 10 {
                return Err(too_small(overhead + 10));
            }
            if groups > 1 && last < overhead + 50 {
                kept -= last;
                continue;
            }
            let reserved_gdt = descriptors - gdt_blocks;
            return Ok(Self {
                blocks: kept,
                groups,
                inodes_per_group,
                gdt_blocks,
                reserved_gdt,
                dind: (reserved_gdt > 0).then(|| u64::from(1 + descriptors)),
                places: Vec::with_capacity(groups as usize),
                journal: Vec::new(),
                journal_tree: None,
                taken: Vec::new(),
            });
        }
    }

    /// Blocks of an inode table.
    pub(super) fn itable_blocks(&self) -> u32 {
        self.inodes_per_group / INODES_PER_BLOCK
    }

    /// Blocks of superblock, descriptors and reserve in a group that holds copies.
    pub(super) fn super_blocks(&self) -> u32 {
        1 + self.gdt_blocks + self.reserved_gdt
    }

    /// Blocks of a group, fewer in the last.
    pub(super) fn group_len(&self, group: u32) -> u32 {
        let start = u64::from(group) * u64::from(BLOCKS_PER_GROUP);
        (self.blocks - start).min(u64::from(BLOCKS_PER_GROUP)) as u32
    }

    /// The groups other than the first that hold copies.
    pub(super) fn backups(&self) -> impl Iterator<Item = u32> + '_ {
        (1..self.groups).filter(|group| has_super(*group))
    }

    /// The copies of superblock and descriptors in a group.
    fn copies(&self, group: u32) -> Option<BlockRun> {
        let start = u64::from(group) * u64::from(BLOCKS_PER_GROUP);
        (group < self.groups && has_super(group))
            .then(|| BlockRun { start, len: u64::from(self.super_blocks()) })
    }

    /// The first address at or after `at` where `len` blocks meet no copies.
    fn clear_of_copies(&self, at: u64, len: u64) -> u64 {
        let mut at = at;
        loop {
            let (first, last) =
                (at / u64::from(BLOCKS_PER_GROUP), (at + len - 1) / u64::from(BLOCKS_PER_GROUP));
            let hit =
                (first..=last).filter_map(|group| self.copies(group as u32)).find(|copies| at < copies.end());
            match hit {
                Some(copies) => at = copies.end(),
                None => return at,
            }
        }
    }

    /// Bitmaps and inode tables, packed at the start of each flex group.
    fn put_maps(&mut self) -> Result<(), Ext4WriteError> {
        let stride = if self.groups > 1 { FLEX_GROUPS } else { 1 };
        let table = u64::from(self.itable_blocks());
        let mut taken: Vec<BlockRun> = (0..self.groups).filter_map(|group| self.copies(group)).collect();
        taken.extend(self.dind.map(|start| BlockRun { start, len: 1 }));
        for first in (0..self.groups).step_by(FLEX_GROUPS as usize) {
            let start = u64::from(first) * u64::from(BLOCKS_PER_GROUP);
            let start = start + u64::from(u32::from(first == 0 && self.dind.is_some()));
            let maps = self.clear_of_copies(start, u64::from(2 * stride));
            let maps = if first == 0 { maps.max(self.dind.map_or(0, |dind| dind + 1)) } else { maps };
            let mut tables = maps + u64::from(2 * stride);
            for i in 0..FLEX_GROUPS.min(self.groups - first) {
                tables = self.clear_of_copies(tables, table);
                let block_bitmap = maps + u64::from(i);
                let inode_bitmap = maps + u64::from(stride + i);
                self.places.push(GroupPlaces { block_bitmap, inode_bitmap, inode_table: tables });
                taken.push(BlockRun { start: block_bitmap, len: 1 });
                taken.push(BlockRun { start: inode_bitmap, len: 1 });
                taken.push(BlockRun { start: tables, len: table });
                tables += table;
            }
        }
        self.taken = merged(taken);
        self.within()
    }

    /// Refuses a geometry whose metadata reaches past the end.
    fn within(&self) -> Result<(), Ext4WriteError> {
        let end = self.taken.last().map_or(0, |run| run.end());
        if end > self.blocks {
            return Err(Ext4WriteError::NoSpace {
                needed: end * BLOCK_SIZE,
                available: self.blocks * BLOCK_SIZE,
            });
        }
        Ok(())
    }

    /// Preferred start of the journal: after the metadata of the first sixteen groups, at a slot's start.
    fn journal_goal(&self, len: u64) -> u64 {
        let Some(first) = self.places.first() else { return 0 };
        let tables = if self.groups > 1 { FLEX_GROUPS } else { 1 } * self.itable_blocks();
        let goal = (first.inode_table + u64::from(tables)).next_multiple_of(u64::from(SLOT));
        let fits = self.groups > FLEX_GROUPS || goal + len + u64::from(self.super_blocks()) * 2 < self.blocks;
        let behind = self.places[..(self.groups.min(FLEX_GROUPS)) as usize].last();
        if fits { goal } else { behind.map_or(0, |last| last.inode_table + u64::from(self.itable_blocks())) }
    }

    /// The journal, around the other metadata.
    fn put_journal(&mut self, len: u64) -> Result<(), Ext4WriteError> {
        if len == 0 {
            return Ok(());
        }
        let mut left = len;
        let goal = self.journal_goal(len);
        for run in free_runs(&self.taken, goal, self.blocks) {
            let part = BlockRun { start: run.start, len: run.len.min(left) };
            self.journal.push(part);
            left -= part.len;
            if left == 0 {
                break;
            }
        }
        if left > 0 {
            let most = (len - left) * BLOCK_SIZE;
            return Err(Ext4WriteError::JournalTooBig { requested: len * BLOCK_SIZE, most });
        }
        let extents: u64 = self.journal.iter().map(|run| run.len.div_ceil(32768)).sum();
        if extents > 4 {
            let last = self.journal.last().map_or(0, |run| run.end());
            self.journal_tree = free_runs(&self.taken, last, self.blocks).next().map(|run| run.start);
        }
        let own =
            self.journal.iter().copied().chain(self.journal_tree.map(|start| BlockRun { start, len: 1 }));
        self.taken = merged(self.taken.iter().copied().chain(own).collect());
        Ok(())
    }
}

/// Sorts runs and joins those that touch.
fn merged(mut runs: Vec<BlockRun>) -> Vec<BlockRun> {
    runs.sort_unstable_by_key(|run| run.start);
    let mut out: Vec<BlockRun> = Vec::with_capacity(runs.len());
    for run in runs {
        match out.last_mut() {
            Some(last) if last.end() >= run.start => last.len = last.end().max(run.end()) - last.start,
            _ => out.push(run),
        }
    }
    out
}

/// The blocks of `from..end` that are not taken, as runs.
pub(super) fn free_runs(taken: &[BlockRun], from: u64, end: u64) -> impl Iterator<Item = BlockRun> + '_ {
    let first = taken.partition_point(|run| run.end() <= from);
    let starts = std::iter::once(from).chain(taken[first..].iter().map(|run| run.end()));
    let stops = taken[first..].iter().map(|run| run.start).chain(std::iter::once(end));
    starts.zip(stops).filter_map(move |(start, stop)| {
        let stop = stop.min(end);
        (start < stop).then(|| BlockRun { start, len: stop - start })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks.
    const GIB: u64 = 1 << 18;

    /// What mke2fs 1.47.0 reports for these sizes.
    #[test]
    fn descriptors_and_reserve_are_those_of_mke2fs_at_powers_of_two() {
        for (blocks, gdt, reserved) in [(2 * GIB, 1, 255), (4 * GIB, 1, 511), (8 * GIB, 1, 1023)] {
            let geometry = Ext4Geometry::new(blocks, 1000, JournalSize::Auto).unwrap();
            assert_eq!((geometry.gdt_blocks, geometry.reserved_gdt), (gdt, reserved));
            assert_eq!(geometry.inodes_per_group, 8192);
        }
    }

    #[test]
    fn nothing_is_claimed_twice_and_all_within_the_file_system() {
        for blocks in
            [256, 1000, 2047, 2048, 30_000, 32_767, 32_768, 32_800, 40_000, GIB, 3 * GIB + 17, 1024 * GIB]
        {
            for inodes in [1, 5000, 300_000] {
                let Ok(geometry) = Ext4Geometry::new(blocks, inodes, JournalSize::Auto) else { continue };
                let journal: u64 = geometry.journal.iter().map(|run| run.len).sum();
                let copies = (geometry.backups().count() as u64 + 1) * u64::from(geometry.super_blocks());
                let maps = u64::from(geometry.groups) * u64::from(2 + geometry.itable_blocks());
                let single = u64::from(geometry.dind.is_some()) + u64::from(geometry.journal_tree.is_some());
                let sum: u64 = geometry.taken.iter().map(|run| run.len).sum();
                assert_eq!(sum, journal + copies + maps + single, "{blocks} blocks, {inodes} inodes");
                assert!(geometry.taken.last().unwrap().end() <= geometry.blocks);
            }
        }
    }

    #[test]
    fn the_first_metadata_stays_when_the_file_system_grows_a_little() {
        let small = Ext4Geometry::new(GIB - 20_000, 10_000, JournalSize::Bytes(64 << 20)).unwrap();
        let larger = Ext4Geometry::new(GIB, 10_000, JournalSize::Bytes(64 << 20)).unwrap();
        assert_eq!(small.places[..], larger.places[..small.places.len()]);
        assert_eq!(small.journal, larger.journal);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let big = Ext4Geometry::new(1 << 32, 1, JournalSize::None);
        assert!(matches!(big, Err(Ext4WriteError::TooLarge { .. })), "{big:?}");
        assert!(matches!(Ext4Geometry::new(10, 1, JournalSize::None), Err(Ext4WriteError::NoSpace { .. })));
        assert!(matches!(
            Ext4Geometry::new(1000, 1 << 20, JournalSize::None),
            Err(Ext4WriteError::TooManyNodes { .. })
        ));
        let small = Ext4Geometry::new(GIB, 1, JournalSize::Bytes(4096));
        assert!(matches!(small, Err(Ext4WriteError::JournalTooSmall { .. })));
        let much = Ext4Geometry::new(GIB, 1, JournalSize::Bytes(700 << 20));
        assert!(matches!(much, Err(Ext4WriteError::JournalTooBig { .. })));
    }
}
