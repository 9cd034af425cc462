//! Nodes and addresses into claims: superblock, inodes with what stands behind them, directories, and content.

use super::error::ErofsWriteError;
use super::layout::ErofsLayout;
use super::shapes::{ContentForm, InodeShape, Shapes};
use super::{BLOCK, ErofsOptions, dirs, xattrs};
use crate::erofs::spec::{
    EXTENDED_SIZE, MAGIC, NID_UNIT, NULL_ADDRESS, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, compat, file_type,
    incompat, kind, layout,
};
use crate::plan::{Claims, Data, Plan};
use crate::stable::SLOT;
use crate::stable::arena::Arena;
use crate::stable::content::ContentRange;
use crate::stable::items::leading;
use crate::stable::nodes::{Nodes, Walked};
use crate::stable::pieces::Chunk;
use crate::tree::NodeKind;

/// Everything that is written, with its addresses.
pub(super) struct Emitter<'a> {
    pub options: &'a ErofsOptions,
    pub nodes: &'a Nodes<'a>,
    pub shapes: &'a Shapes,
    pub layout: &'a ErofsLayout,
}

/// What the nodes are written to.
struct ErofsSink {
    claims: Claims,
    arena: Arena,
}

impl ErofsSink {
    /// Claims bytes that we make.
    fn bytes(&mut self, offset: u64, bytes: &[u8]) {
        let range = [(offset, bytes.len() as u64)];
        self.arena.write(&mut self.claims, range, bytes.len(), |out| out.copy_from_slice(bytes));
    }

    /// Claims zeros from one byte up to another.
    fn zeros(&mut self, from: u64, to: u64) {
        self.claims.claim(from, to - from, Data::Zero);
    }
}

impl Emitter<'_> {
    /// The plan of a file system of `len` bytes, `blocks` whole blocks.
    pub(super) fn plan(&self, len: u64, blocks: u32) -> Result<Plan, ErofsWriteError> {
        let mut sink = ErofsSink { claims: Claims::new(len), arena: Arena::new() };
        self.superblock(blocks, &mut sink);
        let mut data = self.layout.data.as_slice();
        for (node, walked) in (0..).zip(&self.nodes.walked) {
            let chunks = leading(&mut data, |chunk| chunk.node == node);
            self.node(node, walked, chunks, &mut sink);
        }
        self.unused(&mut sink);
        let ErofsSink { mut claims, mut arena } = sink;
        arena.seal(&mut claims);
        Ok(claims.finish(&Data::Free)?)
    }

    /// The first block.
    fn superblock(&self, blocks: u32, sink: &mut ErofsSink) {
        let chunked = self.shapes.of.iter().any(|shape| matches!(shape.form, ContentForm::Chunks { .. }));
        let mut block = vec![0; BLOCK];
        let at = SUPERBLOCK_OFFSET as usize;
        let out = &mut block[at..at + SUPERBLOCK_SIZE];
        put(out, 0, &MAGIC.to_le_bytes());
        put(out, 8, &(compat::SB_CHKSUM | compat::MTIME).to_le_bytes());
        out[12] = BLOCK.ilog2() as u8;
        put(out, 14, &(self.layout.inodes.nids[0] as u16).to_le_bytes());
        put(out, 16, &(self.nodes.walked.len() as u64).to_le_bytes());
        put(out, 24, &self.options.time.secs.to_le_bytes());
        put(out, 32, &self.options.time.nanos.to_le_bytes());
        put(out, 36, &blocks.to_le_bytes());
        put(out, 48, &self.options.uuid.to_bytes());
        put(out, 64, self.options.label.as_bytes());
        put(out, 80, &if chunked { incompat::CHUNKED_FILE } else { 0 }.to_le_bytes());
        // CRC-32C without the final inversion, over the rest of the block.
        let checksum = !crc32c::crc32c(&block[at..]);
        put(&mut block, at + 4, &checksum.to_le_bytes());
        sink.bytes(0, &block);
    }

    /// A node: its content, and its inode with all behind it.
    fn node(&self, node: u32, walked: &Walked<'_>, chunks: &[Chunk], sink: &mut ErofsSink) {
        let shape = &self.shapes.of[node as usize];
        let start = self.layout.inodes.nids[node as usize] * NID_UNIT;
        let end = start + u64::from(shape.units()) * NID_UNIT;
        let mut bytes = inode(self.layout.inodes.nids[node as usize], walked, shape, chunks);
        let ContentForm::Run { blocks, tail } = shape.form else {
            if let NodeKind::File(content) = &walked.node.kind {
                for chunk in chunks {
                    range(*chunk, chunk.len).write(content, &mut sink.claims);
                }
            }
            sink.bytes(start, &bytes);
            return sink.zeros(start + bytes.len() as u64, end);
        };
        let own = match &walked.node.kind {
            NodeKind::Dir(_) => {
                dirs::encode(self.nodes, node, &self.layout.inodes.nids, &|walked| codes(&walked.node.kind).1)
            }
            NodeKind::Symlink(target) => target.to_vec(),
            NodeKind::File(content) => {
                for chunk in chunks {
                    range(*chunk, blocks).write(content, &mut sink.claims);
                }
                let (from, at) = (u64::from(blocks) * BLOCK as u64, start + bytes.len() as u64);
                sink.bytes(start, &bytes);
                if tail > 0 {
                    let tail = ContentRange { start: from, end: from + u64::from(tail), offset: at };
                    tail.write(content, &mut sink.claims);
                }
                return sink.zeros(at + u64::from(tail), end);
            }
            _ => Vec::new(),
        };
        let (full, rest) = own.split_at(own.len() - tail as usize);
        if let Some(chunk) = chunks.first() {
            let at = chunk.start * BLOCK as u64;
            sink.bytes(at, full);
            sink.zeros(at + full.len() as u64, at + u64::from(blocks) * BLOCK as u64);
        }
        bytes.extend_from_slice(rest);
        sink.bytes(start, &bytes);
        sink.zeros(start + bytes.len() as u64, end);
    }

    /// Zeros in what no inode takes of the slots of inodes.
    fn unused(&self, sink: &mut ErofsSink) {
        for (slot, blocks) in (0..).zip(self.layout.inodes.used.chunks(SLOT as usize)) {
            if blocks.iter().all(|used| *used == 0) {
                continue;
            }
            for (block, used) in (slot * u64::from(SLOT)..).zip(blocks) {
                let mut at = 0;
                while at < u128::BITS {
                    let rest = used >> at;
                    let free = if rest == 0 { u128::BITS - at } else { rest.trailing_zeros() };
                    let from = block * BLOCK as u64 + u64::from(at) * NID_UNIT;
                    sink.zeros(from, from + u64::from(free) * NID_UNIT);
                    at += free;
                    at += if at < u128::BITS { (used >> at).trailing_ones() } else { 0 };
                }
            }
        }
    }
}

