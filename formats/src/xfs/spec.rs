//! Constants of the XFS format, version 5. Everything is big-endian, but for checksums.
//!
//! Specification: "XFS Filesystem Disk Structures" (the XFS documentation project), and for what came later Linux,
//! `fs/xfs/libxfs/xfs_format.h` and `xfs_da_format.h` (facts only).

/// Magic number of the superblock, `XFSB`.
pub(crate) const SUPERBLOCK_MAGIC: u32 = 0x5846_5342;
/// Bytes of the superblock's fields; the sector that has it is under its checksum.
pub(crate) const SUPERBLOCK_SIZE: usize = 288;
/// Least and greatest log2 of a block, a sector and an inode.
pub(crate) const BLOCK_LOG: (u8, u8) = (10, 16);
pub(crate) const SECTOR_LOG: (u8, u8) = (9, 15);
pub(crate) const INODE_LOG: (u8, u8) = (9, 11);
/// Greatest log2 of a block of a directory.
pub(crate) const DIR_BLOCK_LOG_MOST: u8 = 16;
/// Least blocks of an allocation group.
pub(crate) const AG_BLOCKS_LEAST: u32 = 64;
/// Unit of disk addresses in headers, and of the log: bytes.
pub(crate) const BASIC_BLOCK: u64 = 512;
/// A 64-bit number that means none.
pub(crate) const NONE64: u64 = u64::MAX;
/// A 32-bit number that means none.
pub(crate) const NONE32: u32 = u32::MAX;

/// Header of the free space of an allocation group (AGF), `XAGF`.
pub(crate) const AGF_MAGIC: u32 = 0x5841_4746;
/// Header of its inodes (AGI), `XAGI`.
pub(crate) const AGI_MAGIC: u32 = 0x5841_4749;
/// Its list of blocks for the B-trees of free space (AGFL), `XAFL`.
pub(crate) const AGFL_MAGIC: u32 = 0x5841_464c;
/// Version of both headers.
pub(crate) const AG_VERSION: u32 = 1;
/// Bytes of the header of the AGFL.
pub(crate) const AGFL_HEADER: usize = 36;
/// Lists of unlinked inodes in an AGI.
pub(crate) const UNLINKED_LISTS: usize = 64;

/// Magic number of an inode, `IN`.
pub(crate) const INODE_MAGIC: u16 = 0x494e;
/// Bytes of an inode before its forks.
pub(crate) const INODE_CORE: usize = 176;
/// Inodes of a chunk.
pub(crate) const CHUNK_INODES: u32 = 64;

/// Bits of `di_flags` and `di_flags2`.
pub(crate) mod inode_flag {
    /// The content is on the real-time device.
    pub(crate) const REALTIME: u16 = 1;
    /// Blocks may be shared with other files.
    pub(crate) const REFLINK: u64 = 2;
    /// Times are nanoseconds since 1901.
    pub(crate) const BIGTIME: u64 = 8;
    /// Counters of extents are wide.
    pub(crate) const NREXT64: u64 = 0x10;
}

/// Header of a block of a B-tree with 64-bit pointers, that of an inode's extents: `BMA3`.
pub(crate) const MAP_MAGIC: u32 = 0x424d_4133;
/// Bytes of that header.
pub(crate) const MAP_HEADER: usize = 72;
/// Bytes of a record, and of a key or pointer, of that tree.
pub(crate) const MAP_RECORD: usize = 16;
pub(crate) const MAP_POINTER: usize = 8;
/// Bytes before keys and pointers of its root in an inode.
pub(crate) const MAP_ROOT_HEADER: usize = 4;
/// Deepest tree there can be.
pub(crate) const MAP_DEPTH: u16 = 12;
/// First block that no file reaches: 54 bits.
pub(crate) const LOGICAL_END: u64 = 1 << 54;

/// Bytes of the header of a block of a B-tree with 32-bit pointers, those of an allocation group.
pub(crate) const AG_TREE_HEADER: usize = 56;
/// Deepest of those trees.
pub(crate) const AG_TREE_DEPTH: u32 = 9;

