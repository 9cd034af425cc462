//! Layout: the address of every block of every node. The stable way puts units where their identities say (see
//! [`super::place`]); when the file system is too tight for that, the dense way fills every free block in the order of
//! the walk. Both give the same kind of answer.

use super::WriteError;
use super::cluster::{self, Weighted};
use super::demand::{Demand, Stretch, tree_blocks};
use super::geometry::{Geometry, Run, SLOT, free_runs};
use super::identity::mix;
use super::nodes::Nodes;
use super::place::{self, Room, Unit};
use super::xattrs::Attributes;
use crate::ext4::spec::BLOCK_SIZE;
use crate::ext4::spec::extent::MAX_LEN;

/// Slots of the largest piece that is kept together: 8 MiB.
const PIECE: u32 = 16;

/// Blocks of an extent tree that are kept together.
const TREE_ITEM: u32 = 64;

/// Hundredths of a slot that clusters fill on average, and of the slots that are in use.
const FILL: (u64, u64) = (96, 97);

/// Blocks of a node at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Place in the walk.
    pub node: u32,
    /// First block in the node.
    pub block: u32,
    /// Blocks.
    pub len: u32,
    /// First block in the file system.
    pub start: u64,
}

/// Addresses of everything that is not at a fixed place.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Data, by node and block.
    pub data: Vec<Chunk>,
    /// Blocks kept for extent trees, by node; some may turn out not to be needed.
    pub trees: Vec<(u32, Run)>,
    /// Addresses of the attribute blocks.
    pub xattrs: Vec<u64>,
}

/// What is to be laid out.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// All nodes.
    pub nodes: &'a Nodes<'a>,
    /// Their data.
    pub demand: &'a Demand,
    /// Their attribute blocks.
    pub attributes: &'a Attributes,
}

/// Aligned full slots of a node that stand together.
#[derive(Debug, Clone, Copy)]
struct Piece {
    node: u32,
    /// First slot in the node.
    first: u32,
    slots: u32,
    key: u64,
}

/// A few blocks that stand together, beside their neighbours in the walk.
#[derive(Debug, Clone, Copy)]
struct Item {
    node: u32,
    what: What,
    blocks: u32,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Data { block: u32 },
    Tree { part: u32 },
    Xattr { block: u32 },
}

/// The stable way; `None` when it needs more room than there is.
pub(super) fn stable(wanted: Wanted<'_>, geometry: &Geometry) -> Option<Layout> {
    let (pieces, small) = split(wanted);
    let need = slack(&pieces, &small, wanted.attributes.blocks.len());
    let all = (geometry.blocks / u64::from(SLOT)) as u32;
    let mut range = range_for(geometry, need).unwrap_or(all);
    loop {
        if let Some(layout) = attempt(wanted, geometry, range, &pieces, &small) {
            return Some(layout);
        }
        if range >= all {
            return None;
        }
        range = all.min(range + range / 50 + 1);
    }
}

/// Blocks of slots that the stable way should have, its slack included.
pub(super) fn stable_need(wanted: Wanted<'_>) -> u64 {
    let (pieces, small) = split(wanted);
    slack(&pieces, &small, wanted.attributes.blocks.len())
}

fn slack(pieces: &[Piece], small: &[Stretch], xattrs: usize) -> u64 {
    let large: u64 = pieces.iter().map(|piece| u64::from(piece.slots * SLOT)).sum();
    let small: u64 = small.iter().map(|stretch| u64::from(stretch.len)).sum();
    let clustered = ((small + xattrs as u64) * 100).div_ceil(FILL.0);
    ((large + clustered) * 100).div_ceil(FILL.1)
}

/// The least range of slots with so many free blocks, tiny rests not counted; `None` when there are fewer.
pub(super) fn range_for(geometry: &Geometry, need: u64) -> Option<u32> {
    let mut found = 0;
    if need == 0 {
        return Some(1);
    }
    for run in free_runs(&geometry.taken, 0, geometry.blocks / u64::from(SLOT) * u64::from(SLOT)) {
        if found + run.len >= need {
            return Some((run.start + need - found).div_ceil(u64::from(SLOT)) as u32);
        }
        found += run.len;
    }
    None
}

