//! The superblock: its fields, its checksum, and the geometry that follows from it (kernel documentation,
//! `filesystems/ext4/super.rst`).

use super::checksum;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError};
use super::features::{self, Features};
use super::fields;
use crate::guid::Guid;
use crate::read_at::ReadAt;
use crate::time::Time;

/// First byte of the superblock in the image.
pub(crate) const OFFSET: u64 = 1024;
/// Length of the superblock.
pub(crate) const LEN: usize = 1024;
/// Offset of its checksum.
pub(crate) const CHECKSUM_AT: usize = 0x3fc;
/// Bit of `s_flags`: directory hashes take bytes as unsigned.
pub(crate) const UNSIGNED_HASH: u32 = 2;

/// A decoded superblock; counts are of blocks, inodes or groups.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadSuperblock {
    /// The 1024 bytes themselves.
    pub raw: Box<[u8]>,
    /// File-system UUID.
    pub uuid: Guid,
    /// Volume label, without its padding.
    pub label: Box<[u8]>,
    /// Feature bits.
    pub features: Features,
    /// Bytes in a block: 1024 to 65536.
    pub block_size: u32,
    /// All blocks.
    pub blocks: u64,
    /// Blocks reserved for root.
    pub reserved_blocks: u64,
    /// Free blocks.
    pub free_blocks: u64,
    /// All inodes.
    pub inodes: u32,
    /// Free inodes.
    pub free_inodes: u32,
    /// The block of the superblock: 1 with blocks of 1 KiB, else 0.
    pub first_data_block: u32,
    /// Blocks in a group; the last one may have fewer.
    pub blocks_per_group: u32,
    /// Inodes in a group.
    pub inodes_per_group: u32,
    /// First inode that is not reserved.
    pub first_inode: u32,
    /// Bytes in an inode.
    pub inode_size: u16,
    /// Bytes in a group descriptor.
    pub descriptor_size: u16,
    /// Blocks reserved after each copy of the descriptors, for growth.
    pub reserved_gdt_blocks: u16,
    /// First group of blocks of descriptors that `meta_bg` spreads.
    pub first_meta_bg: u32,
    /// log2 of the groups in a flexible group.
    pub log_groups_per_flex: u8,
    /// State bits: 1 is clean, 2 has errors.
    pub state: u16,
    /// What the kernel does on errors.
    pub errors: u16,
    /// Creation time.
    pub mkfs_time: Time,
    /// Time of the last mount.
    pub mount_time: Time,
    /// Time of the last write.
    pub write_time: Time,
    /// Time of the last check.
    pub check_time: Time,
    /// The journal's inode, 0 without a journal.
    pub journal_inode: u32,
    /// First inode of the list of orphans.
    pub last_orphan: u32,
    /// Seed of directory hashes.
    pub hash_seed: [u32; 4],
    /// Default version of directory hashes.
    pub hash_version: u8,
    /// Flag bits: 1 signed and 2 unsigned directory hashes.
    pub flags: u32,
    /// Blocks that are not for files, as the writer computed them; 0 when it did not.
    pub overhead: u32,
    /// The two groups with copies under `sparse_super2`.
    pub backup_groups: [u32; 2],
    /// The inode of the orphan file, 0 without one.
    pub orphan_file_inode: u32,
    /// The inodes of quotas of users, groups and projects, 0 without.
    pub quota_inodes: [u32; 3],
    /// Seed of every checksum of metadata.
    pub checksum_seed: u32,
}

/// A time of 32 bits and 8 more.
fn time(raw: &[u8], low: usize, high: usize) -> Time {
    Time::from_secs((u64::from(fields::u32(raw, low)) | u64::from(fields::u8(raw, high)) << 32) as i64)
}

