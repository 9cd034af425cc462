//! SQLite database files, as package managers keep their state in them: a writer of a whole database from rows, and a reader of
//! tables for hostile bytes. They share only constants and [`SqliteValue`].
//!
//! <https://sqlite.org/fileformat2.html>. Text is UTF-8 by the header, and the bytes of a value are passed on as they are:
//! SQLite checks them no more than that. Knows no SQL: statements of a schema are texts.

mod format;
mod read;
mod write;

pub use read::{SqliteError, SqliteFile, SqliteRow, SqliteRows, SqliteTableEntry};
pub use write::{SqliteIndex, SqliteTable, SqliteWriteError, write};

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SqliteValue<'a> {
    /// No value. Also what a column that is the table's row number is stored as.
    Null,
    /// A number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text, in UTF-8 unless its writer put other bytes there.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}
