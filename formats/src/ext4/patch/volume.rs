//! The volume while it is amended: blocks that change, the groups' bitmaps and counts, free blocks and inodes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Ext4PatchError;
use super::space::{FreeSpace, SlotGrid};
use crate::ext4::read::usage::{bit, block_bitmap, inode_bitmap, set};
use crate::ext4::read::{
    BLOCK_UNINIT, Features, FileSystem, GroupInfo, INODE_UNINIT, ReadSuperblock, Refuse, features,
};
use crate::plan::Claims;
use crate::read_at::ReadAt;

/// The file system that is amended.
pub(super) type BaseSystem<'a> = FileSystem<'a, dyn ReadAt + 'a>;

/// A group while it is amended.
#[derive(Debug)]
pub(super) struct PatchGroup {
    /// Its descriptor, with counts and flags as they become.
    pub(super) info: GroupInfo,
    /// Its block bitmap.
    pub(super) blocks: Vec<u8>,
    /// Its inode bitmap.
    pub(super) inodes: Vec<u8>,
    /// Whether the block bitmap changes.
    pub(super) blocks_change: bool,
    /// Whether the inode bitmap changes.
    pub(super) inodes_change: bool,
    /// Whether the descriptor changes.
    pub(super) changes: bool,
}

/// A volume while it is amended.
pub(super) struct PatchVolume<'a> {
    /// The volume as it is.
    pub(super) base: &'a BaseSystem<'a>,
    /// Its superblock.
    pub(super) superblock: &'a ReadSuperblock,
    /// Features as they become.
    pub(super) features: Features,
    /// All groups.
    pub(super) groups: Vec<PatchGroup>,
    /// Free blocks.
    pub(super) space: FreeSpace,
    /// Contents of files, by offset in the volume.
    pub(super) data: Claims,
    /// Blocks that were given back.
    pub(super) freed: Vec<Range<u64>>,
    /// Whether blocks that are given back are overwritten, so that their slots change.
    pub(super) erase: bool,
    /// Metadata blocks as they become.
    blocks: BTreeMap<u64, Vec<u8>>,
    /// Slots of inode tables that change, by group.
    tables: BTreeSet<(u32, u64)>,
}

impl<'a> PatchVolume<'a> {
    /// The volume before anything is amended; it begins at byte `offset` of the disk.
    pub(super) fn new(base: &'a BaseSystem<'a>, offset: u64, erase: bool) -> Result<Self, Ext4PatchError> {
        let superblock = base.superblock();
        let mut space = FreeSpace::new(SlotGrid::new(offset, superblock.block_size));
        let mut groups = Vec::with_capacity(base.groups().len());
        for (info, group) in base.groups().iter().zip(0..) {
            let blocks = block_bitmap(base, group, &mut Refuse)?;
            let inodes = inode_bitmap(base, group, &mut Refuse)?;
            let start = superblock.group_start(group);
            for run in clear_runs(&blocks, superblock.group_len(group)) {
                space.free(start + run.start..start + run.end);
            }
            let info = info.clone();
            let (blocks_change, inodes_change, changes) = (false, false, false);
            groups.push(PatchGroup { info, blocks, inodes, blocks_change, inodes_change, changes });
        }
        Ok(Self {
            base,
            superblock,
            features: superblock.features,
            groups,
            space,
            data: Claims::new(base.image().size()),
            freed: Vec::new(),
            erase,
            blocks: BTreeMap::new(),
            tables: BTreeSet::new(),
        })
    }

    /// Bytes of a block.
    pub(super) fn block_size(&self) -> u64 {
        u64::from(self.superblock.block_size)
    }

    /// A block as it is now.
    pub(super) fn block(&self, block: u64) -> Result<Vec<u8>, Ext4PatchError> {
        match self.blocks.get(&block) {
            Some(bytes) => Ok(bytes.clone()),
            None => Ok(self.base.block(block)?),
        }
    }

