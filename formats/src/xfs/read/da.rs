//! Indexes by hash: the B-trees of directories and of attributes ("Directory/Attribute B+tree" in the specification).

use std::collections::{BTreeMap, BTreeSet};

use super::XfsFileSystem;
use super::block::{DA_SHAPE, ExpectedBlock, HeaderShape, XfsBlock};
use super::error::{XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, range, value};
use super::extents::XfsMapping;
use super::inode::XfsInode;
use super::read_exact;
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::spec::{DA_DEPTH, DA_ENTRY, DA_HEADER, DA_NODE_MAGIC};

/// A fork whose blocks are read.
#[derive(Clone, Copy)]
pub(crate) struct ForkBlocks<'f> {
    pub(crate) inode: &'f XfsInode,
    pub(crate) mapping: &'f XfsMapping,
    /// Blocks of the file system in one of the fork.
    pub(crate) step: u64,
    /// The location of a block of it.
    pub(crate) location: fn(u64, u64) -> XfsLocation,
}

impl ForkBlocks<'_> {
    pub(crate) fn place(&self, logical: u64) -> XfsLocation {
        (self.location)(self.inode.number, logical)
    }
}

/// A block of the index still to be read.
struct PendingDaNode {
    logical: u64,
    /// Its level, if known from above.
    level: Option<u16>,
    /// The greatest hash in it, if known from above.
    last_hash: Option<u32>,
}

/// The walk down an index.
struct DaWalk<'w, 'a, R: ?Sized> {
    file_system: &'w XfsFileSystem<'a, R>,
    fork: ForkBlocks<'w>,
    leaf_magic: u32,
    sink: &'w mut dyn XfsCorruptionSink,
    seen: BTreeSet<u64>,
    /// The last block of a level, and the next one that it names.
    siblings: BTreeMap<u16, (u32, u32)>,
    leaves: Vec<XfsBlock>,
    nodes: Vec<XfsBlock>,
}

/// Blocks of an index.
pub(crate) struct DaBlocks {
    /// Leaves in the order of hashes.
    pub(crate) leaves: Vec<XfsBlock>,
    /// Blocks above them.
    pub(crate) nodes: Vec<XfsBlock>,
}

impl<R: ReadAt + ?Sized> XfsFileSystem<'_, R> {
    /// Reads a block of a fork; `None` when it was reported to be missing or to be no such block.
    pub(crate) fn fork_block(
        &self,
        fork: ForkBlocks<'_>,
        logical: u64,
        (shape, magics): (HeaderShape, &[u32]),
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Option<XfsBlock>, XfsReadError> {
        let location = fork.place(logical);
        let size = self.superblock.block_size as usize;
        let mut bytes = vec![0; size * fork.step as usize];
        let mut first = None;
        for (part, step) in bytes.chunks_exact_mut(size).zip(0..) {
            let Some(linear) = fork.mapping.find(logical.saturating_add(step)) else {
                let why = XfsDefect::Missing { what: "a block that the fork should have" };
                sink.report(super::error::XfsCorruption { location, offset: fork.inode.offset, why })?;
                return Ok(None);
            };
            first = first.or(Some(linear));
            read_exact(self.image, self.superblock.offset_of(linear), part)?;
        }
        let expected = ExpectedBlock { shape, magics, owner: fork.inode.number, location };
        self.check_header(bytes, first.unwrap_or(0), &expected, sink)
    }
}

/// Reads all blocks of the index whose root is at a block of a fork.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &XfsFileSystem<'_, R>,
    fork: ForkBlocks<'_>,
    root: u64,
    leaf_magic: u32,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<DaBlocks, XfsReadError> {
    let mut walk = DaWalk {
        file_system,
        fork,
        leaf_magic,
        sink,
        seen: BTreeSet::new(),
        siblings: BTreeMap::new(),
        leaves: Vec::new(),
        nodes: Vec::new(),
    };
    let mut pending = vec![PendingDaNode { logical: root, level: None, last_hash: None }];
    while let Some(node) = pending.pop() {
        walk.block(&node, &mut pending)?;
    }
    walk.ends()?;
    Ok(DaBlocks { leaves: walk.leaves, nodes: walk.nodes })
}

