//! GPT reader: the table of a disk from whichever copy is good.
//!
//! A copy is good when its header and entries satisfy UEFI 2.10, section 5.3, and no partition is outside the
//! usable sectors or on another. Shares no code with the writer. Trusts no length: a copy takes at most 1 MiB.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io;

use super::corruption::{GptFinding, TableCorruption, TableLocation};
use super::{Copy, Lba, Partition, PartitionTable, SECTOR};
use crate::fields;
use crate::finding::Severity;
use crate::guid::Guid;
use crate::read_at::ReadAt;

/// The most bytes of entries that are read; the specification asks for 16 KiB.
const ENTRIES_MAX: u32 = 1 << 20;

/// Attribute bits that the specification reserves.
const RESERVED_ATTRIBUTES: u64 = 0x0000_ffff_ffff_fff8;

/// Why a disk gives no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GptReadError {
    /// The disk could not be read.
    #[error("reading sectors from {at} on")]
    Io {
        /// First sector of the range.
        at: Lba,
        /// The error of the medium.
        source: io::Error,
    },
    /// Neither copy is good.
    #[error("neither copy of the partition table is good: {primary}; {backup}")]
    NoTable {
        /// What is wrong with the primary.
        primary: Box<GptFinding>,
        /// What is wrong with the backup.
        backup: Box<GptFinding>,
    },
}

/// A table that was read, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The table.
    pub table: PartitionTable,
    /// The copy that it was taken from: the primary if that is good.
    pub copy: Copy,
}

/// Reads the partition table of a disk.
///
/// # Errors
/// [`GptReadError::NoTable`] when both copies are damaged, with the first corruption of each.
pub fn read(disk: &dyn ReadAt) -> Result<Reading, GptReadError> {
    let [primary, backup] = copies(disk)?;
    let (copy, loaded) = match (primary, backup) {
        (Ok(loaded), _) => (Copy::Primary, loaded),
        (Err(_), Ok(loaded)) => (Copy::Backup, loaded),
        (Err(primary), Err(backup)) => {
            return Err(GptReadError::NoTable { primary: Box::new(primary), backup: Box::new(backup) });
        }
    };
    let Loaded { header, partitions, .. } = loaded;
    Ok(Reading {
        table: PartitionTable { guid: header.disk, sectors: disk.size() / SECTOR, partitions },
        copy,
    })
}

/// A header's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GptHeader {
    pub(super) at: Lba,
    pub(super) alternate: Lba,
    pub(super) usable_first: Lba,
    pub(super) usable_last: Lba,
    pub(super) disk: Guid,
    pub(super) entries_at: Lba,
    pub(super) count: u32,
    pub(super) entry_len: u32,
    entries_crc: u32,
}

impl GptHeader {
    /// Bytes of the entries: at most [`ENTRIES_MAX`], since the fields were checked.
    pub(super) fn entries_bytes(&self) -> u32 {
        self.count.saturating_mul(self.entry_len)
    }

    /// The last sector that holds entries.
    fn entries_last(&self) -> Lba {
        let sectors = u64::from(self.entries_bytes()).div_ceil(SECTOR);
        Lba(self.entries_at.0.saturating_add(sectors).saturating_sub(1))
    }
}

/// A copy of the table that can be read.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) header: GptHeader,
    pub(super) entries: Vec<u8>,
    pub(super) partitions: Vec<Partition>,
    /// Corruptions that do not prevent reading it.
    pub(super) oddities: Vec<GptFinding>,
}

/// A copy, or the first corruption that makes it useless.
pub(super) type CopyResult = Result<Loaded, GptFinding>;

/// Both copies, the primary first. The backup is read from the sector that a good primary names, else from the last one.
pub(super) fn copies(disk: &dyn ReadAt) -> Result<[CopyResult; 2], GptReadError> {
    let sectors = disk.size() / SECTOR;
    let Some(last) = sectors.checked_sub(1).filter(|last| *last >= 2) else {
        let finding = || TableCorruption::DiskTooShort { len: disk.size() }.at(TableLocation::Disk);
        return Ok([Err(finding()), Err(finding())]);
    };
    let primary = load(disk, Copy::Primary, Lba(1))?;
    let backup_at = primary.as_ref().map_or(Lba(last), |loaded| loaded.header.alternate);
    let backup = load(disk, Copy::Backup, backup_at)?;
    Ok([primary, backup])
}

