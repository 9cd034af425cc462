//! Extent trees: the addresses of the blocks of an inode (kernel documentation, `filesystems/ext4/ifork.rst`).

use std::collections::BTreeSet;

use super::FileSystem;
use super::checksum;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError};
use super::fields;
use super::inode::ReadInode;
use crate::read_at::ReadAt;

const MAGIC: u16 = 0xf30a;
/// Bytes of a header, and of an entry of either kind.
const ENTRY: usize = 12;
/// Deepest tree there is.
const DEPTH: u16 = 5;
/// Longest extent that has been written to; longer ones are unwritten.
const WRITTEN_MOST: u16 = 32768;
/// First block number that no file reaches.
const LOGICAL_END: u64 = 1 << 32;

/// A run of consecutive blocks of a file in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRun {
    /// First block within the file.
    pub logical: u64,
    /// First block within the file system.
    pub physical: u64,
    /// Blocks.
    pub len: u64,
    /// Allocated but never written: reads as zero.
    pub unwritten: bool,
}

/// The mapping of the content of an inode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockMapping {
    /// Runs of content, in the order of the file.
    pub runs: Vec<FileRun>,
    /// Blocks that hold the mapping itself: extents or block numbers.
    pub nodes: Vec<u64>,
}

impl BlockMapping {
    /// The first block after the last run, within the file.
    pub fn end(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.logical.saturating_add(run.len))
    }

    /// The block within the file system of a block within the file.
    pub fn find(&self, logical: u64) -> Option<u64> {
        let index = self.runs.partition_point(|run| run.logical.saturating_add(run.len) <= logical);
        let run = self.runs.get(index).filter(|run| run.logical <= logical && !run.unwritten)?;
        run.physical.checked_add(logical - run.logical)
    }

    /// Blocks in use: content and mapping.
    pub fn blocks(&self) -> u64 {
        self.nodes.len() as u64 + self.runs.iter().map(|run| run.len).sum::<u64>()
    }

    /// Appends a run, merged into the one before it where it continues that.
    pub(crate) fn push(&mut self, run: FileRun) {
        if let Some(last) = self.runs.last_mut() {
            let joins = last.logical + last.len == run.logical
                && last.physical + last.len == run.physical
                && last.unwritten == run.unwritten;
            if joins {
                last.len += run.len;
                return;
            }
        }
        self.runs.push(run);
    }
}

/// A node still to be read, and the blocks of the file that it is to describe.
struct PendingNode {
    block: u64,
    depth: u16,
    first: u64,
    end: u64,
}

/// The walk down one tree.
struct ExtentWalk<'w, 'a, R: ?Sized> {
    file_system: &'w FileSystem<'a, R>,
    inode: &'w ReadInode,
    met: &'w mut BTreeSet<u64>,
    sink: &'w mut dyn CorruptionSink,
    mapping: BlockMapping,
    /// Nodes to be read, the next one last.
    pending: Vec<PendingNode>,
}

/// Reads the tree of an inode.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    inode: &ReadInode,
    met: &mut BTreeSet<u64>,
    sink: &mut dyn CorruptionSink,
) -> Result<BlockMapping, Ext4ReadError> {
    let mut walk =
        ExtentWalk { file_system, inode, met, sink, mapping: BlockMapping::default(), pending: Vec::new() };
    let depth = fields::u16(&inode.block, 6);
    let location = Ext4Location::Inode { inode: inode.number };
    let root = ExtentNode { bytes: &inode.block, location, offset: inode.offset };
    if depth > DEPTH {
        let why =
            Defect::Range { field: "eh_depth", found: u64::from(depth), least: 0, most: u64::from(DEPTH) };
        walk.sink.report(root.corruption(why))?;
        return Ok(walk.mapping);
    }
    walk.node(&root, depth, None, LOGICAL_END)?;
    while let Some(pending) = walk.pending.pop() {
        walk.descend(&pending)?;
    }
    Ok(walk.mapping)
}

/// The bytes of a node.
struct ExtentNode<'n> {
    bytes: &'n [u8],
    location: Ext4Location,
    offset: u64,
}

impl ExtentNode<'_> {
    fn corruption(&self, why: Defect) -> Corruption {
        Corruption { location: self.location, offset: self.offset, why }
    }
}

