//! Layout: the address of every block of every node. The stable way puts units where their identities decide (see
//! [`super::slots`]); where the file system is too tight for that, [`super::dense`]
//! fills every free block. Both give the same kind of answer.

use super::cluster::{self, Boundary, Weighted};
use super::demand::{DataRun, Demand, tree_blocks};
use super::geometry::{BlockRun, Ext4Geometry, SLOT, free_runs};
use super::identity::mix;
use super::nodes::{Nodes, Walked};
use super::slots::{self, SlotKey};
use super::xattrs::NodeAttributes;
use crate::tree::NodeKind;

/// Slots of the largest contiguous piece: 2 MiB.
const PIECE: u32 = 4;

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

/// Blocks of a node at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
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
    fn join(&mut self, next: Self) -> bool {
        let follows = self.node == next.node
            && self.block + self.len == next.block
            && self.start + u64::from(self.len) == next.start;
        self.len += if follows { next.len } else { 0 };
        follows
    }
}

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

/// Aligned contiguous full slots of a node.
#[derive(Debug, Clone, Copy)]
struct SlotPiece {
    node: u32,
    /// First slot in the node.
    first: u32,
    slots: u32,
    key: SlotKey,
}

/// A few contiguous blocks, beside their neighbours in the walk.
#[derive(Debug, Clone, Copy)]
struct LayoutItem {
    node: u32,
    section: Section,
    what: ItemContent,
    blocks: u32,
}

#[derive(Debug, Clone, Copy)]
enum ItemContent {
    Data { block: u32 },
    Tree { part: u32 },
    Xattr { block: u32 },
}

/// The stable way; `None` when it needs more slots than there are.
pub(super) fn stable(request: LayoutRequest<'_>, geometry: &Ext4Geometry) -> Option<Ext4Layout> {
    let (pieces, small) = split(request);
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
    let (pieces, small) = split(request);
    (slots_of(request, &pieces, &small) * 100).div_ceil(TIGHTEST)
}

