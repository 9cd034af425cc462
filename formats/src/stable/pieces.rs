//! Ranges of blocks cut at the slots of their node: full slots become pieces with slots of their own, the rests are items
//! of clusters (see [`super::items`]).

use super::SLOT;
use super::identity::mix;
use super::nodes::Nodes;
use super::slots::{self, SlotKey};

/// Slots of the largest contiguous piece: 2 MiB.
const PIECE: u32 = 4;

/// Consecutive blocks of a node that hold data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataRun {
    /// Index in the walk.
    pub node: u32,
    /// First block in the node.
    pub block: u32,
    /// Blocks.
    pub len: u32,
}

/// Blocks of a node at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Index in the walk.
    pub node: u32,
    /// First block in the node.
    pub block: u32,
    /// Blocks.
    pub len: u32,
    /// First block in the file system.
    pub start: u64,
}

impl Chunk {
    /// Takes in a chunk that continues this one in the node and in the file system.
    pub(crate) fn join(&mut self, next: Self) -> bool {
        let follows = self.node == next.node
            && self.block + self.len == next.block
            && self.start + u64::from(self.len) == next.start;
        self.len += if follows { next.len } else { 0 };
        follows
    }
}

/// Aligned contiguous full slots of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotPiece {
    /// Index in the walk.
    pub node: u32,
    /// First slot in the node.
    pub first: u32,
    /// Slots: 4, 2 or 1.
    pub slots: u32,
    /// What it is placed by.
    pub key: SlotKey,
}

/// Cuts every range at the slots of its node: full slots in pieces, and smaller rests.
pub(crate) fn split(nodes: &Nodes<'_>, data_runs: &[DataRun]) -> (Vec<SlotPiece>, Vec<DataRun>) {
    let (mut pieces, mut small) = (Vec::new(), Vec::with_capacity(data_runs.len()));
    for data_run in data_runs {
        let (mut at, end) = (data_run.block, data_run.block + data_run.len);
        while at < end {
            let slots = (end - at) / SLOT;
            if at % SLOT == 0 && slots > 0 {
                let first = at / SLOT;
                let slots = (1 << slots.ilog2()).min(PIECE).min(1 << first.trailing_zeros().min(31));
                let walked = &nodes.walked[data_run.node as usize];
                let key = SlotKey { time: walked.mtime.secs, identity: mix(walked.hash, u64::from(first)) };
                pieces.push(SlotPiece { node: data_run.node, first, slots, key });
                at += slots * SLOT;
            } else {
                let stop = end.min((at / SLOT + 1) * SLOT);
                small.push(DataRun { node: data_run.node, block: at, len: stop - at });
                at = stop;
            }
        }
    }
    (pieces, small)
}

/// Assigns slots to pieces, the larger first; a piece without free aligned slots is halved. The chunks are in the order in
/// which the pieces chose; `None` when there are too few slots.
pub(crate) fn assign(pieces: &[SlotPiece], free: &mut [bool]) -> Option<Vec<Chunk>> {
    let mut classes: Vec<Vec<SlotPiece>> = vec![Vec::new(); PIECE.ilog2() as usize + 1];
    for piece in pieces {
        classes[piece.slots.ilog2() as usize].push(*piece);
    }
    let mut chunks = Vec::with_capacity(pieces.len());
    for class in (0..classes.len()).rev() {
        let mut of_class = std::mem::take(&mut classes[class]);
        of_class.sort_unstable_by_key(|piece| (piece.key, piece.node, piece.first));
        for piece in of_class {
            if let Some(slot) = slots::choose(piece.key.identity, free, piece.slots) {
                free[slot as usize..(slot + piece.slots) as usize].fill(false);
                let (block, len) = (piece.first * SLOT, piece.slots * SLOT);
                chunks.push(Chunk { node: piece.node, block, len, start: u64::from(slot) * u64::from(SLOT) });
            } else {
                let slots = piece.slots / 2;
                let lower = classes[..class].last_mut()?;
                lower.push(SlotPiece { slots, ..piece });
                let key = SlotKey { identity: mix(piece.key.identity, 1), ..piece.key };
                lower.push(SlotPiece { slots, first: piece.first + slots, key, ..piece });
            }
        }
    }
    Some(chunks)
}
