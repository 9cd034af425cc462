//! SQLite itself as judge, in both directions.

use std::fs;

use amiforge_formats::sqlite::{SqliteFile, SqliteTable, SqliteValue, SqliteWriteError, write};

use super::fixture::{leaked, lines, quoted, sqlite3, table};

/// Rows with values of every length around the limits of a page, and texts that are long, short, equal and empty.
fn rows(count: usize) -> Vec<(i64, Vec<SqliteValue<'static>>)> {
    let lens = [0, 1, 100, 900, 1000, 4040, 4055, 4061, 4062, 5000, 8153, 8154, 12_000, 70_000];
    let numbers = [0, 1, -1, 127, 128, -129, 40_000, 1 << 23, -1 << 31, 1 << 40, 1 << 47, i64::MAX, i64::MIN];
    (0..count)
        .map(|at| {
            let text = match at % 5 {
                0 => String::new(),
                1 => format!("{:05}", at % 97),
                2 => format!("{}{at}", "long ".repeat(at % 40 * 20)),
                3 => format!("é'{}", at / 3),
                _ => "equal".to_owned(),
            };
            let len = if count > 2000 { at % 60 } else { lens[at % lens.len()] };
            let blob = (0..len).map(|byte| (byte * 7 + at) as u8).collect();
            let number = match at % 17 {
                13 => SqliteValue::Null,
                14 => SqliteValue::Real(at as f64 + 0.5),
                15 => SqliteValue::Text(b"number"),
                16 => SqliteValue::Blob(b"\0number"),
                number => SqliteValue::Integer(numbers[number]),
            };
            let text = SqliteValue::Text(leaked(text.into_bytes()));
            (at as i64 * 3 + 1, vec![number, text, SqliteValue::Blob(leaked(blob))])
        })
        .collect()
}

#[test]
fn sqlite_finds_no_fault_with_what_we_write_and_reads_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    for count in [0, 1, 2, 3, 4, 5, 7, 30, 300, 1700, 40_000] {
        let path = folder.path().join(format!("{count}.sqlite"));
        let tables = [table("one", rows(count)), table("two", rows(count / 2))];
        let bytes = write(&tables).unwrap();
        assert_eq!(bytes, write(&tables).unwrap());
        fs::write(&path, &bytes).unwrap();
        let Some(report) = sqlite3(&path, "PRAGMA integrity_check; PRAGMA journal_mode;") else { return };
        assert_eq!(report, "ok\ndelete\n", "{count} rows");
        for table in &tables {
            let line = |(row, values): &(i64, Vec<SqliteValue<'_>>)| format!("{row}|{}\n", quoted(values));
            let expected = table.rows.iter().map(line).collect::<Vec<_>>().concat();
            let sql = format!(
                "SELECT rowid, quote(number), quote(text), quote(blob) FROM {} ORDER BY rowid",
                table.name
            );
            assert!(sqlite3(&path, &sql).unwrap() == expected, "{count} rows: SQLite reads others");
            assert!(lines(&bytes, table.name) == expected, "{count} rows: we read others");
        }
        // By each index, counted: the order is part of `integrity_check`.
        let by = "SELECT count(*) FROM one INDEXED BY one_text WHERE text >= ''";
        assert_eq!(sqlite3(&path, by).unwrap(), format!("{count}\n"));
    }
}

#[test]
fn sqlite_goes_on_writing_what_we_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite");
    fs::write(&path, write(&[table("one", rows(900))]).unwrap()).unwrap();
    let change = "INSERT INTO one SELECT number, text || 'x', blob FROM one; DELETE FROM one WHERE rowid % 4 = 0; \
                  CREATE TABLE three(a); PRAGMA integrity_check; SELECT count(*) FROM one;";
    let Some(report) = sqlite3(&path, change) else { return };
    assert!(report.starts_with("ok\n"), "{report}");
    let bytes = fs::read(&path).unwrap();
    assert_eq!(lines(&bytes, "ONE").lines().count().to_string(), report.lines().nth(1).unwrap());
}

#[test]
fn what_sqlite_writes_is_read_with_pages_of_every_size() {
    let folder = tempfile::tempdir().unwrap();
    for size in [512, 1024, 4096, 16384, 65536] {
        for wal in [false, true] {
            let path = folder.path().join(format!("{size}-{wal}.sqlite"));
            let mode = if wal { "wal" } else { "delete" };
            let make = format!(
                "PRAGMA page_size={size}; PRAGMA journal_mode={mode}; CREATE TABLE t(number INTEGER, text TEXT, blob BLOB); \
                 CREATE INDEX i ON t(text); CREATE VIEW v AS SELECT 1; \
                 WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 700) \
                 INSERT INTO t SELECT (x - 300) * 77777777, 'text ' || x, zeroblob(x * 13) FROM n; \
                 DELETE FROM t WHERE rowid % 5 = 0;"
            );
            if sqlite3(&path, &make).is_none() {
                return;
            }
            let sql = "SELECT rowid, quote(number), quote(text), quote(blob) FROM t ORDER BY rowid";
            let expected = sqlite3(&path, sql).unwrap();
            let bytes = fs::read(&path).unwrap();
            assert_eq!(bytes[18], if wal { 2 } else { 1 });
            assert!(lines(&bytes, "t") == expected, "{size} {wal}");
            let names: Vec<_> = SqliteFile::open(&bytes, 0, 0)
                .unwrap()
                .tables()
                .unwrap()
                .into_iter()
                .map(|t| t.name)
                .collect();
            assert_eq!(names, ["t"]);
        }
    }
}

#[test]
fn rows_that_make_no_database_are_refused() {
    let mut falling = table("one", rows(3));
    falling.rows.reverse();
    assert!(matches!(write(&[falling]), Err(SqliteWriteError::Order { row: 4, .. })));
    let short = SqliteTable { rows: vec![(1, vec![SqliteValue::Null])], ..table("one", Vec::new()) };
    assert!(matches!(write(&[short]), Err(SqliteWriteError::Column { column: 1, .. })));
}
