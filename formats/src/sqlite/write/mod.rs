//! The writer: tables and indexes from rows, in one pass, each b-tree from its leaves up. The same rows give the same bytes.
//!
//! The database is *parked*: its header asks for no write-ahead log, so it can be read from a read-only place without another
//! file beside it. There are no free pages.

mod index;
mod pages;
mod record;
mod table;

use super::SqliteValue;
use super::format::{FRACTIONS, HEADER, MAGIC, UTF8, header};
use pages::{PAGE, PageRoom, SqlitePages};
use record::RecordOut;

/// The version of the library that the header names: any will do, and it is the same for all.
const LIBRARY: u32 = 3_040_001;
/// The format of the schema.
const SCHEMA_FORMAT: u32 = 4;

/// A table and its indexes, in the order in which they were made.
#[derive(Debug, Clone, Default)]
pub struct SqliteTable<'a> {
    /// Its name.
    pub name: &'a str,
    /// The statement that makes it, as the schema keeps it.
    pub sql: String,
    /// Row numbers, rising, and values. A column that is the row number has [`SqliteValue::Null`].
    pub rows: Vec<(i64, Vec<SqliteValue<'a>>)>,
    /// Its indexes.
    pub indexes: Vec<SqliteIndex>,
}

/// An index of a table.
#[derive(Debug, Clone)]
pub struct SqliteIndex {
    /// Its name.
    pub name: String,
    /// The statement that makes it. Indexes that a constraint of the table makes have none.
    pub sql: Option<String>,
    /// The columns that it orders by, rising; text by its bytes.
    pub columns: Vec<usize>,
}

/// Why rows make no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteWriteError {
    /// Row numbers do not rise.
    #[error("the row numbers of the table `{table}` do not rise at {row}")]
    Order {
        /// The table.
        table: String,
        /// The row number.
        row: i64,
    },
    /// An index names a column that a row does not have.
    #[error("the row {row} of the table `{table}` has no column {column}, which an index needs")]
    Column {
        /// The table.
        table: String,
        /// The row number.
        row: i64,
        /// The column, from 0.
        column: usize,
    },
    /// The database would reach the bytes that SQLite locks.
    #[error("the database would be larger than 1 GiB, which is not written")]
    TooLarge,
}

/// Writes a database.
///
/// # Errors
/// [`SqliteWriteError`].
pub fn write(tables: &[SqliteTable<'_>]) -> Result<Vec<u8>, SqliteWriteError> {
    let mut pages = SqlitePages::new();
    let mut schema = Vec::new();
    for table in tables {
        let root = table::write(&mut pages, table.name, rows(table), PageRoom::Whole)?;
        schema.push(SchemaRow {
            kind: "table",
            name: table.name,
            table: table.name,
            root,
            sql: Some(&table.sql),
        });
        for index in &table.indexes {
            let root = index::write(&mut pages, table, index)?;
            let sql = index.sql.as_deref();
            schema.push(SchemaRow { kind: "index", name: &index.name, table: table.name, root, sql });
        }
    }
    let statements = schema.len() as u32;
    let schema = schema.iter().enumerate().map(|(at, row)| (at as i64 + 1, row.record()));
    table::write(&mut pages, "sqlite_schema", schema, PageRoom::First)?;
    let mut bytes = pages.into_bytes()?;
    write_header(&mut bytes, statements);
    Ok(bytes)
}

fn rows<'a>(table: &'a SqliteTable<'_>) -> impl Iterator<Item = (i64, RecordOut)> + 'a {
    table.rows.iter().map(|(row, values)| (*row, RecordOut::of(values)))
}

/// A row of the table of tables and indexes.
struct SchemaRow<'a> {
    kind: &'static str,
    name: &'a str,
    table: &'a str,
    root: u32,
    sql: Option<&'a str>,
}

impl SchemaRow<'_> {
    fn record(&self) -> RecordOut {
        let text = |text: &'static str| SqliteValue::Text(text.as_bytes());
        let sql = self.sql.map_or(SqliteValue::Null, |sql| SqliteValue::Text(sql.as_bytes()));
        let name = SqliteValue::Text(self.name.as_bytes());
        let table = SqliteValue::Text(self.table.as_bytes());
        RecordOut::of(&[text(self.kind), name, table, SqliteValue::Integer(self.root.into()), sql])
    }
}

/// Fills in the header of the first page.
fn write_header(bytes: &mut [u8], statements: u32) {
    let pages = (bytes.len() / PAGE) as u32;
    let mut fields = [0; HEADER];
    let mut put = |at: usize, field: &[u8]| fields[at..at + field.len()].copy_from_slice(field);
    put(0, MAGIC);
    put(header::PAGE_SIZE, &(PAGE as u16).to_be_bytes());
    put(header::WRITE_VERSION, &[1, 1]);
    put(header::FRACTIONS, &FRACTIONS);
    for (at, value) in [
        (header::CHANGES, 1),
        (header::PAGES, pages),
        (header::SCHEMA_COOKIE, statements),
        (header::SCHEMA_FORMAT, SCHEMA_FORMAT),
        (header::ENCODING, UTF8),
        (header::VALID_FOR, 1),
        (header::LIBRARY, LIBRARY),
    ] {
        put(at, &u32::to_be_bytes(value));
    }
    bytes[..HEADER].copy_from_slice(&fields);
}
