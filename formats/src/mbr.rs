//! MBR: the partition table of a disk without GPT (UEFI 2.10, section 5.2; extended partitions as PC firmware and Linux
//! have them). Read only; disks that are written here have a GPT.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io;

use crate::fields;
use crate::read_at::ReadAt;

/// Bytes in a sector.
const SECTOR: u64 = 512;

/// Offset of the entries in a sector.
const ENTRIES_AT: usize = 446;

/// Bytes of an entry.
const ENTRY: usize = 16;

/// Types of extended partitions, which hold logical ones.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];

/// The type of the partition that protects a GPT.
const PROTECTIVE: u8 = 0xee;

/// Most logical partitions.
const LOGICAL_MAX: u32 = 128;

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MbrError {
    /// The disk could not be read.
    #[error("reading sector {sector}")]
    Io {
        /// The sector.
        sector: u64,
        /// The error of the medium.
        source: io::Error,
    },
    /// A partition is not on the disk.
    #[error(
        "partition {number} of the MBR has the sectors {first} to {last}, of a disk of {sectors} sectors"
    )]
    PastEnd {
        /// Its number.
        number: u32,
        /// First sector.
        first: u64,
        /// Last sector.
        last: u64,
        /// Sectors of the disk.
        sectors: u64,
    },
    /// Two partitions overlap.
    #[error("the partitions {a} and {b} of the MBR overlap")]
    Overlap {
        /// The earlier one.
        a: u32,
        /// The later one.
        b: u32,
    },
    /// The chain of logical partitions leads back, or nowhere.
    #[error("the chain of logical partitions is damaged at sector {sector}")]
    Chain {
        /// The sector that should describe the next one.
        sector: u64,
    },
}

