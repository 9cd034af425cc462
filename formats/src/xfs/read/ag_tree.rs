//! The B-trees of an allocation group: free space, inodes, owners and shared blocks.

use std::collections::BTreeMap;

use super::XfsFileSystem;
use super::ag::AgRoot;
use super::block::{AG_TREE_SHAPE, ExpectedBlock, XfsBlock};
use super::claims::XfsClaims;
use super::error::{
    XfsCorruption, XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, XfsTreeKind, range, value,
};
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::spec::{AG_TREE_DEPTH, AG_TREE_HEADER, NONE32};

/// The sizes of a kind of tree.
#[derive(Debug, Clone, Copy)]
struct TreeShape {
    magic: u32,
    /// Bytes of a record.
    record: usize,
    /// Bytes of the keys of an entry of a node: two where intervals overlap.
    keys: usize,
}

impl XfsTreeKind {
    fn shape(self) -> TreeShape {
        match self {
            Self::FreeByBlock => TreeShape { magic: 0x4142_3342, record: 8, keys: 8 },
            // By length and then by block: the order is that of the halves exchanged.
            Self::FreeByLength => TreeShape { magic: 0x4142_3343, record: 8, keys: 8 },
            Self::Inodes => TreeShape { magic: 0x4941_4233, record: 16, keys: 4 },
            Self::FreeInodes => TreeShape { magic: 0x4649_4233, record: 16, keys: 4 },
            Self::Owners => TreeShape { magic: 0x524d_4233, record: 24, keys: 40 },
            Self::Shared => TreeShape { magic: 0x5233_4643, record: 12, keys: 4 },
        }
    }

    /// The number by which records and keys are ordered.
    fn order(self, bytes: &[u8]) -> u64 {
        match self {
            Self::FreeByLength => u64::from(fields::be32(bytes, 4)) << 32 | u64::from(fields::be32(bytes, 0)),
            _ => fields::be32(bytes, 0).into(),
        }
    }

    /// Whether two records may have the same number.
    fn may_repeat(self) -> bool {
        self == Self::Owners
    }
}

/// A tree that was read.
#[derive(Debug, Default)]
pub(crate) struct AgTree {
    /// Records in order, one after the other.
    records: Vec<u8>,
    record: usize,
    /// Blocks within the group.
    pub(crate) blocks: Vec<u32>,
}

impl AgTree {
    /// The records.
    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.records.chunks_exact(self.record.max(1))
    }
}

/// A block still to be read.
struct PendingAgNode {
    block: u32,
    level: u32,
    /// The number of its first record, if known from above.
    first: Option<u64>,
}

/// The walk down a tree.
struct AgTreeWalk<'w, 'a, R: ?Sized> {
    system: &'w XfsFileSystem<'a, R>,
    kind: XfsTreeKind,
    group: u32,
    claims: &'w mut XfsClaims,
    sink: &'w mut dyn XfsCorruptionSink,
    tree: AgTree,
    last: Option<u64>,
    /// The last block of a level, and the next one that it names.
    siblings: BTreeMap<u32, (u32, u32)>,
}

/// Reads a tree of a group.
pub(crate) fn read<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    (kind, group): (XfsTreeKind, u32),
    root: AgRoot,
    claims: &mut XfsClaims,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<AgTree, XfsReadError> {
    let tree = AgTree { record: kind.shape().record, ..AgTree::default() };
    let mut walk =
        AgTreeWalk { system, kind, group, claims, sink, tree, last: None, siblings: BTreeMap::new() };
    if let Some(why) = range("levels of the tree", root.levels.into(), 1, AG_TREE_DEPTH.into()) {
        walk.report(root.block, why)?;
        return Ok(walk.tree);
    }
    let mut pending = vec![PendingAgNode { block: root.block, level: root.levels - 1, first: None }];
    while let Some(node) = pending.pop() {
        walk.node(&node, &mut pending)?;
    }
    for (block, next) in std::mem::take(&mut walk.siblings).into_values() {
        if let Some(why) = value("bb_rightsib of the last block", next.into(), NONE32.into()) {
            walk.report(block, why)?;
        }
    }
    Ok(walk.tree)
}

