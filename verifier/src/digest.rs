//! SHA-256, and the Merkle tree of RFC 9162.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub(crate) type Sha = [u8; 32];

/// The SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Sha {
    Sha256::digest(bytes).into()
}

/// The SHA-256 of several pieces in a row.
pub(crate) fn sha256_of(pieces: &[&[u8]]) -> Sha {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    hash.finalize().into()
}

/// The Merkle tree hash of RFC 9162, 2.1.1, built leaf by leaf: a leaf is hashed behind a zero byte, a node behind a one.
#[derive(Debug, Default)]
pub(crate) struct MerkleTree {
    /// Roots of complete subtrees with the logarithm of their leaves, the largest first.
    peaks: Vec<(u32, Sha)>,
}

impl MerkleTree {
    /// Adds a leaf.
    pub(crate) fn push(&mut self, leaf: &Sha) {
        let mut node = sha256_of(&[&[0], leaf]);
        let mut height = 0;
        while self.peaks.last().is_some_and(|peak| peak.0 == height) {
            if let Some((_, left)) = self.peaks.pop() {
                node = sha256_of(&[&[1], &left, &node]);
            }
            height = height.saturating_add(1);
        }
        self.peaks.push((height, node));
    }

    /// The root; that of no leaves is the hash of nothing.
    pub(crate) fn root(&self) -> Sha {
        let mut peaks = self.peaks.iter().rev().map(|(_, node)| *node);
        let Some(last) = peaks.next() else { return sha256(&[]) };
        peaks.fold(last, |right, left| sha256_of(&[&[1], &left, &right]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;

    #[test]
    fn a_tree_of_any_size_is_split_at_the_largest_power_of_two() {
        fn by_definition(leaves: &[Sha]) -> Sha {
            match leaves {
                [] => sha256(&[]),
                [leaf] => sha256_of(&[&[0], leaf]),
                _ => {
                    let split = leaves.len().next_power_of_two() / 2;
                    let (left, right) = leaves.split_at(split);
                    sha256_of(&[&[1], &by_definition(left), &by_definition(right)])
                }
            }
        }
        let leaves: Vec<Sha> = (0..40_u8).map(|byte| sha256(&[byte])).collect();
        for count in 0..leaves.len() {
            let mut tree = MerkleTree::default();
            leaves[..count].iter().for_each(|leaf| tree.push(leaf));
            assert_eq!(hex(&tree.root()), hex(&by_definition(&leaves[..count])), "{count}");
        }
    }
}
