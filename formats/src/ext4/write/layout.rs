//! Layout: the address of every block of every node. The stable way puts units where their identities decide (see
//! [`crate::stable::slots`]); where the file system is too tight for that, [`super::dense`]
//! fills every free block. Both give the same kind of answer.

use super::demand::{Demand, tree_blocks};
use super::geometry::{BlockRun, Ext4Geometry, free_runs};
use super::xattrs::NodeAttributes;
use crate::stable::cluster::{self, Weighted};
use crate::stable::items::{self, LayoutItem, Section, leading};
use crate::stable::nodes::Nodes;
use crate::stable::pieces::{self, Chunk, DataRun, SlotPiece};
use crate::stable::{SLOT, slots};

/// Least number of contiguous blocks of a file's tail, and of an extent tree.
const ITEM: u32 = cluster::WINDOW / 2;

/// Most parts that clusters cut a range of less than a slot into: runs are cut at least [`SLOT`] less [`ITEM`] blocks
/// apart, but for one cut between two sections.
const PARTS: u32 = 4;

/// Slots in use among those of the range, in hundredths, where the file system has room for it: free slots cost
/// nothing and spare what is displaced.
const LOAD: u64 = 20;

/// The same at the least length.
const TIGHTEST: u64 = 97;

/// Addresses of everything that is not at a fixed address.
#[derive(Debug, Default)]
pub(super) struct Ext4Layout {
    /// Data, by node and block.
    pub data: Vec<Chunk>,
    /// Blocks reserved for extent trees, by node; some may be unused.
    pub trees: Vec<(u32, BlockRun)>,
    /// Addresses of the attribute blocks.
    pub xattrs: Vec<u64>,
}

/// The nodes to lay out, and the options.
#[derive(Clone, Copy)]
pub(super) struct LayoutRequest<'a> {
    /// All nodes.
    pub nodes: &'a Nodes<'a>,
    /// Their data.
    pub demand: &'a Demand,
    /// Their attribute blocks.
    pub attributes: &'a NodeAttributes,
}

#[derive(Debug, Clone, Copy)]
enum ItemContent {
    Data { block: u32 },
    Tree { part: u32 },
    Xattr { block: u32 },
}

/// The stable way; `None` when it needs more slots than there are.
pub(super) fn stable(request: LayoutRequest<'_>, geometry: &Ext4Geometry) -> Option<Ext4Layout> {
    let (pieces, small) = pieces::split(request.nodes, &request.demand.data_runs);
    let need = slots_of(request, &pieces, &small);
    let free = free_slots(geometry);
    if (free.iter().filter(|free| **free).count() as u64) < need {
        return None;
    }
    let all = free.len();
    let mut range = range_for(&free, slots::rounded(need * 100 / LOAD));
    loop {
        if let Some(layout) = attempt(request, &mut free[..range].to_vec(), &pieces, &small) {
            return Some(layout);
        }
        if range >= all {
            return None;
        }
        range = all.min(range + range / 50 + 1);
    }
}

/// Slots that the stable way should have, its slack included.
pub(super) fn stable_need(request: LayoutRequest<'_>) -> u64 {
    let (pieces, small) = pieces::split(request.nodes, &request.demand.data_runs);
    (slots_of(request, &pieces, &small) * 100).div_ceil(TIGHTEST)
}

/// Slots that pieces and clusters fill.
fn slots_of(request: LayoutRequest<'_>, pieces: &[SlotPiece], small: &[DataRun]) -> u64 {
    let whole = |p: &SlotPiece| Chunk { node: p.node, block: p.first * SLOT, len: p.slots * SLOT, start: 0 };
    let assigned: Vec<Chunk> = pieces.iter().map(whole).collect();
    let large: u64 = pieces.iter().map(|piece| u64::from(piece.slots)).sum();
    large + cluster::cut(&weigh(request, &small_items(request, &assigned, small)), SLOT).len() as u64
}

/// Which slots of the file system are wholly free.
pub(super) fn free_slots(geometry: &Ext4Geometry) -> Vec<bool> {
    let slot = u64::from(SLOT);
    let mut free = vec![false; (geometry.blocks / slot) as usize];
    for run in free_runs(&geometry.taken, 0, geometry.blocks) {
        let (first, end) = (run.start.div_ceil(slot) as usize, (run.end() / slot) as usize);
        if first < end {
            free[first..end].fill(true);
        }
    }
    free
}

