//! VHDX (Microsoft, [MS-VHDX] 8.0), fixed and dynamic: a block allocation table over blocks of 1 MiB to 256 MiB. All
//! numbers are little-endian. A log that must be replayed first, and differencing disks, are refused.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod metadata;
mod region;

use std::io;

use super::error::{ContainerError, ErrorsOf, invalid};
use super::map::{ContainerMap, StoredAs, StoredRun};
use super::tables::TableReader;
use crate::fields;
use crate::read_at::ReadAt;

pub(super) const NAME: &str = "VHDX";
const ERRORS: ErrorsOf = ErrorsOf(NAME);

/// First bytes.
const MAGIC: &[u8] = b"vhdxfile";

/// Where the two headers are.
const HEADERS_AT: [u64; 2] = [64 << 10, 128 << 10];

/// Bytes that the check sum of a header covers.
const HEADER_LEN: usize = 4096;

/// The longest disk: 64 TiB.
const SIZE_MAX: u64 = 64 << 40;

/// Whether a file begins as a VHDX.
pub(super) fn probe(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Where blocks are.
#[derive(Debug)]
pub(super) struct VhdxMap {
    size: u64,
    block: u64,
    /// Blocks whose entries stand between two entries of sector bitmaps.
    chunk_ratio: u64,
    table_at: u64,
}

/// Reads headers, regions and metadata.
pub(super) fn open(file: &dyn ReadAt) -> Result<VhdxMap, ContainerError> {
    check_log(&header(file)?)?;
    let regions = region::read(file)?;
    let metadata = metadata::read(file, &regions.metadata)?;
    if metadata.size > SIZE_MAX || !metadata.size.is_multiple_of(metadata.sector) {
        return Err(ERRORS.damaged(format!("a disk of {} bytes", metadata.size)));
    }
    // 2^23 sectors for each sector bitmap block (section 2.5).
    let chunk_ratio = (metadata.sector << 23).checked_div(metadata.block).unwrap_or(0);
    let blocks = metadata.size.div_ceil(metadata.block.max(1));
    let bitmaps = blocks.saturating_sub(1).checked_div(chunk_ratio).unwrap_or(0);
    let needed = blocks.saturating_add(bitmaps).saturating_mul(8);
    if chunk_ratio == 0 || needed > regions.table.len {
        let what = format!("a table of {} bytes for {blocks} blocks, which take {needed}", regions.table.len);
        return Err(ERRORS.damaged(what));
    }
    Ok(VhdxMap { size: metadata.size, block: metadata.block, chunk_ratio, table_at: regions.table.at })
}

/// The current header: of those with a right check sum the one with the greater sequence number (section 2.2.2).
fn header(file: &dyn ReadAt) -> Result<Vec<u8>, ContainerError> {
    let mut current: Option<Vec<u8>> = None;
    for at in HEADERS_AT {
        let mut bytes = vec![0; HEADER_LEN];
        if file.read_exact_at(at, &mut bytes).is_err() {
            continue;
        }
        let newer = current.as_ref().is_none_or(|held| fields::u64(&bytes, 8) > fields::u64(held, 8));
        if bytes.starts_with(b"head") && has_checksum(&bytes) && newer {
            current = Some(bytes);
        }
    }
    let header = current.ok_or_else(|| ERRORS.damaged("neither of its headers has the right check sum"))?;
    match fields::u16(&header, 66) {
        1 => Ok(header),
        version => Err(ERRORS.unsupported(format!("is of version {version}"))),
    }
}

/// Refuses a file with a log: its tables are only right once the log is replayed.
fn check_log(header: &[u8]) -> Result<(), ContainerError> {
    if fields::array::<16>(header, 48) == [0; 16] {
        return Ok(());
    }
    Err(ContainerError::Unsupported {
        kind: NAME,
        feature: "was not closed, and has a log that must be replayed".to_owned(),
        remedy: "replay it: `qemu-img check -r all FILE`, or open and close it in Hyper-V",
    })
}

/// Whether the check sum at byte 4, a CRC-32C over everything with the sum itself as zeros, is right.
fn has_checksum(bytes: &[u8]) -> bool {
    let (head, rest) = (bytes.get(..4).unwrap_or_default(), bytes.get(8..).unwrap_or_default());
    let sum = [&[0; 4], rest].into_iter().fold(crc32c::crc32c(head), crc32c::crc32c_append);
    sum == fields::u32(bytes, 4)
}

/// States of a payload block (section 2.5.1.1).
const NOT_PRESENT: u64 = 0;
const UNDEFINED: u64 = 1;
const ZERO: u64 = 2;
const UNMAPPED: u64 = 3;
const PRESENT: u64 = 6;

impl ContainerMap for VhdxMap {
    fn size(&self) -> u64 {
        self.size
    }

    fn run(&self, tables: &TableReader<'_>, offset: u64) -> io::Result<StoredRun> {
        let number = offset.checked_div(self.block).unwrap_or(0);
        let start = number.saturating_mul(self.block);
        let index = number.saturating_add(number.checked_div(self.chunk_ratio).unwrap_or(0));
        let entry = u64::from_le_bytes(tables.array(self.table_at.saturating_add(index.saturating_mul(8)))?);
        let len = self.block.min(self.size.saturating_sub(start));
        match entry & 7 {
            NOT_PRESENT | UNDEFINED | ZERO | UNMAPPED => {
                Ok(StoredRun { start, len, stored: StoredAs::Zeros })
            }
            PRESENT => {
                let at = entry & !0xf_ffff;
                if at.checked_add(len).is_none_or(|end| end > tables.file_len()) {
                    let what = format!("byte {start} of the disk is at byte {at}, past the end of the file");
                    return Err(invalid(ERRORS.damaged(what)));
                }
                Ok(StoredRun { start, len, stored: StoredAs::Plain { at } })
            }
            state => Err(invalid(ERRORS.damaged(format!("a block in the state {state}")))),
        }
    }
}
