//! Extent trees: addresses of a node's blocks joined to extents, and the nodes of the tree over them.

use super::demand::tree_levels;
use super::geometry::BlockRun;
use crate::ext4::spec::BLOCK_SIZE;
use crate::ext4::spec::extent::{
    BLOCK_ENTRIES, Ext4Extent, ExtentIndex, INLINE_ENTRIES, MAX_LEN, encode_index, encode_leaf, seal_block,
};
use crate::ext4::spec::inode::I_BLOCK_SIZE;
use crate::stable::pieces::Chunk;

/// Joins chunks that continue each other and cuts at the longest extent.
pub(super) fn join(chunks: impl IntoIterator<Item = Chunk>) -> Vec<Ext4Extent> {
    let mut out: Vec<Ext4Extent> = Vec::new();
    for mut chunk in chunks {
        if let Some(last) = out.last_mut() {
            let follows =
                last.block + last.len == chunk.block && last.start + u64::from(last.len) == chunk.start;
            if follows {
                let more = chunk.len.min(MAX_LEN - last.len);
                last.len += more;
                chunk.block += more;
                chunk.start += u64::from(more);
                chunk.len -= more;
            }
        }
        while chunk.len > 0 {
            let len = chunk.len.min(MAX_LEN);
            out.push(Ext4Extent { block: chunk.block, len, start: chunk.start });
            chunk.block += len;
            chunk.start += u64::from(len);
            chunk.len -= len;
        }
    }
    out
}

/// A tree, ready to be written.
#[derive(Debug)]
pub(super) struct ExtentTree {
    /// The node in the inode.
    pub i_block: [u8; I_BLOCK_SIZE],
    /// Nodes outside it: address and bytes.
    pub nodes: Vec<(u64, Vec<u8>)>,
}

/// Builds the tree. `blocks` are reserved for its nodes; the first are used, as many as it needs.
pub(super) fn tree(extents: &[Ext4Extent], blocks: &[BlockRun], seed: u32) -> ExtentTree {
    let mut tree = ExtentTree { i_block: [0; I_BLOCK_SIZE], nodes: Vec::new() };
    let levels = tree_levels(extents.len());
    if levels.is_empty() {
        encode_leaf(&mut tree.i_block, INLINE_ENTRIES, extents);
        return tree;
    }
    let mut addresses = blocks.iter().flat_map(|run| run.start..run.end());
    let mut add = |first: u32, fill: &dyn Fn(&mut [u8])| {
        let mut out = vec![0; BLOCK_SIZE as usize];
        fill(&mut out);
        seal_block(&mut out, seed);
        // There are as many as the planner counted, by the same function.
        let leaf = addresses.next().unwrap_or_default();
        tree.nodes.push((leaf, out));
        ExtentIndex { block: first, leaf }
    };
    let mut below: Vec<ExtentIndex> = extents
        .chunks(BLOCK_ENTRIES)
        .map(|part| add(part[0].block, &|out| encode_leaf(out, BLOCK_ENTRIES, part)))
        .collect();
    for depth in 1..levels.len() as u16 {
        below = below
            .chunks(BLOCK_ENTRIES)
            .map(|part| add(part[0].block, &|out| encode_index(out, BLOCK_ENTRIES, depth, part)))
            .collect();
    }
    encode_index(&mut tree.i_block, INLINE_ENTRIES, levels.len() as u16, &below);
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_join_up_to_the_longest_extent() {
        let chunk = |block, len, start| Chunk { node: 0, block, len, start };
        let joined = join([chunk(0, 30000, 100), chunk(30000, 10000, 30100), chunk(40000, 1, 9)]);
        let expected = [(0, 32768, 100), (32768, 7232, 32868), (40000, 1, 9)];
        assert_eq!(joined.iter().map(|e| (e.block, e.len, e.start)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_deep_tree_hangs_together() {
        let extents: Vec<Ext4Extent> =
            (0..2000).map(|i| Ext4Extent { block: i * 2, len: 1, start: 1000 + u64::from(i) * 2 }).collect();
        let tree = tree(&extents, &[BlockRun { start: 50, len: 7 }], 1);
        // Six leaves and one index node over them, which is in the inode.
        assert_eq!(tree.nodes.len(), 7);
        assert_eq!(tree.nodes[6].0, 56);
        assert_eq!(tree.i_block[..8], *b"\x0a\xf3\x01\0\x04\0\x02\0");
        assert_eq!(tree.i_block[16..20], 56u32.to_le_bytes());
        assert_eq!(tree.nodes[6].1[..8], *b"\x0a\xf3\x06\0\x54\x01\x01\0");
    }
}
