//! Which blocks are used: one bitmap for each group that holds anything, and the counts that descriptors need.

use super::geometry::BlockRun;
use crate::ext4::spec::{BLOCK_SIZE, BLOCKS_PER_GROUP};

/// Block bitmaps by group.
#[derive(Debug)]
pub(super) struct BlockBitmaps {
    maps: Vec<Option<Box<[u8]>>>,
    used: Vec<u32>,
}

impl BlockBitmaps {
    /// Nothing used in any of `groups` groups.
    pub(super) fn new(groups: u32) -> Self {
        Self { maps: vec![None; groups as usize], used: vec![0; groups as usize] }
    }

    /// Marks blocks as used. No block may be marked twice; the claims on the plan see to that.
    pub(super) fn mark(&mut self, run: BlockRun) {
        let per_group = u64::from(BLOCKS_PER_GROUP);
        let (mut at, end) = (run.start, run.end());
        while at < end {
            let group = (at / per_group) as usize;
            let stop = end.min((group as u64 + 1) * per_group);
            let map = self.maps[group].get_or_insert_with(|| vec![0; BLOCK_SIZE as usize].into());
            set_bits(map, (at % per_group) as u32, (stop - at) as u32);
            self.used[group] += (stop - at) as u32;
            at = stop;
        }
    }

    /// Blocks used in a group.
    pub(super) fn used(&self, group: u32) -> u32 {
        self.used[group as usize]
    }

    /// The bitmap of a group of `len` blocks; bits past the group are set.
    pub(super) fn bitmap(&self, group: u32, len: u32) -> Vec<u8> {
        let mut map = match &self.maps[group as usize] {
            Some(map) => map.to_vec(),
            None => vec![0; BLOCK_SIZE as usize],
        };
        set_bits(&mut map, len, BLOCKS_PER_GROUP - len);
        map
    }
}

/// Sets `count` bits from bit `first` on, the least bit of a byte first.
pub(super) fn set_bits(map: &mut [u8], first: u32, count: u32) {
    let (mut bit, end) = (first as usize, (first + count) as usize);
    while bit < end && bit % 8 != 0 {
        map[bit / 8] |= 1 << (bit % 8);
        bit += 1;
    }
    let whole = end / 8;
    if bit / 8 < whole {
        map[bit / 8..whole].fill(0xff);
        bit = whole * 8;
    }
    for bit in bit..end {
        map[bit / 8] |= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_across_bytes_and_groups() {
        let mut map = [0; 4];
        set_bits(&mut map, 3, 2);
        set_bits(&mut map, 7, 12);
        assert_eq!(map, [0b1001_1000, 0xff, 0b111, 0]);
        let mut blocks = BlockBitmaps::new(3);
        blocks.mark(BlockRun { start: 32766, len: 4 });
        assert_eq!((blocks.used(0), blocks.used(1), blocks.used(2)), (2, 2, 0));
        let padded = blocks.bitmap(1, 16);
        assert_eq!(padded[..3], [0b11, 0, 0xff]);
        assert_eq!(padded[4095], 0xff);
    }
}