/// Reads the copy whose header is in sector `at`.
fn load(disk: &dyn ReadAt, copy: Copy, at: Lba) -> Result<CopyResult, GptReadError> {
    let mut sector = [0; SECTOR as usize];
    fill(disk, at, &mut sector)?;
    let header = match decode_header(&sector, at, disk.size() / SECTOR) {
        Ok(header) => header,
        Err(corruption) => return Ok(Err(corruption.at(TableLocation::Header(copy)))),
    };
    let mut entries = vec![0; header.entries_bytes() as usize];
    fill(disk, header.entries_at, &mut entries)?;
    let mut oddities = header_oddities(&sector, &header, copy);
    Ok(decode_entries(&header, &entries, copy, &mut oddities).map(|partitions| Loaded {
        header,
        entries,
        partitions,
        oddities,
    }))
}

/// Reads whole sectors.
fn fill(disk: &dyn ReadAt, at: Lba, buf: &mut [u8]) -> Result<(), GptReadError> {
    disk.read_exact_at(at.offset(), buf).map_err(|source| GptReadError::Io { at, source })
}

/// The fields of a header, the first thing that is wrong with them, or neither copy's.
fn decode_header(sector: &[u8], actual: Lba, sectors: u64) -> Result<GptHeader, TableCorruption> {
    let found = fields::array(sector, 0);
    if found != *b"EFI PART" {
        return Err(TableCorruption::Signature { found });
    }
    let found = fields::u32(sector, 8);
    if found != 0x0001_0000 {
        return Err(TableCorruption::Revision { found });
    }
    let found = fields::u32(sector, 12);
    let signed = usize::try_from(found).ok().filter(|len| *len >= 92).and_then(|len| sector.get(..len));
    let signed = signed.ok_or(TableCorruption::HeaderLen { found })?;
    let stored = fields::u32(sector, 16);
    let computed = header_crc(signed);
    if stored != computed {
        return Err(TableCorruption::Crc { stored, computed });
    }
    let header = GptHeader {
        at: Lba(fields::u64(sector, 24)),
        alternate: Lba(fields::u64(sector, 32)),
        usable_first: Lba(fields::u64(sector, 40)),
        usable_last: Lba(fields::u64(sector, 48)),
        disk: Guid::from_bytes_le(fields::array(sector, 56)),
        entries_at: Lba(fields::u64(sector, 72)),
        count: fields::u32(sector, 80),
        entry_len: fields::u32(sector, 84),
        entries_crc: fields::u32(sector, 88),
    };
    check_addresses(&header, actual, sectors).map(|()| header)
}

/// The checksum of a header whose own field counts as zero.
fn header_crc(signed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(signed.get(..16).unwrap_or_default());
    hasher.update(&[0; 4]);
    hasher.update(signed.get(20..).unwrap_or_default());
    hasher.finalize()
}

/// Refuses a header with impossible sectors for itself, its entries or the usable range.
fn check_addresses(header: &GptHeader, actual: Lba, sectors: u64) -> Result<(), TableCorruption> {
    if header.at != actual {
        return Err(TableCorruption::MyLba { stored: header.at, actual });
    }
    let stored = header.alternate;
    if stored.0 == 0 || stored.0 >= sectors || stored == actual {
        return Err(TableCorruption::AlternateLba { stored, sectors });
    }
    let found = header.entry_len;
    if !found.is_power_of_two() || !(128..=4096).contains(&found) {
        return Err(TableCorruption::EntryLen { found });
    }
    let most = ENTRIES_MAX.checked_div(found).unwrap_or(0);
    if header.count == 0 || header.count > most {
        return Err(TableCorruption::EntryCount { found: header.count, most });
    }
    let (first, last) = (header.entries_at, header.entries_last());
    let meets = |lba: Lba| (first..=last).contains(&lba);
    if first.0 < 2 || last.0 >= sectors || meets(actual) || meets(header.alternate) {
        return Err(TableCorruption::EntriesPlace { first, last });
    }
    let (usable_first, usable_last) = (header.usable_first, header.usable_last);
    let usable = |lba: Lba| (usable_first..=usable_last).contains(&lba);
    let backwards = usable_first > usable_last || usable_first.0 < 2 || usable_last.0 >= sectors;
    if backwards
        || usable(actual)
        || usable(header.alternate)
        || (first <= usable_last && last >= usable_first)
    {
        return Err(TableCorruption::Usable { first: usable_first, last: usable_last });
    }
    Ok(())
}

/// What is odd about a header that can be read.
fn header_oddities(sector: &[u8], header: &GptHeader, copy: Copy) -> Vec<GptFinding> {
    let reserved = sector.iter().enumerate().filter(|(at, _)| (20..24).contains(at) || *at >= 92);
    let set = reserved.into_iter().find(|(_, byte)| **byte != 0);
    let set = set.map(|(at, found)| TableCorruption::Reserved { at, found: *found });
    let bytes = u64::from(header.entries_bytes());
    let few = (bytes < 16384).then_some(TableCorruption::FewEntries { found: bytes });
    set.into_iter().chain(few).map(|corruption| corruption.at(TableLocation::Header(copy))).collect()
}

