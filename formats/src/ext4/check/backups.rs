//! The copies of superblock and descriptors, which a repair would start from: they name the same geometry.

use super::CheckRun;
use crate::ext4::read::groups::{GroupInfo, descriptor_checksum};
use crate::ext4::read::superblock::{CHECKSUM_AT, LEN};
use crate::ext4::read::{
    Corruption, Defect, Ext4Location, Ext4ReadError, ReadSuperblock, checksum, features, fields,
};
use crate::read_at::ReadAt;

/// Fields that a copy must have as the primary has them: name, first byte, length.
const FIELDS: [(&str, usize, usize); 20] = [
    ("s_inodes_count", 0x0, 4),
    ("s_blocks_count_lo", 0x4, 4),
    ("s_first_data_block", 0x14, 4),
    ("s_log_block_size", 0x18, 4),
    ("s_log_cluster_size", 0x1c, 4),
    ("s_blocks_per_group", 0x20, 4),
    ("s_clusters_per_group", 0x24, 4),
    ("s_inodes_per_group", 0x28, 4),
    ("s_magic", 0x38, 2),
    ("s_rev_level", 0x4c, 4),
    ("s_first_ino", 0x54, 4),
    ("s_inode_size", 0x58, 2),
    ("s_uuid", 0x68, 16),
    ("s_reserved_gdt_blocks", 0xce, 2),
    ("s_hash_seed", 0xec, 16),
    ("s_desc_size", 0xfe, 2),
    ("s_first_meta_bg", 0x104, 4),
    ("s_blocks_count_hi", 0x150, 4),
    ("s_log_groups_per_flex", 0x174, 2),
    ("s_checksum_seed", 0x270, 4),
];

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Goes through the groups that hold copies.
    pub(super) fn backups(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        for group in (1..superblock.groups()).filter(|group| superblock.has_superblock(*group)) {
            let block = superblock.group_start(group);
            let bytes = self.file_system.block(block)?;
            let offset = superblock.offset_of(block);
            self.backup_superblock(group, offset, bytes.get(..LEN).unwrap_or(&bytes));
            let stands_alone = superblock.features.incompat(features::META_BG)
                && group / superblock.descriptors_per_block() >= superblock.first_meta_bg;
            if !stands_alone {
                self.backup_descriptors(group, block)?;
            }
        }
        Ok(())
    }

    fn backup_superblock(&mut self, group: u32, offset: u64, copy: &[u8]) {
        let superblock = self.file_system.superblock();
        let primary = &superblock.raw;
        let differs = FIELDS.iter().filter_map(|&(field, at, len)| {
            let pair = copy.iter().zip(primary.iter()).enumerate().skip(at).take(len);
            let (at, (&found, &expected)) =
                pair.into_iter().find(|(_, (found, expected))| found != expected)?;
            Some(Defect::Differs { field, at: at as u64, found, expected })
        });
        let mut defects: Vec<Defect> = differs.collect();
        let stored_group = u64::from(fields::u16(copy, 0x5a));
        if stored_group != u64::from(group & 0xffff) {
            let (found, expected) = (stored_group, u64::from(group & 0xffff));
            defects.push(Defect::Value { field: "s_block_group_nr", found, expected });
        }
        defects.extend(feature_bits(superblock, copy));
        if superblock.has_checksums() {
            let stored = fields::u32(copy, CHECKSUM_AT);
            let computed = checksum::crc32c(!0, copy.get(..CHECKSUM_AT).unwrap_or(copy));
            if stored != computed {
                defects.push(Defect::Checksum { stored, computed });
            }
        }
        for why in defects {
            self.report.error(Corruption { location: Ext4Location::BackupSuperblock { group }, offset, why });
        }
    }

    /// The kernel keeps counts and flags only in the primary; addresses and checksums must be right in a copy too.
    fn backup_descriptors(&mut self, group: u32, superblock_at: u64) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let size = usize::from(superblock.descriptor_size);
        let mut described = self.file_system.groups().iter().zip(0_u32..);
        for index in 0..superblock.old_descriptor_blocks() {
            let at = superblock_at + 1 + u64::from(index);
            if !self.file_system.holds(at, 1) {
                break;
            }
            let bytes = self.file_system.block(at)?;
            for (slot, raw) in bytes.chunks_exact(size).enumerate() {
                let Some((primary, number)) = described.next() else { break };
                let offset = superblock.offset_of(at) + (slot * size) as u64;
                let copy = GroupInfo::decode(raw, offset);
                let stored = fields::u16(raw, 0x1e);
                let computed = descriptor_checksum(superblock, number, raw).unwrap_or(stored);
                let value = |field, found, expected| {
                    (found != expected).then_some(Defect::Value { field, found, expected })
                };
                let checks = [
                    value("bg_block_bitmap", copy.block_bitmap, primary.block_bitmap),
                    value("bg_inode_bitmap", copy.inode_bitmap, primary.inode_bitmap),
                    value("bg_inode_table", copy.inode_table, primary.inode_table),
                    (stored != computed)
                        .then_some(Defect::Checksum { stored: stored.into(), computed: computed.into() }),
                ];
                for why in checks.into_iter().flatten() {
                    self.report.error(Corruption {
                        location: Ext4Location::BackupDescriptors { group },
                        offset,
                        why,
                    });
                }
            }
        }
        Ok(())
    }
}

/// Features must be those of the primary, but for those that a kernel turns on in the primary alone.
fn feature_bits(superblock: &ReadSuperblock, copy: &[u8]) -> Vec<Defect> {
    let sets = [
        ("s_feature_compat", 0x5c, superblock.features.compat, features::EXT_ATTR),
        ("s_feature_incompat", 0x60, superblock.features.incompat, features::EXTENTS),
        (
            "s_feature_ro_compat",
            0x64,
            superblock.features.ro_compat,
            features::LARGE_FILE | features::DIR_NLINK,
        ),
    ];
    let differs = sets.into_iter().filter(|(_, at, primary, later)| {
        let found = fields::u32(copy, *at);
        found & !later != primary & !later
    });
    differs
        .map(|(field, at, primary, _)| {
            let (found, expected) = (fields::u32(copy, at).into(), primary.into());
            Defect::Value { field, found, expected }
        })
        .collect()
}