impl<R: ReadAt + ?Sized> AgTreeWalk<'_, '_, R> {
    fn place(&self, block: u32) -> (XfsLocation, u64, u64) {
        let superblock = &self.system.superblock;
        let linear = superblock.first_block(self.group) + u64::from(block);
        let location = XfsLocation::Tree { tree: self.kind, group: self.group, block };
        (location, linear, superblock.offset_of(linear))
    }

    fn report(&mut self, block: u32, why: XfsDefect) -> Result<(), XfsReadError> {
        let (location, _, offset) = self.place(block);
        self.sink.report(XfsCorruption { location, offset, why })
    }

    fn node(&mut self, node: &PendingAgNode, pending: &mut Vec<PendingAgNode>) -> Result<(), XfsReadError> {
        let most = u64::from(self.system.superblock.group_len(self.group)) - 1;
        if let Some(why) = range("block of the tree", node.block.into(), 1, most) {
            return self.report(node.block, why);
        }
        let (location, linear, _) = self.place(node.block);
        if let Some(why) = self.claims.take(linear, 1, location) {
            return self.report(node.block, why);
        }
        let shape = self.kind.shape();
        let magics = [shape.magic];
        let expected =
            ExpectedBlock { shape: AG_TREE_SHAPE, magics: &magics, owner: self.group.into(), location };
        let Some(block) = self.system.checked_block(linear, &expected, self.sink)? else { return Ok(()) };
        self.tree.blocks.push(node.block);
        let area = block.bytes.get(AG_TREE_HEADER..).unwrap_or(&[]);
        let size = if node.level == 0 { shape.record } else { shape.keys + 4 };
        let room = area.len() / size;
        let count = usize::from(fields::be16(&block.bytes, 6));
        self.header(&block, node, (count, room))?;
        let count = count.min(room);
        if node.level == 0 {
            return self.leaf(&block, area.get(..count * size).unwrap_or(&[]), node.first);
        }
        let below = (0..count).rev().map(|slot| PendingAgNode {
            block: fields::be32(area, room * shape.keys + slot * 4),
            level: node.level - 1,
            first: area.get(slot * shape.keys..).map(|key| self.kind.order(key)),
        });
        pending.extend(below);
        Ok(())
    }

    /// Checks level, count and neighbours.
    fn header(
        &mut self,
        block: &XfsBlock,
        node: &PendingAgNode,
        (count, room): (usize, usize),
    ) -> Result<(), XfsReadError> {
        let (left, right) = (fields::be32(&block.bytes, 8), fields::be32(&block.bytes, 12));
        let before = self.siblings.insert(node.level, (node.block, right));
        let (expected_left, named) = before.map_or((NONE32, node.block), |(left, right)| (left, right));
        // Only the root of a tree without records is empty.
        let least = u64::from(node.first.is_some() || node.level > 0);
        let defects = [
            value("bb_level", fields::be16(&block.bytes, 4).into(), node.level.into()),
            range("bb_numrecs", count as u64, least, room as u64),
            value("bb_leftsib", left.into(), expected_left.into()),
            value("bb_rightsib of the block before", named.into(), node.block.into()),
        ];
        for why in defects.into_iter().flatten() {
            self.sink.report(block.corruption(why))?;
        }
        Ok(())
    }

    /// Takes records, in order.
    fn leaf(&mut self, block: &XfsBlock, records: &[u8], first: Option<u64>) -> Result<(), XfsReadError> {
        for (record, slot) in records.chunks_exact(self.kind.shape().record).zip(0_usize..) {
            let found = self.kind.order(record);
            let above = first.filter(|_| slot == 0).and_then(|first| value("first key", found, first));
            let falls = self.last.filter(|last| found < *last || found == *last && !self.kind.may_repeat());
            let order = falls.map(|before| XfsDefect::Order { field: "key", found, before });
            for why in [above, order].into_iter().flatten() {
                self.sink.report(block.corruption(why))?;
            }
            self.last = Some(found);
            self.tree.records.extend_from_slice(record);
        }
        Ok(())
    }
}

/// The level of a block of a tree, and its bytes up to the last record where it is a leaf.
pub(crate) fn used_bytes(kind: XfsTreeKind, bytes: &[u8]) -> (u16, usize) {
    let records = usize::from(fields::be16(bytes, 6)).saturating_mul(kind.shape().record);
    (fields::be16(bytes, 4), records.saturating_add(AG_TREE_HEADER).min(bytes.len()))
}