/// Blocks of directories: one that is all of it (`XDB3`), of entries (`XDD3`), of free space (`XDF3`).
pub(crate) const DIR_BLOCK_MAGIC: u32 = 0x5844_4233;
pub(crate) const DIR_DATA_MAGIC: u32 = 0x5844_4433;
pub(crate) const DIR_FREE_MAGIC: u32 = 0x5844_4633;
/// Leaves of the index of a directory: the only one, and one of several.
pub(crate) const DIR_LEAF1_MAGIC: u32 = 0x3df1;
pub(crate) const DIR_LEAFN_MAGIC: u32 = 0x3dff;
/// A node above leaves, of directories and of attributes.
pub(crate) const DA_NODE_MAGIC: u32 = 0x3ebe;
/// A leaf of attributes.
pub(crate) const ATTR_LEAF_MAGIC: u32 = 0x3bee;
/// Bytes of the headers of a block of entries, of an index block, and of a leaf of attributes.
pub(crate) const DIR_DATA_HEADER: usize = 64;
pub(crate) const DA_HEADER: usize = 64;
pub(crate) const ATTR_LEAF_HEADER: usize = 80;
/// Deepest index.
pub(crate) const DA_DEPTH: u16 = 5;
/// Bytes of an entry of an index.
pub(crate) const DA_ENTRY: usize = 8;
/// Where the index and the free space of a directory begin, in bytes of its address space.
pub(crate) const DIR_INDEX_AT: u64 = 32 << 30;
pub(crate) const DIR_FREE_AT: u64 = 64 << 30;
/// Tag of unused bytes between entries.
pub(crate) const DIR_FREE_TAG: u16 = 0xffff;
/// Bytes of the tail of a directory of one block.
pub(crate) const DIR_BLOCK_TAIL: usize = 8;

/// Bits of the flags of an attribute.
pub(crate) mod attr_flag {
    /// The value is in the leaf.
    pub(crate) const LOCAL: u8 = 1;
    /// Namespace `trusted.`.
    pub(crate) const ROOT: u8 = 2;
    /// Namespace `security.`.
    pub(crate) const SECURE: u8 = 4;
    /// A parent pointer, which system calls do not show.
    pub(crate) const PARENT: u8 = 8;
    /// Not yet or no longer there.
    pub(crate) const INCOMPLETE: u8 = 0x80;
    /// All of them.
    pub(crate) const ALL: u8 = LOCAL | ROOT | SECURE | PARENT | INCOMPLETE;
}
/// Longest value of an attribute (Linux `XATTR_SIZE_MAX`).
pub(crate) const ATTR_VALUE_MOST: u64 = 65_536;
/// Blocks of values of attributes (`XARM`) and of targets of links (`XSLM`), and bytes of their headers.
pub(crate) const ATTR_REMOTE_MAGIC: u32 = 0x5841_524d;
pub(crate) const SYMLINK_MAGIC: u32 = 0x5853_4c4d;
pub(crate) const REMOTE_HEADER: usize = 56;
/// Longest target of a link.
pub(crate) const SYMLINK_MOST: u64 = 1024;

/// Header of a record of the log, and the flag of an operation that records an unmount.
pub(crate) const LOG_RECORD_MAGIC: u32 = 0xfeed_babe;
pub(crate) const LOG_UNMOUNT: u8 = 0x20;
/// Bytes of a record that one header has room for.
pub(crate) const LOG_CYCLE_SIZE: u32 = 32 << 10;

/// Hash of names in directories and of attributes.
pub(crate) fn name_hash(name: &[u8]) -> u32 {
    name.iter().fold(0_u32, |hash, &byte| hash.rotate_left(7) ^ u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::name_hash;

    #[test]
    fn hashes_are_those_of_xfs_db() {
        // `xfs_db -r -c 'hash NAME'`.
        for (name, hash) in
            [(&b"."[..], 0x2e), (b"..", 0x172e), (b"lost+found", 0x021a_a60c), (b"abc", 0x0018_7163)]
        {
            assert_eq!(name_hash(name), hash, "{name:?}");
        }
    }
}
