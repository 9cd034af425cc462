//! Directories: the number of blocks of each, the entries of each block, and the bytes. Names of a directory that
//! needs more than one block are sorted by hash and divided into leaves; [`super::htree`] numbers the index above them.

use std::ops::Range;

use super::htree;
use super::nodes::codes;
use crate::ext4::spec::BLOCK_SIZE;
use crate::ext4::spec::dirent::{LEAF_SPACE, Leaf, entry_size};
use crate::ext4::spec::hash::{Seed, half_md4};
use crate::stable::identity::mix;
use crate::stable::nodes::{Child, Nodes};

/// Blocks of `lost+found`, so that a repair need not allocate any.
const LOST_FOUND_BLOCKS: u32 = 4;

/// A leaf is closed at the end of its space or, from here on, before the name of the least hash.
const WINDOW: usize = LEAF_SPACE * 5 / 8;

/// How a directory is written.
#[derive(Debug)]
pub(super) enum DirShape {
    /// Entries in sequence from the first of that number of blocks.
    Linear {
        /// Blocks.
        blocks: u32,
    },
    /// A hash tree.
    Hashed(Box<Hashed>),
}

/// Names by hash, divided into leaves.
#[derive(Debug)]
pub(super) struct Hashed {
    /// Hash and index of each child.
    pub names: Vec<(u32, u32)>,
    /// The leaves: ranges of `names`.
    pub leaves: Vec<Range<u32>>,
}

impl DirShape {
    /// Blocks of the directory.
    pub(super) fn blocks(&self) -> u32 {
        match self {
            Self::Linear { blocks } => *blocks,
            Self::Hashed(hashed) => htree::blocks(hashed.leaves.len()),
        }
    }
}

/// Shapes one directory.
pub(super) fn shape(nodes: &Nodes<'_>, dir: u32, seed: &Seed) -> DirShape {
    let children = nodes.children(dir);
    let size: usize = children.iter().map(|child| entry_size(child.name.len())).sum();
    if size + 2 * entry_size(1) <= LEAF_SPACE {
        return DirShape::Linear { blocks: if dir == nodes.implied { LOST_FOUND_BLOCKS } else { 1 } };
    }
    let mut names: Vec<(u32, u32, u32)> = Vec::with_capacity(children.len());
    for (at, child) in children.iter().enumerate() {
        let (major, minor) = half_md4(child.name, seed);
        names.push((major, minor, at as u32));
    }
    names.sort_unstable();
    let names: Vec<(u32, u32)> = names.into_iter().map(|(major, _, at)| (major, at)).collect();
    let leaves = leaves(&names, children);
    DirShape::Hashed(Box::new(Hashed { names, leaves }))
}

/// Divides names into leaves at boundaries that depend on the names around them only.
fn leaves(names: &[(u32, u32)], children: &[Child<'_>]) -> Vec<Range<u32>> {
    let mut leaves = Vec::new();
    let mut first = 0;
    while first < names.len() {
        let (mut size, mut at) = (0, first);
        let mut best: Option<(u64, usize)> = None;
        while at < names.len() {
            size += entry_size(children[names[at].1 as usize].name.len());
            if size > LEAF_SPACE {
                break;
            }
            at += 1;
            // Names of one hash stay in one leaf where they can.
            if size >= WINDOW && at < names.len() && names[at].0 != names[at - 1].0 {
                let strength = mix(u64::from(names[at].0), 0);
                if best.is_none_or(|(least, _)| strength < least) {
                    best = Some((strength, at));
                }
            }
        }
        let end = if at == names.len() { at } else { best.map_or(at, |(_, at)| at) };
        leaves.push(first as u32..end as u32);
        first = end;
    }
    leaves
}

/// What the blocks of a directory need to be written.
pub(super) struct DirWriter<'a> {
    /// All nodes.
    pub nodes: &'a Nodes<'a>,
    /// Inode numbers by index in the walk.
    pub inos: &'a [u32],
    /// The directory.
    pub dir: u32,
    /// Seed of its checksums.
    pub seed: u32,
}

impl DirWriter<'_> {
    /// Writes all blocks of the directory into `out`, zeros before.
    pub(super) fn write(&self, shape: &DirShape, out: &mut [u8]) {
        match shape {
            DirShape::Linear { .. } => self.linear(out),
            DirShape::Hashed(hashed) => htree::write(self, hashed, out),
        }
    }

    /// The inode of the directory and of the one above.
    pub(super) fn own(&self) -> (u32, u32) {
        let parent = self.nodes.walked[self.dir as usize].parent;
        (self.inos[self.dir as usize], self.inos[parent as usize])
    }

    fn linear(&self, out: &mut [u8]) {
        let (ino, parent) = self.own();
        let (first, rest) = out.split_at_mut(BLOCK_SIZE as usize);
        let mut leaf = Leaf::new(first);
        leaf.push(ino, crate::ext4::spec::dirent::file_type::DIR, b".");
        leaf.push(parent, crate::ext4::spec::dirent::file_type::DIR, b"..");
        for child in self.nodes.children(self.dir) {
            self.push(&mut leaf, child);
        }
        leaf.finish(self.seed);
        for block in rest.chunks_exact_mut(BLOCK_SIZE as usize) {
            Leaf::new(block).finish(self.seed);
        }
    }

    /// Adds a child's entry.
    pub(super) fn push(&self, leaf: &mut Leaf<'_>, child: &Child<'_>) {
        let node = self.nodes.walked[child.walked as usize].node;
        leaf.push(self.inos[child.walked as usize], codes(&node.kind).1, child.name);
    }
}
