//! The blocks of a fork: extents in the inode, or a B-tree of them ("Data Extents" in the specification).

use std::collections::BTreeMap;

use super::XfsFileSystem;
use super::block::{ExpectedBlock, MAP_SHAPE};
use super::claims::XfsClaims;
use super::error::{XfsCorruption, XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, range, value};
use super::inode::{XfsFork, XfsForkFormat, XfsInode};
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::spec::{
    LOGICAL_END, MAP_DEPTH, MAP_HEADER, MAP_MAGIC, MAP_POINTER, MAP_RECORD, MAP_ROOT_HEADER, NONE64,
};

/// A run of consecutive blocks of a fork. Blocks of the file system are counted without gaps between groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XfsRun {
    /// First block within the fork.
    pub logical: u64,
    /// First block within the file system.
    pub physical: u64,
    /// Blocks.
    pub len: u64,
    /// Allocated but never written: reads as zero.
    pub unwritten: bool,
}

impl XfsRun {
    /// The first block within the fork after it.
    pub fn end(&self) -> u64 {
        self.logical.saturating_add(self.len)
    }
}

/// The mapping of a fork.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XfsMapping {
    /// Runs in the order of the fork.
    pub runs: Vec<XfsRun>,
    /// Blocks of the tree, within the file system.
    pub nodes: Vec<u64>,
}

impl XfsMapping {
    /// The block within the file system of a block within the fork.
    pub fn find(&self, logical: u64) -> Option<u64> {
        let index = self.runs.partition_point(|run| run.end() <= logical);
        let run = self.runs.get(index).filter(|run| run.logical <= logical && !run.unwritten)?;
        run.physical.checked_add(logical - run.logical)
    }

    /// The first block within the fork after the last run.
    pub fn end(&self) -> u64 {
        self.runs.last().map_or(0, XfsRun::end)
    }

    /// Blocks in use: content and tree.
    pub fn blocks(&self) -> u64 {
        self.nodes.len() as u64 + self.runs.iter().map(|run| run.len).sum::<u64>()
    }
}

/// A block of the tree still to be read, and the blocks of the fork that it is to describe.
struct PendingMapNode {
    address: u64,
    level: u16,
    first: u64,
    end: u64,
}

/// The walk down one tree.
struct MapWalk<'w, 'a, R: ?Sized> {
    file_system: &'w XfsFileSystem<'a, R>,
    inode: &'w XfsInode,
    claims: &'w mut XfsClaims,
    sink: &'w mut dyn XfsCorruptionSink,
    mapping: XfsMapping,
    /// Extents as stored, those that continue another not merged into it.
    extents: u64,
    /// The right neighbour that the last block of a level names, and that block.
    siblings: BTreeMap<u16, (u64, u64)>,
}

/// Reads the mapping of a fork of an inode. `claims` has the metadata that was read so far and may not come again.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &XfsFileSystem<'_, R>,
    inode: &XfsInode,
    fork: &XfsFork,
    claims: &mut XfsClaims,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<XfsMapping, XfsReadError> {
    let mut walk = MapWalk {
        file_system,
        inode,
        claims,
        sink,
        mapping: XfsMapping::default(),
        extents: 0,
        siblings: BTreeMap::new(),
    };
    match fork.format {
        XfsForkFormat::Device | XfsForkFormat::Local => return Ok(walk.mapping),
        XfsForkFormat::Extents => {
            let room = (fork.bytes.len() / MAP_RECORD) as u64;
            if let Some(why) = range("number of extents in the inode", fork.extents, 0, room) {
                inode.report(why, walk.sink)?;
            }
            let records = fork.bytes.chunks_exact(MAP_RECORD).take(fork.extents.min(room) as usize);
            walk.leaf(&|why| inode.corruption(why), records, None, LOGICAL_END)?;
        }
        XfsForkFormat::Tree => walk.tree(fork)?,
    }
    if let Some(why) = value("number of extents", fork.extents, walk.extents) {
        inode.report(why, walk.sink)?;
    }
    Ok(walk.mapping)
}

