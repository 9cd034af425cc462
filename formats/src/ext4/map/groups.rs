//! What belongs to groups: superblocks, descriptors, bitmaps and inode tables.

use std::collections::BTreeSet;

use super::Ext4Map;
use crate::ext4::read::superblock::{LEN, OFFSET};
use crate::ext4::read::usage::{bit, inode_bitmap};
use crate::ext4::read::{Ext4ReadError, GroupInfo, Refuse, features};
use crate::map::{NodePart, Subject};
use crate::read_at::ReadAt;

impl<R: ReadAt + ?Sized> Ext4Map<'_, '_, R> {
    /// Adds what belongs to all groups.
    pub(super) fn groups(&mut self) -> Result<(), Ext4ReadError> {
        let system = self.system;
        let superblock = system.superblock();
        let primary: BTreeSet<u64> =
            (0..superblock.descriptor_blocks()).map(|index| superblock.descriptor_block(index)).collect();
        if superblock.first_data_block > 0 {
            // Blocks of 1 KiB: the block before the superblock is in no group.
            self.builder.padding(0, OFFSET, "boot area");
        }
        for (group, described) in (0..superblock.groups()).zip(system.groups()) {
            self.base(group, &primary);
            self.blocks(described.block_bitmap, 1, named(format!("block bitmap of group {group}")));
            self.blocks(described.inode_bitmap, 1, named(format!("inode bitmap of group {group}")));
            self.inode_table(group, described)?;
        }
        self.descriptors(&primary);
        Ok(())
    }

    /// Adds superblock, descriptors and their reserve at the start of a group.
    fn base(&mut self, group: u32, primary: &BTreeSet<u64>) {
        let superblock = self.system.superblock();
        let mut at = superblock.group_start(group);
        let mut left = u64::from(superblock.base_blocks(group));
        if superblock.has_superblock(group) {
            self.superblock(group, superblock.offset_of(at));
            (at, left) = (at.saturating_add(1), left.saturating_sub(1));
        }
        let meta_bg = superblock.features.incompat(features::META_BG);
        let reserved = if meta_bg { 0 } else { u64::from(superblock.reserved_gdt_blocks).min(left) };
        for block in (at..).take((left - reserved) as usize).filter(|block| !primary.contains(block)) {
            self.blocks(block, 1, named(format!("copy of the descriptors in group {group}")));
        }
        at = at.saturating_add(left - reserved);
        let reserve = named(format!("reserve for descriptors in group {group}"));
        self.blocks(at, reserved, reserve);
    }

    /// Adds the block of a superblock that begins at byte `at`.
    fn superblock(&mut self, group: u32, at: u64) {
        let superblock = self.system.superblock();
        let end = at.saturating_add(superblock.block_size.into());
        let start = if group == 0 { OFFSET } else { at };
        self.builder.padding(at, start, "boot area");
        let name = match group {
            0 => "superblock".to_owned(),
            _ => format!("copy of the superblock in group {group}"),
        };
        self.builder.add(start, LEN as u64, named(name));
        self.builder.padding(start.saturating_add(LEN as u64), end, "behind the superblock");
    }

    /// Adds the descriptors that are in use, and what is behind them in their blocks.
    fn descriptors(&mut self, primary: &BTreeSet<u64>) {
        let superblock = self.system.superblock();
        let (size, per_block) =
            (u64::from(superblock.descriptor_size), superblock.descriptors_per_block().max(1));
        let offsets: Vec<u64> = self.system.groups().iter().map(|group| group.offset).collect();
        for (group, offset) in offsets.iter().enumerate() {
            self.builder.add(*offset, size, named(format!("descriptor of group {group}")));
        }
        for (index, block) in primary.iter().enumerate() {
            let used = offsets.len().saturating_sub(index * per_block as usize).min(per_block as usize);
            let start = superblock.offset_of(*block).saturating_add(used as u64 * size);
            let end = superblock.offset_of(block.saturating_add(1));
            self.builder.padding(start, end, "unused descriptors");
        }
    }

    /// Adds the inodes of a group: each that is in use, and runs of others.
    fn inode_table(&mut self, group: u32, described: &GroupInfo) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        let (size, per_group) = (u64::from(superblock.inode_size), superblock.inodes_per_group);
        let bitmap = inode_bitmap(self.system, group, &mut Refuse)?;
        let start = superblock.offset_of(described.inode_table);
        let mut unused = 0_u64;
        for index in 0..per_group {
            let at = start.saturating_add(u64::from(index) * size);
            if !bit(&bitmap, index) {
                unused += size;
                continue;
            }
            self.unused_inodes(at, std::mem::take(&mut unused), group);
            let number = group.saturating_mul(per_group).saturating_add(index).saturating_add(1);
            let subject = match self.nodes.get(&number) {
                Some(node) => Subject::Node { node: *node, part: NodePart::Inode(number.into()) },
                None => named(format!("inode {number}, which no path leads to")),
            };
            self.builder.add(at, size, subject);
        }
        let end = start.saturating_add(u64::from(per_group) * size);
        self.unused_inodes(end, unused, group);
        let blocks = u64::from(superblock.inode_table_blocks());
        let table_end = superblock.offset_of(described.inode_table.saturating_add(blocks));
        self.builder.padding(end, table_end, "behind the inode table");
        Ok(())
    }

    /// Adds the `len` bytes before `end` as inodes that are not in use.
    fn unused_inodes(&mut self, end: u64, len: u64, group: u32) {
        let of = format!("unused inodes of group {group}").into();
        self.builder.add(end.saturating_sub(len), len, Subject::Padding { of });
    }
}

fn named(name: String) -> Subject {
    Subject::Structure { name: name.into() }
}
