//! The partition table: protective MBR, both headers and both arrays of GPT (UEFI specification 2.10, chapter 5).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::blocks::is_zero;
use crate::bytes::{array, byte, guid_text, le16, le32, le64, part};
use crate::crc::crc32;
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

/// Bytes of a sector, of an entry, and the most entries that are read.
const SECTOR: u64 = 512;
const ENTRY: usize = 128;
const ENTRIES_MAX: u32 = 1024;

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GptEntry {
    /// Number, from 1.
    pub number: u64,
    /// Type, lower case.
    pub type_guid: String,
    /// GUID, lower case.
    pub guid: String,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Name.
    pub name: String,
}

/// What the table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTable {
    /// GUID of the disk, lower case.
    pub guid: String,
    /// The partitions in use.
    pub entries: Vec<GptEntry>,
}

/// A header with its array.
struct Header {
    bytes: Vec<u8>,
    array: Vec<u8>,
    first_usable: u64,
    last_usable: u64,
    array_at: u64,
}

/// Reads and checks the table; `None`, with the reasons in the report, when there is no primary one that can be used.
pub fn read(disk: &dyn ByteSource, log: &mut Log<'_>) -> Option<PartitionTable> {
    match tables(disk, log) {
        Ok(table) => table,
        Err(failure) => {
            log.unread(&failure);
            None
        }
    }
}

fn tables(disk: &dyn ByteSource, log: &mut Log<'_>) -> Result<Option<PartitionTable>, ReadFailure> {
    let sectors = disk.size() / SECTOR;
    if sectors < 68 || disk.size() % SECTOR != 0 {
        log.wrong(None, "the disk is no whole number of sectors, or too short for a partition table");
        return Ok(None);
    }
    let last = sectors.saturating_sub(1);
    check_mbr(&bytes_at(disk, 0, 512)?, sectors, log);
    let primary = header(disk, 1, last, log)?;
    let backup = header(disk, last, 1, log)?;
    let Some(primary) = primary else { return Ok(None) };
    if let Some(backup) = &backup {
        if primary.array != backup.array {
            log.wrong(backup.array_at.saturating_mul(SECTOR), "the arrays of both tables differ");
        }
        for (from, len, what) in
            [(24 + 16, 16, "usable ranges"), (56, 16, "GUIDs"), (80, 8, "sizes of the arrays")]
        {
            if part(&primary.bytes, from, len) != part(&backup.bytes, from, len) {
                log.wrong(last.saturating_mul(SECTOR), format!("the {what} of both tables differ"));
            }
        }
    }
    let entries = entries(&primary, log);
    Ok(Some(PartitionTable { guid: guid_text(array(&primary.bytes, 56)), entries }))
}

/// The protective MBR: one entry of type 0xEE that covers the disk behind it.
fn check_mbr(mbr: &[u8], sectors: u64, log: &mut Log<'_>) {
    log.equal(510, "the signature of the MBR", 0xaa55, le16(mbr, 510));
    let covered = u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX);
    log.equal(446 + 4, "the type of the protective entry", 0xee, byte(mbr, 446 + 4));
    log.equal(446 + 8, "the first sector of the protective entry", 1, le32(mbr, 446 + 8));
    log.equal(446 + 12, "the sectors of the protective entry", covered, le32(mbr, 446 + 12));
    log.equal(446, "the boot indicator of the protective entry", 0, byte(mbr, 446));
    log.equal(
        446 + 1,
        "the first CHS address of the protective entry",
        "000200".into(),
        crate::bytes::hex(part(mbr, 447, 3)),
    );
    if !is_zero(part(mbr, 462, 48)) {
        log.wrong(462, "the MBR has more than the protective entry");
    }
}

