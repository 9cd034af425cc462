//! GPT writer: a table as claims of a plan.
//!
//! Protective MBR, primary header and entries at the start of the disk; entries and header again at its end. Every
//! reserved byte is zero, so the same table gives the same bytes.

use super::{ENTRIES, HEAD_SECTORS, Lba, NAME_UNITS, Partition, PartitionTable, SECTOR, TAIL_SECTORS};
use crate::guid::Guid;
use crate::plan::Claims;

/// Bytes in an entry.
const ENTRY: usize = 128;

/// Bytes for code in an MBR, before the signature of the disk.
pub const BOOT_CODE: usize = 440;

/// Why a table cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GptWriteError {
    /// The disk cannot hold both copies of the table and one usable sector.
    #[error("a disk of {sectors} sectors is too small for a partition table: it needs {}", HEAD_SECTORS + TAIL_SECTORS + 1)]
    DiskTooSmall {
        /// Sectors of the disk.
        sectors: u64,
    },
    /// There is no entry of that number.
    #[error("partition {number} does not exist: numbers are 1 to {ENTRIES}")]
    Number {
        /// The number.
        number: u32,
    },
    /// Two partitions have one number.
    #[error("two partitions have the number {number}")]
    SameNumber {
        /// The number.
        number: u32,
    },
    /// Two partitions have one GUID.
    #[error("partitions {a} and {b} have the same GUID {guid}")]
    SameGuid {
        /// Number of the one.
        a: u32,
        /// Number of the other.
        b: u32,
        /// Their GUID.
        guid: Guid,
    },
    /// A GUID is all zero, which marks an unused entry.
    #[error("partition {number} has a GUID or type of zero")]
    ZeroGuid {
        /// Number of the partition.
        number: u32,
    },
    /// The name does not fit.
    #[error("the name `{name}` of partition {number} has {units} UTF-16 units; at most {NAME_UNITS} fit")]
    NameTooLong {
        /// Number of the partition.
        number: u32,
        /// The name.
        name: String,
        /// Its length in UTF-16 units.
        units: usize,
    },
    /// The name holds a NUL, which ends a name on disk.
    #[error("the name of partition {number} holds a NUL")]
    NameNul {
        /// Number of the partition.
        number: u32,
    },
    /// The partition's sectors run backwards or outside the usable ones.
    #[error(
        "partition {number} at sectors {first}..={last} is not within the usable sectors {usable_first}..={usable_last}"
    )]
    OutsideUsable {
        /// Number of the partition.
        number: u32,
        /// Its first sector.
        first: Lba,
        /// Its last sector.
        last: Lba,
        /// First sector that a partition may use.
        usable_first: Lba,
        /// Last sector that a partition may use.
        usable_last: Lba,
    },
    /// Two partitions share sectors.
    #[error("partitions {a} and {b} both have sector {sector}")]
    Overlap {
        /// Number of the one that starts first.
        a: u32,
        /// Number of the other.
        b: u32,
        /// First sector of both.
        sector: Lba,
    },
}

/// Claims both copies of the table in a plan as long as the disk.
///
/// # Errors
/// [`GptWriteError`] when a GPT cannot represent the table.
pub fn claim(table: &PartitionTable, claims: &mut Claims) -> Result<(), GptWriteError> {
    claim_bootable(table, &[0; BOOT_CODE], claims)
}

/// As [`claim`], with code for a legacy BIOS in the protective MBR, which has room for it (UEFI 2.10, table 5.4).
///
/// # Errors
/// As [`claim`].
pub fn claim_bootable(
    table: &PartitionTable,
    code: &[u8; BOOT_CODE],
    claims: &mut Claims,
) -> Result<(), GptWriteError> {
    let (mut head, tail) = encode(table)?;
    head[..BOOT_CODE].copy_from_slice(code);
    claims.bytes(0, head);
    claims.bytes((table.sectors - TAIL_SECTORS) * SECTOR, tail);
    Ok(())
}

/// The first 34 and the last 33 sectors of the disk.
///
/// # Errors
/// As [`claim`].
pub fn encode(table: &PartitionTable) -> Result<(Vec<u8>, Vec<u8>), GptWriteError> {
    check(table)?;
    let entries = entries(&table.partitions);
    let last = table.sectors - 1;
    let mut head = protective_mbr(table.sectors);
    head.extend_from_slice(&header(table, &entries, Lba(1), Lba(last), Lba(2)));
    head.extend_from_slice(&entries);
    let backup = header(table, &entries, Lba(last), Lba(1), Lba(table.sectors - TAIL_SECTORS));
    let mut tail = entries;
    tail.extend_from_slice(&backup);
    Ok((head, tail))
}

