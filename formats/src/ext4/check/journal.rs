//! The journal: its inode and its superblock, which is big-endian (kernel documentation,
//! `filesystems/ext4/journal.rst`).

use super::CheckRun;
use super::superblock::{range, value};
use crate::ext4::read::features;
use crate::ext4::read::superblock::OFFSET;
use crate::ext4::read::{
    BlockMapping, Corruption, Defect, Ext4Location, Ext4ReadError, FileKind, ReadInode, checksum, fields,
};
use crate::read_at::ReadAt;

const MAGIC: u32 = 0xc03b_3998;
/// Fewest blocks of a journal.
const LEAST: u64 = 1024;
/// Features: checksums of version 2 and 3.
const CHECKSUMS: u32 = 0x18;
/// Features that there are: revoke, 64 bits, asynchronous commit, checksums, fast commit.
const KNOWN: u32 = 0x3f;

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Checks the journal, where there is one.
    pub(super) fn journal(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let number = superblock.journal_inode;
        if !superblock.features.compat(features::HAS_JOURNAL) || number == 0 {
            return Ok(());
        }
        if number > superblock.inodes {
            let (found, most) = (number.into(), superblock.inodes.into());
            let why = Defect::Range { field: "s_journal_inum", found, least: 1, most };
            self.report.error(Corruption { location: Ext4Location::Superblock, offset: OFFSET, why });
            return Ok(());
        }
        let inode = self.file_system.inode_reporting(number, &mut super::CheckReport::default())?;
        if inode.kind() != Some(FileKind::File) || inode.links == 0 {
            let why = Defect::Missing { what: "the journal's inode" };
            self.report.error(Corruption { location: Ext4Location::Journal, offset: inode.offset, why });
            return Ok(());
        }
        let mapping = self.file_system.mapping_reporting(
            &inode,
            &mut std::collections::BTreeSet::new(),
            &mut super::CheckReport::default(),
        )?;
        self.journal_inode(&inode, &mapping);
        let Some(block) = mapping.find(0) else { return Ok(()) };
        self.journal_superblock(block, inode.size)
    }

    /// The journal is a file without holes, and its map is in the superblock too.
    fn journal_inode(&mut self, inode: &ReadInode, mapping: &BlockMapping) {
        let superblock = self.file_system.superblock();
        let block_size = u64::from(superblock.block_size);
        let mapped: u64 = mapping.runs.iter().filter(|run| !run.unwritten).map(|run| run.len).sum();
        let size = mapped * block_size;
        let checks =
            [value("i_size", inode.size, size), range("length in blocks", mapped, LEAST, superblock.blocks)];
        for why in checks.into_iter().flatten() {
            self.report.error(Corruption { location: Ext4Location::Journal, offset: inode.offset, why });
        }
        if fields::u8(&superblock.raw, 0xfd) == 1 {
            let mut expected = inode.block.to_vec();
            expected.extend_from_slice(&((inode.size >> 32) as u32).to_le_bytes());
            expected.extend_from_slice(&(inode.size as u32).to_le_bytes());
            let kept = superblock.raw.iter().skip(0x10c);
            let differs = kept.zip(&expected).zip(0_u64..).find(|((found, expected), _)| found != expected);
            if let Some(((&found, &expected), at)) = differs {
                let why = Defect::Differs { field: "s_jnl_blocks", at, found, expected };
                self.report.warning(Corruption { location: Ext4Location::Superblock, offset: OFFSET, why });
            }
        }
    }

    fn journal_superblock(&mut self, block: u64, size: u64) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let bytes = self.file_system.block(block)?;
        let offset = superblock.offset_of(block);
        let field = |at: usize| u64::from(fields::be32(&bytes, at));
        let blocks = size / u64::from(superblock.block_size);
        let kind = field(4);
        // Version 1 had no feature fields; these bytes have no meaning.
        let incompat = if kind == 4 { fields::be32(&bytes, 0x28) } else { 0 };
        let unknown = u64::from(incompat & !KNOWN);
        let read_only = if kind == 4 { field(0x2c) } else { 0 };
        let users = if kind == 4 { field(0x40) } else { 0 };
        let mut checks = vec![
            value("h_magic", field(0), MAGIC.into()),
            range("h_blocktype", kind, 3, 4),
            value("s_blocksize", field(0xc), superblock.block_size.into()),
            value("s_maxlen", field(0x10), blocks),
            value("s_first", field(0x14), 1),
            value("s_start", field(0x1c), 0),
            value("s_errno", field(0x20), 0),
            value("s_feature_ro_compat", read_only, 0),
            range("s_nr_users", users, 0, 1),
            (unknown != 0).then_some(Defect::Meaningless { field: "s_feature_incompat", found: unknown }),
        ];
        if incompat & CHECKSUMS != 0 {
            let stored = fields::be32(&bytes, 0xfc);
            let computed = checksum::crc32c_without(!0, bytes.get(..1024).unwrap_or(&bytes), 0xfc);
            checks.push((stored != computed).then_some(Defect::Checksum { stored, computed }));
        }
        for why in checks.into_iter().flatten() {
            self.report.error(Corruption { location: Ext4Location::Journal, offset, why });
        }
        Ok(())
    }
}
