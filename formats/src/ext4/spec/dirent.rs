//! Directory blocks: linear entries and hash trees (kernel documentation: Directory Entries), with checksum tails.

use super::{BLOCK_SIZE, PutField, crc32c};

/// Bytes of a block that entries may fill; the checksum's tail follows.
pub const LEAF_SPACE: usize = BLOCK_SIZE as usize - TAIL_SIZE;

/// Bytes of the tail: an entry of no inode, of type [`TAIL_FILE_TYPE`].
pub const TAIL_SIZE: usize = 12;

/// `det_reserved_ft`.
pub const TAIL_FILE_TYPE: u8 = 0xde;

/// Where the counts and entries of a hash tree's root begin.
pub const DX_ROOT_OFFSET: usize = 32;

/// Where the counts and entries of a hash tree's inner block begin.
pub const DX_NODE_OFFSET: usize = 8;

/// Entries of the root, the count itself being the first.
pub const DX_ROOT_LIMIT: usize = 507;

/// Entries of an inner block.
pub const DX_NODE_LIMIT: usize = 510;

/// `file_type` of an entry.
pub mod file_type {
    /// Regular file.
    pub const FILE: u8 = 1;
    /// Directory.
    pub const DIR: u8 = 2;
    /// Character device.
    pub const CHAR: u8 = 3;
    /// Block device.
    pub const BLOCK: u8 = 4;
    /// Named pipe.
    pub const FIFO: u8 = 5;
    /// Socket.
    pub const SOCKET: u8 = 6;
    /// Symbolic link.
    pub const SYMLINK: u8 = 7;
}

/// Bytes that an entry of this name takes.
pub fn entry_size(name_len: usize) -> usize {
    8 + name_len.next_multiple_of(4)
}

/// Writes entries one behind the other into a block of zeros.
#[derive(Debug)]
pub struct Leaf<'a> {
    block: &'a mut [u8],
    last: usize,
    at: usize,
}

impl<'a> Leaf<'a> {
    /// Begins the block.
    pub fn new(block: &'a mut [u8]) -> Self {
        Self { block, last: 0, at: 0 }
    }

    /// Adds an entry; the caller has counted that it fits.
    pub fn push(&mut self, ino: u32, file_type: u8, name: &[u8]) {
        let size = entry_size(name.len());
        let b = &mut self.block[self.at..self.at + size];
        b.put32(0, ino);
        b.put16(4, size as u16);
        b[6] = name.len() as u8;
        b[7] = file_type;
        b[8..8 + name.len()].copy_from_slice(name);
        self.last = self.at;
        self.at += size;
    }

    /// Lets the last entry reach to the tail and writes the tail. A block without entries gets one of no inode.
    pub fn finish(self, inode_seed: u32) {
        self.block.put16(self.last + 4, (LEAF_SPACE - self.last) as u16);
        let checksum = crc32c(inode_seed, &self.block[..LEAF_SPACE]);
        let tail = &mut self.block[LEAF_SPACE..];
        tail.put16(4, TAIL_SIZE as u16);
        tail[7] = TAIL_FILE_TYPE;
        tail.put32(8, checksum);
    }
}

/// A child of a hash tree's block: names of this hash and above are in the block `block` of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DxEntry {
    /// Least hash; not stored for the first child.
    pub hash: u32,
    /// Block of the directory.
    pub block: u32,
}

/// Writes a hash tree's root, block 0 of directory `ino`, into a block of zeros.
pub fn encode_dx_root(block: &mut [u8], ino: u32, parent: u32, levels: u8, entries: &[DxEntry], seed: u32) {
    block.put32(0, ino);
    block.put16(4, 12);
    block[6..10].copy_from_slice(&[1, file_type::DIR, b'.', 0]);
    block.put32(12, parent);
    block.put16(16, BLOCK_SIZE as u16 - 12);
    block[18..22].copy_from_slice(&[2, file_type::DIR, b'.', b'.']);
    block[28..31].copy_from_slice(&[super::superblock::HASH_HALF_MD4, 8, levels]); // hash_version, info_length
    encode_dx_entries(block, DX_ROOT_OFFSET, DX_ROOT_LIMIT, entries, seed);
}

/// Writes an inner block of a hash tree into a block of zeros.
pub fn encode_dx_node(block: &mut [u8], entries: &[DxEntry], seed: u32) {
    block.put16(4, BLOCK_SIZE as u16);
    encode_dx_entries(block, DX_NODE_OFFSET, DX_NODE_LIMIT, entries, seed);
}

/// Writes limit, count, entries and the tail, whose checksum covers only the entries in use.
fn encode_dx_entries(block: &mut [u8], offset: usize, limit: usize, entries: &[DxEntry], seed: u32) {
    for (i, entry) in entries.iter().enumerate() {
        block.put32(offset + 8 * i, entry.hash);
        block.put32(offset + 8 * i + 4, entry.block);
    }
    block.put16(offset, limit as u16);
    block.put16(offset + 2, entries.len() as u16);
    let used = crc32c(seed, &block[..offset + 8 * entries.len()]);
    let tail = offset + 8 * limit;
    let checksum = crc32c(crc32c(used, &block[tail..tail + 4]), &[0; 4]);
    block.put32(tail + 4, checksum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entry_reaches_to_the_tail() {
        let mut block = vec![0; 4096];
        let mut leaf = Leaf::new(&mut block);
        leaf.push(2, file_type::DIR, b".");
        leaf.push(2, file_type::DIR, b"..");
        leaf.push(11, file_type::DIR, b"lost+found");
        leaf.finish(7);
        assert_eq!(block[..12], *b"\x02\0\0\0\x0c\0\x01\x02.\0\0\0");
        assert_eq!(block[24..42], *b"\x0b\0\0\0\xdc\x0f\x0a\x02lost+found");
        assert_eq!(block[4084..4092], *b"\0\0\0\0\x0c\0\0\xde");
        assert_eq!(block[4092..], crc32c(7, &block[..4084]).to_le_bytes());
    }

    #[test]
    fn limits_fill_the_block_up_to_its_tail() {
        assert_eq!(DX_ROOT_OFFSET + 8 * DX_ROOT_LIMIT + 8, 4096);
        assert_eq!(DX_NODE_OFFSET + 8 * DX_NODE_LIMIT + 8, 4096);
        let mut block = vec![0; 4096];
        encode_dx_root(
            &mut block,
            12,
            2,
            1,
            &[DxEntry { hash: 0, block: 1 }, DxEntry { hash: 4, block: 2 }],
            0,
        );
        let head = b"\x0c\0\0\0\x0c\0\x01\x02.\0\0\0\x02\0\0\0\xf4\x0f\x02\x02..\0\0\0\0\0\0\x01\x08\x01\0\xfb\x01\x02\0\x01\0\0\0";
        assert_eq!(block[..40], *head);
    }
}