/// The table of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MbrTable {
    /// Signature of the disk, the first half of the `PARTUUID`s of Linux.
    pub disk_id: u32,
    /// Whether it only protects a GPT.
    pub protective: bool,
    /// The partitions with data, by number; extended ones are left out.
    pub partitions: Vec<MbrPartition>,
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MbrPartition {
    /// Its number: 1 to 4, logical ones from 5 on.
    pub number: u32,
    /// What it is for.
    pub kind: u8,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

impl MbrTable {
    /// The `PARTUUID` of a partition, as Linux makes it.
    pub fn part_uuid(&self, number: u32) -> String {
        format!("{:08x}-{number:02x}", self.disk_id)
    }
}

/// Reads the table of a disk; `None` for one without: no signature, or entries that no table has, as in the boot sector
/// of a file system.
///
/// # Errors
/// [`MbrError`].
pub fn read(disk: &dyn ReadAt) -> Result<Option<MbrTable>, MbrError> {
    let sectors = disk.size() / SECTOR;
    if sectors == 0 {
        return Ok(None);
    }
    let sector = load(disk, 0)?;
    let entries: Vec<_> = (0..4).map(|index| RawEntry::of(&sector, index)).collect();
    let plausible = entries.iter().all(|entry| matches!(entry.status, 0 | 0x80));
    if !is_signed(&sector) || !plausible || entries.iter().all(RawEntry::is_empty) {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (number, entry) in (1..).zip(entries.iter().filter(|entry| !entry.is_empty())) {
        if EXTENDED.contains(&entry.kind) {
            logical(disk, u64::from(entry.first), &mut found)?;
        } else {
            found.push(entry.partition(number, 0));
        }
    }
    let protective = entries.iter().any(|entry| entry.kind == PROTECTIVE);
    if !protective {
        check(&found, sectors)?;
    }
    found.sort_by_key(|partition| partition.number);
    Ok(Some(MbrTable { disk_id: fields::u32(&sector, 440), protective, partitions: found }))
}

/// Appends the logical partitions of the extended one that begins at sector `base`.
fn logical(disk: &dyn ReadAt, base: u64, found: &mut Vec<MbrPartition>) -> Result<(), MbrError> {
    let mut at = base;
    for number in 5..LOGICAL_MAX.saturating_add(5) {
        if at >= disk.size() / SECTOR {
            return Err(MbrError::Chain { sector: at });
        }
        let sector = load(disk, at)?;
        if !is_signed(&sector) {
            return Err(MbrError::Chain { sector: at });
        }
        let (own, next) = (RawEntry::of(&sector, 0), RawEntry::of(&sector, 1));
        if !own.is_empty() {
            found.push(own.partition(number, at));
        }
        if next.is_empty() {
            return Ok(());
        }
        let following = base.saturating_add(u64::from(next.first));
        // A chain only leads forward, so it ends.
        if following <= at {
            return Err(MbrError::Chain { sector: at });
        }
        at = following;
    }
    Err(MbrError::Chain { sector: at })
}

fn check(found: &[MbrPartition], sectors: u64) -> Result<(), MbrError> {
    let mut sorted: Vec<_> = found.iter().collect();
    sorted.sort_by_key(|partition| partition.start);
    for partition in &sorted {
        let end = partition.start.saturating_add(partition.len);
        if end > sectors.saturating_mul(SECTOR) {
            let (first, last) = (partition.start / SECTOR, (end / SECTOR).saturating_sub(1));
            return Err(MbrError::PastEnd { number: partition.number, first, last, sectors });
        }
    }
    for (a, b) in sorted.iter().zip(sorted.iter().skip(1)) {
        if a.start.saturating_add(a.len) > b.start {
            return Err(MbrError::Overlap { a: a.number, b: b.number });
        }
    }
    Ok(())
}

/// An entry as it is on the disk.
#[derive(Debug, Clone, Copy)]
struct RawEntry {
    status: u8,
    kind: u8,
    first: u32,
    count: u32,
}

impl RawEntry {
    fn of(sector: &[u8], index: usize) -> Self {
        let at = ENTRIES_AT.saturating_add(index.saturating_mul(ENTRY));
        Self {
            status: fields::u8(sector, at),
            kind: fields::u8(sector, at.saturating_add(4)),
            first: fields::u32(sector, at.saturating_add(8)),
            count: fields::u32(sector, at.saturating_add(12)),
        }
    }

    fn is_empty(&self) -> bool {
        self.kind == 0 || self.count == 0
    }

    fn partition(&self, number: u32, base: u64) -> MbrPartition {
        let start = base.saturating_add(u64::from(self.first)).saturating_mul(SECTOR);
        MbrPartition { number, kind: self.kind, start, len: u64::from(self.count).saturating_mul(SECTOR) }
    }
}

fn is_signed(sector: &[u8]) -> bool {
    sector.get(510..512) == Some(&[0x55, 0xaa])
}

fn load(disk: &dyn ReadAt, sector: u64) -> Result<[u8; SECTOR as usize], MbrError> {
    let mut bytes = [0; SECTOR as usize];
    let read = disk.read_exact_at(sector.saturating_mul(SECTOR), &mut bytes);
    read.map(|()| bytes).map_err(|source| MbrError::Io { sector, source })
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests place bytes at known offsets"
)]
mod tests {
    use super::*;

    /// A disk of 1000 sectors with entries: sector of the table, index, type, first sector, count.
    fn disk(entries: &[(u64, usize, u8, u32, u32)]) -> Vec<u8> {
        let mut disk = vec![0; 1000 * 512];
        disk[440..444].copy_from_slice(&0xabcd_u32.to_le_bytes());
        for (sector, index, kind, first, count) in entries {
            let start = *sector as usize * 512;
            let at = start + ENTRIES_AT + index * ENTRY;
            disk[at + 4] = *kind;
            disk[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
            disk[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
            disk[start + 510..start + 512].copy_from_slice(&[0x55, 0xaa]);
        }
        disk
    }

    #[test]
    fn primary_and_logical_partitions_are_found() {
        let disk = disk(&[
            (0, 0, 0x83, 10, 90),
            (0, 1, 0x05, 200, 300),
            (200, 0, 0x83, 2, 50),
            (200, 1, 0x05, 100, 60),
            (300, 0, 0x82, 1, 40),
        ]);
        let table = read(&disk).unwrap().unwrap();
        let found: Vec<_> = table
            .partitions
            .iter()
            .map(|part| (part.number, part.kind, part.start / 512, part.len / 512))
            .collect();
        assert_eq!(found, [(1, 0x83, 10, 90), (5, 0x83, 202, 50), (6, 0x82, 301, 40)]);
        assert_eq!((table.part_uuid(5).as_str(), table.protective), ("0000abcd-05", false));
    }

    #[test]
    fn what_is_no_table_is_none_and_a_wrong_one_is_refused() {
        assert_eq!(read(&vec![0; 5]).unwrap(), None);
        assert_eq!(read(&vec![0; 512]).unwrap(), None);
        let mut boot_code = disk(&[(0, 0, 0x83, 10, 90)]);
        boot_code[ENTRIES_AT] = 0x41;
        assert_eq!(read(&boot_code).unwrap(), None);
        let refused = |entries: &[_]| read(&disk(entries)).unwrap_err();
        assert!(matches!(refused(&[(0, 0, 0x83, 10, 991)]), MbrError::PastEnd { number: 1, .. }));
        assert!(matches!(
            refused(&[(0, 0, 0x83, 10, 90), (0, 1, 0x83, 99, 1)]),
            MbrError::Overlap { a: 1, b: 2 }
        ));
        // A chain that leads to itself, into a sector without a table, past the end.
        let chain = |next| refused(&[(0, 1, 0x0f, 200, 300), (200, 0, 0x83, 2, 5), (200, 1, 0x05, next, 60)]);
        for (next, sector) in [(0, 200), (50, 250), (5000, 5200)] {
            assert!(matches!(chain(next), MbrError::Chain { sector: at } if at == sector));
        }
    }
}
