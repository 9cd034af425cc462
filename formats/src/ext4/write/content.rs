//! Nodes into claims: data, directory blocks, attribute blocks, extent trees and inodes of the tree.

use super::bitmaps::BlockBitmaps;
use super::demand::Demand;
use super::dirs::DirWriter;
use super::extents::{self, ExtentTree};
use super::geometry::BlockRun;
use super::layout::Ext4Layout;
use super::nodes::codes;
use super::tables::Tables;
use super::xattrs::NodeAttributes;
use crate::ext4::spec::dirent::LEAF_SPACE;
use crate::ext4::spec::inode::{
    EXTENTS_FL, I_BLOCK_SIZE, INDEX_FL, Inode, encode_device, encode_time, inode_seed,
};
use crate::ext4::spec::{BLOCK_SIZE, LINK_MAX, xattr};
use crate::plan::{Claims, Data};
use crate::stable::arena::Arena;
use crate::stable::content::ContentRange;
use crate::stable::items::leading;
use crate::stable::nodes::{Nodes, Walked};
use crate::stable::pieces::Chunk;
use crate::tree::{Content, NodeKind};

/// What is written, and where it all goes.
pub(super) struct PlacedTree<'a> {
    /// All nodes.
    pub nodes: &'a Nodes<'a>,
    /// Their data.
    pub demand: &'a Demand,
    /// Their attributes.
    pub attributes: &'a NodeAttributes,
    /// Addresses.
    pub layout: &'a Ext4Layout,
    /// Inode numbers.
    pub inos: &'a [u32],
    /// Seed of checksums.
    pub seed: u32,
}

/// What the nodes are written to.
pub(super) struct Sink {
    /// The plan to be.
    pub claims: Claims,
    /// Blocks used.
    pub map: BlockBitmaps,
    /// Inodes.
    pub tables: Tables,
    /// Our own bytes.
    pub arena: Arena,
    /// Room to make a directory in.
    pub scratch: Vec<u8>,
}

impl Sink {
    /// Blocks of our own, one after the other at the runs, written by `fill`.
    fn blocks(&mut self, runs: &[BlockRun], fill: impl FnOnce(&mut [u8])) {
        let len: u64 = runs.iter().map(|run| run.len).sum::<u64>() * BLOCK_SIZE;
        let ranges = runs.iter().map(|run| (run.start * BLOCK_SIZE, run.len * BLOCK_SIZE));
        self.arena.write(&mut self.claims, ranges, len as usize, fill);
        for run in runs {
            self.map.mark(*run);
        }
    }

    /// Blocks of a directory, as [`Sink::blocks`]; what is zero between the last entry and the checksum of a block is
    /// claimed and takes no memory: most directories are small, and fresh memory is the dearest part of a plan.
    fn directory(&mut self, runs: &[BlockRun], fill: impl FnOnce(&mut [u8])) {
        let blocks: u64 = runs.iter().map(|run| run.len).sum();
        self.scratch.clear();
        self.scratch.resize((blocks * BLOCK_SIZE) as usize, 0);
        fill(&mut self.scratch);
        let ranges = runs.iter().flat_map(|run| run.start..run.end());
        for (block, bytes) in ranges.zip(self.scratch.chunks_exact(BLOCK_SIZE as usize)) {
            let (entries, tail) = bytes.split_at(LEAF_SPACE);
            let used = used(entries);
            let (start, after) = (block * BLOCK_SIZE, block * BLOCK_SIZE + LEAF_SPACE as u64);
            let ranges = [(start, used as u64), (after, tail.len() as u64)];
            self.arena.write(&mut self.claims, ranges, used + tail.len(), |out| {
                out[..used].copy_from_slice(&entries[..used]);
                out[used..].copy_from_slice(tail);
            });
            self.claims.claim(start + used as u64, (LEAF_SPACE - used) as u64, Data::Zero);
        }
        for run in runs {
            self.map.mark(*run);
        }
    }
}

/// Bytes up to the zeros at the end, in steps of 64.
fn used(bytes: &[u8]) -> usize {
    let zeros = bytes.rchunks(64).take_while(|chunk| chunk.iter().all(|byte| *byte == 0));
    bytes.len() - zeros.map(<[u8]>::len).sum::<usize>()
}