/// Cuts every stretch at the slots of its node: full slots in pieces, and what is less.
fn split(wanted: Wanted<'_>) -> (Vec<Piece>, Vec<Stretch>) {
    let (mut pieces, mut small) = (Vec::new(), Vec::with_capacity(wanted.demand.stretches.len()));
    for stretch in &wanted.demand.stretches {
        let (mut at, end) = (stretch.block, stretch.block + stretch.len);
        while at < end {
            let slots = (end - at) / SLOT;
            if at % SLOT == 0 && slots > 0 {
                let first = at / SLOT;
                let slots = (1 << slots.ilog2()).min(PIECE).min(1 << first.trailing_zeros().min(31));
                let key = mix(wanted.nodes.walked[stretch.node as usize].hash, u64::from(first));
                pieces.push(Piece { node: stretch.node, first, slots, key });
                at += slots * SLOT;
            } else {
                let stop = end.min((at / SLOT + 1) * SLOT);
                small.push(Stretch { node: stretch.node, block: at, len: stop - at });
                at = stop;
            }
        }
    }
    (pieces, small)
}

fn attempt(
    wanted: Wanted<'_>,
    geometry: &Geometry,
    range: u32,
    pieces: &[Piece],
    small: &[Stretch],
) -> Option<Layout> {
    let mut rooms = rooms(geometry, range);
    let mut layout = Layout { xattrs: vec![0; wanted.attributes.blocks.len()], ..Layout::default() };
    layout.data = place_pieces(pieces, &mut rooms)?;
    layout.data.sort_unstable_by_key(|chunk| (chunk.node, chunk.block));
    let items = items(wanted, &layout.data, small);
    let weigh = |item: &Item| Weighted { hash: strength(wanted, item), weight: item.blocks };
    let weighted: Vec<Weighted> = items.iter().map(weigh).collect();
    let clusters = cluster::cut(&weighted, SLOT);
    let units = clusters.iter().enumerate().map(|(index, run)| {
        let size = weighted[run.clone()].iter().map(|item| item.weight).sum::<u32>() as u16;
        Unit { key: weighted[run.start].hash, size, index: index as u32 }
    });
    let spots = place::place(&mut rooms, units.collect())?;
    for (run, spot) in clusters.into_iter().zip(spots) {
        let mut start = u64::from(spot.slot) * u64::from(SLOT) + u64::from(spot.at);
        for item in &items[run] {
            layout.put(item, start);
            start += u64::from(item.blocks);
        }
    }
    layout.data.sort_unstable_by_key(|chunk| (chunk.node, chunk.block));
    Some(layout)
}

/// The largest free room of each slot of the range.
fn rooms(geometry: &Geometry, range: u32) -> Vec<Room> {
    let mut rooms = vec![Room::default(); range as usize];
    let slot = u64::from(SLOT);
    for run in free_runs(&geometry.taken, 0, u64::from(range) * slot) {
        let mut at = run.start;
        while at < run.end() {
            let stop = run.end().min((at / slot + 1) * slot);
            let room = &mut rooms[(at / slot) as usize];
            let start = (at % slot) as u16;
            let new = Room { start, end: start + (stop - at) as u16 };
            if new.left() > room.left() {
                *room = new;
            }
            at = stop;
        }
    }
    rooms
}

/// Places pieces, the larger first; one that finds no aligned place is halved.
fn place_pieces(pieces: &[Piece], rooms: &mut [Room]) -> Option<Vec<Chunk>> {
    let full = Room { start: 0, end: SLOT as u16 };
    let mut classes: Vec<Vec<Piece>> = vec![Vec::new(); PIECE.ilog2() as usize + 1];
    for piece in pieces {
        classes[piece.slots.ilog2() as usize].push(*piece);
    }
    let mut chunks = Vec::with_capacity(pieces.len());
    for class in (0..classes.len()).rev() {
        let mut of_class = std::mem::take(&mut classes[class]);
        of_class.sort_unstable_by_key(|piece| (piece.key, piece.node, piece.first));
        for piece in of_class {
            let good =
                |slot: u32| rooms[slot as usize..(slot + piece.slots) as usize].iter().all(|r| *r == full);
            if let Some(slot) = place::choose(piece.key, rooms.len() as u32, piece.slots, good) {
                rooms[slot as usize..(slot + piece.slots) as usize]
                    .fill(Room { start: full.end, end: full.end });
                let (block, len) = (piece.first * SLOT, piece.slots * SLOT);
                chunks.push(Chunk { node: piece.node, block, len, start: u64::from(slot) * u64::from(SLOT) });
            } else {
                let slots = piece.slots / 2;
                let lower = classes[..class].last_mut()?;
                lower.push(Piece { slots, ..piece });
                lower.push(Piece { slots, first: piece.first + slots, key: mix(piece.key, 1), ..piece });
            }
        }
    }
    Some(chunks)
}

