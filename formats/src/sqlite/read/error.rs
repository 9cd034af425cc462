//! Why bytes are no database that is read.

/// Why bytes are no database that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The first bytes are not those of a database.
    #[error("it is no SQLite database: its first bytes are others, or it is shorter than 100 bytes")]
    Magic,
    /// A write-ahead log beside it has changes.
    #[error(
        "a write-ahead log (`-wal`) beside it holds changes, which are not read: open and close the database once with the \
         program that it belongs to, then there is none"
    )]
    WriteAheadLog,
    /// A journal beside it has what an interrupted change has to be undone with.
    #[error(
        "a journal (`-journal`) beside it is of an interrupted change: open and close the database once with the program that it \
         belongs to, then there is none"
    )]
    Journal,
    /// The page size is none.
    #[error("its page size {0} is not a power of two from 512 to 65536")]
    PageSize(usize),
    /// A version to come.
    #[error("it needs version {0} of the format, and 1 and 2 are known")]
    Version(u8),
    /// The header contradicts itself.
    #[error("its header is damaged: {0}")]
    Header(&'static str),
    /// Text is not in UTF-8.
    #[error("its text has the encoding {0}, and only UTF-8 (1) is read")]
    Encoding(u32),
    /// A page is damaged.
    #[error("its page {page} is damaged: {why}")]
    Page {
        /// The page, from 1.
        page: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// A row is damaged.
    #[error("its row {row} in page {page} is damaged: {why}")]
    Row {
        /// The page of the cell, from 1.
        page: u32,
        /// The row number.
        row: i64,
        /// What is wrong.
        why: &'static str,
    },
    /// The table of tables is damaged.
    #[error("its table of tables is damaged: {0}")]
    Schema(&'static str),
}
