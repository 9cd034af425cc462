//! VMDK (`VMware`, *Virtual Disk Format 5.0*), one file with a sparse extent: `monolithicSparse` and `streamOptimized`.
//! All numbers are little-endian, and count sectors of 512 bytes. Disks of several files, and those with a parent, are
//! refused.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod descriptor;

use std::io;

use super::error::{ContainerError, ErrorsOf, invalid};
use super::map::{ContainerMap, PackedUnit, StoredAs, StoredRun};
use super::tables::TableReader;
use super::unpack::{Codec, UNIT_MAX};
use crate::fields;
use crate::read_at::ReadAt;

pub(super) const NAME: &str = "VMDK";
const ERRORS: ErrorsOf = ErrorsOf(NAME);

/// First bytes of a sparse extent.
const SPARSE: &[u8] = b"KDMV";

/// First bytes of extents of ESX, which are refused.
const ESX: &[u8] = b"COWD";

/// First bytes of space-efficient extents of ESX, which are refused.
const SPACE_EFFICIENT: &[u8] = &[0xbe, 0xba, 0xfe, 0xca];

/// First bytes of a descriptor in a file of its own, which is refused.
const DESCRIPTOR: &[u8] = b"# Disk DescriptorFile";

/// Bytes in a sector.
const SECTOR: u64 = 512;

/// The most bytes of a directory of tables.
const DIRECTORY_MAX: u64 = 32 << 20;

/// A directory whose place is in the footer.
const AT_END: u64 = u64::MAX;

/// Flags of the header.
const ZEROED_GRAINS: u32 = 1 << 2;
const COMPRESSED: u32 = 1 << 16;
const MARKERS: u32 = 1 << 17;

/// Whether a file begins as a VMDK of any kind.
pub(super) fn probe(head: &[u8]) -> bool {
    [SPARSE, ESX, SPACE_EFFICIENT, DESCRIPTOR].into_iter().any(|magic| head.starts_with(magic))
}

/// Where grains are.
#[derive(Debug)]
pub(super) struct VmdkMap {
    size: u64,
    grain: u64,
    directory_at: u64,
    /// Entries of a table.
    entries: u64,
    zeroed_grains: bool,
    compressed: bool,
}

/// Reads header, descriptor and footer.
pub(super) fn open(file: &dyn ReadAt) -> Result<VmdkMap, ContainerError> {
    let header = sector(file, 0)?;
    refuse_others(&header)?;
    let descriptor_at = fields::u64(&header, 28).saturating_mul(SECTOR);
    let descriptor_len = fields::u64(&header, 36).saturating_mul(SECTOR);
    descriptor::check(file, descriptor_at, descriptor_len)?;
    let header = if fields::u64(&header, 56) == AT_END { footer(file)? } else { header };
    let flags = fields::u32(&header, 8);
    let version = fields::u32(&header, 4);
    if !(1..=3).contains(&version) {
        return Err(ERRORS.unsupported(format!("is of version {version}")));
    }
    let method = fields::u16(&header, 77);
    if flags & COMPRESSED != 0 && (method != 1 || flags & MARKERS == 0) {
        return Err(ERRORS.unsupported(format!("is compressed with method {method}, or without markers")));
    }
    let map = VmdkMap {
        size: fields::u64(&header, 12)
            .checked_mul(SECTOR)
            .ok_or_else(|| ERRORS.damaged("a disk over 2^64 bytes"))?,
        grain: fields::u64(&header, 20).saturating_mul(SECTOR),
        directory_at: fields::u64(&header, 56).saturating_mul(SECTOR),
        entries: u64::from(fields::u32(&header, 44)),
        zeroed_grains: flags & ZEROED_GRAINS != 0,
        compressed: flags & COMPRESSED != 0,
    };
    map.check(file.size())?;
    Ok(map)
}

/// Refuses kinds of extents that are not read.
fn refuse_others(header: &[u8]) -> Result<(), ContainerError> {
    let what = match header {
        head if head.starts_with(SPARSE) => return Ok(()),
        head if head.starts_with(DESCRIPTOR) => "is a descriptor, whose data is in other files",
        head if head.starts_with(ESX) => "is a sparse extent of ESX",
        _ => "is a space-efficient extent of ESX",
    };
    Err(ERRORS.unsupported(what))
}

/// The header in the footer of a stream-optimised file: the second last sector, before the marker of the end.
fn footer(file: &dyn ReadAt) -> Result<[u8; SECTOR as usize], ContainerError> {
    let at = file.size().saturating_sub(2 * SECTOR);
    let footer = sector(file, at)?;
    if !footer.starts_with(SPARSE) || fields::u64(&footer, 56) == AT_END {
        return Err(ERRORS.damaged("there is no footer, in which its directory would be; it is perhaps cut"));
    }
    Ok(footer)
}

