//! Where content is: trees of extents, and the map of the inode for resizing, the one with addresses of blocks.

use alloc::format;
use alloc::vec::Vec;

use super::inode::{Inode, Mapping};
use super::{Ext4, RESIZE};
use crate::bytes::{le16, le32, part};
use crate::crc::crc32c;
use crate::report::Log;
use crate::source::ReadFailure;

/// The deepest tree that the format has.
const DEPTH_MAX: u16 = 5;
/// Lengths above this one mean blocks that were allocated and never written.
const WRITTEN_MAX: u16 = 32_768;

impl Ext4<'_> {
    /// Reads the tree of extents of an inode; gives the blocks of content and of the tree together.
    pub(super) fn read_extents(
        &mut self,
        number: u32,
        inode: &mut Inode,
        log: &mut Log<'_>,
    ) -> Result<u64, ReadFailure> {
        let (root, owner) = (inode.map, format!("inode {number}"));
        let mut blocks = 0_u64;
        // Nodes that are still to be read, the next one last: bytes, where they are, the depth, and the first logical block.
        let mut pending = alloc::vec![(root.to_vec(), inode.at + 0x28, None, 0_u64)];
        while let Some((node, at, depth, from)) = pending.pop() {
            let own_depth = le16(&node, 6);
            let (count, most) = (usize::from(le16(&node, 2)), usize::from(le16(&node, 4)));
            let room = (node.len() - 12) / 12;
            let depth_fits = depth.map_or(own_depth <= DEPTH_MAX, |depth| own_depth == depth);
            if le16(&node, 0) != 0xf30a
                || count > most
                || most > room
                || !depth_fits
                || ((depth.is_some() || own_depth > 0) && count == 0)
            {
                log.wrong(at, format!("a node of extents of {owner} has a malformed header"));
                continue;
            }
            let entries = part(&node, 12, count * 12).chunks_exact(12);
            if own_depth == 0 {
                for entry in entries {
                    blocks = blocks.saturating_add(self.leaf(inode, entry, at, from, &owner, log));
                }
                continue;
            }
            let mut children = Vec::new();
            for (index, entry) in entries.enumerate() {
                let (logical, block) =
                    (u64::from(le32(entry, 0)), u64::from(le32(entry, 4)) | u64::from(le16(entry, 8)) << 32);
                if index == 0 && depth.is_some() && logical != from {
                    log.wrong(
                        at,
                        format!("a node of extents of {owner} does not begin where its parent says"),
                    );
                }
                blocks = blocks.saturating_add(1);
                if !self.claim(block, 1, &format!("the extents of {owner}"), log) {
                    continue;
                }
                let bytes = self.block(block)?;
                let tail = 12 + 12 * usize::from(le16(&bytes, 4));
                let sum = crc32c(inode.seed, part(&bytes, 0, tail));
                log.equal(
                    self.at(block),
                    &format!("the checksum of a node of extents of {owner}"),
                    sum,
                    le32(&bytes, tail),
                );
                children.push((bytes, self.at(block), Some(own_depth - 1), logical));
            }
            pending.extend(children.into_iter().rev());
        }
        Ok(blocks)
    }

    /// Adds an extent; gives its blocks.
    fn leaf(
        &mut self,
        inode: &mut Inode,
        entry: &[u8],
        at: u64,
        from: u64,
        owner: &str,
        log: &mut Log<'_>,
    ) -> u64 {
        let (logical, len) = (u64::from(le32(entry, 0)), le16(entry, 4));
        let physical = u64::from(le32(entry, 8)) | u64::from(le16(entry, 6)) << 32;
        let unwritten = len > WRITTEN_MAX;
        let count = u64::from(if unwritten { len - WRITTEN_MAX } else { len });
        let end = inode.content.last().map_or(from, |last| last.logical.saturating_add(last.count));
        if count == 0 || logical < end || logical < from {
            log.wrong(at, format!("the extents of {owner} are not in order"));
            return 0;
        }
        if !self.claim(physical, count, owner, log) {
            return 0;
        }
        inode.content.push(Mapping { logical, physical, count, unwritten });
        count
    }

    /// The groups with copies of the descriptors, but for the first.
    fn copies(&self) -> Vec<u64> {
        (1..self.sb.groups).filter(|group| self.sb.has_copy(*group)).collect()
    }

    /// Takes the blocks that are reserved for further descriptors, and the one that lists them.
    pub(super) fn claim_resize_inode(&mut self, inode: &Inode, log: &mut Log<'_>) -> u64 {
        let double = u64::from(le32(&inode.map, 13 * 4));
        if !self.claim(double, 1, "the inode for resizing", log) {
            return 0;
        }
        let mut blocks = 1_u64;
        let descriptors = self.sb.descriptor_blocks();
        for group in core::iter::once(0).chain(self.copies()) {
            let first = self.sb.group_start(group).saturating_add(1).saturating_add(descriptors);
            if self.claim(first, self.sb.reserved_descriptors, "the inode for resizing", log) {
                blocks = blocks.saturating_add(self.sb.reserved_descriptors);
            }
        }
        blocks
    }

    /// The inode for resizing lists, in its double indirect block, the reserved blocks of the first group; each of them
    /// lists the same block of every group with copies.
    pub(super) fn check_resize_inode(&self, log: &mut Log<'_>) -> Result<(), ReadFailure> {
        if !self.sb.resize {
            return Ok(());
        }
        let Some(inode) = self.inodes.get(&RESIZE) else {
            log.wrong(None, "there is no inode for resizing");
            return Ok(());
        };
        let other = (0..15).filter(|index| *index != 13).any(|index| le32(&inode.map, index * 4) != 0);
        if other || inode.links != 1 {
            log.wrong(inode.at + 0x28, "the inode for resizing has more than one block, or not one link");
        }
        let per_block = self.sb.block / 4;
        let double = u64::from(le32(&inode.map, 13 * 4));
        if double >= self.sb.blocks {
            return Ok(());
        }
        let descriptors = self.sb.descriptor_blocks();
        let mut expected = alloc::vec![0_u32; per_block as usize];
        for index in 0..self.sb.reserved_descriptors {
            let slot = (descriptors + index) % per_block;
            if let Some(entry) = expected.get_mut(slot as usize) {
                *entry = (self.sb.first + 1 + descriptors + index) as u32;
            }
        }
        let listed = self.block(double)?;
        for (index, expected) in expected.iter().enumerate() {
            log.equal(
                self.at(double) + index as u64 * 4,
                "a block that is reserved for descriptors",
                *expected,
                le32(&listed, index * 4),
            );
        }
        let copies = self.copies();
        for block in expected.into_iter().filter(|block| *block != 0) {
            let listed = self.block(u64::from(block))?;
            let own: Vec<u64> =
                copies.iter().map(|group| u64::from(block) + group * self.sb.blocks_per_group).collect();
            let same = (0..per_block).all(|index| {
                u64::from(le32(&listed, index as usize * 4)) == own.get(index as usize).copied().unwrap_or(0)
            });
            if !same {
                log.wrong(
                    self.at(u64::from(block)),
                    "a reserved block does not list the same block of the other groups",
                );
            }
        }
        Ok(())
    }
}
