//! The superblock (kernel documentation: `struct ext4_super_block`). Knows no layout decision.

use super::{BLOCKS_PER_GROUP, FIRST_INO, FLEX_GROUPS, INODE_SIZE, JOURNAL_INO, PutField, crc32c};

/// Bytes of the superblock.
pub const SUPERBLOCK_SIZE: usize = 1024;

/// Offset of the superblock in block 0; backups start their block.
pub const SUPERBLOCK_OFFSET: u64 = 1024;

/// `s_magic`.
pub const MAGIC: u16 = 0xef53;

/// `s_state`: cleanly unmounted.
pub const STATE_VALID: u16 = 1;

/// `s_flags`: directory hashes take bytes as signed.
pub const FLAG_SIGNED_HASH: u32 = 1;

/// `s_def_hash_version`: half MD4.
pub const HASH_HALF_MD4: u8 = 1;

/// Bytes of a group descriptor with the `64bit` feature.
pub const DESC_SIZE: u16 = 64;

/// `s_default_mount_opts`: user attributes and POSIX ACLs.
pub const DEFAULT_MOUNT_OPTS: u32 = 0xc;

/// The fields that differ between file systems; the rest is constant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Superblock {
    /// All inodes.
    pub inodes_count: u32,
    /// All blocks.
    pub blocks_count: u64,
    /// Blocks reserved for root.
    pub r_blocks_count: u64,
    /// Free blocks.
    pub free_blocks_count: u64,
    /// Free inodes.
    pub free_inodes_count: u32,
    /// Inodes of each group.
    pub inodes_per_group: u32,
    /// Creation, write and check time: low 32 bits and the 8 above.
    pub time: (u32, u8),
    /// Clean or not.
    pub state: u16,
    /// Group of this copy.
    pub block_group_nr: u16,
    /// Features.
    pub feature_compat: u32,
    /// Features.
    pub feature_incompat: u32,
    /// Features.
    pub feature_ro_compat: u32,
    /// UUID.
    pub uuid: [u8; 16],
    /// Label, padded with NUL.
    pub volume_name: [u8; 16],
    /// Reserved descriptor blocks after the descriptors.
    pub reserved_gdt_blocks: u16,
    /// Whether there is a journal.
    pub journal: bool,
    /// Copy of `i_block`, high and low size of the journal's inode.
    pub jnl_blocks: [u32; 17],
    /// Seed of directory hashes, in the order of the bytes.
    pub hash_seed: [u8; 16],
    /// Blocks of metadata and journal.
    pub overhead: u32,
}

impl Superblock {
    /// The 1024 bytes, with their checksum.
    pub fn encode(&self) -> [u8; SUPERBLOCK_SIZE] {
        let mut out = [0; SUPERBLOCK_SIZE];
        let b = &mut out[..];
        b.put32(0x00, self.inodes_count);
        b.put32(0x04, self.blocks_count as u32);
        b.put32(0x08, self.r_blocks_count as u32);
        b.put32(0x0c, self.free_blocks_count as u32);
        b.put32(0x10, self.free_inodes_count);
        b.put32(0x18, 2); // log_block_size: 1024 << 2
        b.put32(0x1c, 2); // log_cluster_size
        b.put32(0x20, BLOCKS_PER_GROUP);
        b.put32(0x24, BLOCKS_PER_GROUP); // clusters_per_group
        b.put32(0x28, self.inodes_per_group);
        b.put32(0x30, self.time.0); // wtime
        b.put16(0x36, 0xffff); // max_mnt_count: never
        b.put16(0x38, MAGIC);
        b.put16(0x3a, self.state);
        b.put16(0x3c, 1); // errors: continue
        b.put32(0x40, self.time.0); // lastcheck
        b.put32(0x4c, 1); // rev_level: dynamic
        b.put32(0x54, FIRST_INO);
        b.put16(0x58, INODE_SIZE as u16);
        b.put16(0x5a, self.block_group_nr);
        b.put32(0x5c, self.feature_compat);
        b.put32(0x60, self.feature_incompat);
        b.put32(0x64, self.feature_ro_compat);
        b[0x68..0x78].copy_from_slice(&self.uuid);
        b[0x78..0x88].copy_from_slice(&self.volume_name);
        b.put16(0xce, self.reserved_gdt_blocks);
        self.encode_rest(b);
        let checksum = crc32c(!0, &b[..0x3fc]);
        b.put32(0x3fc, checksum);
        out
    }