fn sector(file: &dyn ReadAt, at: u64) -> Result<[u8; SECTOR as usize], ContainerError> {
    let mut bytes = [0; SECTOR as usize];
    let held = usize::try_from(file.size().saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
    if let Some(bytes) = bytes.get_mut(..held) {
        file.read_exact_at(at, bytes).map_err(ERRORS.io(at))?;
    }
    Ok(bytes)
}

impl VmdkMap {
    fn check(&self, file_len: u64) -> Result<(), ContainerError> {
        if !self.grain.is_power_of_two() || self.grain < SECTOR || self.grain > u64::from(UNIT_MAX) {
            return Err(ERRORS.damaged(format!("grains of {} bytes", self.grain)));
        }
        if self.entries == 0 || self.entries > 1 << 20 {
            return Err(ERRORS.damaged(format!("tables of {} entries", self.entries)));
        }
        let needed = self.size.div_ceil(self.table_span()).saturating_mul(4);
        if needed > DIRECTORY_MAX {
            return Err(ERRORS.unsupported(format!("holds a disk of {} bytes", self.size)));
        }
        if self.directory_at.checked_add(needed).is_none_or(|end| end > file_len) {
            return Err(
                ERRORS.damaged(format!("its directory is at byte {}, past its end", self.directory_at))
            );
        }
        Ok(())
    }

    /// Bytes of the disk that one table covers.
    fn table_span(&self) -> u64 {
        self.entries.saturating_mul(self.grain).max(1)
    }

    fn zeros(&self, start: u64, len: u64) -> StoredRun {
        StoredRun { start, len: len.min(self.size.saturating_sub(start)), stored: StoredAs::Zeros }
    }

    /// A grain with its marker before it: its first sector, the length of its data, the data.
    fn packed(&self, tables: &TableReader<'_>, start: u64, at: u64) -> io::Result<StoredRun> {
        let sector = u64::from_le_bytes(tables.array(at)?);
        let len = u32::from_le_bytes(tables.array(at.saturating_add(8))?);
        if sector.checked_mul(SECTOR) != Some(start) {
            let what = format!("the grain at byte {at} is of sector {sector}, not of byte {start}");
            return Err(invalid(ERRORS.damaged(what)));
        }
        let at = at.saturating_add(12);
        let most = u64::from(UNIT_MAX).saturating_mul(2);
        if u64::from(len) > most || at.checked_add(u64::from(len)).is_none_or(|end| end > tables.file_len()) {
            return Err(invalid(ERRORS.damaged(format!("a grain of {len} compressed bytes at byte {at}"))));
        }
        let unit = PackedUnit { at, len, unpacked: self.grain as u32, codec: Codec::Zlib };
        Ok(StoredRun {
            start,
            len: self.grain.min(self.size.saturating_sub(start)),
            stored: StoredAs::Packed(unit),
        })
    }
}

impl ContainerMap for VmdkMap {
    fn size(&self) -> u64 {
        self.size
    }

    fn run(&self, tables: &TableReader<'_>, offset: u64) -> io::Result<StoredRun> {
        let span = self.table_span();
        let index = offset.checked_div(span).unwrap_or(0);
        let first = index.saturating_mul(span);
        let directory = self.directory_at.saturating_add(index.saturating_mul(4));
        let table = u64::from(u32::from_le_bytes(tables.array(directory)?));
        if table == 0 {
            return Ok(self.zeros(first, span));
        }
        let number = offset.saturating_sub(first).checked_div(self.grain).unwrap_or(0);
        let start = first.saturating_add(number.saturating_mul(self.grain));
        let entry_at = table.saturating_mul(SECTOR).saturating_add(number.saturating_mul(4));
        let entry = u32::from_le_bytes(tables.array(entry_at)?);
        if entry == 0 || self.zeroed_grains && entry == 1 {
            return Ok(self.zeros(start, self.grain));
        }
        let at = u64::from(entry).saturating_mul(SECTOR);
        if self.compressed {
            return self.packed(tables, start, at);
        }
        let len = self.grain.min(self.size.saturating_sub(start));
        if at.checked_add(len).is_none_or(|end| end > tables.file_len()) {
            let what = format!("byte {start} of the disk is at byte {at}, past the end of the file");
            return Err(invalid(ERRORS.damaged(what)));
        }
        Ok(StoredRun { start, len, stored: StoredAs::Plain { at } })
    }
}
