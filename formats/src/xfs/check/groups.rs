//! Allocation groups: headers, trees, and the counters of both and of the superblock.

use std::collections::BTreeSet;

use super::{KnownXfsInode, XfsCheckRun};
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::read::error::value;
use crate::xfs::read::group::{self, InodeChunk, XfsGroup};
use crate::xfs::read::{
    XfsCorruption, XfsDefect, XfsLocation, XfsReadError, XfsTreeKind, inode, read_exact, superblock,
};
use crate::xfs::spec::NONE32;

/// Sums over all groups.
#[derive(Debug, Default)]
struct GroupSums {
    inodes: u64,
    free_inodes: u64,
    free_blocks: u64,
}

impl<R: ReadAt + ?Sized> XfsCheckRun<'_, '_, R> {
    /// Reads all groups.
    pub(super) fn groups(&mut self) -> Result<(), XfsReadError> {
        let superblock = self.system.superblock();
        let mut sums = GroupSums::default();
        for number in 0..superblock.groups {
            if number > 0 {
                superblock::check_copy(self.system.image(), superblock, number, &mut self.report)?;
            }
            let group = group::read(self.system, number, &mut self.claims, &mut self.report)?;
            self.use_group(&group);
            self.free_space(&group, &mut sums);
            self.inode_trees(&group, &mut sums)?;
        }
        self.log();
        for inode in superblock.reserved.clone() {
            match self.inodes.get_mut(&inode) {
                Some(known) => known.nameless = true,
                None => self.defect(
                    XfsLocation::Inode { inode },
                    0,
                    XfsDefect::Missing { what: "a reserved inode" },
                ),
            }
        }
        let location = XfsLocation::Superblock { group: 0 };
        for why in [
            value("sb_icount", superblock.inodes, sums.inodes),
            value("sb_ifree", superblock.free_inodes, sums.free_inodes),
            value("sb_fdblocks", superblock.free_blocks, sums.free_blocks),
        ] {
            self.defects(location, 0, why);
        }
        Ok(())
    }

    pub(super) fn defect(&mut self, location: XfsLocation, offset: u64, why: XfsDefect) {
        self.report.damage(XfsCorruption { location, offset, why });
    }

    fn defects(&mut self, location: XfsLocation, offset: u64, why: impl IntoIterator<Item = XfsDefect>) {
        why.into_iter().for_each(|why| self.defect(location, offset, why));
    }

    fn log(&mut self) {
        let superblock = self.system.superblock();
        let blocks = superblock.log_blocks.into();
        if let Some(start) = superblock.linear(superblock.log_start, blocks) {
            self.use_blocks(start, blocks, XfsLocation::Log, false);
        }
    }

    /// Takes the blocks that a group has itself, the free ones included.
    fn use_group(&mut self, group: &XfsGroup) {
        let number = group.number;
        let superblock = self.system.superblock();
        let first = superblock.first_block(number);
        let header = XfsLocation::Superblock { group: number };
        self.use_blocks(first, superblock.header_blocks(), header, false);
        for (tree, read) in &group.trees {
            for &block in &read.blocks {
                let location = XfsLocation::Tree { tree: *tree, group: number, block };
                self.use_blocks(first + u64::from(block), 1, location, false);
            }
        }
        for &block in &group.list {
            self.use_blocks(first + u64::from(block), 1, XfsLocation::FreeList { group: number }, false);
        }
        let location = XfsLocation::Group { group: number };
        let len = u64::from(superblock.group_len(number));
        for (start, count) in group.free_runs(XfsTreeKind::FreeByBlock) {
            let end = u64::from(start) + u64::from(count);
            if count == 0 || end > len {
                let why = XfsDefect::Outside { what: "a free run", start: start.into(), len: count.into() };
                self.defect(location, superblock.offset_of(first), why);
                continue;
            }
            self.use_blocks(first + u64::from(start), count.into(), location, false);
        }
        for shared in group.shared_runs() {
            if shared.is_staging {
                let (start, count) = (first + u64::from(shared.run.0), u64::from(shared.run.1));
                self.use_blocks(start, count, location, false);
                self.staging.push((start, start + count));
            } else {
                self.shared.push((number, shared));
            }
        }
        let runs = group.owned_runs().map(|(start, count)| (first + u64::from(start), u64::from(count)));
        self.owned.extend(runs.map(|(start, count)| (start, start + count)));
    }

