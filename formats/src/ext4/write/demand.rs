//! The blocks that the tree needs: ranges of blocks of every node in the order of the walk, and the blocks of an
//! extent tree takes. Knows no address.

use super::dirs::{self, DirShape};
use crate::ext4::spec::extent::{BLOCK_ENTRIES, INLINE_ENTRIES};
use crate::ext4::spec::hash::Seed;
use crate::ext4::spec::{BLOCK_SIZE, inode};
use crate::stable::content::touched;
use crate::stable::nodes::Nodes;
use crate::stable::pieces::DataRun;
use crate::tree::{Content, NodeKind};

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
                    let runs = touched(segments, BLOCK_SIZE).into_iter();
                    demand.data_runs.extend(runs.map(|(block, len)| DataRun { node, block, len }));
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

    #[test]
    fn trees_deepen_with_their_extents() {
        assert_eq!((tree_blocks(4), tree_blocks(5), tree_blocks(1360)), (0, 1, 4));
        assert_eq!(tree_levels(1361), [5, 1]);
    }
}