fn header(
    disk: &dyn ByteSource,
    lba: u64,
    other: u64,
    log: &mut Log<'_>,
) -> Result<Option<Header>, ReadFailure> {
    let at = lba.saturating_mul(SECTOR);
    let bytes = bytes_at(disk, at, 512)?;
    let mut good = log.equal(
        at,
        "the signature of the header",
        "EFI PART",
        &crate::bytes::word(part(&bytes, 0, 8)).replace("\\x20", " "),
    );
    good &= log.equal(at + 8, "the revision of the header", 0x1_0000, le32(&bytes, 8));
    good &= log.equal(at + 12, "the length of the header", 92, le32(&bytes, 12));
    if !good {
        return Ok(None);
    }
    let mut covered = part(&bytes, 0, 92).to_vec();
    if let Some(sum) = covered.get_mut(16..20) {
        sum.fill(0);
    }
    good &= log.equal(at + 16, "the checksum of the header", crc32(&covered), le32(&bytes, 16));
    good &= log.equal(at + 24, "the sector of the header", lba, le64(&bytes, 24));
    good &= log.equal(at + 32, "the sector of the other header", other, le64(&bytes, 32));
    log.equal(at + 20, "a reserved field of the header", 0, le32(&bytes, 20));
    if !is_zero(part(&bytes, 92, 420)) {
        log.wrong(at + 92, "the rest of the header's sector is not zero");
    }
    let (count, size) = (le32(&bytes, 80), le32(&bytes, 84));
    good &= log.equal(at + 84, "the length of an entry", ENTRY as u32, size);
    if count == 0 || count > ENTRIES_MAX || !good {
        log.wrong(at + 80, format!("an array of {count} entries of {size} bytes is not read"));
        return Ok(None);
    }
    let (array_at, len) = (le64(&bytes, 72), (count as usize).saturating_mul(ENTRY));
    let array = bytes_at(disk, array_at.saturating_mul(SECTOR), len)?;
    log.equal(at + 88, "the checksum of the array", crc32(&array), le32(&bytes, 88));
    let (first_usable, last_usable) = (le64(&bytes, 40), le64(&bytes, 48));
    // Both arrays are outside of what partitions may use, between it and their header.
    let sectors = (len as u64).div_ceil(SECTOR);
    let between = if lba == 1 {
        array_at >= 2 && array_at.saturating_add(sectors) <= first_usable
    } else {
        array_at > last_usable && array_at.saturating_add(sectors) <= lba
    };
    if !between {
        log.wrong(
            at + 72,
            format!("the array at sector {array_at} is not between the header and the usable sectors"),
        );
    }
    Ok(Some(Header { bytes, array, first_usable, last_usable, array_at }))
}

fn entries(header: &Header, log: &mut Log<'_>) -> Vec<GptEntry> {
    let base = header.array_at.saturating_mul(SECTOR);
    let mut all: Vec<GptEntry> = Vec::new();
    for (index, bytes) in header.array.chunks_exact(ENTRY).enumerate() {
        let (number, at) =
            (index as u64 + 1, base.saturating_add((index as u64).saturating_mul(ENTRY as u64)));
        if is_zero(part(bytes, 0, 16)) {
            if !is_zero(bytes) {
                log.wrong(at, format!("the unused entry {number} is not empty"));
            }
            continue;
        }
        let (first, last) = (le64(bytes, 32), le64(bytes, 40));
        if first > last || first < header.first_usable || last > header.last_usable {
            log.wrong(
                at + 32,
                format!("partition {number} has the sectors {first} to {last}, which are not all usable"),
            );
            continue;
        }
        let (start, len) =
            (first.saturating_mul(SECTOR), (last - first).saturating_add(1).saturating_mul(SECTOR));
        let guid = guid_text(array(bytes, 16));
        let overlaps = |one: &&GptEntry| {
            one.start < start.saturating_add(len) && start < one.start.saturating_add(one.len)
        };
        if let Some(one) = all.iter().find(overlaps) {
            log.wrong(at + 32, format!("the partitions {} and {number} overlap", one.number));
        }
        if let Some(one) = all.iter().find(|one| one.guid == guid) {
            log.wrong(at + 16, format!("the partitions {} and {number} have one GUID", one.number));
        }
        if le64(bytes, 48) >> 3 & ((1 << 45) - 1) != 0 {
            log.wrong(at + 48, format!("partition {number} has reserved attributes"));
        }
        let type_guid = guid_text(array(bytes, 0));
        all.push(GptEntry {
            number,
            type_guid,
            guid,
            start,
            len,
            name: name(part(bytes, 56, 72), number, at + 56, log),
        });
    }
    all
}

/// The name: UTF-16 up to the first zero, and only zeros behind it.
fn name(bytes: &[u8], number: u64, at: u64, log: &mut Log<'_>) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| le16(pair, 0)).collect();
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    let (text, rest) = units.split_at(end);
    if rest.iter().any(|unit| *unit != 0) {
        log.wrong(at, format!("the name of partition {number} has bytes behind its end"));
    }
    String::from_utf16(text).unwrap_or_else(|_| {
        log.wrong(at, format!("the name of partition {number} is not UTF-16"));
        String::new()
    })
}