impl PlacedTree<'_> {
    /// Writes all nodes.
    pub(super) fn write(&self, sink: &mut Sink) {
        for (block, at) in self.attributes.blocks.iter().zip(&self.layout.xattrs) {
            let sorted: Vec<&xattr::Attribute> = block.attributes.iter().collect();
            let bytes = xattr::encode_block(&sorted, block.refcount, self.seed, *at);
            sink.blocks(&[BlockRun { start: *at, len: 1 }], |out| out.copy_from_slice(&bytes));
        }
        let (mut data, mut trees) = (self.layout.data.as_slice(), self.layout.trees.as_slice());
        let mut shapes = self.demand.shapes.iter().peekable();
        for (at, walked) in self.nodes.walked.iter().enumerate() {
            let node = at as u32;
            let chunks = leading(&mut data, |chunk| chunk.node == node);
            let tree: Vec<BlockRun> =
                leading(&mut trees, |(of, _)| *of == node).iter().map(|(_, run)| *run).collect();
            let shape = shapes.next_if(|(of, _)| *of == node).map(|(_, shape)| shape);
            let hashed = matches!(shape, Some(super::dirs::DirShape::Hashed(_)));
            self.content(node, walked, shape, chunks, sink);
            self.inode(node, walked, hashed, chunks, &tree, sink);
        }
    }

    /// Claims the data of a node.
    fn content(
        &self,
        node: u32,
        walked: &Walked<'_>,
        shape: Option<&super::dirs::DirShape>,
        chunks: &[Chunk],
        sink: &mut Sink,
    ) {
        let runs = || chunks.iter().map(|chunk| BlockRun { start: chunk.start, len: u64::from(chunk.len) });
        match &walked.node.kind {
            NodeKind::File(content) => {
                for chunk in chunks {
                    file(content, *chunk, &mut sink.claims);
                }
                runs().for_each(|run| sink.map.mark(run));
            }
            NodeKind::Symlink(target) if !chunks.is_empty() => {
                sink.blocks(&runs().collect::<Vec<_>>(), |out| out[..target.len()].copy_from_slice(target));
            }
            NodeKind::Dir(_) => {
                let Some(shape) = shape else { return };
                let seed = inode_seed(self.seed, self.inos[node as usize]);
                let writing = DirWriter { nodes: self.nodes, inos: self.inos, dir: node, seed };
                sink.directory(&runs().collect::<Vec<_>>(), |out| writing.write(shape, out));
                sink.tables.count_dir(self.inos[node as usize]);
            }
            _ => {}
        }
    }

    /// Writes the inode of a node and what hangs from it.
    fn inode(
        &self,
        node: u32,
        walked: &Walked<'_>,
        hashed: bool,
        chunks: &[Chunk],
        kept: &[BlockRun],
        sink: &mut Sink,
    ) {
        let (ino, meta) = (self.inos[node as usize], &walked.node.meta);
        let data: u64 = chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
        let tree = self.block_field(walked, ino, chunks, kept);
        for (at, bytes) in &tree.nodes {
            sink.blocks(&[BlockRun { start: *at, len: 1 }], |out| out.copy_from_slice(bytes));
        }
        let attributes = self.attributes.of.get(&node);
        let file_acl = attributes.and_then(|a| a.block).map_or(0, |block| self.layout.xattrs[block as usize]);
        let (kind, _) = codes(&walked.node.kind);
        let (size, extents) = match &walked.node.kind {
            NodeKind::File(content) => (content.len(), true),
            NodeKind::Symlink(target) => (target.len() as u64, !chunks.is_empty()),
            NodeKind::Dir(_) => (data * BLOCK_SIZE, true),
            _ => (0, false),
        };
        let links = if walked.links > LINK_MAX { 1 } else { walked.links as u16 };
        let inode = Inode {
            mode: kind | meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            size,
            // The walk has refused what does not encode.
            time: encode_time(walked.mtime).unwrap_or_default(),
            links_count: links,
            blocks: (data + tree.nodes.len() as u64 + u64::from(file_acl != 0)) * (BLOCK_SIZE / 512),
            flags: if extents { EXTENTS_FL } else { 0 } | if hashed { INDEX_FL } else { 0 },
            block: tree.i_block,
            file_acl,
            xattrs: attributes.map_or(&[], |a| &a.inline),
        };
        if let Some(out) = sink.tables.inode(ino) {
            inode.encode(self.seed, ino, out);
        }
    }

    /// The content of `i_block`: an extent tree, a short target, or a device number.
    fn block_field(&self, walked: &Walked<'_>, ino: u32, chunks: &[Chunk], kept: &[BlockRun]) -> ExtentTree {
        let mut plain = ExtentTree { i_block: [0; I_BLOCK_SIZE], nodes: Vec::new() };
        match &walked.node.kind {
            NodeKind::Symlink(target) if chunks.is_empty() => {
                plain.i_block[..target.len()].copy_from_slice(target);
            }
            NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
                plain.i_block = encode_device(*major, *minor);
            }
            NodeKind::Fifo | NodeKind::Socket => {}
            NodeKind::File(_) | NodeKind::Dir(_) | NodeKind::Symlink(_) => {
                let extents = extents::join(chunks.iter().copied());
                return extents::tree(&extents, kept, inode_seed(self.seed, ino));
            }
        }
        plain
    }
}

/// Claims the part of a file's content in a chunk; ranges without bytes are zero.
fn file(content: &Content, chunk: Chunk, claims: &mut Claims) {
    let start = u64::from(chunk.block) * BLOCK_SIZE;
    let end = start + u64::from(chunk.len) * BLOCK_SIZE;
    ContentRange { start, end, offset: chunk.start * BLOCK_SIZE }.write(content, claims);
}
