//! The inode that holds the blocks reserved for descriptors, so that a mounted file system can grow.
//!
//! It is mapped by block numbers: its double-indirect block names the reserved blocks of group 0, each of which is
//! an indirect block that names the reserved blocks of the same rank in the groups with backups.

use super::CheckRun;
use super::superblock::value;
use crate::ext4::read::features;
use crate::ext4::read::superblock::OFFSET;
use crate::ext4::read::{
    Corruption, Defect, EXTENTS_FL, Ext4Location, Ext4ReadError, FileKind, RESIZE, ReadInode, fields,
};
use crate::read_at::ReadAt;

/// Index in `i_block` of the number of the double-indirect block.
const DOUBLE: usize = 13 * 4;

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Checks the inode, or that it is empty without its feature.
    pub(super) fn resize_inode(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let inode = self.file_system.inode_reporting(RESIZE, &mut super::CheckReport::default())?;
        if !superblock.features.compat(features::RESIZE_INODE) {
            let reserved = value("s_reserved_gdt_blocks", superblock.reserved_gdt_blocks.into(), 0);
            if let Some(why) = reserved {
                self.report.error(Corruption { location: Ext4Location::Superblock, offset: OFFSET, why });
            }
            let empty = inode.block.iter().all(|&byte| byte == 0);
            if !empty {
                let why = Defect::Meaningless {
                    field: "i_block without the feature resize_inode",
                    found: RESIZE.into(),
                };
                self.report.error(inode.corruption(why));
            }
            return Ok(());
        }
        let backups: Vec<u32> =
            (1..superblock.groups()).filter(|group| superblock.has_superblock(*group)).collect();
        let double = u64::from(fields::u32(&inode.block, DOUBLE));
        self.resize_fields(&inode, &backups);
        if !self.file_system.holds(double, 1) {
            let (least, most) = (u64::from(superblock.first_data_block) + 1, superblock.blocks - 1);
            let why = Defect::Range { field: "i_block[13]", found: double, least, most };
            self.report.error(inode.corruption(why));
            return Ok(());
        }
        let location = Ext4Location::Indirect { inode: RESIZE, block: double };
        self.claims.claim(double, 1, location);
        self.reserved_blocks(double, &backups)
    }

    fn resize_fields(&mut self, inode: &ReadInode, backups: &[u32]) {
        let superblock = self.file_system.superblock();
        let block_size = u64::from(superblock.block_size);
        let numbers = block_size / 4;
        let reserved = u64::from(superblock.reserved_gdt_blocks);
        let blocks = 1 + reserved * (1 + backups.len() as u64);
        let others = inode.block.chunks_exact(4).enumerate().filter(|(slot, _)| *slot != DOUBLE / 4);
        let stray = others.map(|(_, number)| u64::from(fields::u32(number, 0))).find(|number| *number != 0);
        let kind = inode.kind() != Some(FileKind::File);
        let checks = [
            kind.then_some(Defect::Meaningless { field: "i_mode", found: inode.mode.into() }),
            value("i_links_count", inode.links.into(), 1),
            inode
                .is(EXTENTS_FL)
                .then_some(Defect::Meaningless { field: "i_flags", found: inode.flags.into() }),
            value("i_size", inode.size, (numbers * numbers + numbers + 12) * block_size),
            value("i_blocks", inode.sectors(superblock), blocks * (block_size / 512)),
            value("block number beside i_block[13]", stray.unwrap_or(0), 0),
        ];
        for why in checks.into_iter().flatten() {
            self.report.error(inode.corruption(why));
        }
    }

    /// Compares the double-indirect block and all blocks that it names, number by number.
    fn reserved_blocks(&mut self, double: u64, backups: &[u32]) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let numbers = superblock.block_size / 4;
        let first = superblock.first_data_block + 1 + superblock.descriptor_blocks();
        let mut expected = vec![0_u64; numbers as usize];
        for rank in 0..u32::from(superblock.reserved_gdt_blocks) {
            let slot = ((superblock.descriptor_blocks() + rank) % numbers) as usize;
            expected.iter_mut().skip(slot).take(1).for_each(|number| *number = u64::from(first + rank));
        }
        self.numbers(double, &expected)?;
        for rank in 0..u32::from(superblock.reserved_gdt_blocks) {
            let block = u64::from(first + rank);
            let mut expected: Vec<u64> = backups
                .iter()
                .map(|group| u64::from(*group) * u64::from(superblock.blocks_per_group) + block)
                .collect();
            expected.resize(numbers as usize, 0);
            self.numbers(block, &expected)?;
        }
        Ok(())
    }

    /// Finds the first number of a block that is not what is expected.
    fn numbers(&mut self, block: u64, expected: &[u64]) -> Result<(), Ext4ReadError> {
        if !self.file_system.holds(block, 1) {
            return Ok(());
        }
        let bytes = self.file_system.block(block)?;
        let found = bytes.chunks_exact(4).map(|number| u64::from(fields::u32(number, 0)));
        let wrong = found.zip(expected).find(|(found, expected)| found != *expected);
        if let Some((found, &expected)) = wrong {
            let location = Ext4Location::Indirect { inode: RESIZE, block };
            let offset = self.file_system.superblock().offset_of(block);
            let why = Defect::Value { field: "reserved block", found, expected };
            self.report.error(Corruption { location, offset, why });
        }
        Ok(())
    }
}