/// All small items in the order of the walk: of each node attributes, extent tree, then data.
fn items(wanted: Wanted<'_>, placed: &[Chunk], small: &[Stretch]) -> Vec<Item> {
    let mut items = Vec::with_capacity(small.len() + wanted.attributes.blocks.len());
    let mut xattrs = wanted.attributes.blocks.iter().enumerate().peekable();
    let (mut placed, mut small) = (placed, small);
    for node in 0..wanted.nodes.walked.len() as u32 {
        while let Some((block, _)) = xattrs.next_if(|(_, block)| block.first == node) {
            items.push(Item { node, what: What::Xattr { block: block as u32 }, blocks: 1 });
        }
        let own_small = leading(&mut small, |stretch| stretch.node == node);
        let own_placed = leading(&mut placed, |chunk| chunk.node == node);
        let mut tree = tree_blocks(own_small.len() + own_placed.len());
        for part in 0..tree.div_ceil(TREE_ITEM) {
            items.push(Item { node, what: What::Tree { part }, blocks: tree.min(TREE_ITEM) });
            tree -= tree.min(TREE_ITEM);
        }
        let data = |s: &Stretch| Item { node, what: What::Data { block: s.block }, blocks: s.len };
        items.extend(own_small.iter().map(data));
    }
    items
}

/// Takes off the front of a slice what satisfies the condition.
pub(super) fn leading<'a, T>(rest: &mut &'a [T], own: impl Fn(&T) -> bool) -> &'a [T] {
    let count = rest.iter().take_while(|one| own(one)).count();
    let (front, back) = rest.split_at(count);
    *rest = back;
    front
}

/// How strongly the list is cut before an item: at the first item of a node rather than within it.
fn strength(wanted: Wanted<'_>, item: &Item) -> u64 {
    let hash = wanted.nodes.walked[item.node as usize].hash;
    match item.what {
        What::Data { block } => mix(hash, 0x1_0000_0000 | u64::from(block)),
        What::Tree { part } => mix(hash, 0x2_0000_0000 | u64::from(part)),
        What::Xattr { .. } => mix(hash, 0x3_0000_0000),
    }
}

impl Layout {
    fn put(&mut self, item: &Item, start: u64) {
        match item.what {
            What::Data { block } => self.data.push(Chunk { node: item.node, block, len: item.blocks, start }),
            What::Tree { .. } => self.trees.push((item.node, Run { start, len: u64::from(item.blocks) })),
            What::Xattr { block } => self.xattrs[block as usize] = start,
        }
    }
}

/// The dense way: every free block from the front, in the order of the walk.
pub(super) fn dense(wanted: Wanted<'_>, geometry: &Geometry) -> Result<Layout, WriteError> {
    let mut free = Free {
        runs: free_runs(&geometry.taken, 0, geometry.blocks),
        left: Run { start: 0, len: 0 },
        missing: 0,
    };
    let mut layout = Layout::default();
    let mut xattrs = wanted.attributes.blocks.iter().peekable();
    let mut rest = wanted.demand.stretches.as_slice();
    for node in 0..wanted.nodes.walked.len() as u32 {
        while xattrs.next_if(|block| block.first == node).is_some() {
            layout.xattrs.push(free.take(1).start);
        }
        let first = layout.data.len();
        for stretch in leading(&mut rest, |stretch| stretch.node == node) {
            let (mut block, end) = (stretch.block, stretch.block + stretch.len);
            while block < end {
                let run = free.take((end - block).min(MAX_LEN));
                let len = run.len as u32;
                layout.data.push(Chunk { node, block, len, start: run.start });
                block += len;
            }
        }
        let mut tree = tree_blocks(layout.data.len() - first);
        while tree > 0 {
            let run = free.take(tree);
            layout.trees.push((node, run));
            tree -= run.len as u32;
        }
    }
    if free.missing > 0 {
        let available = geometry.blocks * BLOCK_SIZE;
        return Err(WriteError::NoSpace { needed: available + free.missing * BLOCK_SIZE, available });
    }
    Ok(layout)
}

/// Free blocks, front to back; past the end it only counts.
struct Free<I> {
    runs: I,
    left: Run,
    missing: u64,
}

impl<I: Iterator<Item = Run>> Free<I> {
    /// Up to `most` blocks, at least one.
    fn take(&mut self, most: u32) -> Run {
        if self.left.len == 0 {
            let Some(run) = self.runs.next() else {
                self.missing += u64::from(most);
                return Run { start: 0, len: u64::from(most) };
            };
            self.left = run;
        }
        let run = Run { start: self.left.start, len: self.left.len.min(u64::from(most)) };
        self.left = Run { start: run.end(), len: self.left.len - run.len };
        run
    }
}
