//! The file `rpmdb.sqlite`: headers by number, and tables of what they have.

use amiforge_formats::sqlite::{SqliteFile, SqliteIndex, SqliteTable, SqliteValue, write};

use super::error::RpmDatabaseError;
use super::index::{INDEXES, IndexKeys, IndexRow, RpmDatabaseIndex, rows};
use super::stored::StoredHeader;

/// The table of headers.
const PACKAGES: &str = "Packages";
/// Where SQLite keeps the highest number that a table ever had.
const SEQUENCE: &str = "sqlite_sequence";

/// The bytes of `rpmdb.sqlite` of headers, by rising numbers. `highest` is the highest number that a header ever had in it.
///
/// # Errors
/// Numbers that do not rise; headers that are too much for a file.
pub fn encode(headers: &[StoredHeader], highest: u32) -> Result<Vec<u8>, RpmDatabaseError> {
    let mut tables = vec![packages(headers), sequence(highest)];
    let indexed: Vec<Vec<(u32, IndexRow<'_>)>> = INDEXES
        .iter()
        .map(|index| {
            let all = headers.iter().map(|stored| (stored.number, rows(index, &stored.header)));
            all.flat_map(|(number, rows)| rows.into_iter().map(move |row| (number, row))).collect()
        })
        .collect();
    tables.extend(INDEXES.iter().zip(&indexed).map(|(index, rows)| index_table(index, rows)));
    Ok(write(&tables)?)
}

fn packages(headers: &[StoredHeader]) -> SqliteTable<'_> {
    let row = |stored| vec![SqliteValue::Null, SqliteValue::Blob(StoredHeader::blob(stored))];
    let rows = headers.iter().map(|stored| (i64::from(stored.number), row(stored)));
    SqliteTable {
        name: PACKAGES,
        sql: "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)".to_owned(),
        rows: rows.collect(),
        indexes: Vec::new(),
    }
}

fn sequence(highest: u32) -> SqliteTable<'static> {
    let row = vec![SqliteValue::Text(PACKAGES.as_bytes()), SqliteValue::Integer(highest.into())];
    SqliteTable {
        name: SEQUENCE,
        sql: "CREATE TABLE sqlite_sequence(name,seq)".to_owned(),
        rows: if highest == 0 { Vec::new() } else { vec![(1, row)] },
        indexes: Vec::new(),
    }
}

fn index_table<'a>(index: &RpmDatabaseIndex, rows: &'a [(u32, IndexRow<'_>)]) -> SqliteTable<'a> {
    let name = index.name;
    let kind = if index.keys == IndexKeys::Bytes { "BLOB" } else { "TEXT" };
    let by = |column: &str, at: usize| SqliteIndex {
        name: format!("{name}_{column}_idx"),
        sql: Some(format!("CREATE INDEX '{name}_{column}_idx' ON '{name}'({column} ASC)")),
        columns: vec![at],
    };
    let row = |(at, (number, row)): (usize, &'a (u32, IndexRow<'_>))| {
        let key = if index.keys == IndexKeys::Bytes {
            SqliteValue::Blob(&row.key)
        } else {
            SqliteValue::Text(&row.key)
        };
        let place = SqliteValue::Integer(row.place as i64);
        (at as i64 + 1, vec![key, SqliteValue::Integer((*number).into()), place])
    };
    SqliteTable {
        name,
        sql: format!(
            "CREATE TABLE '{name}' (key '{kind}' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, \
             FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))"
        ),
        rows: rows.iter().enumerate().map(row).collect(),
        indexes: match index.keys {
            IndexKeys::Bytes => Vec::new(),
            IndexKeys::Text => vec![by("key", 0)],
            IndexKeys::Texts => vec![by("key", 0), by("hnum", 1)],
        },
    }
}

/// Reads the headers of a database, and the highest number that a header ever had in it.
pub(super) fn read(
    bytes: &[u8],
    wal_len: u64,
    journal_len: u64,
) -> Result<(Vec<StoredHeader>, u32), RpmDatabaseError> {
    let file = SqliteFile::open(bytes, wal_len, journal_len)?;
    let tables = file.tables()?;
    let root = |name: &str| tables.iter().find(|table| table.name == name).map(|table| table.root);
    let mut headers = Vec::new();
    for row in file.rows(root(PACKAGES).ok_or(RpmDatabaseError::NoPackages)?) {
        let row = row?;
        let number = u32::try_from(row.row).map_err(|_| RpmDatabaseError::NoPackages)?;
        let SqliteValue::Blob(blob) = row.value(1) else { return Err(RpmDatabaseError::NoPackages) };
        headers.push(StoredHeader::read(number, blob)?);
    }
    let mut highest = headers.last().map_or(0, |stored| stored.number);
    if let Some(root) = root(SEQUENCE) {
        for row in file.rows(root) {
            let row = row?;
            if let (SqliteValue::Text(b"Packages"), SqliteValue::Integer(last)) = (row.value(0), row.value(1))
            {
                highest = highest.max(u32::try_from(last).unwrap_or(0));
            }
        }
    }
    Ok((headers, highest))
}