impl ReadSuperblock {
    /// Decodes and checks; a corrupt geometry always ends it, a wrong checksum is reported.
    pub(crate) fn read<R: ReadAt + ?Sized>(
        image: &R,
        sink: &mut dyn CorruptionSink,
    ) -> Result<Self, Ext4ReadError> {
        let needed = OFFSET + LEN as u64;
        if image.size() < needed {
            return Err(Ext4ReadError::Truncated { found: image.size(), needed });
        }
        let mut raw = vec![0; LEN];
        super::read_exact(image, OFFSET, &mut raw)?;
        let found = fields::u16(&raw, 0x38);
        if found != 0xef53 {
            return Err(Ext4ReadError::NotExt4 { found });
        }
        let superblock = Self::decode(&raw)?;
        let unreadable = superblock.features.unreadable();
        if !unreadable.is_empty() {
            return Err(Ext4ReadError::Features { names: unreadable.join(", ") });
        }
        superblock.verify(sink)?;
        superblock.check_geometry()?;
        let needed = superblock.blocks.saturating_mul(u64::from(superblock.block_size));
        if image.size() < needed {
            return Err(Ext4ReadError::Truncated { found: image.size(), needed });
        }
        Ok(superblock)
    }

    /// Decodes the fields; refuses only sizes that no arithmetic could be done with.
    pub(crate) fn decode(raw: &[u8]) -> Result<Self, Ext4ReadError> {
        let log = fields::u32(raw, 0x18);
        within("s_log_block_size", u64::from(log), 0, 6)?;
        let features = Features {
            compat: fields::u32(raw, 0x5c),
            incompat: fields::u32(raw, 0x60),
            ro_compat: fields::u32(raw, 0x64),
        };
        let wide = features.incompat(features::BIT64);
        let count = |low: usize, high: usize| {
            fields::halves32(fields::u32(raw, low), if wide { fields::u32(raw, high) } else { 0 })
        };
        let uuid: [u8; 16] = fields::array(raw, 0x68);
        let label: [u8; 16] = fields::array(raw, 0x78);
        let dynamic = fields::u32(raw, 0x4c) > 0;
        let seed = if features.incompat(features::CSUM_SEED) {
            fields::u32(raw, 0x270)
        } else {
            checksum::crc32c(!0, &uuid)
        };
        Ok(Self {
            uuid: Guid::from_bytes(uuid),
            label: label.split(|&byte| byte == 0).next().unwrap_or(&[]).into(),
            features,
            block_size: 1024 << log,
            blocks: count(4, 0x150),
            reserved_blocks: count(8, 0x154),
            free_blocks: count(0xc, 0x158),
            inodes: fields::u32(raw, 0),
            free_inodes: fields::u32(raw, 0x10),
            first_data_block: fields::u32(raw, 0x14),
            blocks_per_group: fields::u32(raw, 0x20),
            inodes_per_group: fields::u32(raw, 0x28),
            first_inode: if dynamic { fields::u32(raw, 0x54) } else { 11 },
            inode_size: if dynamic { fields::u16(raw, 0x58) } else { 128 },
            descriptor_size: if wide { fields::u16(raw, 0xfe) } else { 32 },
            reserved_gdt_blocks: fields::u16(raw, 0xce),
            first_meta_bg: fields::u32(raw, 0x104),
            log_groups_per_flex: fields::u8(raw, 0x174),
            state: fields::u16(raw, 0x3a),
            errors: fields::u16(raw, 0x3c),
            mkfs_time: time(raw, 0x108, 0x276),
            mount_time: time(raw, 0x2c, 0x275),
            write_time: time(raw, 0x30, 0x274),
            check_time: time(raw, 0x40, 0x277),
            journal_inode: fields::u32(raw, 0xe0),
            last_orphan: fields::u32(raw, 0xe8),
            hash_seed: [0xec, 0xf0, 0xf4, 0xf8].map(|at| fields::u32(raw, at)),
            hash_version: fields::u8(raw, 0xfc),
            flags: fields::u32(raw, 0x160),
            overhead: fields::u32(raw, 0x248),
            backup_groups: [fields::u32(raw, 0x24c), fields::u32(raw, 0x250)],
            orphan_file_inode: fields::u32(raw, 0x280),
            quota_inodes: [0x240, 0x244, 0x26c].map(|at| fields::u32(raw, at)),
            checksum_seed: seed,
            raw: raw.into(),
        })
    }

