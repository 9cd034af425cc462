//! The metadata of a VHDX: sizes of disk, block and sector ([MS-VHDX] 2.6).

use super::ERRORS;
use super::region::VhdxRegion;
use crate::container::error::ContainerError;
use crate::fields;
use crate::guid::Guid;
use crate::read_at::ReadAt;

/// Bytes of the table.
const TABLE_LEN: usize = 64 << 10;

/// The most entries.
const ENTRIES_MAX: usize = 2047;

const FILE_PARAMETERS: Guid = Guid::from_u128(0xcaa1_6737_fa36_4d43_b3b6_33f0_aa44_e76b);
const DISK_SIZE: Guid = Guid::from_u128(0x2fa5_4224_cd1b_4876_b211_5dbe_d83b_f4b8);
const DISK_ID: Guid = Guid::from_u128(0xbeca_12ab_b2e6_4523_93ef_c309_e000_c746);
const LOGICAL_SECTOR: Guid = Guid::from_u128(0x8141_bf1d_a96f_4709_ba47_f233_a8fa_ab5f);
const PHYSICAL_SECTOR: Guid = Guid::from_u128(0xcda3_48c7_445d_4471_9cc9_e988_5251_c556);

/// Blocks are from 1 MiB to 256 MiB.
const BLOCKS: std::ops::RangeInclusive<u64> = 1 << 20..=256 << 20;

/// What the metadata says.
#[derive(Debug, Default)]
pub(super) struct VhdxMetadata {
    /// Length of the disk in bytes.
    pub(super) size: u64,
    /// Bytes in a block.
    pub(super) block: u64,
    /// Bytes in a logical sector.
    pub(super) sector: u64,
}

/// Reads the metadata.
pub(super) fn read(file: &dyn ReadAt, region: &VhdxRegion) -> Result<VhdxMetadata, ContainerError> {
    let mut table = vec![0; TABLE_LEN];
    file.read_exact_at(region.at, &mut table).map_err(ERRORS.io(region.at))?;
    let count = usize::from(fields::u16(&table, 10));
    if !table.starts_with(b"metadata") || count > ENTRIES_MAX {
        return Err(ERRORS.damaged("its metadata has no table"));
    }
    let mut found = VhdxMetadata::default();
    for entry in table.get(32..).unwrap_or_default().chunks_exact(32).take(count) {
        let id = Guid::from_bytes_le(fields::array(entry, 0));
        let (offset, flags) = (u64::from(fields::u32(entry, 16)), fields::u32(entry, 24));
        let at = region.at.saturating_add(offset);
        let mut item = [0; 8];
        let known = [FILE_PARAMETERS, DISK_SIZE, LOGICAL_SECTOR].contains(&id);
        if known {
            let len = if id == LOGICAL_SECTOR { 4 } else { 8 };
            file.read_exact_at(at, item.get_mut(..len).unwrap_or_default()).map_err(ERRORS.io(at))?;
        }
        match id {
            FILE_PARAMETERS => {
                found.block = u64::from(fields::u32(&item, 0));
                if fields::u32(&item, 4) & 2 != 0 {
                    return Err(ERRORS.unsupported("is a differencing disk, which has a parent"));
                }
            }
            DISK_SIZE => found.size = u64::from_le_bytes(item),
            LOGICAL_SECTOR => found.sector = u64::from_le_bytes(item),
            DISK_ID | PHYSICAL_SECTOR => {}
            other if flags & 4 != 0 => {
                return Err(ERRORS.unsupported(format!("needs the unknown item {other}")));
            }
            _ => {}
        }
    }
    check(found)
}

fn check(found: VhdxMetadata) -> Result<VhdxMetadata, ContainerError> {
    if !BLOCKS.contains(&found.block) || !found.block.is_power_of_two() {
        return Err(ERRORS.damaged(format!("blocks of {} bytes", found.block)));
    }
    if ![512, 4096].contains(&found.sector) {
        return Err(ERRORS.damaged(format!("sectors of {} bytes", found.sector)));
    }
    Ok(found)
}
