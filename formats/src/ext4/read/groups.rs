//! Group descriptors: where a group's bitmaps and inodes are and how much of it is free (kernel documentation,
//! `filesystems/ext4/group_descr.rst`).

use super::checksum;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError};
use super::features;
use super::fields;
use super::superblock::ReadSuperblock;
use crate::read_at::ReadAt;

/// Flag of a group: its inode bitmap and table were never written.
pub const INODE_UNINIT: u16 = 1;
/// Flag of a group: its block bitmap was never written.
pub const BLOCK_UNINIT: u16 = 2;
/// Flag of a group: the unused part of its inode table reads as zero.
pub const INODE_ZEROED: u16 = 4;

/// A group's descriptor, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupInfo {
    /// First byte of the descriptor in the image.
    pub offset: u64,
    /// Block of the block bitmap.
    pub block_bitmap: u64,
    /// Block of the inode bitmap.
    pub inode_bitmap: u64,
    /// First block of the inode table.
    pub inode_table: u64,
    /// Free blocks.
    pub free_blocks: u32,
    /// Free inodes.
    pub free_inodes: u32,
    /// Directories.
    pub used_dirs: u32,
    /// Inodes at the end of the table that were never used.
    pub unused_inodes: u32,
    /// Flags: [`INODE_UNINIT`], [`BLOCK_UNINIT`], [`INODE_ZEROED`].
    pub flags: u16,
    /// Checksum of the block bitmap; only the low half with descriptors of 32 bytes.
    pub block_bitmap_checksum: u32,
    /// Checksum of the inode bitmap; only the low half with descriptors of 32 bytes.
    pub inode_bitmap_checksum: u32,
}

impl GroupInfo {
    /// Decodes a descriptor.
    pub(crate) fn decode(raw: &[u8], offset: u64) -> Self {
        // A descriptor of 32 bytes has no high halves; past its end fields read as zero.
        let long = |low: usize, high: usize| fields::halves32(fields::u32(raw, low), fields::u32(raw, high));
        let short = |low: usize, high: usize| fields::halves16(fields::u16(raw, low), fields::u16(raw, high));
        Self {
            offset,
            block_bitmap: long(0, 0x20),
            inode_bitmap: long(4, 0x24),
            inode_table: long(8, 0x28),
            free_blocks: short(0xc, 0x2c),
            free_inodes: short(0xe, 0x2e),
            used_dirs: short(0x10, 0x30),
            flags: fields::u16(raw, 0x12),
            block_bitmap_checksum: short(0x18, 0x38),
            inode_bitmap_checksum: short(0x1a, 0x3a),
            unused_inodes: short(0x1c, 0x32),
        }
    }

    /// Whether a flag is set.
    pub fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// The checksum of a descriptor; `None` when the file system has none.
pub(crate) fn descriptor_checksum(superblock: &ReadSuperblock, group: u32, raw: &[u8]) -> Option<u16> {
    let number = group.to_le_bytes();
    let before = raw.get(..0x1e)?;
    let after = raw.get(0x20..).unwrap_or(&[]);
    if superblock.has_checksums() {
        let crc = checksum::crc32c(checksum::crc32c(superblock.checksum_seed, &number), before);
        return Some(checksum::crc32c(checksum::crc32c(crc, &[0; 2]), after) as u16);
    }
    if superblock.features.ro_compat(features::GDT_CSUM) {
        let crc = checksum::crc16(checksum::crc16(!0, &superblock.uuid.to_bytes()), &number);
        return Some(checksum::crc16(checksum::crc16(crc, before), after));
    }
    None
}

/// Reads all descriptors, checks their checksums and that their addresses are within the file system.
pub(crate) fn read<R: ReadAt + ?Sized>(
    image: &R,
    superblock: &ReadSuperblock,
    sink: &mut dyn CorruptionSink,
) -> Result<Vec<GroupInfo>, Ext4ReadError> {
    let size = usize::from(superblock.descriptor_size);
    let mut groups = Vec::new();
    let mut block = vec![0; superblock.block_size as usize];
    for index in 0..superblock.descriptor_blocks() {
        let at = superblock.descriptor_block(index);
        super::read_block(image, superblock, at, &mut block)?;
        for (slot, raw) in block.chunks_exact(size).enumerate() {
            let group = groups.len() as u32;
            if group >= superblock.groups() {
                break;
            }
            let offset = superblock.offset_of(at) + (slot * size) as u64;
            verify(superblock, group, raw, offset, sink)?;
            let mut decoded = GroupInfo::decode(raw, offset);
            // Without a checksum of the descriptor nothing vouches for these fields: kernels leave them set in ext2, and ignore them.
            if descriptor_checksum(superblock, group, raw).is_none() {
                (decoded.flags, decoded.unused_inodes) = (0, 0);
            }
            check_addresses(superblock, group, &decoded, sink)?;
            groups.push(decoded);
        }
    }
    Ok(groups)
}

fn verify(
    superblock: &ReadSuperblock,
    group: u32,
    raw: &[u8],
    offset: u64,
    sink: &mut dyn CorruptionSink,
) -> Result<(), Ext4ReadError> {
    let stored = fields::u16(raw, 0x1e);
    match descriptor_checksum(superblock, group, raw) {
        Some(computed) if computed != stored => {
            let why = Defect::Checksum { stored: u32::from(stored), computed: u32::from(computed) };
            sink.report(Corruption { location: Ext4Location::Descriptor { group }, offset, why })
        }
        _ => Ok(()),
    }
}

/// Bitmaps and tables must be within the file system, and within their group when `flex_bg` is not there.
fn check_addresses(
    superblock: &ReadSuperblock,
    group: u32,
    decoded: &GroupInfo,
    sink: &mut dyn CorruptionSink,
) -> Result<(), Ext4ReadError> {
    let (mut least, mut most) = (u64::from(superblock.first_data_block), superblock.blocks - 1);
    if !superblock.features.incompat(features::FLEX_BG) {
        least = superblock.group_start(group);
        most = least + u64::from(superblock.group_len(group).saturating_sub(1));
    }
    let table = u64::from(superblock.inode_table_blocks());
    let addresses = [
        ("bg_block_bitmap", decoded.block_bitmap, most),
        ("bg_inode_bitmap", decoded.inode_bitmap, most),
        ("bg_inode_table", decoded.inode_table, (most + 1).saturating_sub(table)),
    ];
    for (field, found, most) in addresses {
        if !(least..=most).contains(&found) {
            let why = Defect::Range { field, found, least, most };
            sink.report(Corruption {
                location: Ext4Location::Descriptor { group },
                offset: decoded.offset,
                why,
            })?;
        }
    }
    Ok(())
}
