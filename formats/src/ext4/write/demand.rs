//! The blocks that the tree needs: ranges of blocks of every node in the order of the walk, and the blocks of an
//! extent tree takes. Knows no address.

use super::dirs::{self, DirShape};
use super::nodes::Nodes;
use crate::ext4::spec::extent::{BLOCK_ENTRIES, INLINE_ENTRIES};
use crate::ext4::spec::hash::Seed;
use crate::ext4::spec::{BLOCK_SIZE, inode};
use crate::tree::{Content, NodeKind, Segment};

/// Consecutive blocks of a node that hold data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DataRun {
    /// Index in the walk.
    pub node: u32,
    /// First block in the node.
    pub block: u32,
    /// Blocks.
    pub len: u32,
}

/// All ranges, and the shapes of directories.
#[derive(Debug)]
pub(super) struct Demand {
    /// By node, then by block.
    pub data_runs: Vec<DataRun>,
    /// Directories that are hashed, by index in the walk; all others are linear.
    pub shapes: Vec<(u32, DirShape)>,
}

impl Demand {
    /// Counts what every node wants.
    pub(super) fn new(nodes: &Nodes<'_>, seed: &Seed) -> Self {
        let mut demand = Self { data_runs: Vec::with_capacity(nodes.walked.len()), shapes: Vec::new() };
        for (at, walked) in nodes.walked.iter().enumerate() {
            let node = at as u32;
            let mut whole = |bytes: u64| {
                let len = bytes.div_ceil(BLOCK_SIZE) as u32;
                if len > 0 {
                    demand.data_runs.push(DataRun { node, block: 0, len });
                }
            };
            match &walked.node.kind {
                NodeKind::Dir(_) => {
                    let shape = dirs::shape(nodes, node, seed);
                    whole(u64::from(shape.blocks()) * BLOCK_SIZE);
                    demand.shapes.push((node, shape));
                }
                NodeKind::Symlink(target) if target.len() >= inode::I_BLOCK_SIZE => whole(BLOCK_SIZE),
                NodeKind::File(Content::Sparse { segments, .. }) => {
                    sparse(node, segments, &mut demand.data_runs);
                }
                NodeKind::File(content) => whole(content.len()),
                _ => {}
            }
        }
        demand
    }

    /// Blocks of all ranges.
    pub(super) fn blocks(&self) -> u64 {
        self.data_runs.iter().map(|data_run| u64::from(data_run.len)).sum()
    }
}

/// The blocks that segments touch.
fn sparse(node: u32, segments: &[Segment], out: &mut Vec<DataRun>) {
    let bottom = out.len();
    for segment in segments {
        let block = (segment.offset / BLOCK_SIZE) as u32;
        let end = (segment.offset + segment.len).div_ceil(BLOCK_SIZE) as u32;
        match out[bottom..].last_mut() {
            Some(last) if last.block + last.len >= block => last.len = end - last.block,
            _ => out.push(DataRun { node, block, len: end - block }),
        }
    }
}

/// Nodes of an extent tree with this number of extents outside the inode: by level, the leaves first.
pub(super) fn tree_levels(extents: usize) -> Vec<usize> {
    let mut levels = Vec::new();
    let mut entries = extents;
    while entries > INLINE_ENTRIES {
        entries = entries.div_ceil(BLOCK_ENTRIES);
        levels.push(entries);
    }
    levels
}

/// Blocks of an extent tree with this number of extents.
pub(super) fn tree_blocks(extents: usize) -> u32 {
    tree_levels(extents).iter().sum::<usize>() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SourceId;
    use crate::tree::Origin;

    #[test]
    fn segments_that_touch_a_block_are_one_range() {
        let at = |offset, len| Segment { offset, len, origin: Origin::Slice { source: SourceId(0), at: 0 } };
        let mut out = Vec::new();
        sparse(5, &[at(10, 10), at(4000, 100), at(8192, 1), at(20480, 4096)], &mut out);
        assert_eq!(out, [DataRun { node: 5, block: 0, len: 3 }, DataRun { node: 5, block: 5, len: 1 }]);
    }

    #[test]
    fn trees_deepen_with_their_extents() {
        assert_eq!((tree_blocks(4), tree_blocks(5), tree_blocks(1360)), (0, 1, 4));
        assert_eq!(tree_levels(1361), [5, 1]);
    }
}
