//! Corruption with which the primary table is still read.

use amiforge_formats::gpt::corruption::{TableCorruption, TableLocation};
use amiforge_formats::gpt::read::GptReadError;
use amiforge_formats::gpt::{Copy, Lba, check, read};
use amiforge_formats::guid::Guid;

use super::fixture::{Field, LAST, SECTORS, corrupt, disk, table, u64};

/// Corruption with which the primary is still read.
#[test]
fn untidy_tables_are_reported_and_read() {
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
    for (fields, location, corruption) in cases {
        let mut disk = disk(&table());
        corrupt(&mut disk, Copy::Primary, &fields);
        assert_eq!(read::read(&disk).unwrap().copy, Copy::Primary, "{corruption}");
        let findings = check::check(&disk).unwrap();
        // A change of the primary's entry alone is also reported as a difference of the copies.
        let is_own = |corruption: &TableCorruption| !matches!(corruption, TableCorruption::EntriesDisagree);
        let found: Vec<_> = findings
            .iter()
            .map(|finding| (finding.location, &finding.corruption))
            .filter(|(_, corruption)| is_own(corruption))
            .collect();
        assert_eq!(found, [(location, &corruption)]);
    }
}

#[test]
fn corruption_of_both_copies_is_reported_once() {
    let mut table = table();
    table.partitions[1].first = Lba(4100);
    let location = TableLocation::Entry { copy: Copy::Primary, number: 2 };
    let findings = check::check(&disk(&table)).unwrap();
    let found: Vec<_> = findings.iter().map(|finding| (finding.location, &finding.corruption)).collect();
    assert_eq!(found, [(location, &TableCorruption::Unaligned { first: Lba(4100) })]);
}

#[test]
fn copies_that_disagree_are_reported() {
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
    for (field, location, corruption) in cases {
        let mut disk = disk(&table());
        corrupt(&mut disk, Copy::Backup, &[field]);
        let findings = check::check(&disk).unwrap();
        let found: Vec<_> = findings.iter().map(|finding| (finding.location, &finding.corruption)).collect();
        assert_eq!(found, [(location, &corruption)]);
        assert_eq!(read::read(&disk).unwrap().table, table());
    }
}

#[test]
fn a_wrong_protective_mbr_is_reported() {
    let cases: [(usize, &[u8], TableCorruption); 6] = [
        (510, &[0, 0], TableCorruption::MbrSignature { found: 0 }),
        (450, &[0x83], TableCorruption::Hybrid { kind: 0x83 }),
        (450, &[0], TableCorruption::NotProtective),
        (454, &[2], TableCorruption::ProtectiveStart { found: 2 }),
        (458, &[1, 0, 0, 0], TableCorruption::ProtectiveLen { found: 1, expected: LAST as u32 }),
        (466, &[0xc], TableCorruption::Hybrid { kind: 0xc }),
    ];
    for (at, bytes, corruption) in cases {
        let mut disk = disk(&table());
        disk[at..at + bytes.len()].copy_from_slice(bytes);
        let findings = check::check(&disk).unwrap();
        assert!(
            findings
                .iter()
                .any(|finding| finding.location == TableLocation::Mbr && finding.corruption == corruption),
            "{findings:?}"
        );
        assert_eq!(read::read(&disk).unwrap().table, table());
    }
}

#[test]
fn a_disk_that_grew_or_shrank_is_reported() {
    let mut grown = disk(&table());
    grown.resize(grown.len() + (1 << 20), 0);
    let findings = check::check(&grown).unwrap();
    let corruptions: Vec<_> = findings.iter().map(|finding| &finding.corruption).collect();
    let last = Lba(SECTORS + 2047);
    assert!(corruptions.contains(&&TableCorruption::NotAtEnd { stored: Lba(LAST), last }), "{corruptions:?}");
    assert_eq!(read::read(&grown).unwrap().table.partitions, table().partitions);
    let mut short = disk(&table());
    short.truncate(20_000 * 512);
    let Err(GptReadError::NoTable { primary, backup }) = read::read(&short) else { panic!("read") };
    assert_eq!(primary.corruption, TableCorruption::AlternateLba { stored: Lba(LAST), sectors: 20_000 });
    assert!(matches!(backup.corruption, TableCorruption::Signature { .. }));
    for len in [0, 1, 511, 512, 1024, 1535] {
        let none = vec![0_u8; len];
        assert!(matches!(read::read(&none), Err(GptReadError::NoTable { .. })));
        let findings = check::check(&none).unwrap();
        assert!(
            findings
                .iter()
                .any(|finding| finding.corruption == TableCorruption::DiskTooShort { len: len as u64 })
        );
    }
}