    /// Checks the checksum.
    fn verify(&self, sink: &mut dyn CorruptionSink) -> Result<(), Ext4ReadError> {
        if !self.features.ro_compat(features::METADATA_CSUM) {
            return Ok(());
        }
        let stored = fields::u32(&self.raw, CHECKSUM_AT);
        let computed = checksum::crc32c(!0, self.raw.get(..CHECKSUM_AT).unwrap_or(&[]));
        if stored == computed {
            return Ok(());
        }
        sink.report(corruption(Defect::Checksum { stored, computed }))
    }

    /// Refuses what no file system can be laid out by.
    fn check_geometry(&self) -> Result<(), Ext4ReadError> {
        let bits = u64::from(self.block_size) * 8;
        within("s_rev_level", u64::from(fields::u32(&self.raw, 0x4c)), 0, 1)?;
        if self.features.ro_compat(features::METADATA_CSUM) {
            equal("s_checksum_type", u64::from(fields::u8(&self.raw, 0x175)), 1)?;
        }
        equal(
            "s_log_cluster_size",
            u64::from(fields::u32(&self.raw, 0x1c)),
            u64::from(self.log_block_size()),
        )?;
        equal("s_first_data_block", u64::from(self.first_data_block), u64::from(self.block_size == 1024))?;
        within("s_blocks_per_group", u64::from(self.blocks_per_group), 8, bits)?;
        equal("s_blocks_per_group modulo 8", u64::from(self.blocks_per_group % 8), 0)?;
        equal(
            "s_clusters_per_group",
            u64::from(fields::u32(&self.raw, 0x24)),
            u64::from(self.blocks_per_group),
        )?;
        within("s_inode_size", u64::from(self.inode_size), 128, u64::from(self.block_size))?;
        equal("bits of s_inode_size", u64::from(self.inode_size.count_ones()), 1)?;
        let inodes_in_block = u64::from(self.block_size) / u64::from(self.inode_size);
        within("s_inodes_per_group", u64::from(self.inodes_per_group), inodes_in_block, bits)?;
        within("s_desc_size", u64::from(self.descriptor_size), 32, 1024.min(u64::from(self.block_size)))?;
        equal("bits of s_desc_size", u64::from(self.descriptor_size.count_ones()), 1)?;
        let first = u64::from(self.first_data_block);
        within("s_blocks_count", self.blocks, first + 8, 1 << 48)?;
        let groups = (self.blocks - first).div_ceil(u64::from(self.blocks_per_group));
        let most = u64::from(u32::MAX) / u64::from(self.inodes_per_group);
        within("number of groups", groups, 1, most)?;
        equal("s_inodes_count", u64::from(self.inodes), groups * u64::from(self.inodes_per_group))?;
        within("s_first_ino", u64::from(self.first_inode), 11, u64::from(self.inodes))?;
        within("s_log_groups_per_flex", u64::from(self.log_groups_per_flex), 0, 31)?;
        let table = u64::from(self.descriptor_blocks());
        within(
            "s_reserved_gdt_blocks",
            u64::from(self.reserved_gdt_blocks),
            0,
            u64::from(self.block_size) / 4,
        )?;
        if self.features.incompat(features::META_BG) {
            return within("s_first_meta_bg", u64::from(self.first_meta_bg), 0, table);
        }
        let least = table + u64::from(self.reserved_gdt_blocks) + 1;
        within("s_blocks_per_group", u64::from(self.blocks_per_group), least.min(bits), bits)
    }

    /// log2 of the block size, less 10.
    fn log_block_size(&self) -> u32 {
        self.block_size.trailing_zeros() - 10
    }

    /// Number of groups.
    pub fn groups(&self) -> u32 {
        let blocks = self.blocks.saturating_sub(u64::from(self.first_data_block));
        blocks.div_ceil(u64::from(self.blocks_per_group)) as u32
    }

    /// First block of a group.
    pub fn group_start(&self, group: u32) -> u64 {
        u64::from(self.first_data_block) + u64::from(group) * u64::from(self.blocks_per_group)
    }

