//! Groups: descriptors with their checksums, where the parts of a group are, and the maps at the end.

use alloc::format;
use alloc::vec::Vec;

use super::{bit, blanked, Ext4};
use crate::bytes::{byte, le16, le32, part};
use crate::crc::crc32c;
use crate::report::Log;
use crate::source::{bytes_at, ReadFailure};

/// Flags of a descriptor: the maps of inodes and of blocks were never written.
const NO_INODES: u16 = 1;
const NO_BLOCK_MAP: u16 = 2;
/// The table of inodes is zeroed.
const ZEROED: u16 = 4;

/// A group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    at: u64,
    block_map: u64,
    inode_map: u64,
    pub(super) table: u64,
    free_blocks: u32,
    free_inodes: u32,
    folders: u32,
    pub(super) unused: u32,
    flags: u16,
    sums: [u32; 2],
}

impl Group {
    fn parse(bytes: &[u8], at: u64) -> Self {
        let wide = bytes.len() >= 64;
        let long = |low: usize, high: usize| {
            u64::from(le32(bytes, low)) | if wide { u64::from(le32(bytes, high)) << 32 } else { 0 }
        };
        let short = |low: usize, high: usize| {
            u32::from(le16(bytes, low)) | if wide { u32::from(le16(bytes, high)) << 16 } else { 0 }
        };
        Self {
            at,
            block_map: long(0, 0x20),
            inode_map: long(4, 0x24),
            table: long(8, 0x28),
            free_blocks: short(0xc, 0x2c),
            free_inodes: short(0xe, 0x2e),
            folders: short(0x10, 0x30),
            unused: short(0x1c, 0x32),
            flags: le16(bytes, 0x12),
            sums: [short(0x18, 0x38), short(0x1a, 0x3a)],
        }
    }

    /// Whether inodes of the group were ever used.
    pub(super) fn has_inodes(&self) -> bool {
        self.flags & NO_INODES == 0
    }
}