/// Slots that pieces and clusters fill.
fn slots_of(request: LayoutRequest<'_>, pieces: &[SlotPiece], small: &[DataRun]) -> u64 {
    let whole = |p: &SlotPiece| Chunk { node: p.node, block: p.first * SLOT, len: p.slots * SLOT, start: 0 };
    let assigned: Vec<Chunk> = pieces.iter().map(whole).collect();
    let large: u64 = pieces.iter().map(|piece| u64::from(piece.slots)).sum();
    large + cluster::cut(&weigh(request, &items(request, &assigned, small)), SLOT).len() as u64
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

/// Cuts every range at the slots of its node: full slots in pieces, and smaller rests.
fn split(request: LayoutRequest<'_>) -> (Vec<SlotPiece>, Vec<DataRun>) {
    let (mut pieces, mut small) = (Vec::new(), Vec::with_capacity(request.demand.data_runs.len()));
    for data_run in &request.demand.data_runs {
        let (mut at, end) = (data_run.block, data_run.block + data_run.len);
        while at < end {
            let slots = (end - at) / SLOT;
            if at % SLOT == 0 && slots > 0 {
                let first = at / SLOT;
                let slots = (1 << slots.ilog2()).min(PIECE).min(1 << first.trailing_zeros().min(31));
                let walked = &request.nodes.walked[data_run.node as usize];
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

fn attempt(
    request: LayoutRequest<'_>,
    free: &mut [bool],
    pieces: &[SlotPiece],
    small: &[DataRun],
) -> Option<Ext4Layout> {
    let mut layout = Ext4Layout { xattrs: vec![0; request.attributes.blocks.len()], ..Ext4Layout::default() };
    layout.data = assign_pieces(pieces, free)?;
    layout.data.sort_unstable_by_key(|chunk| (chunk.node, chunk.block));
    let items = items(request, &layout.data, small);
    let weighted = weigh(request, &items);
    let clusters = cluster::cut(&weighted, SLOT);
    let time = |item: &LayoutItem| request.nodes.walked[item.node as usize].mtime.secs;
    let key = |run: &std::ops::Range<usize>| SlotKey {
        time: items[run.clone()].iter().map(time).max().unwrap_or_default(),
        identity: cluster::identity(&weighted[run.clone()]),
    };
    let keys: Vec<SlotKey> = clusters.iter().map(key).collect();
    let slots = slots::assign(free, &keys)?;
    for (run, slot) in clusters.into_iter().zip(slots) {
        let mut start = u64::from(slot) * u64::from(SLOT);
        for item in &items[run] {
            layout.put(item, start);
            start += u64::from(item.blocks);
        }
    }
    layout.data.sort_unstable_by_key(|chunk| (chunk.node, chunk.block));
    layout.data.dedup_by(|next, chunk| chunk.join(*next));
    // Parts of a tree are in order already.
    layout.trees.sort_by_key(|(node, _)| *node);
    Some(layout)
}

/// Assigns slots to pieces, the larger first; a piece without free aligned slots is halved.
fn assign_pieces(pieces: &[SlotPiece], free: &mut [bool]) -> Option<Vec<Chunk>> {
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

/// The part of the list of small items that a node's are in. Parts follow each other as they are ordered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    /// Directories that no group has: they hold names of many.
    Directories,
    /// A group that does not fill a slot, by its number.
    Small(u32),
    /// A larger one.
    Large(u32),
    /// Everything else.
    Others,
}

impl Section {
    fn of(walked: &Walked<'_>) -> Self {
        match (walked.group, &walked.node.kind) {
            (0, NodeKind::Dir(_)) => Self::Directories,
            (0, _) => Self::Others,
            (group, _) => Self::Small(group),
        }
    }

    /// What divides this section from the one before. Only small groups share slots.
    fn boundary(self, before: Self) -> Boundary {
        match (before, self) {
            (before, now) if before == now => Boundary::Nodes,
            (Self::Small(_), Self::Small(_)) => Boundary::Groups,
            _ => Boundary::Sections,
        }
    }
}

/// Sorts items by their sections, once it is known which groups are large.
fn sort(items: &mut [LayoutItem], nodes: &Nodes<'_>) {
    let mut blocks = vec![0; nodes.groups.len()];
    for item in items.iter() {
        if let Section::Small(group) = item.section {
            blocks[group as usize] += item.blocks;
        }
    }
    for item in items.iter_mut() {
        if let Section::Small(group) = item.section
            && blocks[group as usize] >= SLOT
        {
            item.section = Section::Large(group);
        }
    }
    // Directories of a group come first: an inode that moves changes the block of its directory.
    let is_dir = |item: &LayoutItem| matches!(nodes.walked[item.node as usize].node.kind, NodeKind::Dir(_));
    items.sort_by_key(|item| (item.section, !is_dir(item)));
}

/// All small items by section, in the order of the walk within one: of each node attributes, extent tree, then data.
fn items(request: LayoutRequest<'_>, assigned: &[Chunk], small: &[DataRun]) -> Vec<LayoutItem> {
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
    sort(&mut items, request.nodes);
    items
}

/// Takes off the front of a slice what satisfies the condition.
pub(super) fn leading<'a, T>(rest: &mut &'a [T], own: impl Fn(&T) -> bool) -> &'a [T] {
    let count = rest.iter().take_while(|one| own(one)).count();
    let (front, back) = rest.split_at(count);
    *rest = back;
    front
}

/// Small items as the clusters see them.
fn weigh(request: LayoutRequest<'_>, items: &[LayoutItem]) -> Vec<Weighted> {
    let mut last: Option<&LayoutItem> = None;
    let mut weighted = Vec::with_capacity(items.len());
    for item in items {
        let before = match last.replace(item) {
            Some(last) if last.node == item.node => Boundary::Parts,
            Some(last) => item.section.boundary(last.section),
            None => Boundary::Sections,
        };
        let hash = mix(request.nodes.walked[item.node as usize].hash, item.what.code());
        weighted.push(Weighted { hash, before, weight: item.blocks });
    }
    weighted
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
    fn put(&mut self, item: &LayoutItem, start: u64) {
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
