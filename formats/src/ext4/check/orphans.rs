//! The orphan file: blocks of inode numbers, all zero while nothing is being deleted (kernel documentation,
//! `filesystems/ext4/orphan.rst`).

use super::CheckRun;
use super::superblock::value;
use crate::ext4::read::features;
use crate::ext4::read::superblock::OFFSET;
use crate::ext4::read::{
    Corruption, Defect, Ext4Location, Ext4ReadError, FileKind, ReadInode, checksum, fields,
};
use crate::read_at::ReadAt;

const MAGIC: u64 = 0x0b10_ca04;

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Checks the orphan file, where there is one.
    pub(super) fn orphan_file(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let number = superblock.orphan_file_inode;
        if !superblock.features.compat(features::ORPHAN_FILE) {
            return Ok(());
        }
        if number == 0 || number > superblock.inodes {
            let (found, most) = (number.into(), superblock.inodes.into());
            let why = Defect::Range { field: "s_orphan_file_inum", found, least: 1, most };
            self.report.error(Corruption { location: Ext4Location::Superblock, offset: OFFSET, why });
            return Ok(());
        }
        let mut quiet = super::CheckReport::default();
        let inode = self.file_system.inode_reporting(number, &mut quiet)?;
        if inode.kind() != Some(FileKind::File) || inode.links == 0 {
            self.report.error(inode.corruption(Defect::Missing { what: "the orphan file" }));
            return Ok(());
        }
        let mapping =
            self.file_system.mapping_reporting(&inode, &mut std::collections::BTreeSet::new(), &mut quiet)?;
        let mapped: u64 = mapping.runs.iter().map(|run| run.len).sum();
        let expected = mapped * u64::from(superblock.block_size);
        if let Some(why) = value("i_size of the orphan file", inode.size, expected) {
            self.report.error(inode.corruption(why));
        }
        for run in &mapping.runs {
            for step in 0..run.len {
                self.orphan_block(&inode, run.logical + step, run.physical + step)?;
            }
        }
        Ok(())
    }

    fn orphan_block(&mut self, inode: &ReadInode, logical: u64, physical: u64) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let bytes = self.file_system.block(physical)?;
        let end = bytes.len().saturating_sub(8);
        let numbers = bytes.get(..end).unwrap_or(&[]);
        let orphan = numbers.chunks_exact(4).map(|number| fields::u32(number, 0)).find(|number| *number != 0);
        let mut checks = vec![
            value("ob_magic", fields::u32(&bytes, end).into(), MAGIC),
            value("number of an orphan", orphan.unwrap_or(0).into(), 0),
        ];
        if superblock.has_checksums() {
            let stored = fields::u32(&bytes, end + 4);
            let seed = checksum::crc32c(inode.seed(superblock), &physical.to_le_bytes());
            let computed = checksum::crc32c(seed, numbers);
            checks.push((stored != computed).then_some(Defect::Checksum { stored, computed }));
        }
        for why in checks.into_iter().flatten() {
            let location = Ext4Location::OrphanFile { block: logical };
            self.report.error(Corruption { location, offset: superblock.offset_of(physical), why });
        }
        Ok(())
    }
}
