//! Bytes that lie: refused with the reason, without a panic and within the time that the file's size allows.

use amiforge_formats::sqlite::{SqliteError, SqliteFile, SqliteValue, write};
use proptest::prelude::*;

use super::fixture::{leaked, table};

/// A database of a root, three leaves, and two chains of overflow pages.
fn database() -> Vec<u8> {
    let blob = |len: usize| SqliteValue::Blob(leaked(vec![7; len]));
    let rows = (1..=60).map(|row| {
        let len = if row % 30 == 0 { 9000 } else { 200 };
        (row, vec![SqliteValue::Integer(row), SqliteValue::Text(b"text"), blob(len)])
    });
    write(&[table("one", rows.collect())]).unwrap()
}

fn read(bytes: &[u8]) -> Result<usize, SqliteError> {
    let file = SqliteFile::open(bytes, 0, 0)?;
    let mut count = 0;
    for table in file.tables()? {
        for row in file.rows(table.root) {
            let row = row?;
            count += (0..row.len()).filter(|column| row.value(*column) != SqliteValue::Null).count();
        }
    }
    Ok(count)
}

/// The first page of a kind, by its number from 0, and where its first cell begins.
fn page_of_kind(bytes: &[u8], kind: u8) -> (usize, usize) {
    let page = (1..bytes.len() / 4096).find(|page| bytes[page * 4096] == kind).unwrap();
    let pointer = page * 4096 + if kind == 5 { 12 } else { 8 };
    (page, page * 4096 + usize::from(u16::from_be_bytes([bytes[pointer], bytes[pointer + 1]])))
}

#[test]
fn headers_that_are_not_read_are_refused_by_name() {
    let good = database();
    assert_eq!(read(&good), Ok(180));
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        read(&bytes).unwrap_err()
    };
    assert_eq!(with(0, 0), SqliteError::Magic);
    assert_eq!(read(&good[..99]).unwrap_err(), SqliteError::Magic);
    assert!(matches!(with(17, 1), SqliteError::PageSize(4097)));
    assert_eq!(with(19, 3), SqliteError::Version(3));
    assert!(matches!(with(21, 63), SqliteError::Header(_)));
    assert_eq!(with(59, 2), SqliteError::Encoding(2));
    assert!(matches!(read(&good[..200]), Err(SqliteError::Header(_))));
    assert_eq!(SqliteFile::open(&good, 33, 0).unwrap_err(), SqliteError::WriteAheadLog);
    assert!(SqliteFile::open(&good, 32, 0).is_ok());
    assert_eq!(SqliteFile::open(&good, 0, 512).unwrap_err(), SqliteError::Journal);
}

#[test]
fn loops_of_pages_and_of_chains_are_refused() {
    let good = database();
    let (root, cell) = page_of_kind(&good, 5);
    let mut looped = good.clone();
    looped[cell..cell + 4].copy_from_slice(&(root as u32 + 1).to_be_bytes());
    assert!(matches!(read(&looped), Err(SqliteError::Page { why: "two pages lead to it", .. })));
    looped[cell..cell + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(read(&looped), Err(SqliteError::Page { page: u32::MAX, .. })));
    // The first overflow page is the first of the file behind the schema's: no leaf is written before it is.
    let chain =
        (1..good.len() / 4096).find(|page| good[page * 4096 + 4..page * 4096 + 40] == [7; 36]).unwrap();
    let mut looped = good.clone();
    looped[chain * 4096..chain * 4096 + 4].copy_from_slice(&(chain as u32 + 1).to_be_bytes());
    assert!(matches!(read(&looped), Err(SqliteError::Page { why: "two chains lead to it", .. })));
    looped[chain * 4096..chain * 4096 + 4].fill(0);
    assert!(matches!(read(&looped), Err(SqliteError::Page { page: 0, .. })), "a chain that ends early");
}

#[test]
fn cells_and_records_outside_of_their_room_are_refused() {
    let good = database();
    let (leaf, cell) = page_of_kind(&good, 13);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        read(&changed).unwrap_err()
    };
    assert!(matches!(with(leaf * 4096 + 3, &[0xff, 0xff]), SqliteError::Page { .. }), "cells counted");
    assert!(matches!(with(leaf * 4096 + 8, &[0, 4]), SqliteError::Page { .. }), "a cell in the header");
    assert!(matches!(with(leaf * 4096 + 8, &[0xff, 0xff]), SqliteError::Page { .. }), "a cell behind");
    assert!(matches!(with(leaf * 4096, &[10]), SqliteError::Page { .. }), "an index");
    assert!(matches!(with(leaf * 4096, &[0]), SqliteError::Page { .. }), "no page");
    assert!(matches!(with(cell, &[0xff; 9]), SqliteError::Page { .. }), "a longer payload than the file");
    assert!(matches!(with(cell, &[0x8f, 0x7f]), SqliteError::Page { .. } | SqliteError::Row { .. }));
    // Behind the payload's length of two bytes and the row number of one: the record's header.
    assert!(matches!(with(cell + 3, &[0x7f, 0x81]), SqliteError::Row { .. }), "a long header");
    assert!(matches!(with(cell + 4, &[10]), SqliteError::Row { .. }), "an unknown type");
    assert!(matches!(with(cell + 5, &[0xff, 0xff, 0x7f]), SqliteError::Row { .. }), "a long value");
    assert!(matches!(with(cell + 2, &[0x7e]), SqliteError::Row { .. }), "row numbers that fall");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn changed_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, any::<u8>()), 1..12)) {
        let mut bytes = database();
        let pages = bytes.len() / 4096;
        for (index, area, byte) in flips {
            let at = match area {
                0 => index.index(100),
                1 => index.index(pages) * 4096 + usize::from(byte) % 40,
                _ => index.index(bytes.len()),
            };
            bytes[at] = byte;
        }
        let _ = read(&bytes);
    }
}