    /// Blocks of a group: fewer in the last one.
    pub fn group_len(&self, group: u32) -> u32 {
        let left = self.blocks.saturating_sub(self.group_start(group));
        left.min(u64::from(self.blocks_per_group)) as u32
    }

    /// Whether a group begins with a copy of the superblock.
    pub fn has_superblock(&self, group: u32) -> bool {
        if group == 0 {
            return true;
        }
        if self.features.compat(features::SPARSE_SUPER2) {
            return self.backup_groups.contains(&group);
        }
        if group == 1 || !self.features.ro_compat(features::SPARSE_SUPER) {
            return true;
        }
        [3, 5, 7].into_iter().any(|base: u32| is_power(group, base))
    }

    /// Blocks that one whole table of descriptors takes.
    pub fn descriptor_blocks(&self) -> u32 {
        self.groups().div_ceil(self.descriptors_per_block())
    }

    /// Descriptors in a block.
    pub(crate) fn descriptors_per_block(&self) -> u32 {
        self.block_size / u32::from(self.descriptor_size).max(32)
    }

    /// Adjacent blocks of descriptors after the superblock and its copies: all, but with `meta_bg`.
    pub(crate) fn old_descriptor_blocks(&self) -> u32 {
        if self.features.incompat(features::META_BG) { self.first_meta_bg } else { self.descriptor_blocks() }
    }

    /// Address of block `index` of the primary table of descriptors.
    pub(crate) fn descriptor_block(&self, index: u32) -> u64 {
        if index < self.old_descriptor_blocks() {
            return u64::from(self.first_data_block) + 1 + u64::from(index);
        }
        let group = index.saturating_mul(self.descriptors_per_block());
        self.group_start(group) + u64::from(self.has_superblock(group))
    }

    /// Blocks at the start of a group that hold the superblock, descriptors and blocks reserved for them.
    pub(crate) fn base_blocks(&self, group: u32) -> u32 {
        let superblock = self.has_superblock(group);
        let per_block = self.descriptors_per_block();
        let meta_bg = self.features.incompat(features::META_BG);
        if meta_bg && group / per_block >= self.first_meta_bg {
            // The first, second and last group of each run of groups that one block describes hold that block.
            let holds = [0, 1, per_block - 1].contains(&(group % per_block));
            return u32::from(superblock) + u32::from(holds);
        }
        if !superblock {
            return 0;
        }
        let reserved = if meta_bg { 0 } else { u32::from(self.reserved_gdt_blocks) };
        1 + self.old_descriptor_blocks() + reserved
    }

    /// Blocks of a group's inode table.
    pub fn inode_table_blocks(&self) -> u32 {
        let bytes = u64::from(self.inodes_per_group) * u64::from(self.inode_size);
        bytes.div_ceil(u64::from(self.block_size)) as u32
    }

    /// First byte of a block in the image.
    pub fn offset_of(&self, block: u64) -> u64 {
        block.saturating_mul(u64::from(self.block_size))
    }

    /// Whether checksums of all metadata are there.
    pub fn has_checksums(&self) -> bool {
        self.features.ro_compat(features::METADATA_CSUM)
    }

    /// The version that hashes of the given version in a directory mean: 3 more where bytes count as unsigned.
    pub(crate) fn effective_hash(&self, version: u8) -> u8 {
        if version <= 2 && self.flags & UNSIGNED_HASH != 0 { version + 3 } else { version }
    }
}

/// Whether `number` is a power of `base`, 1 not counted.
fn is_power(number: u32, base: u32) -> bool {
    let mut rest = number;
    while rest > 1 && rest.is_multiple_of(base) {
        rest /= base;
    }
    rest == 1 && number > 1
}

fn corruption(why: Defect) -> Corruption {
    Corruption { location: Ext4Location::Superblock, offset: OFFSET, why }
}

fn within(field: &'static str, found: u64, least: u64, most: u64) -> Result<(), Ext4ReadError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(corruption(Defect::Range { field, found, least, most }).into())
}

fn equal(field: &'static str, found: u64, expected: u64) -> Result<(), Ext4ReadError> {
    if found == expected {
        return Ok(());
    }
    Err(corruption(Defect::Value { field, found, expected }).into())
}
