//! VHD (Microsoft, *Virtual Hard Disk Image Format Specification*, 2006): fixed, which is the disk and a footer, and
//! dynamic, blocks with a bitmap of their sectors. All numbers are big-endian. Differencing disks are refused.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io;

use super::error::{ContainerError, ErrorsOf, invalid};
use super::map::{ContainerMap, StoredAs, StoredRun};
use super::tables::TableReader;
use crate::fields::{self, be32};
use crate::read_at::ReadAt;

pub(super) const NAME: &str = "VHD";
const ERRORS: ErrorsOf = ErrorsOf(NAME);

/// Signature of the footer.
const FOOTER: &[u8] = b"conectix";

/// Signature of the header of a dynamic disk.
const HEADER: &[u8] = b"cxsparse";

/// Bytes of the footer.
const FOOTER_LEN: u64 = 512;

/// Bytes of the header of a dynamic disk.
const HEADER_LEN: usize = 1024;

/// Bytes in a sector.
const SECTOR: u64 = 512;

/// A block of the disk that is not in the file.
const ABSENT: u32 = u32::MAX;

/// Largest block that is read; writers make 2 MiB.
const BLOCK_MAX: u64 = 1 << 30;

/// The longest disk of the format: 2040 GiB.
const SIZE_MAX: u64 = 2040 << 30;

/// Whether a file begins as a VHD, or ends with a footer whose check sum is right: a raw disk may end with anything.
pub(super) fn probe(head: &[u8], tail: &[u8]) -> bool {
    head.starts_with(FOOTER) || tail.starts_with(FOOTER) && checksum(tail, 64) == be32(tail, 64)
}

/// Where blocks are.
#[derive(Debug)]
pub(super) enum VhdMap {
    /// The disk is the file without its footer.
    Fixed { size: u64 },
    /// Blocks of a table.
    Dynamic { size: u64, table_at: u64, block: u64 },
}

/// Reads the footer, and the header of a dynamic disk.
pub(super) fn open(file: &dyn ReadAt) -> Result<VhdMap, ContainerError> {
    let footer = footer(file)?;
    let size = u64::from_be_bytes(fields::array(&footer, 48));
    if size > SIZE_MAX {
        return Err(ERRORS.damaged(format!("a disk of {size} bytes; the largest has {SIZE_MAX}")));
    }
    match be32(&footer, 60) {
        2 => {
            let held = file.size().saturating_sub(FOOTER_LEN);
            if size > held {
                return Err(ERRORS.damaged(format!("a disk of {size} bytes in a file of {}", file.size())));
            }
            Ok(VhdMap::Fixed { size })
        }
        3 => dynamic(file, size, u64::from_be_bytes(fields::array(&footer, 16))),
        4 => Err(ERRORS.unsupported("is a differencing disk, which has a parent")),
        other => Err(ERRORS.unsupported(format!("is of type {other}"))),
    }
}

/// The footer at the end, else its copy at the start.
fn footer(file: &dyn ReadAt) -> Result<[u8; FOOTER_LEN as usize], ContainerError> {
    let mut footer = [0; FOOTER_LEN as usize];
    for at in [file.size().saturating_sub(FOOTER_LEN), 0] {
        if file.size() < FOOTER_LEN {
            break;
        }
        file.read_exact_at(at, &mut footer).map_err(ERRORS.io(at))?;
        if footer.starts_with(FOOTER) && checksum(&footer, 64) == be32(&footer, 64) {
            return Ok(footer);
        }
    }
    Err(ERRORS.damaged("neither its footer nor the copy of it has the right check sum"))
}

fn dynamic(file: &dyn ReadAt, size: u64, header_at: u64) -> Result<VhdMap, ContainerError> {
    let mut header = [0; HEADER_LEN];
    file.read_exact_at(header_at, &mut header).map_err(ERRORS.io(header_at))?;
    if !header.starts_with(HEADER) || checksum(&header, 36) != be32(&header, 36) {
        return Err(ERRORS.damaged(format!("there is no header of a dynamic disk at byte {header_at}")));
    }
    let table_at = u64::from_be_bytes(fields::array(&header, 16));
    let entries = u64::from(be32(&header, 28));
    let block = u64::from(be32(&header, 32));
    if !(SECTOR..=BLOCK_MAX).contains(&block) || !block.is_power_of_two() {
        return Err(ERRORS.damaged(format!("blocks of {block} bytes")));
    }
    let needed = size.div_ceil(block);
    if needed > entries {
        let what = format!("a table of {entries} blocks for a disk of {size} bytes, which takes {needed}");
        return Err(ERRORS.damaged(what));
    }
    let end = needed.checked_mul(4).and_then(|len| len.checked_add(table_at));
    if end.is_none_or(|end| end > file.size()) {
        return Err(ERRORS.damaged(format!("its table is at byte {table_at}, past its end")));
    }
    Ok(VhdMap::Dynamic { size, table_at, block })
}