impl<R: ReadAt + ?Sized> DaWalk<'_, '_, R> {
    fn block(&mut self, node: &PendingDaNode, pending: &mut Vec<PendingDaNode>) -> Result<(), XfsReadError> {
        if !self.seen.insert(node.logical) {
            let why = XfsDefect::Again { what: "a block of the index", number: node.logical };
            return self.fork.inode.report(why, self.sink);
        }
        let magics = match node.level {
            None => &[DA_NODE_MAGIC, self.leaf_magic][..],
            Some(0) => &[self.leaf_magic],
            Some(_) => &[DA_NODE_MAGIC],
        };
        let read = self.file_system.fork_block(self.fork, node.logical, (DA_SHAPE, magics), self.sink)?;
        let Some(block) = read else { return Ok(()) };
        let level = if block.magic == DA_NODE_MAGIC { fields::be16(&block.bytes, 58) } else { 0 };
        let defects = [
            node.level.and_then(|expected| value("level", level.into(), expected.into())),
            (block.magic == DA_NODE_MAGIC)
                .then(|| range("level", level.into(), 1, DA_DEPTH.into()))
                .flatten(),
        ];
        if let Some(why) = defects.into_iter().flatten().next() {
            return self.sink.report(block.corruption(why));
        }
        self.neighbours(&block, node.logical, level)?;
        if level == 0 {
            let header = if self.leaf_magic == crate::xfs::spec::ATTR_LEAF_MAGIC {
                crate::xfs::spec::ATTR_LEAF_HEADER
            } else {
                DA_HEADER
            };
            self.hashes(&block, header, node.last_hash)?;
            self.leaves.push(block);
            return Ok(());
        }
        let count = self.hashes(&block, DA_HEADER, node.last_hash)?;
        let below = (0..count).rev().map(|slot| PendingDaNode {
            logical: fields::be32(&block.bytes, DA_HEADER + slot * DA_ENTRY + 4).into(),
            level: Some(level - 1),
            last_hash: Some(fields::be32(&block.bytes, DA_HEADER + slot * DA_ENTRY)),
        });
        pending.extend(below);
        self.nodes.push(block);
        Ok(())
    }

    /// Checks that hashes do not fall, and that the last one is that in the node above; the entries that there are.
    fn hashes(&mut self, block: &XfsBlock, header: usize, last: Option<u32>) -> Result<usize, XfsReadError> {
        let room = (block.bytes.len() - header) / DA_ENTRY;
        let stored = usize::from(fields::be16(&block.bytes, 56));
        let count = stored.min(room);
        let hash = |slot: usize| fields::be32(&block.bytes, header + slot * DA_ENTRY);
        let order = (1..count).find(|&slot| hash(slot) < hash(slot - 1)).map(|slot| XfsDefect::Order {
            field: "hash",
            found: hash(slot).into(),
            before: hash(slot - 1).into(),
        });
        let above = last.filter(|_| count > 0).and_then(|last| {
            value("hash of the block in the node above", last.into(), hash(count - 1).into())
        });
        for why in
            [range("number of entries", stored as u64, 0, room as u64), order, above].into_iter().flatten()
        {
            self.sink.report(block.corruption(why))?;
        }
        Ok(count)
    }

    /// Checks that blocks of one level name each other.
    fn neighbours(&mut self, block: &XfsBlock, logical: u64, level: u16) -> Result<(), XfsReadError> {
        let (next, back) = (fields::be32(&block.bytes, 0), fields::be32(&block.bytes, 4));
        let own = logical as u32;
        let before = self.siblings.insert(level, (own, next));
        let (expected_back, named) = before.map_or((0, own), |(block, next)| (block, next));
        let defects = [
            value("back pointer", back.into(), expected_back.into()),
            value("forward pointer of the block before", named.into(), own.into()),
        ];
        for why in defects.into_iter().flatten() {
            self.sink.report(block.corruption(why))?;
        }
        Ok(())
    }

    /// Checks that the last block of each level names no further one.
    fn ends(&mut self) -> Result<(), XfsReadError> {
        for (last, next) in std::mem::take(&mut self.siblings).into_values() {
            if let Some(why) = value("forward pointer of the last block", next.into(), 0) {
                let location = self.fork.place(last.into());
                let offset = self.fork.inode.offset;
                self.sink.report(super::error::XfsCorruption { location, offset, why })?;
            }
        }
        Ok(())
    }
}
