//! What is laid out by groups: superblocks, descriptors, bitmaps, and the blocks around them.

use super::Ext4Pass;
use crate::ext4::read::superblock::{LEN, OFFSET};
use crate::ext4::read::{BLOCK_UNINIT, Ext4ReadError, INODE_UNINIT, features};
use crate::residue::{ResidueKind, ResidueOwner};

/// Fields of the superblock that nothing needs: `s_last_mounted`, and what is reserved before the checksum.
const UNUSED_FIELDS: [(&str, u64, u64); 2] =
    [("last mounted on", 0x88, 0xc8), ("reserved fields of the superblock", 0x288, 0x3fc)];

/// First byte and length of `s_volume_name`.
const LABEL: (u64, usize) = (0x78, 16);

impl Ext4Pass<'_, '_> {
    /// Claims what groups hold, and suspects its gaps.
    pub(super) fn layout(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        for group in 0..superblock.groups() {
            let start = superblock.group_start(group);
            let base = start.saturating_add(superblock.base_blocks(group).into());
            self.survey.claim(superblock.offset_of(start)..superblock.offset_of(base));
            if superblock.has_superblock(group) {
                self.superblock(group);
            }
            self.bitmaps(group)?;
        }
        self.descriptors();
        Ok(())
    }

    /// A superblock, its unused fields, and the rest of its block.
    fn superblock(&mut self, group: u32) {
        let superblock = self.system.superblock();
        let block = superblock.offset_of(superblock.group_start(group));
        let start = if group == 0 { OFFSET } else { block };
        let at = |offset: u64| start.saturating_add(offset);
        for (name, from, to) in UNUSED_FIELDS {
            self.survey.suspect(ResidueKind::SuperblockField, ResidueOwner::Part(name), at(from)..at(to));
        }
        let label = superblock.raw.get(LABEL.0 as usize..).unwrap_or_default();
        let used = label.iter().take(LABEL.1).position(|byte| *byte == 0).unwrap_or(LABEL.1) as u64;
        let name = at(LABEL.0.saturating_add(used))..at(LABEL.0.saturating_add(LABEL.1 as u64));
        if group == 0 {
            self.survey.suspect(ResidueKind::SuperblockField, ResidueOwner::Part("label"), name);
        }
        let end = superblock.offset_of(superblock.group_start(group).saturating_add(1));
        let rest = at(LEN as u64)..end;
        self.survey.suspect(
            ResidueKind::Reserved,
            ResidueOwner::Numbered("superblock of group", group.into()),
            rest,
        );
    }

    /// What follows the last descriptor in each copy of the table.
    fn descriptors(&mut self) {
        let superblock = self.system.superblock();
        let per_block = superblock.descriptors_per_block().max(1);
        let over = superblock.groups().checked_rem(per_block).unwrap_or(0);
        let Some(last) = superblock.descriptor_blocks().checked_sub(1).filter(|_| over != 0) else { return };
        let used = u64::from(over).saturating_mul(superblock.descriptor_size.max(32).into());
        let mut blocks = vec![superblock.descriptor_block(last)];
        if superblock.features.incompat(features::META_BG) && last >= superblock.old_descriptor_blocks() {
            // The copies are in the second and the last group of those that the block describes.
            let first = last.saturating_mul(per_block);
            for group in [1, per_block.saturating_sub(1)].map(|step| first.saturating_add(step)) {
                if group < superblock.groups() {
                    let after = u64::from(superblock.has_superblock(group));
                    blocks.push(superblock.group_start(group).saturating_add(after));
                }
            }
        } else {
            let copies = (1..superblock.groups()).filter(|group| superblock.has_superblock(*group));
            blocks
                .extend(copies.map(|group| {
                    superblock.group_start(group).saturating_add(1).saturating_add(last.into())
                }));
        }
        for block in blocks {
            let (start, end) = (superblock.offset_of(block), superblock.offset_of(block.saturating_add(1)));
            let owner = ResidueOwner::Part("descriptors of groups");
            self.survey.suspect(ResidueKind::TableGap, owner, start.saturating_add(used)..end);
        }
    }

    /// The bitmaps of a group: bits after the last block or inode are all set or all clear. A bitmap that was never
    /// written should be zero.
    fn bitmaps(&mut self, group: u32) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        let Some(described) = self.system.groups().get(group as usize) else { return Ok(()) };
        let bitmaps = [
            (described.block_bitmap, BLOCK_UNINIT, superblock.group_len(group)),
            (described.inode_bitmap, INODE_UNINIT, superblock.inodes_per_group),
        ];
        for (block, unwritten, bits) in bitmaps {
            let (start, end) = (superblock.offset_of(block), superblock.offset_of(block.saturating_add(1)));
            self.survey.claim(start..end);
            let used = if described.is(unwritten) { 0 } else { bits.div_ceil(8) };
            let bytes = self.system.block(block)?;
            let filler = match bytes.get(used as usize) {
                Some(0xff) if used > 0 => 0xff,
                _ => 0,
            };
            let owner = ResidueOwner::Numbered("bitmap of group", group.into());
            self.survey.filled(ResidueKind::TableGap, owner, start.saturating_add(used.into())..end, filler);
        }
        Ok(())
    }
}