impl Ext4<'_> {
    /// Reads all descriptors and takes the blocks of the groups' own parts; whether they are where they can be.
    pub(super) fn read_groups(&mut self, log: &mut Log<'_>) -> Result<bool, ReadFailure> {
        let len = self.sb.groups.saturating_mul(self.sb.descriptor as u64);
        let base = self.at(self.sb.first.saturating_add(1));
        let bytes = bytes_at(self.volume, base, len as usize)?;
        let mut good = true;
        for (descriptor, index) in bytes.chunks_exact(self.sb.descriptor).zip(0_u32..) {
            let at = base.saturating_add(u64::from(index).saturating_mul(self.sb.descriptor as u64));
            let seed = crc32c(self.sb.seed, &index.to_le_bytes());
            let sum = crc32c(seed, &blanked(descriptor, 0x1e, 2)) & 0xffff;
            log.equal(
                at + 0x1e,
                &format!("the checksum of the descriptor of group {index}"),
                sum,
                u32::from(le16(descriptor, 0x1e)),
            );
            let group = Group::parse(descriptor, at);
            if group.flags & !(NO_INODES | NO_BLOCK_MAP | ZEROED) != 0 {
                log.wrong(at + 0x12, format!("flags {:#x} of group {index} are not known", group.flags));
            }
            if group.unused > self.sb.inodes_per_group {
                log.wrong(at + 0x1c, format!("group {index} has {} unused inodes", group.unused));
                good = false;
            }
            good &= self.claim_group(&group, u64::from(index), log);
            self.groups.push(group);
        }
        if good {
            self.check_copies(&bytes, log)?;
        }
        Ok(good)
    }

    fn claim_group(&mut self, group: &Group, index: u64, log: &mut Log<'_>) -> bool {
        let mut good = true;
        if self.sb.has_copy(index) {
            // The blocks that are reserved for further descriptors belong to the inode for resizing, if there is one.
            let reserved = if self.sb.resize { 0 } else { self.sb.reserved_descriptors };
            let count = 1 + self.sb.descriptor_blocks() + reserved;
            good &= self.claim(
                self.sb.group_start(index),
                count,
                &format!("the superblock and descriptors in group {index}"),
                log,
            );
        }
        let table = u64::from(self.sb.inodes_per_group)
            .saturating_mul(self.sb.inode_len as u64)
            .div_ceil(self.sb.block);
        good &= self.claim(group.block_map, 1, &format!("the map of blocks of group {index}"), log);
        good &= self.claim(group.inode_map, 1, &format!("the map of inodes of group {index}"), log);
        good & self.claim(group.table, table, &format!("the table of inodes of group {index}"), log)
    }

    /// The copies of superblock and descriptors in other groups: what does not change with the content is the same.
    fn check_copies(&self, descriptors: &[u8], log: &mut Log<'_>) -> Result<(), ReadFailure> {
        let primary = bytes_at(self.volume, 1024, 1024)?;
        for index in (1..self.sb.groups).filter(|index| self.sb.has_copy(*index)) {
            let at = self.at(self.sb.group_start(index));
            let copy = bytes_at(self.volume, at, 1024)?;
            let sum = crc32c(!0, part(&copy, 0, 0x3fc));
            log.equal(at + 0x3fc, "the checksum of a copy of the superblock", sum, le32(&copy, 0x3fc));
            log.equal(at + 0x5a, "the group of a copy of the superblock", index as u16, le16(&copy, 0x5a));
            // Counts of free blocks and inodes, times, state, the group and the checksum may differ.
            for (from, to) in [
                (0, 0xc),
                (0x14, 0x2c),
                (0x38, 0x3a),
                (0x4c, 0x5a),
                (0x5c, 0x88),
                (0xcc, 0x108),
                (0x150, 0x158),
                (0x174, 0x178),
            ] {
                if part(&primary, from, to - from) != part(&copy, from, to - from) {
                    log.wrong(at + from as u64, "a copy of the superblock differs from it");
                }
            }
            let at = at.saturating_add(self.sb.block);
            let copies = bytes_at(self.volume, at, descriptors.len())?;
            let pairs =
                descriptors.chunks_exact(self.sb.descriptor).zip(copies.chunks_exact(self.sb.descriptor));
            for ((own, copy), group) in pairs.zip(0_u64..) {
                let same =
                    part(own, 0, 12) == part(copy, 0, 12) && part(own, 0x20, 12) == part(copy, 0x20, 12);
                if !same {
                    let at = at.saturating_add(group.saturating_mul(self.sb.descriptor as u64));
                    log.wrong(at, format!("a copy of the descriptor of group {group} has other addresses"));
                }
            }
        }
        Ok(())
    }

    /// The map of inodes of a group, of which no bit is set where it was never written.
    pub(super) fn inode_map(&self, index: usize, log: &mut Log<'_>) -> Result<Vec<u8>, ReadFailure> {
        let len = (self.sb.inodes_per_group / 8) as usize;
        let Some(group) = self.groups.get(index) else { return Ok(Vec::new()) };
        if !group.has_inodes() {
            return Ok(alloc::vec![0; len]);
        }
        let map = self.block(group.inode_map)?;
        self.map_sum(group.sums[1], part(&map, 0, len), self.at(group.inode_map), "inodes", log);
        if map.iter().skip(len).any(|byte| *byte != 0xff) {
            log.wrong(
                self.at(group.inode_map),
                format!("bits behind the end of the map of inodes of group {index} are not set"),
            );
        }
        Ok(part(&map, 0, len).to_vec())
    }

    fn map_sum(&self, expected: u32, map: &[u8], at: u64, what: &str, log: &mut Log<'_>) {
        let mask = if self.sb.descriptor >= 64 { u32::MAX } else { 0xffff };
        log.equal(
            at,
            &format!("the checksum of a map of {what}"),
            crc32c(self.sb.seed, map) & mask,
            expected,
        );
    }

    /// Compares maps and counts with what is in use.
    pub(super) fn check_maps(&self, log: &mut Log<'_>) -> Result<(), ReadFailure> {
        let (mut free_blocks, mut free_inodes) = (0, 0);
        for (group, index) in self.groups.iter().zip(0_u64..) {
            let (start, len) = (self.sb.group_start(index), self.sb.group_len(index));
            let free =
                (start..start.saturating_add(len)).filter(|block| !self.is_used(*block)).count() as u64;
            free_blocks += free;
            self.check_block_map(group, index, (start, len), log)?;
            log.equal(
                group.at + 0xc,
                &format!("the free blocks of group {index}"),
                free,
                u64::from(group.free_blocks),
            );
            let first = index.saturating_mul(u64::from(self.sb.inodes_per_group)).saturating_add(1);
            let inodes = first..first.saturating_add(u64::from(self.sb.inodes_per_group));
            let free = inodes.clone().filter(|number| !bit(&self.live, *number)).count() as u64;
            free_inodes += free;
            log.equal(
                group.at + 0xe,
                &format!("the free inodes of group {index}"),
                free,
                u64::from(group.free_inodes),
            );
            let folders = inodes.filter(|number| self.is_folder(*number as u32)).count();
            log.equal(
                group.at + 0x10,
                &format!("the directories of group {index}"),
                folders,
                group.folders as usize,
            );
        }
        log.equal(1024 + 0xc, "the free blocks of the superblock", free_blocks, self.sb.free_blocks);
        log.equal(
            1024 + 0x10,
            "the free inodes of the superblock",
            free_inodes,
            u64::from(self.sb.free_inodes),
        );
        Ok(())
    }

    fn check_block_map(
        &self,
        group: &Group,
        index: u64,
        (start, len): (u64, u64),
        log: &mut Log<'_>,
    ) -> Result<(), ReadFailure> {
        if group.flags & NO_BLOCK_MAP != 0 {
            // Without a map nothing but the group's own parts may be in it; data would be seen as free.
            return Ok(());
        }
        let map = self.block(group.block_map)?;
        let at = self.at(group.block_map);
        self.map_sum(
            group.sums[0],
            part(&map, 0, (self.sb.blocks_per_group / 8) as usize),
            at,
            "blocks",
            log,
        );
        for block in 0..self.sb.block.saturating_mul(8) {
            let set = byte(&map, (block / 8) as usize) >> (block % 8) & 1 == 1;
            let expected = block >= len || self.is_used(start.saturating_add(block));
            if set != expected {
                let what =
                    if set { "free, and the map has it in use" } else { "in use, and the map has it free" };
                log.wrong(
                    at + block / 8,
                    format!("block {} of group {index} is {what}", start.saturating_add(block)),
                );
                // One difference of a map is enough: moved data would give thousands.
                break;
            }
        }
        Ok(())
    }
}
