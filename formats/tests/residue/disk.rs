//! Whole disks: gaps, tables, partitions, and holes.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use amiforge_formats::ext4::write::plan;
use amiforge_formats::gpt::{Lba, Partition, PartitionTable, types, write};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, NoSources, Plan, PlanReader};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::residue::disk;

use super::fixture::{Found, MIB, bytes, ext4_options, full_tree, short};

/// A disk with a file system in its first partition and an empty second one.
fn disk_plan(len: usize, system: usize) -> Plan {
    let partition = |number: u32, name: &str, first: usize, len: usize| Partition {
        number,
        type_guid: types::LINUX_GENERIC,
        guid: Guid::from_u128(number.into()),
        first: Lba(first as u64 / 512),
        last: Lba((first + len) as u64 / 512 - 1),
        attributes: 0,
        name: name.to_owned(),
    };
    let partitions = vec![partition(1, "root", MIB, system), partition(2, "data", system + 2 * MIB, MIB)];
    let table = PartitionTable { guid: Guid::from_u128(99), sectors: len as u64 / 512, partitions };
    let mut claims = Claims::new(len as u64);
    write::claim(&table, &mut claims).unwrap();
    claims.plan(MIB as u64, plan(&full_tree(), &ext4_options(), system as u64).unwrap());
    claims.finish(&Data::Free).unwrap()
}

#[test]
fn planted_bytes_are_found_where_they_are() {
    let len = 200 * MIB;
    let mut image = bytes(&disk_plan(len, 160 * MIB));
    assert!(disk(&image).unwrap().is_clean());
    let plants = [
        (5, "mbr-code", ""),
        (446 + 16 + 3, "unused-entry", "MBR"),
        (512 + 100, "partition-table-gap", "primary partition table"),
        (34 * 512, "partition-gap", "before partition 1 (root)"),
        (161 * MIB + 7, "partition-gap", "between partition 1 (root) and partition 2 (data)"),
        (162 * MIB + 100_000, "empty-partition", "partition 2 (data)"),
        (170 * MIB, "partition-gap", "after partition 2 (data)"),
        (MIB + 100, "boot-area", "partition 1 (root)"),
    ];
    let mut expected: Found = Vec::new();
    for (at, kind, owner) in plants {
        image[at] = b'S';
        expected.push((kind, at as u64, owner.to_owned()));
    }
    expected.sort_by_key(|(_, at, _)| *at);
    let found = disk(&image).unwrap();
    assert_eq!((short(found.residues), found.unread), (expected, Vec::new()));
}

#[test]
fn an_unused_entry_of_a_table_is_found() {
    let len = 200 * MIB;
    let mut image = bytes(&disk_plan(len, 160 * MIB));
    // Entry 9, behind its empty type; the checksums are renewed.
    let at = 1024 + 8 * 128 + 60;
    image[at..at + 6].copy_from_slice(b"secret");
    let crc = crc32fast::hash(&image[1024..1024 + 128 * 128]);
    image[512 + 88..512 + 92].copy_from_slice(&crc.to_le_bytes());
    image[512 + 16..512 + 20].fill(0);
    let crc = crc32fast::hash(&image[512..512 + 92]);
    image[512 + 16..512 + 20].copy_from_slice(&crc.to_le_bytes());
    let found = short(disk(&image).unwrap().residues);
    assert_eq!(found, [("unused-entry", at as u64, "primary partition table".to_owned())]);
}

#[test]
fn a_partition_without_a_reader_is_named_and_not_taken_for_clean() {
    let mut image = bytes(&disk_plan(200 * MIB, 160 * MIB));
    image[162 * MIB..162 * MIB + 4].copy_from_slice(b"XFSB");
    image[MIB + 1024 + 0x3fc] ^= 1;
    let found = disk(&image).unwrap();
    let unread: Vec<_> = found.unread.iter().map(|one| (one.owner.as_str(), one.offset)).collect();
    let partitions = [("partition 1 (root)", MIB as u64), ("partition 2 (data)", 162 * MIB as u64)];
    assert_eq!((unread, found.residues), (partitions.to_vec(), Vec::new()));
    assert!(found.unread[1].reason.contains("xfs"), "{:?}", found.unread);
}

#[test]
fn without_a_table_the_disk_is_one_volume() {
    let mut image = bytes(&plan(&full_tree(), &ext4_options(), 160 * MIB as u64).unwrap());
    assert!(disk(&image).unwrap().is_clean());
    image[77] = 1;
    assert_eq!(short(disk(&image).unwrap().residues), [("boot-area", 77, String::new())]);
}

#[test]
fn partitions_of_an_mbr_are_surveyed_and_an_invalid_one_is_none() {
    let volume = bytes(&plan(&full_tree(), &ext4_options(), 24 * MIB as u64).unwrap());
    let mut image = vec![0; 30 * MIB];
    image[MIB..MIB + volume.len()].copy_from_slice(&volume);
    image[446 + 4] = 0x83;
    image[446 + 8..446 + 12].copy_from_slice(&2048_u32.to_le_bytes());
    image[446 + 12..446 + 16].copy_from_slice(&(volume.len() as u32 / 512).to_le_bytes());
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    assert!(disk(&image).unwrap().is_clean());
    for at in [100, 600, MIB + 7, 29 * MIB] {
        image[at] = b'S';
    }
    let partition = "partition 1".to_owned();
    let expected = [
        ("mbr-code", 100, String::new()),
        ("partition-gap", 600, "before partition 1".to_owned()),
        ("boot-area", MIB as u64 + 7, partition.clone()),
        ("partition-gap", 29 * MIB as u64, format!("after {partition}")),
    ];
    assert_eq!(short(disk(&image).unwrap().residues), expected);
    // The second entry has a type now, and leads nowhere.
    image[446 + 20] = 0x83;
    let found = disk(&image).unwrap();
    assert_eq!((found.residues.len(), found.unread.len()), (0, 1));
}

/// Counts the bytes that are read.
struct Counted<'a>(PlanReader<'a>, AtomicU64);

impl ReadAt for Counted<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.1.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(offset, buf)
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        self.0.data_from(from, to)
    }
}

#[test]
fn holes_are_not_read() {
    let plan = disk_plan(8 << 30, 8000 * MIB);
    let counted = Counted(PlanReader { plan: &plan, sources: &NoSources }, AtomicU64::new(0));
    assert!(disk(&counted).unwrap().is_clean());
    let read = counted.1.load(Ordering::Relaxed);
    assert!(read < 64 << 20, "{read} bytes of 8 GiB were read");
}
