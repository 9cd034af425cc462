//! Fuzzes the reader of SQLite databases: it may refuse bytes, it may not panic, hang or take unbounded memory. Arbitrary bytes
//! are read as they are and with a header that leads further; rows made of them are written and read again.
#![no_main]

use amiforge_formats::sqlite::{SqliteFile, SqliteTable, SqliteValue, write};
use libfuzzer_sys::fuzz_target;

fn read(bytes: &[u8]) {
    let Ok(file) = SqliteFile::open(bytes, 0, 0) else { return };
    let mut read = 0;
    for row in file.rows(1).map_while(Result::ok) {
        read += (0..row.len()).filter(|column| row.value(*column) != SqliteValue::Null).count();
    }
    // Each value has a byte of a record's header, and each page is visited once.
    assert!(read <= bytes.len());
    for table in file.tables().unwrap_or_default().iter().take(8) {
        let _ = file.rows(table.root).map_while(Result::ok).count();
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut header = write(&[]).unwrap_or_default();
    header.truncate(100);
    // Pages of 512 bytes, so that few bytes have several.
    header[16..18].copy_from_slice(&[2, 0]);
    header.extend_from_slice(bytes);
    header.resize(header.len().next_multiple_of(512), 0);
    read(&header);
    let rows = bytes.chunks(700).enumerate().map(|(at, chunk)| {
        let number = chunk.iter().fold(0, |all: i64, byte| all << 7 ^ i64::from(*byte));
        (at as i64, vec![SqliteValue::Integer(number), SqliteValue::Blob(chunk), SqliteValue::Text(bytes)])
    });
    let rows: Vec<_> = rows.take(50).collect();
    let sql = "CREATE TABLE t(a, b, c)".to_owned();
    let table = SqliteTable { name: "t", sql, rows: rows.clone(), indexes: Vec::new() };
    let written = write(&[table]).expect("the row numbers rise");
    let file = SqliteFile::open(&written, 0, 0).expect("it is a database");
    let root = file.table("T").expect("it has a schema").expect("it has the table").root;
    let back: Vec<_> = file.rows(root).map(|row| row.expect("it has the rows")).collect();
    assert_eq!(back.len(), rows.len());
    for (read, (row, values)) in back.iter().zip(&rows) {
        assert_eq!(read.row, *row);
        assert!(values.iter().enumerate().all(|(at, value)| read.value(at) == *value));
    }
});