impl<R: ReadAt + ?Sized> MapWalk<'_, '_, R> {
    /// Reads a tree whose root is in the inode.
    fn tree(&mut self, fork: &XfsFork) -> Result<(), XfsReadError> {
        let inode = self.inode;
        let (level, count) = (fields::be16(&fork.bytes, 0), usize::from(fields::be16(&fork.bytes, 2)));
        let room = fork.bytes.len().saturating_sub(MAP_ROOT_HEADER) / (2 * MAP_POINTER);
        let defects = [
            range("level of the root", level.into(), 1, MAP_DEPTH.into()),
            range("entries of the root", count as u64, 1, room as u64),
        ];
        if let Some(why) = defects.into_iter().flatten().next() {
            return inode.report(why, self.sink);
        }
        let area = fork.bytes.get(MAP_ROOT_HEADER..).unwrap_or(&[]);
        let mut pending = Vec::new();
        self.index(
            &|why| inode.corruption(why),
            (area, room, count),
            level,
            (None, LOGICAL_END),
            &mut pending,
        )?;
        while let Some(node) = pending.pop() {
            self.descend(&node, &mut pending)?;
        }
        for (right, block) in std::mem::take(&mut self.siblings).into_values() {
            if right != NONE64 {
                let location = XfsLocation::MapNode { inode: inode.number, block };
                let offset = self.file_system.superblock.offset_of(block);
                let why = XfsDefect::Value {
                    field: "right neighbour of the last block",
                    found: right,
                    expected: NONE64,
                };
                self.sink.report(XfsCorruption { location, offset, why })?;
            }
        }
        Ok(())
    }

    /// Reads a block of the tree.
    fn descend(
        &mut self,
        node: &PendingMapNode,
        pending: &mut Vec<PendingMapNode>,
    ) -> Result<(), XfsReadError> {
        let (file_system, inode) = (self.file_system, self.inode.number);
        let Some(linear) = file_system.superblock.linear(node.address, 1) else {
            let why = XfsDefect::Outside { what: "a block of extents", start: node.address, len: 1 };
            return self.inode.report(why, self.sink);
        };
        let location = XfsLocation::MapNode { inode, block: linear };
        if let Some(why) = self.claims.take(linear, 1, location) {
            let offset = file_system.superblock.offset_of(linear);
            return self.sink.report(XfsCorruption { location, offset, why });
        }
        self.mapping.nodes.push(linear);
        let expected = ExpectedBlock { shape: MAP_SHAPE, magics: &[MAP_MAGIC], owner: inode, location };
        let Some(block) = file_system.checked_block(linear, &expected, self.sink)? else { return Ok(()) };
        let area = block.bytes.get(MAP_HEADER..).unwrap_or(&[]);
        let room = area.len() / MAP_RECORD;
        let count = usize::from(fields::be16(&block.bytes, 6));
        let (left, right) = (fields::be64(&block.bytes, 8), fields::be64(&block.bytes, 16));
        let before = self.siblings.insert(node.level, (right, linear));
        let addressed = before.map_or(node.address, |(right, _)| right);
        let left_linear = before.map(|(_, block)| block);
        let found_left = (left != NONE64).then(|| file_system.superblock.linear(left, 1).unwrap_or(NONE64));
        let defects = [
            value("bb_level", fields::be16(&block.bytes, 4).into(), node.level.into()),
            range("bb_numrecs", count as u64, 1, room as u64),
            value("right neighbour of the block before", addressed, node.address),
            (found_left != left_linear).then(|| XfsDefect::Value {
                field: "bb_leftsib",
                found: left,
                expected: left_linear.unwrap_or(NONE64),
            }),
        ];
        for why in defects.into_iter().flatten() {
            self.sink.report(block.corruption(why))?;
        }
        let count = count.min(room);
        let corrupt = |why| block.corruption(why);
        if node.level == 0 {
            let records = area.chunks_exact(MAP_RECORD).take(count);
            return self.leaf(&corrupt, records, Some(node.first), node.end);
        }
        self.index(&corrupt, (area, room, count), node.level, (Some(node.first), node.end), pending)
    }

