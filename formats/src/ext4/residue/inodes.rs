//! Inode tables: the inodes in use with all that they hold, and those that are not.

use std::ops::Range;

use super::Ext4Pass;
use crate::ext4::read::usage::{self, bit};
use crate::ext4::read::{
    BlockMapping, EXTENTS_FL, Ext4ReadError, FileKind, RESIZE, ReadInode, Refuse, read_exact,
};
use crate::fields;
use crate::read_at::ReadAt;
use crate::residue::{ResidueKind, ResidueOwner};

/// Flag of an inode: fs-verity's hash tree follows the content.
const VERITY_FL: u32 = 0x10_0000;
/// Flag of an inode: it holds the value of an attribute, and has no name.
const EA_INODE_FL: u32 = 0x20_0000;
/// `i_block` in an inode.
const BLOCK_AT: u64 = 0x28;
/// Bytes of it.
const BLOCK_LEN: u64 = 60;
/// Bytes of the fields that every inode has.
const BASE: u64 = 128;

impl Ext4Pass<'_, '_> {
    /// Goes through the inode tables of all groups.
    pub(super) fn inodes(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        for (number, group) in (0_u32..).zip(self.system.groups()) {
            let start = superblock.offset_of(group.inode_table);
            let end = superblock
                .offset_of(group.inode_table.saturating_add(superblock.inode_table_blocks().into()));
            self.survey.claim(start..end);
            let bitmap = usage::inode_bitmap(self.system, number, &mut Refuse)?;
            let size = u64::from(superblock.inode_size);
            let owner = ResidueOwner::Numbered("inode table of group", number.into());
            let mut unused = start;
            let mut table = InodeTable { end, size, bytes: 0..0, buffer: Vec::new() };
            for index in (0..superblock.inodes_per_group).filter(|index| bit(&bitmap, *index)) {
                let at = start.saturating_add(u64::from(index).saturating_mul(size));
                self.survey.suspect(ResidueKind::UnusedInode, owner, unused..at);
                unused = at.saturating_add(size);
                let inode = number
                    .saturating_mul(superblock.inodes_per_group)
                    .saturating_add(index)
                    .saturating_add(1);
                if inode <= superblock.inodes {
                    self.inode(inode, table.inode(self.system.image(), at)?)?;
                }
            }
            self.survey.suspect(ResidueKind::UnusedInode, owner, unused..end);
        }
        Ok(())
    }

