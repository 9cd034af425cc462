//! Constants of the superblock (`struct verity_sb` of cryptsetup) and of the tree.

/// Bytes in a block, of data and of hashes.
pub const BLOCK: u64 = 4096;

/// Digests in a block of hashes.
pub const HASHES: u64 = BLOCK / DIGEST as u64;

/// Bytes of data that a block of the lowest level covers: 512 KiB.
pub const LEAF_SPAN: u64 = HASHES * BLOCK;

/// Bytes in a digest.
pub(super) const DIGEST: usize = 32;

/// The first bytes of the superblock.
pub(super) const SIGNATURE: [u8; 8] = *b"verity\0\0";

/// Version of the superblock.
pub(super) const VERSION: u32 = 1;

/// Type of the tree: the digest is of salt and block, in this order, and digests fill a block without gaps.
pub(super) const HASH_TYPE: u32 = 1;

/// The hash, as the kernel's crypto interface names it.
pub(super) const ALGORITHM: &[u8] = b"sha256";

/// Most bytes of salt.
pub(super) const SALT_MAX: usize = 256;

/// Bytes of the superblock; the rest of its block is zero.
pub(super) const SUPERBLOCK: usize = 512;

/// First bytes of the fields of the superblock.
pub(super) mod at {
    pub(in super::super) const SIGNATURE: usize = 0;
    pub(in super::super) const VERSION: usize = 8;
    pub(in super::super) const HASH_TYPE: usize = 12;
    pub(in super::super) const UUID: usize = 16;
    pub(in super::super) const ALGORITHM: usize = 32;
    pub(in super::super) const DATA_BLOCK_SIZE: usize = 64;
    pub(in super::super) const HASH_BLOCK_SIZE: usize = 68;
    pub(in super::super) const DATA_BLOCKS: usize = 72;
    pub(in super::super) const SALT_SIZE: usize = 80;
    pub(in super::super) const SALT: usize = 88;
}