    /// Takes the keys and pointers of a node: `room` keys are before the pointers, `count` of both are in use.
    fn index(
        &mut self,
        corrupt: &dyn Fn(XfsDefect) -> XfsCorruption,
        (area, room, count): (&[u8], usize, usize),
        level: u16,
        (first, end): (Option<u64>, u64),
        pending: &mut Vec<PendingMapNode>,
    ) -> Result<(), XfsReadError> {
        let key = |slot: usize| (slot < count).then(|| fields::be64(area, slot * MAP_POINTER));
        let mut before = None;
        let mut below = Vec::new();
        for slot in 0..count {
            let found = key(slot).unwrap_or(0);
            let next = key(slot + 1).unwrap_or(end);
            if !self.starts(corrupt, found, before, (first, end))? {
                continue;
            }
            before = Some(found);
            let address = fields::be64(area, (room + slot) * MAP_POINTER);
            below.push(PendingMapNode { address, level: level - 1, first: found, end: next });
        }
        pending.extend(below.into_iter().rev());
        Ok(())
    }

    /// Checks that a key or an extent begins where the node above says and after the one before; whether it is usable.
    fn starts(
        &mut self,
        corrupt: &dyn Fn(XfsDefect) -> XfsCorruption,
        found: u64,
        before: Option<u64>,
        (first, end): (Option<u64>, u64),
    ) -> Result<bool, XfsReadError> {
        let field = "br_startoff";
        if before.is_none()
            && let Some(why) = first.and_then(|first| value(field, found, first))
        {
            self.sink.report(corrupt(why))?;
        }
        if let Some(before) = before.filter(|before| found <= *before) {
            self.sink.report(corrupt(XfsDefect::Order { field, found, before }))?;
            return Ok(false);
        }
        if found >= end {
            let most = end.saturating_sub(1);
            self.sink.report(corrupt(XfsDefect::Range { field, found, least: 0, most }))?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes extents.
    fn leaf<'r>(
        &mut self,
        corrupt: &dyn Fn(XfsDefect) -> XfsCorruption,
        records: impl Iterator<Item = &'r [u8]>,
        first: Option<u64>,
        end: u64,
    ) -> Result<(), XfsReadError> {
        let mut own = None;
        for record in records {
            self.extents += 1;
            let (high, low) = (fields::be64(record, 0), fields::be64(record, 8));
            let logical = high >> 9 & (LOGICAL_END - 1);
            let address = (high & 0x1ff) << 43 | low >> 21;
            let (len, unwritten) = (low & 0x1f_ffff, high >> 63 == 1);
            if let Some(why) = range("br_blockcount", len, 1, 0x1f_ffff) {
                self.sink.report(corrupt(why))?;
                continue;
            }
            let before = self.mapping.runs.last().map(|run| run.end() - 1);
            let limits = (first.filter(|_| own.is_none()), end.saturating_sub(len - 1));
            // The first of a block is compared with its key, too, not only with its forerunner.
            if own.is_none()
                && let Some(why) = limits.0.and_then(|first| value("br_startoff", logical, first))
            {
                self.sink.report(corrupt(why))?;
            }
            own = Some(logical);
            if !self.starts(corrupt, logical, before, (None, limits.1))? {
                continue;
            }
            let Some(physical) = self.file_system.superblock.linear(address, len) else {
                self.sink.report(corrupt(XfsDefect::Outside { what: "an extent", start: address, len }))?;
                continue;
            };
            push(&mut self.mapping.runs, XfsRun { logical, physical, len, unwritten });
        }
        Ok(())
    }
}

/// Appends a run, merged into the one before it where it continues that.
fn push(runs: &mut Vec<XfsRun>, run: XfsRun) {
    if let Some(last) = runs.last_mut() {
        let joins = last.end() == run.logical
            && last.physical + last.len == run.physical
            && last.unwritten == run.unwritten;
        if joins {
            last.len += run.len;
            return;
        }
    }
    runs.push(run);
}
