//! Blocks of directories: deleted entries, what is left of them within the length of another, and gaps of the index.

use super::Ext4Pass;
use crate::ext4::read::directory::record_len;
use crate::ext4::read::{BlockMapping, Ext4ReadError, INDEX_FL, ReadInode, Refuse, features, htree};
use crate::fields;
use crate::residue::{ResidueKind, ResidueOwner};

/// Bytes of an entry before its name.
const HEAD: usize = 8;
/// Bytes of the entry that holds the checksum of a leaf.
const TAIL: usize = 12;
/// Bytes of the checksum of a node of the index.
const NODE_TAIL: usize = 8;
/// Where the entries of the index begin in its root, and in other nodes.
const ROOT_ENTRIES: usize = 0x20;
const NODE_ENTRIES: usize = 8;

impl Ext4Pass<'_, '_> {
    /// Goes through the blocks of a directory.
    pub(super) fn directory(&mut self, dir: &ReadInode, mapping: &BlockMapping) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        let indexed = dir.is(INDEX_FL) && superblock.features.compat(features::DIR_INDEX);
        let index = if indexed { htree::read(self.system, dir, mapping, &mut Refuse)? } else { None };
        for run in &mapping.runs {
            for step in 0..run.len {
                let (number, block) = (run.logical.saturating_add(step), run.physical.saturating_add(step));
                let bytes = self.system.block(block)?;
                let start = superblock.offset_of(block);
                if index.as_ref().is_some_and(|index| index.nodes.contains(&number)) {
                    let first = if number == 0 { ROOT_ENTRIES } else { NODE_ENTRIES };
                    self.index_node(dir, start, &bytes, first);
                } else {
                    self.leaf(dir, start, &bytes);
                }
            }
        }
        Ok(())
    }

    /// A node of the index: room for entries that is not used. The first entry's hash is that of the room and count.
    fn index_node(&mut self, dir: &ReadInode, start: u64, bytes: &[u8], first: usize) {
        let owner = ResidueOwner::Node(dir.number.into());
        let checksum = if self.system.superblock().has_checksums() { NODE_TAIL } else { 0 };
        let end = bytes.len().saturating_sub(checksum);
        let (room, count) = (fields::u16(bytes, first), fields::u16(bytes, first.saturating_add(2)));
        let after = |entries: u16| first.saturating_add(usize::from(entries).saturating_mul(8)).min(end);
        let at = |offset: usize| start.saturating_add(offset as u64);
        // Between room and checksum are bytes of nobody only where the room is wrong.
        let used = after(count.min(room));
        self.survey.suspect(ResidueKind::DirectoryGap, owner, at(used)..at(end));
    }

    /// A block of entries.
    fn leaf(&mut self, dir: &ReadInode, start: u64, bytes: &[u8]) {
        let owner = ResidueOwner::Node(dir.number.into());
        let checksum = if self.system.superblock().has_checksums() { TAIL } else { 0 };
        let end = bytes.len().saturating_sub(checksum);
        let place = |offset: usize| start.saturating_add(offset.min(end) as u64);
        let mut at = 0_usize;
        while at < end {
            let len = record_len(fields::u16(bytes, at.saturating_add(4)), bytes.len());
            if len < HEAD {
                // The reader refuses such a block, so none comes here.
                break;
            }
            let next = at.saturating_add(len);
            if fields::u32(bytes, at) == 0 {
                // The kernel clears the inode's number only: length of the name, type and name stay.
                let from = place(at.saturating_add(6));
                self.survey.suspect(ResidueKind::DeletedEntry, owner, from..place(next));
            } else {
                let name_end =
                    at.saturating_add(HEAD).saturating_add(fields::u8(bytes, at.saturating_add(6)).into());
                let padded = name_end.next_multiple_of(4).min(next);
                self.survey.suspect(ResidueKind::DirectoryGap, owner, place(name_end)..place(padded));
                self.survey.suspect(ResidueKind::DeletedEntry, owner, place(padded)..place(next));
            }
            at = next;
        }
    }
}