    /// A block, to be changed.
    pub(super) fn edit(&mut self, block: u64) -> Result<&mut Vec<u8>, Ext4PatchError> {
        self.space.touch(block);
        match self.blocks.entry(block) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(slot) => Ok(slot.insert(self.base.block(block)?)),
        }
    }

    /// A whole new block.
    pub(super) fn put(&mut self, block: u64, bytes: Vec<u8>) {
        self.space.touch(block);
        self.blocks.insert(block, bytes);
    }

    /// The metadata blocks as they became.
    pub(super) fn into_blocks(self) -> BTreeMap<u64, Vec<u8>> {
        self.blocks
    }

    /// Takes `count` blocks.
    pub(super) fn take(&mut self, count: u64) -> Result<Vec<Range<u64>>, Ext4PatchError> {
        let runs = self.space.take(count);
        let taken: u64 = runs.iter().map(|run| run.end - run.start).sum();
        if taken < count {
            return Err(Ext4PatchError::NoSpace { missing: (count - taken) * self.block_size() });
        }
        for run in &runs {
            self.mark(run.clone(), true);
        }
        Ok(runs)
    }

    /// Takes one block.
    pub(super) fn take_one(&mut self) -> Result<u64, Ext4PatchError> {
        let missing = Ext4PatchError::NoSpace { missing: self.block_size() };
        Ok(self.take(1)?.first().ok_or(missing)?.start)
    }

    /// Gives blocks back.
    pub(super) fn give_back(&mut self, run: Range<u64>) {
        if run.start >= run.end {
            return;
        }
        self.mark(run.clone(), false);
        let known: Vec<u64> = self.blocks.range(run.clone()).map(|(block, _)| *block).collect();
        for block in known {
            self.blocks.remove(&block);
        }
        if self.erase {
            run.clone().for_each(|block| self.space.touch(block));
        }
        self.freed.push(run.clone());
        self.space.free(run);
    }

    /// Marks blocks in bitmaps and counts.
    fn mark(&mut self, run: Range<u64>, used: bool) {
        let first = u64::from(self.superblock.first_data_block);
        let per_group = u64::from(self.superblock.blocks_per_group);
        for block in run {
            let (group, at) = ((block - first) / per_group, ((block - first) % per_group) as u32);
            let Some(group) = self.groups.get_mut(group as usize) else { continue };
            if bit(&group.blocks, at) == used {
                continue;
            }
            toggle(&mut group.blocks, at);
            let count = &mut group.info.free_blocks;
            *count = if used { count.saturating_sub(1) } else { count.saturating_add(1) };
            group.info.flags &= !BLOCK_UNINIT;
            (group.blocks_change, group.changes) = (true, true);
        }
    }

    /// Whether a block is in use now.
    pub(super) fn is_used(&self, block: u64) -> bool {
        let first = u64::from(self.superblock.first_data_block);
        let Some(at) = block.checked_sub(first) else { return true };
        let per_group = u64::from(self.superblock.blocks_per_group);
        let group = self.groups.get((at / per_group) as usize);
        group.is_some_and(|group| bit(&group.blocks, (at % per_group) as u32))
    }

    /// Whether descriptors know how much of an inode table was ever used.
    fn tracks_tables(&self) -> bool {
        self.superblock.has_checksums() || self.superblock.features.ro_compat(features::GDT_CSUM)
    }

    /// Group and index in it of an inode.
    fn place(&self, number: u32) -> (u32, u32) {
        let index = number.wrapping_sub(1);
        (index / self.superblock.inodes_per_group, index % self.superblock.inodes_per_group)
    }

    /// Block of the inode table and first byte in it of an inode.
    pub(super) fn inode_block(&self, number: u32) -> Result<(u64, usize), Ext4PatchError> {
        let offset = self.base.inode_offset(number)?;
        Ok((offset / self.block_size(), (offset % self.block_size()) as usize))
    }

    /// Notes that an inode will change.
    pub(super) fn touch_inode(&mut self, number: u32) -> Result<(), Ext4PatchError> {
        let (block, _) = self.inode_block(number)?;
        self.space.touch(block);
        self.tables.insert((self.place(number).0, self.space.grid().of(block)));
        Ok(())
    }

    /// Takes an inode for an entry of a directory: in a part of an inode table that changes anyway, that of the
    /// directory's group first; else in that group or one after it.
    pub(super) fn take_inode(&mut self, parent: u32, is_dir: bool) -> Result<u32, Ext4PatchError> {
        let number = self.free_inode(parent).ok_or(Ext4PatchError::NoInodes { missing: 1 })?;
        let (group, index) = self.place(number);
        let per_group = self.superblock.inodes_per_group;
        if let Some(group) = self.groups.get_mut(group as usize) {
            set(&mut group.inodes, index);
            let info = &mut group.info;
            info.free_inodes = info.free_inodes.saturating_sub(1);
            info.used_dirs += u32::from(is_dir);
            let unused = if info.is(INODE_UNINIT) { per_group } else { info.unused_inodes };
            info.unused_inodes = unused.min(per_group - index - 1);
            // A group with inodes has both bitmaps, as in the kernel.
            group.blocks_change |= info.is(BLOCK_UNINIT);
            info.flags &= !(INODE_UNINIT | BLOCK_UNINIT);
            (group.inodes_change, group.changes) = (true, true);
        }
        self.touch_inode(number)?;
        Ok(number)
    }

    fn free_inode(&mut self, parent: u32) -> Option<u32> {
        let home = self.place(parent).0;
        let near: Vec<_> = self.tables.range((home, 0)..=(home, u64::MAX)).copied().collect();
        let others: Vec<_> = self.tables.iter().filter(|(group, _)| *group != home).copied().collect();
        for (group, slot) in near.into_iter().chain(others) {
            let range = self.indexes(group, slot);
            if let Some(found) = self.free_index(group, range) {
                return Some(found);
            }
            // Nothing is left there; a freed inode brings it back.
            self.tables.remove(&(group, slot));
        }
        let (all, per_group) = (self.groups.len() as u32, self.superblock.inodes_per_group);
        (0..all).map(|step| (home + step) % all).find_map(|group| self.free_index(group, 0..per_group))
    }

    /// The indexes of the inodes of a group that are in a slot.
    fn indexes(&self, group: u32, slot: u64) -> Range<u32> {
        let per_block = self.superblock.block_size / u32::from(self.superblock.inode_size);
        let Some(described) = self.groups.get(group as usize) else { return 0..0 };
        let table = described.info.inode_table;
        let blocks = self.space.grid().blocks(slot);
        let index = |block: u64| {
            let at = block.saturating_sub(table).saturating_mul(u64::from(per_block));
            at.min(u64::from(self.superblock.inodes_per_group)) as u32
        };
        index(blocks.start)..index(blocks.end)
    }

    /// The first free inode of a group among some; never one beyond the first that was never used, for what is before
    /// that one must be clean.
    fn free_index(&self, group: u32, range: Range<u32>) -> Option<u32> {
        let described = self.groups.get(group as usize).filter(|group| group.info.free_inodes > 0)?;
        let per_group = self.superblock.inodes_per_group;
        let least = if group == 0 { self.superblock.first_inode.saturating_sub(1) } else { 0 };
        let unused = if described.info.is(INODE_UNINIT) { per_group } else { described.info.unused_inodes };
        let end = if self.tracks_tables() { per_group.saturating_sub(unused) + 1 } else { per_group };
        let range = range.start.max(least)..range.end.min(end).min(per_group);
        let index = range.into_iter().find(|index| !bit(&described.inodes, *index))?;
        Some(group * per_group + index + 1)
    }

    /// Gives an inode back.
    pub(super) fn give_back_inode(&mut self, number: u32, is_dir: bool) -> Result<(), Ext4PatchError> {
        let (group, index) = self.place(number);
        if let Some(group) = self.groups.get_mut(group as usize).filter(|group| bit(&group.inodes, index)) {
            toggle(&mut group.inodes, index);
            group.info.free_inodes += 1;
            group.info.used_dirs = group.info.used_dirs.saturating_sub(u32::from(is_dir));
            (group.inodes_change, group.changes) = (true, true);
        }
        self.touch_inode(number)
    }

    /// Free blocks.
    pub(super) fn free_blocks(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.info.free_blocks)).sum()
    }

    /// Free inodes.
    pub(super) fn free_inodes(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.info.free_inodes)).sum()
    }
}

/// Flips a bit of a bitmap.
fn toggle(bitmap: &mut [u8], at: u32) {
    if let Some(byte) = bitmap.get_mut((at / 8) as usize) {
        *byte ^= 1 << (at % 8);
    }
}

/// The runs of clear bits among the first `len`.
fn clear_runs(bitmap: &[u8], len: u32) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < len {
        let byte = bitmap.get((at / 8) as usize).copied().unwrap_or(0xff);
        if at % 8 == 0 && byte == 0xff {
            at += 8;
            continue;
        }
        if byte >> (at % 8) & 1 == 0 {
            let block = u64::from(at);
            match runs.last_mut() {
                Some(run) if run.end == block => run.end += 1,
                _ => runs.push(block..block + 1),
            }
        }
        at += 1;
    }
    runs
}
