//! An allocation group as a whole: its headers and trees, the runs of free blocks, and the chunks of inodes.

use super::XfsFileSystem;
use super::ag::{AgFreeSpace, AgInodes};
use super::ag_tree::{self, AgTree};
use super::claims::XfsClaims;
use super::error::{XfsCorruptionSink, XfsReadError, XfsTreeKind};
use super::features;
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::spec::CHUNK_INODES;

/// A group.
#[derive(Debug, Default)]
pub(crate) struct XfsGroup {
    pub(crate) number: u32,
    pub(crate) free_space: Option<AgFreeSpace>,
    pub(crate) inodes: Option<AgInodes>,
    /// Blocks within the group that wait for its trees.
    pub(crate) list: Vec<u32>,
    pub(crate) trees: Vec<(XfsTreeKind, AgTree)>,
}

/// A run of blocks of a group: first block and blocks.
pub(crate) type AgRun = (u32, u32);

/// A chunk of 64 inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InodeChunk {
    /// Number within the group of the first inode.
    pub(crate) first: u32,
    /// Inodes that are free, a bit for each.
    pub(crate) free: u64,
    /// Inodes that have no blocks, a bit for each.
    pub(crate) holes: u64,
    /// Free inodes as counted by the record.
    pub(crate) free_count: u32,
    /// Inodes with blocks as counted by the record.
    pub(crate) count: u32,
}

impl InodeChunk {
    /// Its inodes that have blocks: number within the group, and whether they are in use.
    pub(crate) fn inodes(self) -> impl Iterator<Item = (u32, bool)> {
        (0..CHUNK_INODES)
            .filter(move |bit| self.holes >> bit & 1 == 0)
            .map(move |bit| (self.first.saturating_add(bit), self.free >> bit & 1 == 0))
    }
}

/// A run of blocks with the number of files that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedRun {
    pub(crate) run: AgRun,
    pub(crate) files: u32,
    /// Blocks that wait to replace shared ones, and belong to no file yet.
    pub(crate) is_staging: bool,
}

impl XfsGroup {
    /// A tree of the group; `None` where the file system has none of the kind.
    pub(crate) fn tree(&self, kind: XfsTreeKind) -> Option<&AgTree> {
        self.trees.iter().find(|(found, _)| *found == kind).map(|(_, tree)| tree)
    }

    fn records(&self, kind: XfsTreeKind) -> impl Iterator<Item = &[u8]> {
        self.tree(kind).into_iter().flat_map(AgTree::records)
    }

    /// Free runs by the tree of one order or the other.
    pub(crate) fn free_runs(&self, kind: XfsTreeKind) -> impl Iterator<Item = AgRun> {
        self.records(kind).map(|record| (fields::be32(record, 0), fields::be32(record, 4)))
    }

    /// Chunks of inodes, by the tree of all or by that of those with free inodes.
    pub(crate) fn chunks(&self, kind: XfsTreeKind, sparse: bool) -> impl Iterator<Item = InodeChunk> {
        self.records(kind).map(move |record| {
            let holes = if sparse { holes(fields::be16(record, 4)) } else { 0 };
            let (count, free_count) = if sparse {
                (fields::u8(record, 6).into(), fields::u8(record, 7).into())
            } else {
                (CHUNK_INODES, fields::be32(record, 4))
            };
            InodeChunk {
                first: fields::be32(record, 0),
                free: fields::be64(record, 8),
                holes,
                free_count,
                count,
            }
        })
    }

    /// Runs with an owner; several may have one.
    pub(crate) fn owned_runs(&self) -> impl Iterator<Item = AgRun> {
        self.records(XfsTreeKind::Owners).map(|record| (fields::be32(record, 0), fields::be32(record, 4)))
    }

    /// Shared runs.
    pub(crate) fn shared_runs(&self) -> impl Iterator<Item = SharedRun> {
        self.records(XfsTreeKind::Shared).map(|record| {
            let start = fields::be32(record, 0);
            SharedRun {
                run: (start & (u32::MAX >> 1), fields::be32(record, 4)),
                files: fields::be32(record, 8),
                is_staging: start >> 31 == 1,
            }
        })
    }
}

/// The inodes without blocks by the bits of a record, each for four.
fn holes(mask: u16) -> u64 {
    (0..16).filter(|bit| mask >> bit & 1 == 1).fold(0, |holes, bit| holes | 0xf << (bit * 4))
}

/// Reads a group. `claims` has the metadata that was read so far.
pub(crate) fn read<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    group: u32,
    claims: &mut XfsClaims,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<XfsGroup, XfsReadError> {
    let mut read = XfsGroup { number: group, ..XfsGroup::default() };
    let mut roots = Vec::new();
    read.free_space = system.free_space(group, sink)?;
    if let Some(header) = read.free_space {
        read.list = system.free_list(group, header.list, sink)?;
        roots.push((XfsTreeKind::FreeByBlock, header.by_block));
        roots.push((XfsTreeKind::FreeByLength, header.by_length));
        if system.has(features::OWNERS) {
            roots.push((XfsTreeKind::Owners, header.owners));
        }
        if system.has(features::SHARED) {
            roots.push((XfsTreeKind::Shared, header.shared));
        }
    }
    read.inodes = system.group_inodes(group, sink)?;
    if let Some(header) = &read.inodes {
        roots.push((XfsTreeKind::Inodes, header.inodes));
        if system.has(features::FREE_INODES) {
            roots.push((XfsTreeKind::FreeInodes, header.free_inodes));
        }
    }
    for (kind, root) in roots {
        let tree = ag_tree::read(system, (kind, group), root, claims, sink)?;
        read.trees.push((kind, tree));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_of_the_mask_is_a_hole_of_four_inodes() {
        assert_eq!(holes(0b1000_0000_0000_0010), 0xf000_0000_0000_00f0);
        let chunk = InodeChunk { first: 64, free: !1, holes: !0xff, free_count: 7, count: 8 };
        let inodes: Vec<_> = chunk.inodes().collect();
        assert_eq!(inodes.len(), 8);
        assert_eq!((inodes[0], inodes[1]), ((64, true), (65, false)));
    }
}
