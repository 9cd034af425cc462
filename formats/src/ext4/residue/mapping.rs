//! Blocks that map the blocks of an inode: what follows the last entry of a node of an extent tree. A block of block
//! numbers has no gap: every number that is not zero is of a block.

use super::Ext4Pass;
use crate::ext4::read::{BlockMapping, EXTENTS_FL, Ext4ReadError, ReadInode};
use crate::fields;
use crate::residue::{ResidueKind, ResidueOwner};

/// Bytes of the header of a node, and of an entry.
const ENTRY: u64 = 12;
/// Bytes of the checksum behind the last entry that a node has room for.
const CHECKSUM: u64 = 4;

impl Ext4Pass<'_, '_> {
    /// Claims the blocks of a mapping, and suspects their gaps.
    pub(super) fn mapping_blocks(
        &mut self,
        inode: &ReadInode,
        mapping: &BlockMapping,
    ) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        let owner = ResidueOwner::Node(inode.number.into());
        for &block in &mapping.nodes {
            let (start, end) = (superblock.offset_of(block), superblock.offset_of(block.saturating_add(1)));
            self.survey.claim(start..end);
            if !inode.is(EXTENTS_FL) {
                continue;
            }
            let bytes = self.system.block(block)?;
            let after = |entries: u16| {
                start.saturating_add(u64::from(entries).saturating_add(1).saturating_mul(ENTRY)).min(end)
            };
            let (used, room) = (after(fields::u16(&bytes, 2)), after(fields::u16(&bytes, 4)));
            let checksum = if superblock.has_checksums() { CHECKSUM } else { 0 };
            self.survey.suspect(ResidueKind::MappingGap, owner, used..room);
            self.survey.suspect(ResidueKind::MappingGap, owner, room.saturating_add(checksum)..end);
        }
        Ok(())
    }
}