/// The partitions of an array of entries, by ascending number, or the first corruption that makes them useless.
fn decode_entries(
    header: &GptHeader,
    entries: &[u8],
    copy: Copy,
    oddities: &mut Vec<GptFinding>,
) -> Result<Vec<Partition>, GptFinding> {
    let (stored, computed) = (header.entries_crc, crc32fast::hash(entries));
    if stored != computed {
        return Err(TableCorruption::Crc { stored, computed }.at(TableLocation::Entries(copy)));
    }
    let mut partitions = Vec::new();
    for (number, entry) in (1_u32..).zip(entries.chunks_exact((header.entry_len as usize).max(1))) {
        if entry.iter().take(16).all(|byte| *byte == 0) {
            continue;
        }
        let partition = decode_entry(number, entry);
        for corruption in entry_corruptions(header, entry, &partition) {
            settle(corruption.at(TableLocation::Entry { copy, number }), oddities)?;
        }
        partitions.push(partition);
    }
    for (number, corruption) in pair_corruptions(&partitions) {
        settle(corruption.at(TableLocation::Entry { copy, number }), oddities)?;
    }
    Ok(partitions)
}

/// Refuses for a partition that cannot be read safely; remembers every other finding.
fn settle(finding: GptFinding, oddities: &mut Vec<GptFinding>) -> Result<(), GptFinding> {
    // Equal GUIDs and a missing one make a partition ambiguous, but not its range.
    let harmless = matches!(finding.corruption, TableCorruption::SameGuid { .. } | TableCorruption::NoGuid);
    if finding.severity == Severity::Damage && !harmless {
        return Err(finding);
    }
    oddities.push(finding);
    Ok(())
}

/// An entry's fields. Units of the name that are not UTF-16 are replaced.
fn decode_entry(number: u32, entry: &[u8]) -> Partition {
    Partition {
        number,
        type_guid: Guid::from_bytes_le(fields::array(entry, 0)),
        guid: Guid::from_bytes_le(fields::array(entry, 16)),
        first: Lba(fields::u64(entry, 32)),
        last: Lba(fields::u64(entry, 40)),
        attributes: fields::u64(entry, 48),
        name: String::from_utf16_lossy(&name_units(entry)),
    }
}

/// The units of the name before the first NUL.
fn name_units(entry: &[u8]) -> Vec<u16> {
    (56..128).step_by(2).map(|at| fields::u16(entry, at)).take_while(|unit| *unit != 0).collect()
}

/// What is wrong with an entry by itself.
fn entry_corruptions(header: &GptHeader, entry: &[u8], partition: &Partition) -> Vec<TableCorruption> {
    let Partition { first, last, .. } = *partition;
    let mut corruptions = Vec::new();
    if first > last {
        corruptions.push(TableCorruption::Backwards { first, last });
    } else if first < header.usable_first || last > header.usable_last {
        let (usable_first, usable_last) = (header.usable_first, header.usable_last);
        corruptions.push(TableCorruption::OutsideUsable { first, last, usable_first, usable_last });
    }
    if partition.guid == Guid::from_u128(0) {
        corruptions.push(TableCorruption::NoGuid);
    }
    if String::from_utf16(&name_units(entry)).is_err() {
        corruptions.push(TableCorruption::Name);
    }
    let bits = partition.attributes & RESERVED_ATTRIBUTES;
    if bits != 0 {
        corruptions.push(TableCorruption::Attributes { bits });
    }
    corruptions
}

/// Corruptions between entries, with the number of the entry.
fn pair_corruptions(partitions: &[Partition]) -> Vec<(u32, TableCorruption)> {
    let mut corruptions = Vec::new();
    let mut sorted: Vec<&Partition> = partitions.iter().collect();
    sorted.sort_by_key(|partition| (partition.first, partition.number));
    // The furthest end so far, not only the neighbour's: a long partition may cover several short ones.
    let mut furthest: Option<&Partition> = None;
    for partition in &sorted {
        if let Some(before) = furthest.filter(|before| before.last >= partition.first) {
            let sector = partition.first;
            corruptions.push((partition.number, TableCorruption::Overlap { with: before.number, sector }));
        }
        if furthest.is_none_or(|before| before.last < partition.last) {
            furthest = Some(partition);
        }
    }
    sorted.sort_by_key(|partition| (partition.guid, partition.number));
    for (a, b) in sorted.iter().zip(sorted.iter().skip(1)) {
        if a.guid == b.guid && a.guid != Guid::from_u128(0) {
            corruptions.push((b.number, TableCorruption::SameGuid { with: a.number, guid: a.guid }));
        }
    }
    corruptions
}