/// The bytes of a file in the first `blocks` blocks of a chunk: the layout may have given it more.
fn range(chunk: Chunk, blocks: u32) -> ContentRange {
    let start = u64::from(chunk.block) * BLOCK as u64;
    let end = start + u64::from(chunk.len.min(blocks)) * BLOCK as u64;
    ContentRange { start, end, offset: chunk.start * BLOCK as u64 }
}

/// An inode with its attributes, and the map of its chunks.
fn inode(nid: u64, walked: &Walked<'_>, shape: &InodeShape, chunks: &[Chunk]) -> Vec<u8> {
    let meta = &walked.node.meta;
    let (layout, union) = match shape.form {
        ContentForm::Chunks { bits, .. } => (layout::CHUNK, u32::from(bits)),
        ContentForm::Run { tail, .. } => {
            let layout = if tail > 0 { layout::INLINE } else { layout::PLAIN };
            (layout, address(walked, chunks))
        }
    };
    let mut out = vec![0; EXTENDED_SIZE];
    // Bit 0: an extended inode.
    put(&mut out, 0, &(1 | layout << 1).to_le_bytes());
    put(&mut out, 2, &xattrs::count(shape.xattrs.len()).to_le_bytes());
    put(&mut out, 4, &(codes(&walked.node.kind).0 | meta.mode).to_le_bytes());
    put(&mut out, 8, &shape.size.to_le_bytes());
    put(&mut out, 16, &union.to_le_bytes());
    // What a 32-bit stat shows: the low bits of the number, which does not move.
    put(&mut out, 20, &(nid as u32).to_le_bytes());
    put(&mut out, 24, &meta.uid.to_le_bytes());
    put(&mut out, 28, &meta.gid.to_le_bytes());
    put(&mut out, 32, &walked.mtime.secs.to_le_bytes());
    put(&mut out, 40, &walked.mtime.nanos.to_le_bytes());
    put(&mut out, 44, &walked.links.to_le_bytes());
    out.extend_from_slice(&shape.xattrs);
    if let ContentForm::Chunks { bits, count } = shape.form {
        let mut rest = chunks;
        for block in (0..count).map(|chunk| chunk << bits) {
            while rest.first().is_some_and(|chunk| chunk.block + chunk.len <= block) {
                rest = &rest[1..];
            }
            let here = rest.first().filter(|chunk| chunk.block <= block);
            let at = here.map_or(NULL_ADDRESS, |chunk| chunk.start as u32 + (block - chunk.block));
            out.extend_from_slice(&at.to_le_bytes());
        }
    }
    out
}

/// `i_u` of content in one run: the first block, or a device number.
fn address(walked: &Walked<'_>, chunks: &[Chunk]) -> u32 {
    match &walked.node.kind {
        // As Linux encodes them: 8 bits of the minor number, 12 of the major, the rest of the minor.
        NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
            minor & 0xff | major << 8 | (minor & !0xff) << 12
        }
        NodeKind::Fifo | NodeKind::Socket => 0,
        _ => chunks.first().map_or(NULL_ADDRESS, |chunk| chunk.start as u32),
    }
}

/// The kind of a node in `i_mode` and in directory entries.
fn codes(of: &NodeKind) -> (u16, u8) {
    match of {
        NodeKind::Dir(_) => (kind::DIR, file_type::DIR),
        NodeKind::File(_) => (kind::FILE, file_type::FILE),
        NodeKind::Symlink(_) => (kind::SYMLINK, file_type::SYMLINK),
        NodeKind::CharDevice { .. } => (kind::CHAR, file_type::CHAR),
        NodeKind::BlockDevice { .. } => (kind::BLOCK, file_type::BLOCK),
        NodeKind::Fifo => (kind::FIFO, file_type::FIFO),
        NodeKind::Socket => (kind::SOCKET, file_type::SOCKET),
    }
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    out[at..at + bytes.len()].copy_from_slice(bytes);
}
