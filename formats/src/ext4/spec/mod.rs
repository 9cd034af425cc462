//! ext4 on disk: constants and encoders, with the field names of the kernel's documentation
//! (Documentation/filesystems/ext4) less their prefixes.
//!
//! Nothing here decides where anything goes; the writer plans with it and the reader shares its constants.

pub mod dirent;
pub mod extent;
pub mod group;
pub mod hash;
pub mod inode;
pub mod journal;
pub mod superblock;
pub mod xattr;

/// Bytes of a file-system block: the only size that is written.
pub const BLOCK_SIZE: u64 = 4096;

/// Blocks of a block group: the bits of one bitmap block.
pub const BLOCKS_PER_GROUP: u32 = 32768;

/// Block groups whose bitmaps and inode tables are adjacent.
pub const FLEX_GROUPS: u32 = 16;

/// Bytes of an inode.
pub const INODE_SIZE: usize = 256;

/// Inodes of one block of an inode table.
pub const INODES_PER_BLOCK: u32 = 16;

/// First inode that is not reserved; it holds `lost+found`.
pub const FIRST_INO: u32 = 11;

/// The root directory.
pub const ROOT_INO: u32 = 2;

/// The inode that keeps room for the group descriptors of a larger file system.
pub const RESIZE_INO: u32 = 7;

/// The inode of the internal journal.
pub const JOURNAL_INO: u32 = 8;

/// Links beyond which a directory's count is written as 1 (`dir_nlink`) and a file's is refused.
pub const LINK_MAX: u32 = 65_000;

/// Compatible features.
pub mod compat {
    /// Internal journal.
    pub const HAS_JOURNAL: u32 = 0x4;
    /// Extended attributes.
    pub const EXT_ATTR: u32 = 0x8;
    /// Room for growing the group descriptors.
    pub const RESIZE_INODE: u32 = 0x10;
    /// Hashed directories.
    pub const DIR_INDEX: u32 = 0x20;
}

/// Incompatible features.
pub mod incompat {
    /// Directory entries carry the file type.
    pub const FILETYPE: u32 = 0x2;
    /// Extents.
    pub const EXTENTS: u32 = 0x40;
    /// 64-bit block numbers, 64-byte descriptors.
    pub const BIT64: u32 = 0x80;
    /// Bitmaps and inode tables of several groups are adjacent.
    pub const FLEX_BG: u32 = 0x200;
    /// Directories of more than two index levels.
    pub const LARGEDIR: u32 = 0x4000;
}

/// Features without which a file system may still be read.
pub mod ro_compat {
    /// Backups only in groups 0, 1 and powers of 3, 5 and 7.
    pub const SPARSE_SUPER: u32 = 0x1;
    /// Files of 2 GiB and more.
    pub const LARGE_FILE: u32 = 0x2;
    /// `i_blocks` of 48 bits.
    pub const HUGE_FILE: u32 = 0x8;
    /// Directories of more than 65,000 links.
    pub const DIR_NLINK: u32 = 0x20;
    /// Inodes larger than 128 bytes.
    pub const EXTRA_ISIZE: u32 = 0x40;
    /// crc32c of all metadata.
    pub const METADATA_CSUM: u32 = 0x400;
}

/// The crc32c that ext4 uses: the seed goes in and the result comes out without inversion.
pub fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// The seed of every metadata checksum of a file system.
pub fn csum_seed(uuid: &[u8; 16]) -> u32 {
    crc32c(!0, uuid)
}

/// Whether a group holds copies of the superblock and the descriptors (`sparse_super`).
pub fn has_super(group: u32) -> bool {
    let power_of = |base: u32| {
        let mut power = base;
        while power < group {
            power = power.saturating_mul(base);
        }
        power == group
    };
    group <= 1 || power_of(3) || power_of(5) || power_of(7)
}

/// Writes little-endian fields at fixed offsets. The encoders own their buffers, so an offset out of range is a
/// bug of the encoder and shows in its unit test.
pub(crate) trait PutField {
    /// Two bytes.
    fn put16(&mut self, at: usize, value: u16);
    /// Four bytes.
    fn put32(&mut self, at: usize, value: u32);
}

impl PutField for [u8] {
    fn put16(&mut self, at: usize, value: u16) {
        self[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn put32(&mut self, at: usize, value: u32) {
        self[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_stand_in_powers_of_three_five_and_seven() {
        let groups: Vec<u32> = (0..400).filter(|group| has_super(*group)).collect();
        assert_eq!(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343]);
    }
}
