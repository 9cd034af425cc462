//! Directories of nodes, what goes with the inodes that go, and how much is needed.

use super::content::blocks_needed;
use super::directory::{DirNames, DirOutcome, PatchedDir};
use super::mapping::{give_back_nodes, has_mapping};
use super::pairing::PairedNode;
use super::raw_inode::RawInode;
use super::volume::PatchVolume;
use super::{Ext4PatchError, Patching};
use crate::ext4::read::{BlockMapping, FileKind, INDEX_FL, ReadInode, fields};
use crate::ext4::spec::inode::encode_time;
use crate::tree::NodeKind;

impl Patching<'_> {
    /// Gives a directory its names; `inode` is that of one which is there.
    pub(super) fn directory(
        &self,
        volume: &mut PatchVolume<'_>,
        pair: &PairedNode,
        (number, parent): (u32, u32),
        inode: Option<&ReadInode>,
        names: &DirNames<'_>,
    ) -> Result<(), Ext4PatchError> {
        let (outcome, mapping) = if let Some(inode) = inode {
            let entries = volume.base.entries(inode)?;
            let dir = PatchedDir::existing(volume, &pair.path, inode, parent)?;
            (dir.amend(volume, &entries, names)?, volume.base.mapping(inode)?)
        } else {
            let dir = PatchedDir::new(volume, &pair.path, (number, parent))?;
            (dir.write_new(volume, names)?, BlockMapping::default())
        };
        let DirOutcome { blocks, indexed } = outcome;
        let Some(blocks) = blocks else { return Ok(()) };
        give_back_nodes(volume, &mapping);
        let written = volume.map_directory(number, &blocks, volume.maps_by_extents(inode))?;
        let (count, size) = (blocks.len() as u64 + written.nodes, blocks.len() as u64 * self.block_size);
        let (at, offset) = volume.inode_block(number)?;
        let raw = volume.block(at)?;
        let attributes = fields::u32(&raw, offset + 0x68) != 0 || fields::u16(&raw, offset + 0x76) != 0;
        volume.edit_inode(number, |raw: &mut RawInode<'_>| {
            raw.block(&written.block, written.extents);
            raw.size(size);
            if indexed { raw.flags(INDEX_FL, 0) } else { raw.flags(0, INDEX_FL) }
        })?;
        self.count_blocks(volume, number, count + u64::from(attributes))
    }

    /// Gives back an inode that no name leads to any more, and all that it has.
    pub(super) fn remove_node(
        &self,
        volume: &mut PatchVolume<'_>,
        inode: &ReadInode,
    ) -> Result<(), Ext4PatchError> {
        if has_mapping(inode) {
            let mapping = volume.base.mapping(inode)?;
            for run in &mapping.runs {
                volume.give_back(run.physical..run.physical + run.len);
            }
            give_back_nodes(volume, &mapping);
        }
        volume.release_attributes(inode)?;
        volume.give_back_inode(inode.number, inode.kind() == Some(FileKind::Dir))?;
        if volume.erase {
            return volume.erase_inode(inode.number);
        }
        // A time below the number of inodes would be a link of the list of orphans.
        let secs = encode_time(self.time).map_or(0, |(low, _)| low).max(volume.superblock.inodes);
        volume.edit_inode(inode.number, |raw| {
            raw.links(0);
            raw.size(0);
            raw.block(&[0; 60], false);
            raw.flags(0, u32::MAX);
            raw.sectors(0);
            raw.attribute_block(0);
            raw.attributes().fill(0);
            raw.deleted(secs);
        })
    }

    /// Blocks that the new nodes will take, but for mappings and attributes.
    pub(super) fn demand(&self, pairs: &[PairedNode]) -> u64 {
        let of = |pair: &PairedNode| match &self.tree.node(pair.id).kind {
            NodeKind::File(content) => blocks_needed(content, self.block_size),
            NodeKind::Dir(entries) => {
                let bytes: u64 = entries.keys().map(|name| name.as_bytes().len() as u64 + 12).sum();
                1 + bytes / self.block_size
            }
            _ => 0,
        };
        pairs.iter().filter(|pair| pair.base.is_none()).map(of).sum()
    }
}
