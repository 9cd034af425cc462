//! A sound disk, and changes of its partition table with repaired checksums.

use amiforge_formats::gpt::{Copy, Lba, Partition, PartitionTable, types, write};
use amiforge_formats::guid::Guid;

pub(crate) const SECTORS: u64 = 32_768;

pub(crate) const LAST: u64 = SECTORS - 1;

pub(crate) fn table() -> PartitionTable {
    let partition = |number, first, last, name: &str| Partition {
        number,
        type_guid: types::LINUX_GENERIC,
        guid: Guid::derive("hostile", name),
        first: Lba(first),
        last: Lba(last),
        attributes: 0,
        name: name.to_owned(),
    };
    let partitions = vec![
        partition(1, 2048, 4095, "one"),
        partition(2, 4096, 8191, "two"),
        partition(5, 10_240, 12_287, "five"),
    ];
    PartitionTable { guid: Guid::derive("hostile", "disk"), sectors: SECTORS, partitions }
}

pub(crate) fn disk(table: &PartitionTable) -> Vec<u8> {
    let (head, tail) = write::encode(table).unwrap();
    let mut disk = vec![0; table.sectors as usize * 512];
    disk[..head.len()].copy_from_slice(&head);
    let at = disk.len() - tail.len();
    disk[at..].copy_from_slice(&tail);
    disk
}

/// First bytes of the header and of the entries of a copy.
fn places(copy: Copy) -> (usize, usize) {
    match copy {
        Copy::Primary => (512, 1024),
        Copy::Backup => (LAST as usize * 512, (LAST as usize - 32) * 512),
    }
}

fn put<const N: usize>(disk: &mut [u8], at: usize, bytes: [u8; N]) {
    disk[at..at + N].copy_from_slice(&bytes);
}

/// Repairs the checksums of a copy.
fn seal(disk: &mut [u8], copy: Copy) {
    let (header, entries) = places(copy);
    let crc = crc32fast::hash(&disk[entries..entries + 128 * 128]);
    put(disk, header + 88, crc.to_le_bytes());
    put(disk, header + 16, [0; 4]);
    let len = u32::from_le_bytes(disk[header + 12..header + 16].try_into().unwrap()).clamp(92, 512);
    let crc = crc32fast::hash(&disk[header..header + len as usize]);
    put(disk, header + 16, crc.to_le_bytes());
}

/// A corruption: a field of the header (offset from it), or of an entry (number, offset in it), set to bytes.
pub(crate) enum Field {
    Header(usize, Vec<u8>),
    Entry(usize, usize, Vec<u8>),
}

pub(crate) fn corrupt(disk: &mut [u8], copy: Copy, fields: &[Field]) {
    let (header, entries) = places(copy);
    for field in fields {
        let (at, bytes) = match field {
            Field::Header(at, bytes) => (header + at, bytes),
            Field::Entry(number, at, bytes) => (entries + (number - 1) * 128 + at, bytes),
        };
        disk[at..at + bytes.len()].copy_from_slice(bytes);
    }
    seal(disk, copy);
}

pub(crate) fn u32(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

pub(crate) fn u64(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}