    /// Compares both trees of free space with each other and with the counters.
    fn free_space(&mut self, group: &XfsGroup, sums: &mut GroupSums) {
        let Some(header) = group.free_space else { return };
        let location = XfsLocation::FreeSpace { group: group.number };
        let by_block: Vec<_> = group.free_runs(XfsTreeKind::FreeByBlock).collect();
        let mut by_length: Vec<_> = group.free_runs(XfsTreeKind::FreeByLength).collect();
        by_length.sort_unstable();
        if by_block != by_length {
            let why = XfsDefect::Missing { what: "a run of one tree of free space in the other" };
            self.defect(location, header.offset, why);
        }
        let free: u64 = by_block.iter().map(|run| u64::from(run.1)).sum();
        let longest = by_block.iter().map(|run| run.1).max().unwrap_or(0);
        let kinds = [XfsTreeKind::FreeByBlock, XfsTreeKind::FreeByLength, XfsTreeKind::Owners];
        let trees = kinds.iter().filter_map(|kind| group.tree(*kind));
        let blocks: u64 = trees.map(|tree| (tree.blocks.len() as u64).saturating_sub(1)).sum();
        for why in [
            value("agf_freeblks", header.free.into(), free),
            value("agf_longest", header.longest.into(), longest.into()),
            value("agf_btreeblks", header.tree_blocks.into(), blocks),
        ] {
            self.defects(location, header.offset, why);
        }
        sums.free_blocks += u64::from(header.free) + u64::from(header.list.2) + u64::from(header.tree_blocks);
    }

    /// Compares both trees of inodes with each other and with the counters, and takes the inodes.
    fn inode_trees(&mut self, group: &XfsGroup, sums: &mut GroupSums) -> Result<(), XfsReadError> {
        let Some(header) = &group.inodes else { return Ok(()) };
        let location = XfsLocation::Inodes { group: group.number };
        let sparse = self.system.has_sparse_inodes();
        let chunks: Vec<_> = group.chunks(XfsTreeKind::Inodes, sparse).collect();
        let (mut count, mut free) = (0_u64, 0_u64);
        for chunk in &chunks {
            let (here, free_here) = chunk
                .inodes()
                .fold((0_u32, 0_u32), |(all, free), (_, used)| (all + 1, free + u32::from(!used)));
            for why in [
                value("ir_count", chunk.count.into(), here.into()),
                value("ir_freecount", chunk.free_count.into(), free_here.into()),
            ] {
                self.defects(location, header.offset, why);
            }
            (count, free) = (count + u64::from(here), free + u64::from(free_here));
        }
        if group.tree(XfsTreeKind::FreeInodes).is_some() {
            let with_free: Vec<_> = chunks.iter().copied().filter(|chunk| chunk.free_count > 0).collect();
            if with_free != group.chunks(XfsTreeKind::FreeInodes, sparse).collect::<Vec<_>>() {
                let why = XfsDefect::Missing {
                    what: "a chunk of the tree of free inodes in that of all, or the reverse",
                };
                self.defect(location, header.offset, why);
            }
        }
        for why in
            [value("agi_count", header.count.into(), count), value("agi_freecount", header.free.into(), free)]
        {
            self.defects(location, header.offset, why);
        }
        sums.inodes += count;
        sums.free_inodes += free;
        self.take_chunks(group.number, &chunks);
        self.unlinked(group.number, &header.unlinked)
    }

    /// Takes the blocks of chunks and the inodes in use.
    fn take_chunks(&mut self, number: u32, chunks: &[InodeChunk]) {
        let superblock = self.system.superblock();
        let location = XfsLocation::Inodes { group: number };
        let mut blocks = BTreeSet::new();
        for (within, used) in chunks.iter().flat_map(|chunk| chunk.inodes()) {
            let inode = superblock.inode_number(number, within);
            let block = superblock.linear(inode >> superblock.logs.inodes, 1);
            let (Some(block), Some(offset)) = (block, superblock.inode_offset(inode)) else {
                let why = XfsDefect::Outside { what: "an inode", start: inode, len: 1 };
                return self.defect(location, superblock.sector_of(number, 2), why);
            };
            blocks.insert(block);
            if used {
                let known = KnownXfsInode { kind: None, links: 0, found: 0, offset, nameless: false };
                self.inodes.insert(inode, known);
            }
        }
        for block in blocks {
            self.use_blocks(block, 1, location, false);
        }
    }

    /// Follows the lists of inodes without a name that wait to be freed.
    fn unlinked(&mut self, number: u32, heads: &[u32]) -> Result<(), XfsReadError> {
        let superblock = self.system.superblock();
        for &head in heads {
            let mut within = head;
            while within != NONE32 {
                let inode = superblock.inode_number(number, within);
                let offset = superblock.inode_offset(inode).unwrap_or(0);
                let location = XfsLocation::Inode { inode };
                match self.inodes.get_mut(&inode) {
                    Some(known) if !known.nameless => known.nameless = true,
                    Some(_) => {
                        let why = XfsDefect::Again { what: "an unlinked inode", number: inode };
                        self.defect(location, offset, why);
                        break;
                    }
                    None => {
                        self.defect(location, offset, XfsDefect::Missing { what: "an unlinked inode" });
                        break;
                    }
                }
                let mut raw = [0; 4];
                read_exact(self.system.image(), offset + inode::NEXT_UNLINKED, &mut raw)?;
                within = fields::be32(&raw, 0);
            }
        }
        Ok(())
    }
}
