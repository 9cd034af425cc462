//! The reader: tables of a database whose bytes may be anything. Every page, cell, chain and record is checked before it is
//! followed, each page is visited once, and nothing is allocated that the file does not have.

mod error;
mod page;
mod record;
mod rows;

pub use error::SqliteError;
pub use record::SqliteRow;
pub use rows::SqliteRows;

use super::SqliteValue;
use super::format::{FRACTIONS, HEADER, MAGIC, UTF8, header};
use page::be32;

/// Most tables, indexes and views of a database that are read.
const SCHEMA_MAX: usize = 10_000;
/// Length of the header of a write-ahead log; frames follow it.
const WAL_HEADER: u64 = 32;

/// A database.
#[derive(Debug, Clone, Copy)]
pub struct SqliteFile<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// Bytes of a page that are used.
    usable: usize,
    pages: u32,
}

/// A table of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteTableEntry {
    /// Its name.
    pub name: String,
    /// The page of its root.
    pub root: u32,
    /// The statement that makes it.
    pub sql: String,
}

impl<'a> SqliteFile<'a> {
    /// Reads the header of a database. `wal_len` is the length of the write-ahead log beside it (`NAME-wal`), 0 where there is
    /// none, `journal_len` that of the rollback journal (`NAME-journal`): what they have is part of the database and not read.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn open(bytes: &'a [u8], wal_len: u64, journal_len: u64) -> Result<Self, SqliteError> {
        if !bytes.starts_with(MAGIC) || bytes.len() < HEADER {
            return Err(SqliteError::Magic);
        }
        if wal_len > WAL_HEADER {
            return Err(SqliteError::WriteAheadLog);
        }
        if journal_len > 0 {
            return Err(SqliteError::Journal);
        }
        let page_size = match bytes.get(header::PAGE_SIZE..header::PAGE_SIZE + 2) {
            Some([0, 1]) => 65536,
            Some(size) => size.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)),
            None => 0,
        };
        if !(512..=65536).contains(&page_size) || !page_size.is_power_of_two() {
            return Err(SqliteError::PageSize(page_size));
        }
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let (read, reserved) = (byte(header::READ_VERSION), usize::from(byte(header::RESERVED)));
        if !matches!(read, 1 | 2) {
            return Err(SqliteError::Version(read));
        }
        let fractions = bytes.get(header::FRACTIONS..header::FRACTIONS + FRACTIONS.len());
        // SQLite itself needs 480 bytes of a page.
        if page_size - reserved < 480 || fractions != Some(&FRACTIONS) {
            return Err(SqliteError::Header("its pages are divided as those of no database are"));
        }
        let encoding = be32(bytes, header::ENCODING);
        if encoding != UTF8 {
            return Err(SqliteError::Encoding(encoding));
        }
        let pages = u32::try_from(bytes.len() / page_size).unwrap_or(u32::MAX);
        if pages == 0 {
            return Err(SqliteError::Header("its first page is cut off"));
        }
        Ok(Self { bytes, page_size, usable: page_size - reserved, pages })
    }

    /// The tables, in the order in which they were made.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn tables(&self) -> Result<Vec<SqliteTableEntry>, SqliteError> {
        let mut all = Vec::new();
        for (at, row) in self.rows(1).enumerate() {
            let row = row?;
            if at == SCHEMA_MAX {
                return Err(SqliteError::Schema("it has more than 10,000 entries"));
            }
            let text = |column| match row.value(column) {
                SqliteValue::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
                _ => None,
            };
            if text(0).as_deref() != Some("table") {
                continue;
            }
            let root = match row.value(3) {
                SqliteValue::Integer(root) => u32::try_from(root).unwrap_or(0),
                _ => 0,
            };
            // A virtual table has no pages.
            if root == 0 {
                continue;
            }
            let name = text(1).ok_or(SqliteError::Schema("a table has no name"))?;
            all.push(SqliteTableEntry { name, root, sql: text(4).unwrap_or_default() });
        }
        Ok(all)
    }

    /// The table of a name, in any case of its letters.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub fn table(&self, name: &str) -> Result<Option<SqliteTableEntry>, SqliteError> {
        Ok(self.tables()?.into_iter().find(|table| table.name.eq_ignore_ascii_case(name)))
    }

    /// The rows of the table with this root, by rising row numbers. They end at the first error.
    pub fn rows(&self, root: u32) -> SqliteRows<'a> {
        SqliteRows::new(*self, root)
    }
}
