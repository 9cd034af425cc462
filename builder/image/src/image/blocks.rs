//! The blocks of an image: what each holds, the aggregates that EBS checks, and the Merkle root.
//!
//! A short last block counts as EBS stores it: filled up with zeros to the length of a block.

use amiforge_formats::digest::{BLOCK, Digest};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a block of zeros.
const ZERO: Digest = Digest([
    0x07, 0x85, 0x4d, 0x2f, 0xef, 0x29, 0x7a, 0x06, 0xba, 0x81, 0x68, 0x5e, 0x66, 0x0c, 0x33, 0x2d, 0xe3,
    0x6d, 0x5d, 0x18, 0xd5, 0x46, 0x92, 0x7d, 0x30, 0xda, 0xad, 0x6d, 0x7f, 0xda, 0x15, 0x41,
]);

/// What a block of 512 KiB holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Bytes with this SHA-256.
    Data(Digest),
    /// Nothing but zeros, and they must read back as zeros.
    Zero,
    /// Unallocated space: it is not read before it is written. In a file it reads as zeros.
    Free,
}

impl Block {
    /// A block that has been hashed and is not free.
    pub fn hashed(digest: Digest) -> Self {
        if digest == ZERO { Self::Zero } else { Self::Data(digest) }
    }

    /// SHA-256 of the block as a file holds it.
    pub fn digest(self) -> Digest {
        match self {
            Self::Data(digest) => digest,
            Self::Zero | Self::Free => ZERO,
        }
    }
}

/// Neighbouring blocks that hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSpan {
    /// What each of them holds.
    pub block: Block,
    /// How many they are, not zero; always 1 for [`Block::Data`].
    pub count: u64,
}

/// The digest that EBS checks when a snapshot is completed, and the number of blocks that it is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregate {
    /// Blocks written.
    pub blocks: u64,
    /// SHA-256 over the raw digests of the blocks written, in their order.
    pub sha256: Digest,
}

/// Every block of an image, in order; neighbouring zero and free blocks are kept as runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockMap {
    runs: Vec<BlockSpan>,
    count: u64,
}

impl BlockMap {
    /// Appends blocks.
    pub fn push(&mut self, block: Block, count: u64) {
        self.count += count;
        match self.runs.last_mut() {
            Some(last) if last.block == block && !matches!(block, Block::Data(_)) => last.count += count,
            _ if matches!(block, Block::Data(_)) => {
                self.runs.extend((0..count).map(|_| BlockSpan { block, count: 1 }));
            }
            _ if count > 0 => self.runs.push(BlockSpan { block, count }),
            _ => {}
        }
    }

    /// Number of blocks.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The runs, in order.
    pub fn runs(&self) -> &[BlockSpan] {
        &self.runs
    }

    /// The blocks one by one, in order.
    pub fn iter(&self) -> impl Iterator<Item = Block> + '_ {
        self.runs.iter().flat_map(|run| (0..run.count).map(|_| run.block))
    }

    /// Blocks needed for `len` bytes.
    pub fn count_for(len: u64) -> u64 {
        len.div_ceil(BLOCK)
    }

    /// The aggregate when every block but the free ones is written: right on any volume, encrypted or not.
    pub fn without_free(&self) -> Aggregate {
        self.aggregate(|block| block != Block::Free)
    }

    /// The aggregate when only blocks with data are written: right only where a block that was never written
    /// reads as zeros, which an encrypted volume does not promise.
    pub fn without_zero(&self) -> Aggregate {
        self.aggregate(|block| matches!(block, Block::Data(_)))
    }

    fn aggregate(&self, written: impl Fn(Block) -> bool) -> Aggregate {
        let mut sha256 = Sha256::new();
        let mut blocks = 0;
        for block in self.iter().filter(|block| written(*block)) {
            sha256.update(block.digest().0);
            blocks += 1;
        }
        Aggregate { blocks, sha256: Digest(sha256.finalize().into()) }
    }

    /// The Merkle root over all blocks as the file holds them (RFC 9162, 2.1.1): a leaf is
    /// SHA-256(0x00 ‖ digest of the block), a node SHA-256(0x01 ‖ left ‖ right), the left side of a node being the
    /// largest complete tree that leaves something for the right.
    pub fn merkle_root(&self) -> Digest {
        let mut tops: Vec<(u32, [u8; 32])> = Vec::new();
        for block in self.iter() {
            let mut top = (0, node(&[&[0], &block.digest().0]));
            while let Some((_, left)) = tops.pop_if(|(height, _)| *height == top.0) {
                top = (top.0 + 1, node(&[&[1], &left, &top.1]));
            }
            tops.push(top);
        }
        let root =
            tops.into_iter().map(|(_, hash)| hash).rev().reduce(|right, left| node(&[&[1], &left, &right]));
        Digest(root.unwrap_or_else(|| node(&[])))
    }
}

