//! Archives that are written are read again, and damaged ones are refused with the offset.

use std::io::Read as _;

use proptest::prelude::*;

use super::read::{ArchiveEntry, CpioReadError, CpioReader, EntryKind};
use super::write::{self, CpioWriter};

fn sample() -> Vec<u8> {
    let mut archive = CpioWriter::new();
    archive.add("dev", 0o755, write::NewEntry::Folder);
    archive.add("dev/console", 0o600, write::NewEntry::Device { major: 5, minor: 1 });
    archive.add("init", 0o4755, write::NewEntry::File(b"#!/bin/sh\n"));
    archive.finish()
}

/// An entry with a body, from its mode and numbers by their index.
fn made(magic: &str, mode: u32, numbers: &[(usize, u32)], name: &str, body: &[u8]) -> Vec<u8> {
    let mut fields = [0; 13];
    (fields[1], fields[6], fields[11]) = (mode, body.len() as u32, name.len() as u32 + 1);
    for (at, number) in numbers {
        fields[*at] = *number;
    }
    let fields: Vec<_> = fields.iter().map(|field| format!("{field:08X}")).collect();
    let mut bytes = format!("{magic}{}{name}\0", fields.concat()).into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn entries(archive: &[u8]) -> Result<Vec<(ArchiveEntry, Vec<u8>)>, CpioReadError> {
    let mut reader = CpioReader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut body = Vec::new();
        reader.read_to_end(&mut body).unwrap();
        entries.push((entry, body));
    }
    assert_eq!(reader.position(), archive.len() as u64);
    Ok(entries)
}

fn error(archive: &[u8]) -> String {
    entries(archive).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read() {
    let found = entries(&sample()).unwrap();
    let lines: Vec<_> = found
        .iter()
        .map(|(entry, body)| {
            let path = String::from_utf8_lossy(&entry.path);
            let ino = entry.id.2;
            format!("{path} {:?} {:o} n{} i{ino} {}", entry.kind, entry.mode, entry.nlink, body.len())
        })
        .collect();
    assert_eq!(
        lines,
        ["dev Dir 755 n2 i1 0", "dev/console CharDevice(5, 1) 600 n1 i2 0", "init File 4755 n1 i3 10"]
    );
    let numbers = [(2, 7), (3, u32::MAX), (5, 1)];
    let link = made("070701", 0o120_777, &numbers, "./sbin", b"usr/bin");
    let (link, target) = entries(&link).unwrap().remove(0);
    assert_eq!((link.kind, link.uid, link.gid, link.mtime), (EntryKind::Symlink, 7, u32::MAX, 1));
    assert_eq!((link.path.as_slice(), target.as_slice()), (b"./sbin".as_slice(), b"usr/bin".as_slice()));
    for (mode, kind) in [(0o010_600, EntryKind::Fifo), (0o140_600, EntryKind::Socket)] {
        assert_eq!(entries(&made("070701", mode, &[], "x", b"")).unwrap()[0].0.kind, kind);
    }
}

#[test]
fn damaged_archives_are_refused_with_the_place() {
    let good = sample();
    let changed = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        error(&bad)
    };
    assert!(changed(0, b"070707").contains("no newc header at byte 0 but `070707`"));
    assert!(changed(6, b"0000000g").contains("field 0 of the header at byte 0 is `0000000g`"));
    assert!(changed(6, b"+0000001").contains("field 0 of the header at byte 0 is `+0000001`"));
    assert!(changed(14, b"0000f000").contains("mode 170000, which is no kind of file"));
    assert!(changed(14, b"000141ed").contains("no kind of file"));
    assert!(changed(6 + 8 * 6, b"00000001").contains("`dev` has 1 bytes, which no directory has"));
    assert!(changed(6 + 8 * 11, b"00000001").contains("has 1 bytes with its NUL"));
    assert!(changed(6 + 8 * 11, b"00001001").contains("has 4097 bytes with its NUL"));
    assert!(changed(110, b"a\0b").contains("does not end with its only NUL"));
    assert!(error(&made("070701", 0o120_777, &[], "x", b"")).contains("`x` has 0 bytes, which no link has"));
    for len in [1, 50, 109, 111, 113, 200] {
        assert!(error(&good[..len]).contains("within an entry"), "{len}");
    }
}

#[test]
fn an_archive_may_lack_its_trailer() {
    let good = sample();
    assert_eq!(entries(&good[..good.len() - 124]).unwrap().len(), 3);
    assert_eq!(entries(b"").unwrap().len(), 0);
}

#[test]
fn checksums_are_held_against_the_bytes_of_files() {
    let file = |sum| made("070702", 0o100_644, &[(12, sum)], "f", b"abc");
    let found = entries(&file(0x126)).unwrap();
    assert_eq!((found[0].0.kind, found[0].1.as_slice()), (EntryKind::File, b"abc".as_slice()));
    assert!(error(&file(0x127)).contains("add up to 0x126, and its checksum is 0x127"));
    // GNU cpio gives links none.
    assert_eq!(entries(&made("070702", 0o120_777, &[], "l", b"f")).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0..600_usize) {
        entries_until_an_error(&bytes);
        let mut archive = sample();
        let at = at.min(archive.len() - 1);
        archive[at] ^= bytes.first().copied().unwrap_or(1);
        entries_until_an_error(&archive);
    }
}

fn entries_until_an_error(archive: &[u8]) {
    let mut reader = CpioReader::new(archive);
    while let Ok(Some(_)) = reader.next_entry() {}
}
