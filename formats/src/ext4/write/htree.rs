//! The index of a hashed directory: its root is block 0, then come the inner blocks, level by level, then the leaves.

use super::dirs::{DirWriter, Hashed};
use crate::ext4::spec::BLOCK_SIZE;
use crate::ext4::spec::dirent::{
    DX_NODE_LIMIT, DX_ROOT_LIMIT, DxEntry, Leaf, encode_dx_node, encode_dx_root,
};

/// Inner blocks of each level below the root, the lowest level last.
fn levels(leaves: usize) -> Vec<usize> {
    let mut levels = Vec::new();
    let mut below = leaves;
    while below > DX_ROOT_LIMIT {
        below = below.div_ceil(DX_NODE_LIMIT);
        levels.insert(0, below);
    }
    levels
}

/// Whether an index over this number of leaves needs the feature `large_dir`.
pub(super) fn needs_large_dir(leaves: usize) -> bool {
    levels(leaves).len() > 1
}

/// Blocks of a directory with this number of leaves.
pub(super) fn blocks(leaves: usize) -> u32 {
    (1 + levels(leaves).iter().sum::<usize>() + leaves) as u32
}

/// Writes root, inner blocks and leaves into `out`, zeros before.
pub(super) fn write(writing: &DirWriter<'_>, hashed: &Hashed, out: &mut [u8]) {
    let block = BLOCK_SIZE as usize;
    let levels = levels(hashed.leaves.len());
    let first_leaf = 1 + levels.iter().sum::<usize>();
    let (index, leaves) = out.split_at_mut(first_leaf * block);
    let children = writing.nodes.children(writing.dir);
    for (range, out) in hashed.leaves.iter().zip(leaves.chunks_exact_mut(block)) {
        let mut leaf = Leaf::new(out);
        for (_, child) in &hashed.names[range.start as usize..range.end as usize] {
            writing.push(&mut leaf, &children[*child as usize]);
        }
        leaf.finish(writing.seed);
    }
    let mut entries = leaf_entries(hashed, first_leaf);
    let mut end = first_leaf;
    for count in levels.iter().rev() {
        let first = end - count;
        let parts = spread(entries.len(), *count);
        let mut above = Vec::with_capacity(*count);
        for (at, part) in parts.enumerate() {
            let part = &entries[part];
            above.push(DxEntry { hash: part[0].hash, block: (first + at) as u32 });
            encode_dx_node(&mut index[(first + at) * block..][..block], part, writing.seed);
        }
        entries = above;
        end = first;
    }
    let (ino, parent) = writing.own();
    encode_dx_root(&mut index[..block], ino, parent, levels.len() as u8, &entries, writing.seed);
}

/// A child of the index for each leaf. A leaf that begins within names of one hash has the hash's low bit set.
fn leaf_entries(hashed: &Hashed, first_leaf: usize) -> Vec<DxEntry> {
    let hash_of = |at: u32| hashed.names[at as usize].0;
    let entry = |(at, range): (usize, &std::ops::Range<u32>)| {
        let continued = range.start > 0 && hash_of(range.start - 1) == hash_of(range.start);
        DxEntry { hash: hash_of(range.start) | u32::from(continued), block: (first_leaf + at) as u32 }
    };
    hashed.leaves.iter().enumerate().map(entry).collect()
}

/// Divides `items` into `parts` runs of nearly equal length.
fn spread(items: usize, parts: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..parts).map(move |part| items * part / parts..items * (part + 1) / parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_grow_with_the_leaves() {
        assert!(levels(507).is_empty());
        assert_eq!(levels(508), [1]);
        assert_eq!(levels(507 * 510), [507]);
        assert_eq!(levels(507 * 510 + 1), [1, 508]);
        assert!(!needs_large_dir(507 * 510) && needs_large_dir(507 * 510 + 1));
        assert_eq!(blocks(508), 510);
    }
}
