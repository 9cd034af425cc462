//! Extended attributes: what is between the list of entries and the values, in an inode and in a block of its own.

use super::Ext4Pass;
use crate::ext4::read::{Ext4ReadError, ReadInode};
use crate::fields;
use crate::residue::{ResidueKind, ResidueOwner};

/// Magic number of both forms.
const MAGIC: u32 = 0xea02_0000;
/// Bytes of the header of a block.
const HEADER: usize = 32;
/// Bytes of an entry before its name.
const ENTRY: usize = 16;

impl Ext4Pass<'_, '_> {
    /// The area behind the fields of an inode, which begins at `start` of the image.
    pub(super) fn inode_attributes(&mut self, inode: &ReadInode, start: u64, area: &[u8]) {
        let owner = ResidueOwner::Node(inode.number.into());
        if fields::u32(area, 0) != MAGIC {
            let end = start.saturating_add(area.len() as u64);
            self.survey.suspect(ResidueKind::InodeGap, owner, start..end);
            return;
        }
        // Offsets of values count from the first entry.
        self.gaps(owner, start, (area, 4, 4));
    }

    /// The block of attributes of an inode.
    pub(super) fn attribute_block(&mut self, inode: &ReadInode) -> Result<(), Ext4ReadError> {
        let block = inode.xattr_block;
        if !self.attribute_blocks.insert(block) {
            return Ok(());
        }
        let superblock = self.system.superblock();
        let start = superblock.offset_of(block);
        self.survey.claim(start..superblock.offset_of(block.saturating_add(1)));
        let bytes = self.system.block(block)?;
        self.gaps(ResidueOwner::Node(inode.number.into()), start, (&bytes, HEADER, 0));
        Ok(())
    }

    /// The bytes of an area that neither an entry nor a value holds; `first` is the first entry, `base` what offsets of
    /// values count from.
    fn gaps(&mut self, owner: ResidueOwner, start: u64, (area, first, base): (&[u8], usize, usize)) {
        let mut used = Vec::new();
        let mut at = first;
        while fields::u32(area, at) != 0 {
            let name = usize::from(fields::u8(area, at));
            let inode = fields::u32(area, at.saturating_add(4));
            let len = fields::u32(area, at.saturating_add(8)) as usize;
            if len > 0 && inode == 0 {
                let value = base.saturating_add(fields::u16(area, at.saturating_add(2)).into());
                used.push((value, value.saturating_add(len)));
            }
            at = at.saturating_add(ENTRY.saturating_add(name).next_multiple_of(4));
        }
        // The list ends with four bytes of zero, which are not in it.
        used.push((0, at));
        used.sort_unstable();
        let mut end = 0;
        let place = |at: usize| start.saturating_add(at.min(area.len()) as u64);
        for (from, to) in used {
            self.survey.suspect(ResidueKind::AttributeGap, owner, place(end)..place(from));
            end = end.max(to);
        }
        self.survey.suspect(ResidueKind::AttributeGap, owner, place(end)..place(area.len()));
    }
}
