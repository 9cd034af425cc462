//! The small contiguous parts of nodes, which share slots with their neighbours: sorted by group, weighed, and cut into
//! clusters (see [`super::cluster`]) that have a slot each.

use super::SLOT;
use super::cluster::{self, Boundary, Weighted};
use super::identity::mix;
use super::nodes::{Nodes, Walked};
use super::slots::{self, SlotKey};
use crate::tree::NodeKind;

/// A few contiguous blocks, beside their neighbours in the walk. `W` says which part of the node they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayoutItem<W> {
    /// Index in the walk.
    pub node: u32,
    /// The part of the list that it is in.
    pub section: Section,
    /// The part of the node.
    pub what: W,
    /// Blocks, at most those of a slot.
    pub blocks: u32,
}

/// The part of the list of small items that a node's are in. Parts follow each other as they are ordered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
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
    /// The section of a node, as long as no group is known to be large.
    pub(crate) fn of(walked: &Walked<'_>) -> Self {
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
pub(crate) fn sort<W>(items: &mut [LayoutItem<W>], nodes: &Nodes<'_>) {
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
    let is_dir =
        |item: &LayoutItem<W>| matches!(nodes.walked[item.node as usize].node.kind, NodeKind::Dir(_));
    items.sort_by_key(|item| (item.section, !is_dir(item)));
}

/// Items as the clusters see them; `code` distinguishes the items of a node.
pub(crate) fn weigh<W: Copy>(
    nodes: &Nodes<'_>,
    items: &[LayoutItem<W>],
    code: impl Fn(W) -> u64,
) -> Vec<Weighted> {
    let mut last: Option<&LayoutItem<W>> = None;
    let mut weighted = Vec::with_capacity(items.len());
    for item in items {
        let before = match last.replace(item) {
            Some(last) if last.node == item.node => Boundary::Parts,
            Some(last) => item.section.boundary(last.section),
            None => Boundary::Sections,
        };
        let hash = mix(nodes.walked[item.node as usize].hash, code(item.what));
        weighted.push(Weighted { hash, before, weight: item.blocks });
    }
    weighted
}

/// Cuts the items into clusters and gives each a free slot; `put` takes every item with its first block. `None` when there
/// are too few slots.
pub(crate) fn assign<W: Copy>(
    nodes: &Nodes<'_>,
    items: &[LayoutItem<W>],
    weighted: &[Weighted],
    free: &mut [bool],
    mut put: impl FnMut(&LayoutItem<W>, u64),
) -> Option<()> {
    let clusters = cluster::cut(weighted, SLOT);
    let time = |item: &LayoutItem<W>| nodes.walked[item.node as usize].mtime.secs;
    let key = |run: &std::ops::Range<usize>| SlotKey {
        time: items[run.clone()].iter().map(time).max().unwrap_or_default(),
        identity: cluster::identity(&weighted[run.clone()]),
    };
    let keys: Vec<SlotKey> = clusters.iter().map(key).collect();
    let slots = slots::assign(free, &keys)?;
    for (run, slot) in clusters.into_iter().zip(slots) {
        let mut start = u64::from(slot) * u64::from(SLOT);
        for item in &items[run] {
            put(item, start);
            start += u64::from(item.blocks);
        }
    }
    Some(())
}

/// Takes off the front of a slice what satisfies the condition.
pub(crate) fn leading<'a, T>(rest: &mut &'a [T], own: impl Fn(&T) -> bool) -> &'a [T] {
    let count = rest.iter().take_while(|one| own(one)).count();
    let (front, back) = rest.split_at(count);
    *rest = back;
    front
}