/// SHA-256 over parts, one after another.
fn node(parts: &[&[u8]]) -> [u8; 32] {
    let mut sha256 = Sha256::new();
    for part in parts {
        sha256.update(part);
    }
    sha256.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(count: u8) -> Vec<Digest> {
        (0..count).map(|seed| Digest::of(&[seed])).collect()
    }

    /// RFC 9162's definition, word for word: MTH(D[n]) by recursion.
    fn definition(leaves: &[Digest]) -> [u8; 32] {
        match leaves {
            [] => node(&[]),
            [one] => node(&[&[0], &one.0]),
            more => {
                let split = more.len().next_power_of_two() / 2;
                node(&[&[1], &definition(&more[..split]), &definition(&more[split..])])
            }
        }
    }

    #[test]
    fn the_digest_of_a_zero_block_is_that_of_512_kib_of_zeros() {
        assert_eq!(Digest::of(&vec![0; BLOCK as usize]), ZERO);
        assert_eq!(Block::hashed(ZERO), Block::Zero);
        assert_eq!(Block::Free.digest(), ZERO);
    }

    #[test]
    fn the_merkle_root_is_that_of_rfc_9162_for_any_number_of_blocks() {
        for count in 0..70 {
            let leaves = digests(count);
            let mut map = BlockMap::default();
            for digest in &leaves {
                map.push(Block::Data(*digest), 1);
            }
            assert_eq!(map.merkle_root().0, definition(&leaves), "{count} blocks");
        }
    }

    #[test]
    fn runs_merge_and_aggregates_skip_what_is_not_written() {
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        let mut map = BlockMap::default();
        for (block, count) in
            [(Block::Data(a), 1), (Block::Free, 2), (Block::Free, 3), (Block::Zero, 1), (Block::Data(b), 1)]
        {
            map.push(block, count);
        }
        assert_eq!((map.len(), map.runs().len(), map.iter().count()), (8, 4, 8));
        assert_eq!(map.without_zero(), Aggregate { blocks: 2, sha256: Digest(node(&[&a.0, &b.0])) });
        assert_eq!(map.without_free(), Aggregate { blocks: 3, sha256: Digest(node(&[&a.0, &ZERO.0, &b.0])) });
    }

    #[test]
    fn the_aggregate_is_the_one_that_ebs_accepts() {
        let raw = |hex: &str| hex.parse::<Digest>().unwrap();
        // One block and its aggregate as the service accepted them, base64 turned to hex.
        let block = raw("4226f4c0b65208fc7102c9e86759aa193c186147f106f8dc1dbb8450e3b035dc");
        let mut map = BlockMap::default();
        map.push(Block::Data(block), 1);
        let accepted = raw("866ef872a9143e9708f6e6b4d4f35254dd8f2d3cd000030fb1809b7877cb217e");
        assert_eq!(map.without_free().sha256, accepted);
    }
}
