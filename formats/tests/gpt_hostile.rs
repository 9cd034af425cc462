//! Damaged partition tables: a field corrupted, its checksums repaired, and the exact finding expected.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

use amiforge_formats::finding::Severity;
use amiforge_formats::gpt::corruption::{TableCorruption, TableLocation};
use amiforge_formats::gpt::read::GptReadError;
use amiforge_formats::gpt::{Copy, Lba, Partition, PartitionTable, check, read, types, write};
use amiforge_formats::guid::Guid;
use proptest::prelude::*;

const SECTORS: u64 = 32_768;
const LAST: u64 = SECTORS - 1;

fn table() -> PartitionTable {
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

fn disk(table: &PartitionTable) -> Vec<u8> {
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
enum Field {
    Header(usize, Vec<u8>),
    Entry(usize, usize, Vec<u8>),
}

fn corrupt(disk: &mut [u8], copy: Copy, fields: &[Field]) {
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

fn u32(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn u64(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// What is corrupted in the primary, where the fault is found, and the fault.
fn fatal() -> Vec<(Vec<Field>, TableLocation, TableCorruption)> {
    use Field::{Entry, Header};
    let header = TableLocation::Header(Copy::Primary);
    let entry = |number| TableLocation::Entry { copy: Copy::Primary, number };
    let usable = (Lba(34), Lba(SECTORS - 34));
    let outside = |first, last| TableCorruption::OutsideUsable {
        first: Lba(first),
        last: Lba(last),
        usable_first: usable.0,
        usable_last: usable.1,
    };
    let entries_place = |first, last| TableCorruption::EntriesPlace { first: Lba(first), last: Lba(last) };
    let usable_fault = |first, last| TableCorruption::Usable { first: Lba(first), last: Lba(last) };
    let alternate = |stored| TableCorruption::AlternateLba { stored: Lba(stored), sectors: SECTORS };
    let count = |found| TableCorruption::EntryCount { found, most: 8192 };
    let backwards = |first, last| TableCorruption::Backwards { first: Lba(first), last: Lba(last) };
    let overlap = |sector| TableCorruption::Overlap { with: 1, sector: Lba(sector) };
    vec![
        (vec![Header(0, b"EFI PARK".to_vec())], header, TableCorruption::Signature { found: *b"EFI PARK" }),
        (vec![Header(8, u32(0x0002_0000))], header, TableCorruption::Revision { found: 0x0002_0000 }),
        (vec![Header(12, u32(91))], header, TableCorruption::HeaderLen { found: 91 }),
        (vec![Header(12, u32(513))], header, TableCorruption::HeaderLen { found: 513 }),
        (vec![Header(12, u32(u32::MAX))], header, TableCorruption::HeaderLen { found: u32::MAX }),
        (vec![Header(24, u64(2))], header, TableCorruption::MyLba { stored: Lba(2), actual: Lba(1) }),
        (vec![Header(32, u64(0))], header, alternate(0)),
        (vec![Header(32, u64(1))], header, alternate(1)),
        (vec![Header(32, u64(SECTORS))], header, alternate(SECTORS)),
        (vec![Header(32, u64(u64::MAX))], header, alternate(u64::MAX)),
        (vec![Header(84, u32(0))], header, TableCorruption::EntryLen { found: 0 }),
        (vec![Header(84, u32(64))], header, TableCorruption::EntryLen { found: 64 }),
        (vec![Header(84, u32(129))], header, TableCorruption::EntryLen { found: 129 }),
        (vec![Header(84, u32(1 << 31))], header, TableCorruption::EntryLen { found: 1 << 31 }),
        (vec![Header(80, u32(0))], header, count(0)),
        (vec![Header(80, u32(u32::MAX))], header, count(u32::MAX)),
        (vec![Header(72, u64(0))], header, entries_place(0, 31)),
        (vec![Header(72, u64(1))], header, entries_place(1, 32)),
        (vec![Header(72, u64(u64::MAX))], header, entries_place(u64::MAX, u64::MAX - 1)),
        (vec![Header(72, u64(SECTORS - 20))], header, entries_place(SECTORS - 20, SECTORS + 11)),
        (vec![Header(40, u64(9)), Header(48, u64(8))], header, usable_fault(9, 8)),
        (vec![Header(40, u64(33))], header, usable_fault(33, SECTORS - 34)),
        (vec![Header(40, u64(1))], header, usable_fault(1, SECTORS - 34)),
        (vec![Header(48, u64(LAST))], header, usable_fault(34, LAST)),
        (vec![Header(48, u64(u64::MAX))], header, usable_fault(34, u64::MAX)),
        (vec![Entry(1, 32, u64(4096))], entry(1), backwards(4096, 4095)),
        (vec![Entry(1, 40, u64(0))], entry(1), backwards(2048, 0)),
        (vec![Entry(1, 32, u64(33))], entry(1), outside(33, 4095)),
        (vec![Entry(5, 40, u64(SECTORS - 33))], entry(5), outside(10_240, SECTORS - 33)),
        (vec![Entry(5, 40, u64(u64::MAX))], entry(5), outside(10_240, u64::MAX)),
        (vec![Entry(1, 40, u64(4096))], entry(2), overlap(4096)),
        (vec![Entry(1, 40, u64(11_000))], entry(2), overlap(4096)),
        (vec![Entry(5, 32, u64(2048))], entry(5), overlap(2048)),
    ]
}

#[test]
fn a_damaged_primary_is_named_and_the_backup_read() {
    for (fields, place, fault) in fatal() {
        let mut disk = disk(&table());
        corrupt(&mut disk, Copy::Primary, &fields);
        let reading = read::read(&disk).unwrap();
        assert_eq!((reading.copy, reading.table), (Copy::Backup, table()), "{fault}");
        let findings = check::check(&disk).unwrap();
        let found: Vec<_> = findings.iter().map(|finding| (finding.place, &finding.fault)).collect();
        assert_eq!(found, [(place, &fault)]);
        assert_eq!(findings[0].severity, Severity::Damage);
    }
}

#[test]
fn two_damaged_copies_are_refused_with_the_fault_of_each() {
    for (fields, place, fault) in fatal() {
        let mut disk = disk(&table());
        corrupt(&mut disk, Copy::Primary, &fields);
        corrupt(&mut disk, Copy::Backup, &[Field::Header(8, vec![7])]);
        let Err(GptReadError::NoTable { primary, backup }) = read::read(&disk) else {
            panic!("{fault} was read")
        };
        assert_eq!((primary.place, primary.fault), (place, fault));
        assert_eq!(
            (backup.place, backup.fault),
            (TableLocation::Header(Copy::Backup), TableCorruption::Revision { found: 0x0001_0007 })
        );
    }
}

#[test]
fn checksums_that_do_not_match_are_refused_with_both_values() {
    let mut damaged = disk(&table());
    let stored = u32::from_le_bytes(damaged[528..532].try_into().unwrap());
    damaged[512 + 56] ^= 1;
    let mut header = damaged[512..604].to_vec();
    header[16..20].fill(0);
    let computed = crc32fast::hash(&header);
    let findings = check::check(&damaged).unwrap();
    assert_eq!(findings[0].place, TableLocation::Header(Copy::Primary));
    assert_eq!(findings[0].fault, TableCorruption::Crc { stored, computed });
    let mut damaged = disk(&table());
    damaged[1024 + 130] ^= 1;
    let findings = check::check(&damaged).unwrap();
    assert_eq!(findings[0].place, TableLocation::Entries(Copy::Primary));
    assert!(matches!(findings[0].fault, TableCorruption::Crc { .. }));
    assert_eq!(read::read(&damaged).unwrap().table, table());
}

/// Faults that do not stand in the way of reading the primary.
#[test]
fn what_is_only_untidy_is_told_and_read() {
    use Field::{Entry, Header};
    let first = |number| TableLocation::Entry { copy: Copy::Primary, number };
    let guid = Guid::derive("hostile", "one");
    let cases = [
        (
            vec![Header(100, vec![3])],
            TableLocation::Header(Copy::Primary),
            TableCorruption::Reserved { at: 100, found: 3 },
        ),
        (
            vec![Header(21, vec![9])],
            TableLocation::Header(Copy::Primary),
            TableCorruption::Reserved { at: 21, found: 9 },
        ),
        (vec![Entry(1, 56, vec![0, 0xd8])], first(1), TableCorruption::Name),
        (vec![Entry(1, 48, u64(1 << 20))], first(1), TableCorruption::Attributes { bits: 1 << 20 }),
        (vec![Entry(2, 16, vec![0; 16])], first(2), TableCorruption::NoGuid),
        (
            vec![Entry(2, 16, guid.to_bytes_le().to_vec())],
            first(2),
            TableCorruption::SameGuid { with: 1, guid },
        ),
        (vec![Entry(2, 32, u64(4100))], first(2), TableCorruption::Unaligned { first: Lba(4100) }),
    ];
    for (fields, place, fault) in cases {
        let mut disk = disk(&table());
        corrupt(&mut disk, Copy::Primary, &fields);
        assert_eq!(read::read(&disk).unwrap().copy, Copy::Primary, "{fault}");
        let findings = check::check(&disk).unwrap();
        // An entry that only the primary has so is also told as not being the same in both.
        let told = |fault: &TableCorruption| !matches!(fault, TableCorruption::EntriesDisagree);
        let found: Vec<_> = findings
            .iter()
            .map(|finding| (finding.place, &finding.fault))
            .filter(|(_, fault)| told(fault))
            .collect();
        assert_eq!(found, [(place, &fault)]);
    }
}

#[test]
fn what_both_copies_say_is_told_once() {
    let mut table = table();
    table.partitions[1].first = Lba(4100);
    let place = TableLocation::Entry { copy: Copy::Primary, number: 2 };
    let findings = check::check(&disk(&table)).unwrap();
    let found: Vec<_> = findings.iter().map(|finding| (finding.place, &finding.fault)).collect();
    assert_eq!(found, [(place, &TableCorruption::Unaligned { first: Lba(4100) })]);
}

#[test]
fn copies_that_disagree_are_told() {
    let backup = TableLocation::Header(Copy::Backup);
    let disagree = |field, primary: u64, backup: u64| TableCorruption::HeadersDisagree {
        field,
        primary: primary.to_string(),
        backup: backup.to_string(),
    };
    let cases = [
        (Field::Header(40, u64(2048)), backup, disagree("the first usable sector", 34, 2048)),
        (Field::Header(48, u64(30_000)), backup, disagree("the last usable sector", SECTORS - 34, 30_000)),
        (Field::Header(32, u64(2)), backup, disagree("the sector of the primary header", 1, 2)),
        (
            Field::Entry(2, 40, u64(8000)),
            TableLocation::Entry { copy: Copy::Backup, number: 2 },
            TableCorruption::EntriesDisagree,
        ),
        (
            Field::Entry(7, 90, vec![1]),
            TableLocation::Entry { copy: Copy::Backup, number: 7 },
            TableCorruption::EntriesDisagree,
        ),
    ];
    for (field, place, fault) in cases {
        let mut disk = disk(&table());
        corrupt(&mut disk, Copy::Backup, &[field]);
        let findings = check::check(&disk).unwrap();
        let found: Vec<_> = findings.iter().map(|finding| (finding.place, &finding.fault)).collect();
        assert_eq!(found, [(place, &fault)]);
        assert_eq!(read::read(&disk).unwrap().table, table());
    }
}

#[test]
fn a_wrong_protective_mbr_is_told() {
    let cases: [(usize, &[u8], TableCorruption); 6] = [
        (510, &[0, 0], TableCorruption::MbrSignature { found: 0 }),
        (450, &[0x83], TableCorruption::Hybrid { kind: 0x83 }),
        (450, &[0], TableCorruption::NotProtective),
        (454, &[2], TableCorruption::ProtectiveStart { found: 2 }),
        (458, &[1, 0, 0, 0], TableCorruption::ProtectiveLen { found: 1, expected: LAST as u32 }),
        (466, &[0xc], TableCorruption::Hybrid { kind: 0xc }),
    ];
    for (at, bytes, fault) in cases {
        let mut disk = disk(&table());
        disk[at..at + bytes.len()].copy_from_slice(bytes);
        let findings = check::check(&disk).unwrap();
        assert!(
            findings.iter().any(|finding| finding.place == TableLocation::Mbr && finding.fault == fault),
            "{findings:?}"
        );
        assert_eq!(read::read(&disk).unwrap().table, table());
    }
}

#[test]
fn a_disk_that_grew_or_shrank_is_told() {
    let mut grown = disk(&table());
    grown.resize(grown.len() + (1 << 20), 0);
    let findings = check::check(&grown).unwrap();
    let faults: Vec<_> = findings.iter().map(|finding| &finding.fault).collect();
    let last = Lba(SECTORS + 2047);
    assert!(faults.contains(&&TableCorruption::NotAtEnd { stored: Lba(LAST), last }), "{faults:?}");
    assert_eq!(read::read(&grown).unwrap().table.partitions, table().partitions);
    let mut short = disk(&table());
    short.truncate(20_000 * 512);
    let Err(GptReadError::NoTable { primary, backup }) = read::read(&short) else { panic!("read") };
    assert_eq!(primary.fault, TableCorruption::AlternateLba { stored: Lba(LAST), sectors: 20_000 });
    assert!(matches!(backup.fault, TableCorruption::Signature { .. }));
    for len in [0, 1, 511, 512, 1024, 1535] {
        let none = vec![0_u8; len];
        assert!(matches!(read::read(&none), Err(GptReadError::NoTable { .. })));
        let findings = check::check(&none).unwrap();
        assert!(
            findings.iter().any(|finding| finding.fault == TableCorruption::DiskTooShort { len: len as u64 })
        );
    }
}

/// A change that no table can have, and what is said of it.
type Wrong = (fn(&mut PartitionTable), &'static str);

#[test]
fn tables_that_cannot_be_are_not_written() {
    let wrong = |change: fn(&mut PartitionTable)| {
        let mut table = table();
        change(&mut table);
        write::encode(&table).unwrap_err().to_string()
    };
    let cases: [Wrong; 10] = [
        (|table| table.sectors = 67, "a disk of 67 sectors is too small for a partition table: it needs 68"),
        (|table| table.partitions[0].number = 0, "partition 0 does not exist: numbers are 1 to 128"),
        (|table| table.partitions[0].number = 129, "partition 129 does not exist: numbers are 1 to 128"),
        (|table| table.partitions[0].number = 5, "two partitions have the number 5"),
        (
            |table| table.partitions[0].type_guid = Guid::from_u128(0),
            "partition 1 has a GUID or type of zero",
        ),
        (|table| table.partitions[0].name = "😀".repeat(19), "has 38 UTF-16 units; at most 36 fit"),
        (|table| table.partitions[0].name = "a\0".into(), "the name of partition 1 holds a NUL"),
        (
            |table| table.partitions[0].first = Lba(33),
            "at sectors 33..=4095 is not within the usable sectors 34..=32734",
        ),
        (|table| table.partitions[2].first = Lba(8191), "partitions 2 and 5 both have sector 8191"),
        (
            |table| table.partitions[2].guid = table.partitions[0].guid,
            "partitions 1 and 5 have the same GUID",
        ),
    ];
    for (change, text) in cases {
        let said = wrong(change);
        assert!(said.contains(text), "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_tables_come_back(table in tables()) {
        let disk = disk(&table);
        let reading = read::read(&disk).unwrap();
        prop_assert_eq!(reading.copy, Copy::Primary);
        let mut sorted = table.clone();
        sorted.partitions.sort_by_key(|partition| partition.number);
        prop_assert_eq!(reading.table, sorted);
        let findings = check::check(&disk).unwrap();
        prop_assert!(findings.iter().all(|finding| finding.severity == Severity::Oddity), "{:?}", findings);
    }

    #[test]
    fn flipped_bytes_never_panic_and_are_never_passed_over(at in 0..512 * 67_usize, bits in 1..=255_u8) {
        let mut disk = disk(&table());
        let at = if at < 512 * 34 { at } else { disk.len() - 512 * 67 + at };
        disk[at] ^= bits;
        prop_assert_eq!(read::read(&disk).unwrap().table, table());
        // Boot code, the disk signature and CHS addresses are nobody's business.
        let free = at < 446 || (446..450).contains(&at) || (451..454).contains(&at) || (462..510).contains(&at);
        prop_assert!(free || !check::check(&disk).unwrap().is_empty());
    }

    #[test]
    fn any_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..4096), sealed in any::<bool>()) {
        if sealed && bytes.len() >= 1536 {
            bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
            bytes[512..524].copy_from_slice(b"EFI PART\0\0\x01\0");
            bytes[524..528].copy_from_slice(&[92, 0, 0, 0]);
            bytes[528..532].fill(0);
            let crc = crc32fast::hash(&bytes[512..604]);
            bytes[528..532].copy_from_slice(&crc.to_le_bytes());
        }
        let _ = read::read(&bytes);
        let _ = check::check(&bytes);
    }
}

fn tables() -> impl Strategy<Value = PartitionTable> {
    let partition = (1..=128_u32, any::<u128>(), any::<u64>(), "[ -~äß€🙂]{0,18}", 1..300_u64, 0..100_u64);
    (prop::collection::vec(partition, 0..40), any::<u128>(), 1..5000_u64).prop_map(|(wanted, disk, rest)| {
        let mut next = 34;
        let mut numbers = std::collections::BTreeSet::new();
        let mut partitions = Vec::new();
        for (number, guid, attributes, name, len, gap) in wanted {
            if !numbers.insert(number) {
                continue;
            }
            let (first, last) = (Lba(next + gap), Lba(next + gap + len - 1));
            next = last.0 + 1;
            let (_, type_guid) = types::NAMES[number as usize % types::NAMES.len()];
            let guid = Guid::from_u128(guid | 1 << 127);
            partitions.push(Partition { number, type_guid, guid, first, last, attributes, name });
        }
        PartitionTable { guid: Guid::from_u128(disk), sectors: next + rest + 33, partitions }
    })
}