impl<R: ReadAt + ?Sized> ExtentWalk<'_, '_, R> {
    /// Reads a block of the tree.
    fn descend(&mut self, pending: &PendingNode) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let location = Ext4Location::ExtentNode { inode: self.inode.number, block: pending.block };
        let offset = superblock.offset_of(pending.block);
        if !self.met.insert(pending.block) {
            let why = Defect::Again { what: "block", number: pending.block };
            return self.sink.report(Corruption { location, offset, why });
        }
        let bytes = self.file_system.block(pending.block)?;
        self.mapping.nodes.push(pending.block);
        let node = ExtentNode { bytes: &bytes, location, offset };
        if superblock.has_checksums() {
            let tail = ENTRY + ENTRY * usize::from(fields::u16(&bytes, 4));
            let stored = fields::u32(&bytes, tail);
            let seed = self.inode.seed(superblock);
            let computed = checksum::crc32c(seed, bytes.get(..tail).unwrap_or(&bytes));
            if stored != computed {
                self.sink.report(node.corruption(Defect::Checksum { stored, computed }))?;
            }
        }
        self.node(&node, pending.depth, Some(pending.first), pending.end)
    }

    /// Takes a node whose depth is known from above: an extent tree thins out by one at every step.
    fn node(
        &mut self,
        node: &ExtentNode<'_>,
        depth: u16,
        first: Option<u64>,
        end: u64,
    ) -> Result<(), Ext4ReadError> {
        let room = (node.bytes.len() / ENTRY).saturating_sub(1) as u64;
        let entries = u64::from(fields::u16(node.bytes, 2));
        let max = u64::from(fields::u16(node.bytes, 4));
        let least_max = if first.is_none() { room } else { room.saturating_sub(2) };
        let defects = [
            value("eh_magic", fields::u16(node.bytes, 0).into(), MAGIC.into()),
            value("eh_depth", fields::u16(node.bytes, 6).into(), depth.into()),
            range("eh_max", max, least_max, room),
            range("eh_entries", entries, u64::from(depth > 0 || first.is_some()), max.min(room)),
        ];
        let mut broken = false;
        for why in defects.into_iter().flatten() {
            broken = true;
            self.sink.report(node.corruption(why))?;
        }
        if broken {
            return Ok(());
        }
        let end_at = ENTRY * (1 + entries as usize);
        let body = node.bytes.get(ENTRY..end_at).unwrap_or(&[]);
        if depth == 0 { self.leaf(node, body, first, end) } else { self.index(node, body, depth, first, end) }
    }

    /// Takes the entries of a node above the leaves.
    fn index(
        &mut self,
        node: &ExtentNode<'_>,
        body: &[u8],
        depth: u16,
        first: Option<u64>,
        end: u64,
    ) -> Result<(), Ext4ReadError> {
        let keys: Vec<u64> = body.chunks_exact(ENTRY).map(|entry| fields::u32(entry, 0).into()).collect();
        self.starts(node, "ei_block", first, keys.first().copied())?;
        let mut below = Vec::new();
        let mut before = None;
        for (slot, entry) in body.chunks_exact(ENTRY).enumerate() {
            let key = u64::from(fields::u32(entry, 0));
            let block = fields::halves32(fields::u32(entry, 4), fields::u16(entry, 8).into());
            let next = keys.get(slot + 1).copied().unwrap_or(end);
            if !self.ordered(node, "ei_block", key, before, end)? {
                continue;
            }
            before = Some(key);
            if !self.file_system.holds(block, 1) {
                self.outside(node, "ei_leaf", block, 1)?;
                continue;
            }
            below.push(PendingNode { block, depth: depth - 1, first: key, end: next });
        }
        self.pending.extend(below.into_iter().rev());
        Ok(())
    }

    /// Takes the entries of a leaf.
    fn leaf(
        &mut self,
        node: &ExtentNode<'_>,
        body: &[u8],
        first: Option<u64>,
        end: u64,
    ) -> Result<(), Ext4ReadError> {
        let start = (!body.is_empty()).then(|| u64::from(fields::u32(body, 0)));
        self.starts(node, "ee_block", first, start)?;
        let mut before = self.mapping.runs.last().map(|run| run.logical + run.len - 1);
        for entry in body.chunks_exact(ENTRY) {
            let logical = u64::from(fields::u32(entry, 0));
            let stored = fields::u16(entry, 4);
            let physical = fields::halves32(fields::u32(entry, 8), fields::u16(entry, 6).into());
            let unwritten = stored > WRITTEN_MOST;
            let len = u64::from(if unwritten { stored - WRITTEN_MOST } else { stored });
            if len == 0 {
                let why = Defect::Range { field: "ee_len", found: 0, least: 1, most: u64::from(u16::MAX) };
                self.sink.report(node.corruption(why))?;
                continue;
            }
            if !self.ordered(node, "ee_block", logical, before, end.saturating_sub(len - 1))? {
                continue;
            }
            before = Some(logical + len - 1);
            if !self.file_system.holds(physical, len) {
                self.outside(node, "ee_start", physical, len)?;
                continue;
            }
            self.mapping.push(FileRun { logical, physical, len, unwritten });
        }
        Ok(())
    }

    /// The first key of a node must be the one that leads to it.
    fn starts(
        &mut self,
        node: &ExtentNode<'_>,
        field: &'static str,
        expected: Option<u64>,
        found: Option<u64>,
    ) -> Result<(), Ext4ReadError> {
        match (expected, found) {
            (Some(expected), Some(found)) if expected != found => {
                self.sink.report(node.corruption(Defect::Value { field, found, expected }))
            }
            _ => Ok(()),
        }
    }

    /// Keys rise, and end before what the node above gives to the next one.
    fn ordered(
        &mut self,
        node: &ExtentNode<'_>,
        field: &'static str,
        found: u64,
        before: Option<u64>,
        end: u64,
    ) -> Result<bool, Ext4ReadError> {
        if let Some(before) = before.filter(|before| found <= *before) {
            self.sink.report(node.corruption(Defect::Order { field, found, before }))?;
            return Ok(false);
        }
        if found >= end {
            let most = end.saturating_sub(1);
            self.sink.report(node.corruption(Defect::Range { field, found, least: 0, most }))?;
            return Ok(false);
        }
        Ok(true)
    }

    fn outside(
        &mut self,
        node: &ExtentNode<'_>,
        field: &'static str,
        found: u64,
        len: u64,
    ) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let least = u64::from(superblock.first_data_block) + 1;
        let most = superblock.blocks.saturating_sub(len);
        self.sink.report(node.corruption(Defect::Range { field, found, least, most }))
    }
}

fn value(field: &'static str, found: u64, expected: u64) -> Option<Defect> {
    (found != expected).then_some(Defect::Value { field, found, expected })
}

fn range(field: &'static str, found: u64, least: u64, most: u64) -> Option<Defect> {
    (!(least..=most).contains(&found)).then_some(Defect::Range { field, found, least, most })
}