/// Refuses values that a table cannot store.
fn check(table: &PartitionTable) -> Result<(), GptWriteError> {
    if table.sectors < HEAD_SECTORS + TAIL_SECTORS + 1 {
        return Err(GptWriteError::DiskTooSmall { sectors: table.sectors });
    }
    let usable_first = Lba(HEAD_SECTORS);
    let usable_last = Lba(table.sectors - TAIL_SECTORS - 1);
    for partition in &table.partitions {
        check_alone(partition)?;
        let Partition { number, first, last, .. } = *partition;
        if first > last || first < usable_first || last > usable_last {
            return Err(GptWriteError::OutsideUsable { number, first, last, usable_first, usable_last });
        }
    }
    check_pairs(&table.partitions)
}

/// Refuses a partition with invalid values of its own.
fn check_alone(partition: &Partition) -> Result<(), GptWriteError> {
    let number = partition.number;
    if number == 0 || number > ENTRIES {
        return Err(GptWriteError::Number { number });
    }
    let zero = Guid::from_u128(0);
    if partition.guid == zero || partition.type_guid == zero {
        return Err(GptWriteError::ZeroGuid { number });
    }
    let units = partition.name.encode_utf16().count();
    if units > NAME_UNITS {
        return Err(GptWriteError::NameTooLong { number, name: partition.name.clone(), units });
    }
    if partition.name.contains('\0') {
        return Err(GptWriteError::NameNul { number });
    }
    Ok(())
}

/// Refuses partitions that have a number, a GUID or a sector in common.
fn check_pairs(partitions: &[Partition]) -> Result<(), GptWriteError> {
    let mut sorted: Vec<&Partition> = partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.number);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].number == pair[1].number) {
        return Err(GptWriteError::SameNumber { number: pair[0].number });
    }
    sorted.sort_by_key(|partition| partition.guid);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].guid == pair[1].guid) {
        return Err(GptWriteError::SameGuid { a: pair[0].number, b: pair[1].number, guid: pair[0].guid });
    }
    sorted.sort_by_key(|partition| partition.first);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].last >= pair[1].first) {
        return Err(GptWriteError::Overlap { a: pair[0].number, b: pair[1].number, sector: pair[1].first });
    }
    Ok(())
}

/// The MBR by which tools without GPT see a full disk (UEFI 2.10, section 5.2.3).
fn protective_mbr(sectors: u64) -> Vec<u8> {
    let mut mbr = vec![0; SECTOR as usize];
    // Not active; CHS 0/0/2; type 0xee; CHS at its limit; LBA 1; as long as the field can count.
    mbr[446..458].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
    let rest = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    mbr[458..462].copy_from_slice(&rest.to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    mbr
}

/// The array of entries.
fn entries(partitions: &[Partition]) -> Vec<u8> {
    let mut array = vec![0; ENTRIES as usize * ENTRY];
    for partition in partitions {
        let at = (partition.number as usize - 1) * ENTRY;
        let entry = &mut array[at..at + ENTRY];
        entry[..16].copy_from_slice(&partition.type_guid.to_bytes_le());
        entry[16..32].copy_from_slice(&partition.guid.to_bytes_le());
        entry[32..40].copy_from_slice(&partition.first.0.to_le_bytes());
        entry[40..48].copy_from_slice(&partition.last.0.to_le_bytes());
        entry[48..56].copy_from_slice(&partition.attributes.to_le_bytes());
        for (unit, slot) in partition.name.encode_utf16().zip(entry[56..].chunks_exact_mut(2)) {
            slot.copy_from_slice(&unit.to_le_bytes());
        }
    }
    array
}

/// A header in sector `at`, its other copy at `other`, its entries from `entries_at` on.
fn header(table: &PartitionTable, entries: &[u8], at: Lba, other: Lba, entries_at: Lba) -> Vec<u8> {
    let mut bytes = vec![0; SECTOR as usize];
    bytes[..8].copy_from_slice(b"EFI PART");
    bytes[8..12].copy_from_slice(&0x0001_0000_u32.to_le_bytes());
    bytes[12..16].copy_from_slice(&92_u32.to_le_bytes());
    bytes[24..32].copy_from_slice(&at.0.to_le_bytes());
    bytes[32..40].copy_from_slice(&other.0.to_le_bytes());
    bytes[40..48].copy_from_slice(&HEAD_SECTORS.to_le_bytes());
    bytes[48..56].copy_from_slice(&(table.sectors - TAIL_SECTORS - 1).to_le_bytes());
    bytes[56..72].copy_from_slice(&table.guid.to_bytes_le());
    bytes[72..80].copy_from_slice(&entries_at.0.to_le_bytes());
    bytes[80..84].copy_from_slice(&ENTRIES.to_le_bytes());
    bytes[84..88].copy_from_slice(&(ENTRY as u32).to_le_bytes());
    bytes[88..92].copy_from_slice(&crc32fast::hash(entries).to_le_bytes());
    let crc = crc32fast::hash(&bytes[..92]);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    bytes
}