    /// The fields that journals, hashed directories and 64 bits brought.
    fn encode_rest(&self, b: &mut [u8]) {
        if self.journal {
            b.put32(0xe0, JOURNAL_INO);
            b[0xfd] = 1; // jnl_backup_type: jnl_blocks is valid
            for (i, word) in self.jnl_blocks.iter().enumerate() {
                b.put32(0x10c + 4 * i, *word);
            }
        }
        b[0xec..0xfc].copy_from_slice(&self.hash_seed);
        b[0xfc] = HASH_HALF_MD4;
        b.put16(0xfe, DESC_SIZE);
        b.put32(0x100, DEFAULT_MOUNT_OPTS);
        b.put32(0x108, self.time.0); // mkfs_time
        b.put32(0x150, (self.blocks_count >> 32) as u32);
        b.put32(0x154, (self.r_blocks_count >> 32) as u32);
        b.put32(0x158, (self.free_blocks_count >> 32) as u32);
        b.put16(0x15c, 32); // min_extra_isize
        b.put16(0x15e, 32); // want_extra_isize
        b.put32(0x160, FLAG_SIGNED_HASH);
        b[0x174] = FLEX_GROUPS.trailing_zeros() as u8; // log_groups_per_flex
        b[0x175] = 1; // checksum_type: crc32c
        b.put32(0x248, self.overhead);
        b[0x274] = self.time.1; // wtime_hi
        b[0x276] = self.time.1; // mkfs_time_hi
        b[0x277] = self.time.1; // lastcheck_hi
    }
}

#[cfg(test)]
mod tests {
    use super::super::{compat, incompat, ro_compat};
    use super::*;

    /// Fields and checksum of `mke2fs -t ext4` 1.47.0 on 600 MiB (UUID and hash seed given).
    #[test]
    fn the_superblock_of_mke2fs_comes_out_to_the_byte() {
        let mut jnl_blocks = [0; 17];
        jnl_blocks[..6].copy_from_slice(&[0x0001_f30a, 4, 0, 0, 0x1000, 0x0001_0000]);
        jnl_blocks[16] = 0x0100_0000;
        let mut uuid = [0x11; 16];
        uuid[4..].copy_from_slice(&[0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55]);
        let mut hash_seed = uuid;
        hash_seed[..4].fill(0x99);
        let superblock = Superblock {
            inodes_count: 38400,
            blocks_count: 153_600,
            r_blocks_count: 7680,
            free_blocks_count: 146_860,
            free_inodes_count: 38389,
            inodes_per_group: 7680,
            time: (0x6b01_12c5, 0),
            state: STATE_VALID,
            block_group_nr: 0,
            feature_compat: 0x3c,
            feature_incompat: 0x2c2,
            feature_ro_compat: 0x46b,
            uuid,
            volume_name: [0; 16],
            reserved_gdt_blocks: 74,
            journal: true,
            jnl_blocks,
            hash_seed,
            overhead: 6734,
        };
        let mut bytes = superblock.encode();
        // mke2fs counts what it wrote; we leave the count at 0.
        bytes[0x178..0x17a].copy_from_slice(&[0x41, 0x01]);
        assert_eq!(crc32c(!0, &bytes[..0x3fc]), 0x193f_1051);
        assert_eq!(0x3c, compat::HAS_JOURNAL | compat::EXT_ATTR | compat::RESIZE_INODE | compat::DIR_INDEX);
        let incompat = incompat::FILETYPE | incompat::EXTENTS | incompat::BIT64 | incompat::FLEX_BG;
        assert_eq!(0x2c2, incompat);
        let csum = ro_compat::METADATA_CSUM | ro_compat::EXTRA_ISIZE | ro_compat::DIR_NLINK;
        assert_eq!(0x46b, csum | ro_compat::HUGE_FILE | ro_compat::LARGE_FILE | ro_compat::SPARSE_SUPER);
    }
}
