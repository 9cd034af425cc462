//! Databases of many shapes, and the program that judges them.

use std::path::Path;
use std::process::Command;

use amiforge_formats::sqlite::{SqliteFile, SqliteIndex, SqliteTable, SqliteValue};

/// Runs `sqlite3` on a file; `None` and a printed `SKIP` when it is not installed.
pub(crate) fn sqlite3(file: &Path, sql: &str) -> Option<String> {
    let output = match Command::new("sqlite3").arg(file).arg(sql).output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "sqlite3: {error}");
            println!("SKIP: sqlite3: {error}");
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{sql}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A table of a number, a text and a blob, with an index by the text and one by the number.
pub(crate) fn table(name: &'static str, rows: Vec<(i64, Vec<SqliteValue<'static>>)>) -> SqliteTable<'static> {
    let index = |column: &str, at: usize| SqliteIndex {
        name: format!("{name}_{column}"),
        sql: Some(format!("CREATE INDEX '{name}_{column}' ON '{name}'({column} ASC)")),
        columns: vec![at],
    };
    SqliteTable {
        name,
        sql: format!("CREATE TABLE '{name}' (number, text, blob)"),
        rows,
        indexes: vec![index("text", 1), index("number", 0)],
    }
}

/// Bytes that live as long as the test.
pub(crate) fn leaked(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

/// A row as `sqlite3` prints one of its `quote` of each value, separated by `|`.
pub(crate) fn quoted(values: &[SqliteValue<'_>]) -> String {
    let hex = |bytes: &[u8]| amiforge_formats::digest::hex(bytes).to_uppercase();
    let quote = |value: &SqliteValue<'_>| match value {
        SqliteValue::Null => "NULL".to_owned(),
        SqliteValue::Integer(value) => value.to_string(),
        SqliteValue::Real(value) => format!("{value:?}"),
        SqliteValue::Text(text) => format!("'{}'", String::from_utf8_lossy(text).replace('\'', "''")),
        SqliteValue::Blob(bytes) => format!("X'{}'", hex(bytes)),
    };
    values.iter().map(quote).collect::<Vec<_>>().join("|")
}

/// The rows of a table as our reader has them, a line each.
pub(crate) fn lines(bytes: &[u8], table: &str) -> String {
    let file = SqliteFile::open(bytes, 0, 0).unwrap();
    let root = file.table(table).unwrap().unwrap().root;
    let mut lines = Vec::new();
    for row in file.rows(root) {
        let row = row.unwrap();
        let values: Vec<_> = (0..row.len()).map(|column| row.value(column)).collect();
        lines.push(format!("{}|{}\n", row.row, quoted(&values)));
    }
    lines.concat()
}
