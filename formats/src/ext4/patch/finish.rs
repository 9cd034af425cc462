//! Bitmaps, descriptors and superblock with what became of them, and the plan of the amended volume.

use std::ops::Range;

use super::Ext4PatchError;
use super::volume::PatchVolume;
use crate::ext4::read::groups::descriptor_checksum;
use crate::ext4::read::superblock::{CHECKSUM_AT, LEN, OFFSET};
use crate::ext4::read::usage::{runs, set};
use crate::ext4::read::{checksum, features};
use crate::ext4::spec::PutField;
use crate::plan::{Claims, Data, Plan};

/// Descriptors of this length have the upper halves of counts and checksums.
const WIDE: usize = 64;

/// The amended bytes and where they are.
pub(super) struct AmendedBytes {
    /// The plan.
    pub(super) plan: Plan,
    /// What differs from the base, in order.
    pub(super) changed: Vec<Range<u64>>,
}

impl PatchVolume<'_> {
    /// Writes bitmaps and descriptors of the groups that changed, and the superblock.
    pub(super) fn write_counts(&mut self) -> Result<(), Ext4PatchError> {
        for group in 0..self.groups.len() {
            if self.groups[group].changes {
                self.write_group(group)?;
            }
        }
        if self.groups.iter().any(|group| group.changes) || self.features != self.superblock.features {
            self.write_superblock()?;
        }
        Ok(())
    }

    fn write_group(&mut self, index: usize) -> Result<(), Ext4PatchError> {
        let superblock = self.superblock;
        let (bits, len) = (superblock.block_size * 8, superblock.group_len(index as u32));
        let per_group = superblock.inodes_per_group;
        let group = &mut self.groups[index];
        if group.blocks_change {
            (len..bits).for_each(|bit| set(&mut group.blocks, bit));
            let part = &group.blocks[..superblock.blocks_per_group as usize / 8];
            group.info.block_bitmap_checksum = checksum::crc32c(superblock.checksum_seed, part);
        }
        if group.inodes_change {
            (per_group..bits).for_each(|bit| set(&mut group.inodes, bit));
            let part = &group.inodes[..per_group as usize / 8];
            group.info.inode_bitmap_checksum = checksum::crc32c(superblock.checksum_seed, part);
        }
        let (info, blocks, inodes) = (group.info.clone(), group.blocks.clone(), group.inodes.clone());
        let (blocks_change, inodes_change) = (group.blocks_change, group.inodes_change);
        if blocks_change {
            self.put(info.block_bitmap, blocks);
        }
        if inodes_change {
            self.put(info.inode_bitmap, inodes);
        }
        let size = usize::from(superblock.descriptor_size);
        let (block, at) = (info.offset / self.block_size(), (info.offset % self.block_size()) as usize);
        let raw = &mut self.edit(block)?[at..at + size];
        let mut short = |low: usize, high: usize, value: u32| {
            raw.put16(low, value as u16);
            if size >= WIDE {
                raw.put16(high, (value >> 16) as u16);
            }
        };
        short(0xc, 0x2c, info.free_blocks);
        short(0xe, 0x2e, info.free_inodes);
        short(0x10, 0x30, info.used_dirs);
        short(0x1c, 0x32, info.unused_inodes);
        if superblock.has_checksums() && blocks_change {
            short(0x18, 0x38, info.block_bitmap_checksum);
        }
        if superblock.has_checksums() && inodes_change {
            short(0x1a, 0x3a, info.inode_bitmap_checksum);
        }
        raw.put16(0x12, info.flags);
        if let Some(sum) = descriptor_checksum(superblock, index as u32, raw) {
            raw.put16(0x1e, sum);
        }
        Ok(())
    }

    fn write_superblock(&mut self) -> Result<(), Ext4PatchError> {
        let (blocks, inodes) = (self.free_blocks(), self.free_inodes());
        let (features, sealed) = (self.features, self.superblock.has_checksums());
        let (block, at) = (OFFSET / self.block_size(), (OFFSET % self.block_size()) as usize);
        let raw = &mut self.edit(block)?[at..at + LEN];
        raw.put32(0x0c, blocks as u32);
        if features.incompat(features::BIT64) {
            raw.put32(0x158, (blocks >> 32) as u32);
        }
        raw.put32(0x10, inodes as u32);
        raw.put32(0x5c, features.compat);
        raw.put32(0x60, features.incompat);
        raw.put32(0x64, features.ro_compat);
        if sealed {
            let sum = checksum::crc32c(!0, &raw[..CHECKSUM_AT]);
            raw.put32(CHECKSUM_AT, sum);
        }
        Ok(())
    }

    /// The plan: what was written, and for the rest the origin of the volume. With `erase`, blocks that were given back
    /// and not taken again are zeros.
    pub(super) fn into_bytes(mut self, origin: &Plan, erase: bool) -> Result<AmendedBytes, Ext4PatchError> {
        let size = self.block_size();
        let mut written = std::mem::replace(&mut self.data, Claims::new(0));
        if erase {
            for run in self.unused_again() {
                written.claim(run.start * size, (run.end - run.start) * size, Data::Zero);
            }
        }
        let free = self.free_runs();
        let base = self.base;
        for (block, bytes) in self.into_blocks() {
            if base.block(block)? != bytes {
                written.bytes(block * size, bytes);
            }
        }
        // Free is claimed by nothing so far: it is what was not written.
        let written = written.finish(&Data::Free)?;
        let mut claims = Claims::new(origin.len());
        let mut changed: Vec<Range<u64>> = Vec::new();
        for extent in written.extents() {
            if extent.data != Data::Free {
                match changed.last_mut() {
                    Some(last) if last.end == extent.offset => last.end = extent.end(),
                    _ => changed.push(extent.offset..extent.end()),
                }
                claims.claim(extent.offset, extent.len, extent.data.clone());
                continue;
            }
            for part in origin.range(extent.offset, extent.end()) {
                if matches!(part.data, Data::Zero | Data::Free) {
                    hole(&mut claims, part.offset..part.end(), &free);
                } else {
                    claims.claim(part.offset, part.len, part.data);
                }
            }
        }
        Ok(AmendedBytes { plan: claims.finish(&Data::Free)?, changed })
    }

    /// Blocks that were given back and are free still, as runs in order.
    fn unused_again(&self) -> Vec<Range<u64>> {
        let mut blocks: Vec<u64> = self.freed.iter().cloned().flatten().collect();
        blocks.retain(|block| !self.is_used(*block));
        blocks.sort_unstable();
        blocks.dedup();
        let mut out: Vec<Range<u64>> = Vec::new();
        for block in blocks {
            match out.last_mut() {
                Some(run) if run.end == block => run.end += 1,
                _ => out.push(block..block + 1),
            }
        }
        out
    }

    /// Free space in bytes of the volume, as runs in order; what is behind the last block is free, too.
    fn free_runs(&self) -> Vec<Range<u64>> {
        let size = self.block_size();
        let mut out: Vec<Range<u64>> = Vec::new();
        let mut add = |start: u64, end: u64| match out.last_mut() {
            _ if start >= end => {}
            Some(last) if last.end == start => last.end = end,
            _ => out.push(start..end),
        };
        for (group, index) in self.groups.iter().zip(0..) {
            let (start, len) = (self.superblock.group_start(index), self.superblock.group_len(index));
            let mut at = start;
            for used in runs(&group.blocks, len) {
                add(at * size, (start + used.start) * size);
                at = start + used.end;
            }
            add(at * size, (start + u64::from(len)) * size);
        }
        add(self.superblock.blocks * size, u64::MAX);
        out
    }
}

/// Claims a hole of the medium: free where the volume has nothing there, zeros elsewhere.
fn hole(claims: &mut Claims, range: Range<u64>, free: &[Range<u64>]) {
    let mut at = range.start;
    let first = free.partition_point(|run| run.end <= range.start);
    for run in free[first..].iter().take_while(|run| run.start < range.end) {
        let (start, end) = (run.start.max(range.start), run.end.min(range.end));
        claims.claim(at, start - at, Data::Zero);
        claims.claim(start, end - start, Data::Free);
        at = end;
    }
    claims.claim(at, range.end - at, Data::Zero);
}
