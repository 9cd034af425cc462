//! Damage of the primary table, for which the backup is read.

use amiforge_formats::finding::Severity;
use amiforge_formats::gpt::corruption::{TableCorruption, TableLocation};
use amiforge_formats::gpt::read::GptReadError;
use amiforge_formats::gpt::{Copy, Lba, check, read};

use super::fixture::{Field, LAST, SECTORS, corrupt, disk, table, u32, u64};

/// Corrupt fields of the primary, the location of the finding, and the corruption.
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
    let usable_range = |first, last| TableCorruption::Usable { first: Lba(first), last: Lba(last) };
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
        (vec![Header(40, u64(9)), Header(48, u64(8))], header, usable_range(9, 8)),
        (vec![Header(40, u64(33))], header, usable_range(33, SECTORS - 34)),
        (vec![Header(40, u64(1))], header, usable_range(1, SECTORS - 34)),
        (vec![Header(48, u64(LAST))], header, usable_range(34, LAST)),
        (vec![Header(48, u64(u64::MAX))], header, usable_range(34, u64::MAX)),
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
    for (fields, location, corruption) in fatal() {
        let mut disk = disk(&table());
        corrupt(&mut disk, Copy::Primary, &fields);
        let reading = read::read(&disk).unwrap();
        assert_eq!((reading.copy, reading.table), (Copy::Backup, table()), "{corruption}");
        let findings = check::check(&disk).unwrap();
        let found: Vec<_> = findings.iter().map(|finding| (finding.location, &finding.corruption)).collect();
        assert_eq!(found, [(location, &corruption)]);
        assert_eq!(findings[0].severity, Severity::Damage);
    }
}

#[test]
fn two_damaged_copies_are_refused_with_the_fault_of_each() {
    for (fields, location, corruption) in fatal() {
        let mut disk = disk(&table());
        corrupt(&mut disk, Copy::Primary, &fields);
        corrupt(&mut disk, Copy::Backup, &[Field::Header(8, vec![7])]);
        let Err(GptReadError::NoTable { primary, backup }) = read::read(&disk) else {
            panic!("{corruption} was read")
        };
        assert_eq!((primary.location, primary.corruption), (location, corruption));
        assert_eq!(
            (backup.location, backup.corruption),
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
    assert_eq!(findings[0].location, TableLocation::Header(Copy::Primary));
    assert_eq!(findings[0].corruption, TableCorruption::Crc { stored, computed });
    let mut damaged = disk(&table());
    damaged[1024 + 130] ^= 1;
    let findings = check::check(&damaged).unwrap();
    assert_eq!(findings[0].location, TableLocation::Entries(Copy::Primary));
    assert!(matches!(findings[0].corruption, TableCorruption::Crc { .. }));
    assert_eq!(read::read(&damaged).unwrap().table, table());
}