    /// An inode in use, with its bytes.
    fn inode(&mut self, number: u32, raw: &[u8]) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        // A reserved inode without a use has no checksum either.
        if raw.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let offset = self.system.inode_offset(number)?;
        let inode = ReadInode::read(superblock, number, offset, raw, &mut Refuse)?;
        self.body(&inode, raw);
        if inode.xattr_block != 0 && self.system.holds(inode.xattr_block, 1) {
            self.attribute_block(&inode)?;
        }
        let Some(kind) = inode.kind() else {
            // A reserved inode without a use; some have times all the same.
            self.block_field(&inode, 0);
            return Ok(());
        };
        match kind {
            FileKind::CharDevice | FileKind::BlockDevice => self.block_field(&inode, 8),
            FileKind::Fifo | FileKind::Socket => self.block_field(&inode, 0),
            FileKind::Symlink if inode.is_fast_symlink() => {
                let (owner, used) = (ResidueOwner::Node(number.into()), inode.size);
                self.survey.suspect(ResidueKind::LinkSlack, owner, field(&inode, used));
            }
            FileKind::Symlink | FileKind::File | FileKind::Dir => self.content(&inode, kind)?,
        }
        if self.is_nameless(&inode) {
            let size = u64::from(superblock.inode_size);
            let range = inode.offset..inode.offset.saturating_add(size);
            self.survey.suspect(ResidueKind::NamelessInode, ResidueOwner::Node(number.into()), range);
        }
        Ok(())
    }

    /// Whether an inode should have a name and has none: one that was open when it was deleted, or that was lost.
    fn is_nameless(&self, inode: &ReadInode) -> bool {
        let superblock = self.system.superblock();
        let own = [superblock.journal_inode, RESIZE, superblock.orphan_file_inode];
        inode.number >= superblock.first_inode
            && !self.named.contains(&inode.number)
            && !own.contains(&inode.number)
            && !superblock.quota_inodes.contains(&inode.number)
            && !inode.is(EA_INODE_FL)
    }

    /// What is behind the fields of an inode: attributes, or nothing.
    fn body(&mut self, inode: &ReadInode, raw: &[u8]) {
        let size = u64::from(self.system.superblock().inode_size);
        let fields_end = BASE.saturating_add(inode.extra_size.into());
        let start = inode.offset.saturating_add(fields_end);
        let end = inode.offset.saturating_add(size);
        let len = end.saturating_sub(start);
        if inode.extra_size == 0 || len < 4 {
            self.survey.suspect(ResidueKind::InodeGap, ResidueOwner::Node(inode.number.into()), start..end);
            return;
        }
        let area = raw.get(usize::try_from(fields_end).unwrap_or(usize::MAX)..).unwrap_or_default();
        self.inode_attributes(inode, start, area);
    }

    /// The bytes of `i_block` after the first `used`.
    pub(super) fn block_field(&mut self, inode: &ReadInode, used: u64) {
        let owner = ResidueOwner::Node(inode.number.into());
        self.survey.suspect(ResidueKind::InodeGap, owner, field(inode, used));
    }

    /// The content of an inode that has blocks.
    fn content(&mut self, inode: &ReadInode, kind: FileKind) -> Result<(), Ext4ReadError> {
        let mapping = self.system.mapping(inode)?;
        if inode.is(EXTENTS_FL) {
            let entries = u64::from(fields::u16(&inode.block, 2));
            let used = entries.saturating_add(1).saturating_mul(12);
            let owner = ResidueOwner::Node(inode.number.into());
            self.survey.suspect(ResidueKind::MappingGap, owner, field(inode, used));
        }
        self.mapping_blocks(inode, &mapping)?;
        let superblock = self.system.superblock();
        for run in &mapping.runs {
            let start = superblock.offset_of(run.physical);
            self.survey.claim(start..superblock.offset_of(run.physical.saturating_add(run.len)));
        }
        if inode.number == superblock.journal_inode {
            self.journal(&mapping);
        } else if inode.number == RESIZE {
            self.whole(
                &mapping,
                ResidueKind::Reserved,
                ResidueOwner::Part("blocks reserved for descriptors"),
            );
        } else if self.is_nameless(inode) {
            self.whole(&mapping, ResidueKind::NamelessInode, ResidueOwner::Node(inode.number.into()));
        } else if kind == FileKind::Dir {
            self.directory(inode, &mapping)?;
        } else {
            let slack = if kind == FileKind::File { ResidueKind::FileSlack } else { ResidueKind::LinkSlack };
            self.slack(inode, &mapping, slack);
        }
        Ok(())
    }

    /// Every block of a mapping.
    fn whole(&mut self, mapping: &BlockMapping, kind: ResidueKind, owner: ResidueOwner) {
        let superblock = self.system.superblock();
        for run in &mapping.runs {
            let end = superblock.offset_of(run.physical.saturating_add(run.len));
            self.survey.suspect(kind, owner, superblock.offset_of(run.physical)..end);
        }
    }

    /// The journal: all but its superblock, which is the first 1024 bytes.
    fn journal(&mut self, mapping: &BlockMapping) {
        let superblock = self.system.superblock();
        for run in &mapping.runs {
            let start = superblock.offset_of(run.physical);
            let head = if run.logical == 0 { 1024 } else { 0 };
            let end = superblock.offset_of(run.physical.saturating_add(run.len));
            self.survey.suspect(ResidueKind::Journal, ResidueOwner::Volume, start.saturating_add(head)..end);
        }
    }

    /// What is after the end of a file, and blocks of it that were never written.
    fn slack(&mut self, inode: &ReadInode, mapping: &BlockMapping, kind: ResidueKind) {
        let superblock = self.system.superblock();
        let owner = ResidueOwner::Node(inode.number.into());
        for run in &mapping.runs {
            let (start, logical) = (superblock.offset_of(run.physical), superblock.offset_of(run.logical));
            let end = start.saturating_add(superblock.offset_of(run.len));
            if run.unwritten {
                self.survey.suspect(ResidueKind::Unwritten, owner, start..end);
            } else if !inode.is(VERITY_FL) {
                let used = inode.size.saturating_sub(logical);
                self.survey.suspect(kind, owner, start.saturating_add(used).min(end)..end);
            }
        }
    }
}

/// The table of a group, read in portions from the front.
struct InodeTable {
    /// First byte behind it.
    end: u64,
    /// Bytes of an inode.
    size: u64,
    /// What the buffer holds of the image.
    bytes: Range<u64>,
    buffer: Vec<u8>,
}

/// Inodes that are read at a time.
const PORTION: u64 = 256;

impl InodeTable {
    /// The bytes of the inode at an offset in the image.
    fn inode(&mut self, image: &dyn ReadAt, at: u64) -> Result<&[u8], Ext4ReadError> {
        if !(self.bytes.start <= at && at.saturating_add(self.size) <= self.bytes.end) {
            let end = at.saturating_add(self.size.saturating_mul(PORTION)).min(self.end);
            let len = end.max(at.saturating_add(self.size)).saturating_sub(at);
            self.buffer.resize(usize::try_from(len).unwrap_or(0), 0);
            read_exact(image, at, &mut self.buffer)?;
            self.bytes = at..at.saturating_add(len);
        }
        let from = usize::try_from(at.saturating_sub(self.bytes.start)).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(self.size).unwrap_or(usize::MAX));
        Ok(self.buffer.get(from..to).unwrap_or_default())
    }
}

/// The bytes of `i_block` after the first `used`.
fn field(inode: &ReadInode, used: u64) -> Range<u64> {
    let start = inode.offset.saturating_add(BLOCK_AT);
    start.saturating_add(used)..start.saturating_add(BLOCK_LEN)
}
