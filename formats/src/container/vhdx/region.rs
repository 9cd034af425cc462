//! The region table: where the block allocation table and the metadata are ([MS-VHDX] 2.2.3).

use super::{ERRORS, has_checksum};
use crate::container::error::ContainerError;
use crate::fields;
use crate::guid::Guid;
use crate::read_at::ReadAt;

/// Where the two copies of the table are.
const TABLES_AT: [u64; 2] = [192 << 10, 256 << 10];

/// Bytes of a copy.
const TABLE_LEN: usize = 64 << 10;

/// The most entries.
const ENTRIES_MAX: usize = 2047;

/// The block allocation table.
const BLOCK_TABLE: Guid = Guid::from_u128(0x2dc2_7766_f623_4200_9d64_115e_9bfd_4a08);

/// The metadata.
const METADATA: Guid = Guid::from_u128(0x8b7c_a206_4790_4b9a_b8fe_575f_050f_886e);

/// A region of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct VhdxRegion {
    /// First byte.
    pub(super) at: u64,
    /// Length in bytes.
    pub(super) len: u64,
}

/// The regions that are read.
#[derive(Debug)]
pub(super) struct VhdxRegions {
    /// The block allocation table.
    pub(super) table: VhdxRegion,
    /// The metadata.
    pub(super) metadata: VhdxRegion,
}

/// Reads the first copy with a right check sum.
pub(super) fn read(file: &dyn ReadAt) -> Result<VhdxRegions, ContainerError> {
    let copies = TABLES_AT.into_iter().filter_map(|at| {
        let mut bytes = vec![0; TABLE_LEN];
        file.read_exact_at(at, &mut bytes).ok()?;
        (bytes.starts_with(b"regi") && has_checksum(&bytes)).then_some(bytes)
    });
    let bytes = copies.into_iter().next();
    let bytes =
        bytes.ok_or_else(|| ERRORS.damaged("neither of its region tables has the right check sum"))?;
    let count = fields::u32(&bytes, 8) as usize;
    if count > ENTRIES_MAX {
        return Err(ERRORS.damaged(format!("a table of {count} regions")));
    }
    let (mut table, mut metadata) = (None, None);
    for entry in bytes.get(16..).unwrap_or_default().chunks_exact(32).take(count) {
        let id = Guid::from_bytes_le(fields::array(entry, 0));
        let region = VhdxRegion { at: fields::u64(entry, 16), len: u64::from(fields::u32(entry, 24)) };
        if region.at.checked_add(region.len).is_none_or(|end| end > file.size()) {
            return Err(ERRORS.damaged(format!("the region {id} is past its end")));
        }
        match id {
            BLOCK_TABLE => table = Some(region),
            METADATA => metadata = Some(region),
            other if fields::u32(entry, 28) & 1 != 0 => {
                return Err(ERRORS.unsupported(format!("needs the unknown region {other}")));
            }
            _ => {}
        }
    }
    match (table, metadata) {
        (Some(table), Some(metadata)) => Ok(VhdxRegions { table, metadata }),
        _ => Err(ERRORS.damaged("it has no block allocation table, or no metadata")),
    }
}
