//! Extent trees (kernel documentation: `struct ext4_extent_header` and what follows it).

use super::{BLOCK_SIZE, PutField, crc32c};

/// `eh_magic`.
pub const MAGIC: u16 = 0xf30a;

/// Entries that fit `i_block`.
pub const INLINE_ENTRIES: usize = 4;

/// Entries that fit a block.
pub const BLOCK_ENTRIES: usize = 340;

/// Blocks of the longest initialized extent.
pub const MAX_LEN: u32 = 32768;

/// Bytes of the header and of each entry.
pub const ENTRY_SIZE: usize = 12;

/// Contiguous blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext4Extent {
    /// First block in the file.
    pub block: u32,
    /// Blocks, 1 to [`MAX_LEN`].
    pub len: u32,
    /// First block in the file system.
    pub start: u64,
}

/// A child of an index node: all from file block `block` on is under the block `leaf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtentIndex {
    /// First block in the file.
    pub block: u32,
    /// Block of the file system with the next node.
    pub leaf: u64,
}

/// Writes the header of a node of `count` entries with room for `max` at `depth` above the leaves.
fn header(out: &mut [u8], count: usize, max: usize, depth: u16) {
    out.put16(0, MAGIC);
    out.put16(2, count as u16);
    out.put16(4, max as u16);
    out.put16(6, depth);
}

/// Writes a leaf node with room for `max` entries.
pub fn encode_leaf(out: &mut [u8], max: usize, extents: &[Ext4Extent]) {
    header(out, extents.len(), max, 0);
    for (extent, b) in extents.iter().zip(out[ENTRY_SIZE..].chunks_exact_mut(ENTRY_SIZE)) {
        b.put32(0, extent.block);
        b.put16(4, extent.len as u16);
        b.put16(6, (extent.start >> 32) as u16);
        b.put32(8, extent.start as u32);
    }
}

/// Writes an index node with room for `max` entries.
pub fn encode_index(out: &mut [u8], max: usize, depth: u16, indexes: &[ExtentIndex]) {
    header(out, indexes.len(), max, depth);
    for (index, b) in indexes.iter().zip(out[ENTRY_SIZE..].chunks_exact_mut(ENTRY_SIZE)) {
        b.put32(0, index.block);
        b.put32(4, index.leaf as u32);
        b.put16(8, (index.leaf >> 32) as u16);
    }
}

/// Writes the checksum of a node that is a block of its own. `inode_seed` is that of the inode.
pub fn seal_block(out: &mut [u8], inode_seed: u32) {
    let tail = ENTRY_SIZE + BLOCK_ENTRIES * ENTRY_SIZE;
    debug_assert!(out.len() as u64 == BLOCK_SIZE);
    let checksum = crc32c(inode_seed, &out[..tail]);
    out.put32(tail, checksum);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `i_block` of the journal of `mke2fs -t ext4` 1.47.0 on 600 MiB, as its superblock repeats it.
    #[test]
    fn one_extent_stands_in_the_inode_as_mke2fs_writes_it() {
        let mut out = [0; 60];
        encode_leaf(&mut out, INLINE_ENTRIES, &[Ext4Extent { block: 0, len: 4096, start: 65536 }]);
        let expected = b"\x0a\xf3\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\x01\0";
        assert_eq!(&out[..24], expected);
        assert_eq!(&out[24..], [0; 36]);
    }

    #[test]
    fn the_longest_extent_has_only_the_top_bit() {
        let mut out = [0; 60];
        encode_leaf(
            &mut out,
            INLINE_ENTRIES,
            &[Ext4Extent { block: 1, len: MAX_LEN, start: 0x2345_6789_abcd }],
        );
        assert_eq!(out[12..24], [1, 0, 0, 0, 0, 0x80, 0x45, 0x23, 0xcd, 0xab, 0x89, 0x67][..]);
    }
}