/// The least range from the front with this number of free slots, or all.
fn range_for(free: &[bool], need: u64) -> usize {
    let mut found = 0;
    let enough = free.iter().position(|free| {
        found += u64::from(*free);
        found >= need
    });
    enough.map_or(free.len(), |last| last + 1)
}

fn attempt(
    request: LayoutRequest<'_>,
    free: &mut [bool],
    pieces: &[SlotPiece],
    small: &[DataRun],
) -> Option<Ext4Layout> {
    let mut layout = Ext4Layout { xattrs: vec![0; request.attributes.blocks.len()], ..Ext4Layout::default() };
    layout.data = pieces::assign(pieces, free)?;
    layout.data.sort_unstable_by_key(|chunk| (chunk.node, chunk.block));
    let items = small_items(request, &layout.data, small);
    let weighted = weigh(request, &items);
    items::assign(request.nodes, &items, &weighted, free, |item, start| layout.put(item, start))?;
    layout.data.sort_unstable_by_key(|chunk| (chunk.node, chunk.block));
    layout.data.dedup_by(|next, chunk| chunk.join(*next));
    // Parts of a tree are in order already.
    layout.trees.sort_by_key(|(node, _)| *node);
    Some(layout)
}

/// All small items by section, in the order of the walk within one: of each node attributes, extent tree, then data.
fn small_items(
    request: LayoutRequest<'_>,
    assigned: &[Chunk],
    small: &[DataRun],
) -> Vec<LayoutItem<ItemContent>> {
    let mut items = Vec::with_capacity(small.len() + request.attributes.blocks.len());
    let mut xattrs = request.attributes.blocks.iter().enumerate().peekable();
    let (mut assigned, mut small) = (assigned, small);
    for (node, walked) in (0..).zip(&request.nodes.walked) {
        let section = Section::of(walked);
        let item = |what, blocks| LayoutItem { node, section, what, blocks };
        while let Some((block, _)) = xattrs.next_if(|(_, block)| block.first == node) {
            items.push(item(ItemContent::Xattr { block: block as u32 }, 1));
        }
        let own_small = leading(&mut small, |data_run| data_run.node == node);
        let own_assigned = leading(&mut assigned, |chunk| chunk.node == node);
        let parts: u32 = own_small.iter().map(|data_run| data_run.len.div_ceil(ITEM).min(PARTS)).sum();
        let mut tree = tree_blocks(parts as usize + own_assigned.len());
        for part in 0..tree.div_ceil(ITEM) {
            items.push(item(ItemContent::Tree { part }, tree.min(ITEM)));
            tree -= tree.min(ITEM);
        }
        for data_run in own_small {
            let end = data_run.block + data_run.len;
            let part = |block: u32| item(ItemContent::Data { block }, ITEM.min(end - block));
            items.extend((data_run.block..end).step_by(ITEM as usize).map(part));
        }
    }
    items::sort(&mut items, request.nodes);
    items
}

/// Small items as the clusters see them.
fn weigh(request: LayoutRequest<'_>, small: &[LayoutItem<ItemContent>]) -> Vec<Weighted> {
    items::weigh(request.nodes, small, ItemContent::code)
}

impl ItemContent {
    /// Distinguishes the items of a node.
    fn code(self) -> u64 {
        match self {
            Self::Data { block } => 0x1_0000_0000 | u64::from(block),
            Self::Tree { part } => 0x2_0000_0000 | u64::from(part),
            Self::Xattr { .. } => 0x3_0000_0000,
        }
    }
}

impl Ext4Layout {
    fn put(&mut self, item: &LayoutItem<ItemContent>, start: u64) {
        match item.what {
            ItemContent::Data { block } => {
                self.data.push(Chunk { node: item.node, block, len: item.blocks, start });
            }
            ItemContent::Tree { .. } => {
                self.trees.push((item.node, BlockRun { start, len: u64::from(item.blocks) }));
            }
            ItemContent::Xattr { block } => self.xattrs[block as usize] = start,
        }
    }
}