/// The complement of the sum of all bytes but those of the check sum itself, which is at `at`.
fn checksum(bytes: &[u8], at: usize) -> u32 {
    let own = at..at.saturating_add(4);
    let summed = bytes.iter().enumerate().filter(|(index, _)| !own.contains(index));
    !summed.fold(0u32, |sum, (_, byte)| sum.wrapping_add(u32::from(*byte)))
}

/// Bytes of the bitmap before a block, in whole sectors.
fn bitmap_len(block: u64) -> u64 {
    (block / SECTOR).div_ceil(8).next_multiple_of(SECTOR)
}

/// The sectors around the one at `offset` of the block that are all used or all unused: `first..end`. A byte of the
/// bitmap at a time, because most are full or empty.
fn sectors(
    tables: &TableReader<'_>,
    bitmap_at: u64,
    count: u64,
    sector: u64,
) -> io::Result<(u64, u64, bool)> {
    let byte = |sector: u64| -> io::Result<u8> {
        let [byte] = tables.array(bitmap_at.saturating_add(sector / 8))?;
        Ok(byte)
    };
    // The most significant bit is the first sector.
    let used = |byte: u8, sector: u64| byte >> 7u32.saturating_sub((sector % 8) as u32) & 1 != 0;
    let state = used(byte(sector)?, sector);
    let full = if state { 0xff } else { 0 };
    let mut end = sector;
    while end < count {
        let here = byte(end)?;
        if end.is_multiple_of(8) && here == full {
            end = end.saturating_add(8);
        } else if used(here, end) == state {
            end = end.saturating_add(1);
        } else {
            break;
        }
    }
    Ok((sector, end.min(count), state))
}

impl ContainerMap for VhdMap {
    fn size(&self) -> u64 {
        match self {
            Self::Fixed { size } | Self::Dynamic { size, .. } => *size,
        }
    }

    fn run(&self, tables: &TableReader<'_>, offset: u64) -> io::Result<StoredRun> {
        let (size, table_at, block) = match self {
            Self::Fixed { size } => {
                return Ok(StoredRun { start: 0, len: *size, stored: StoredAs::Plain { at: 0 } });
            }
            Self::Dynamic { size, table_at, block } => (*size, *table_at, *block),
        };
        let number = offset.checked_div(block).unwrap_or(0);
        let start = number.saturating_mul(block);
        let entry = u32::from_be_bytes(tables.array(table_at.saturating_add(number.saturating_mul(4)))?);
        if entry == ABSENT {
            let len = block.min(size.saturating_sub(start));
            return Ok(StoredRun { start, len, stored: StoredAs::Zeros });
        }
        let bitmap_at = u64::from(entry).saturating_mul(SECTOR);
        let data_at = bitmap_at.saturating_add(bitmap_len(block));
        let held = offset.saturating_sub(start) / SECTOR;
        let (first, end, used) = sectors(tables, bitmap_at, block / SECTOR, held)?;
        let skip = first.saturating_mul(SECTOR);
        let start = start.saturating_add(skip);
        let len = end.saturating_sub(first).saturating_mul(SECTOR).min(size.saturating_sub(start));
        let at = data_at.saturating_add(skip);
        if !used {
            return Ok(StoredRun { start, len, stored: StoredAs::Zeros });
        }
        if at.checked_add(len).is_none_or(|end| end > tables.file_len()) {
            let what = format!("byte {start} of the disk is at byte {at}, past the end of the file");
            return Err(invalid(ERRORS.damaged(what)));
        }
        Ok(StoredRun { start, len, stored: StoredAs::Plain { at } })
    }
}
