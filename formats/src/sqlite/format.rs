//! Constants of the file format, the only ones that the reader and the writer share.

/// The first bytes of a database.
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Length of the header in the first page.
pub(super) const HEADER: usize = 100;

/// Offsets of fields of the header, big-endian.
pub(super) mod header {
    /// Page size, 16 bits; 1 stands for 65536.
    pub(in super::super) const PAGE_SIZE: usize = 16;
    /// Version that writers need: 1 for a rollback journal, 2 for a write-ahead log.
    pub(in super::super) const WRITE_VERSION: usize = 18;
    /// Version that readers need, as above.
    pub(in super::super) const READ_VERSION: usize = 19;
    /// Bytes at the end of each page that are not used.
    pub(in super::super) const RESERVED: usize = 20;
    /// Three bytes that are always 64, 32, 32.
    pub(in super::super) const FRACTIONS: usize = 21;
    /// Number of changes, 32 bits.
    pub(in super::super) const CHANGES: usize = 24;
    /// Size in pages, 32 bits.
    pub(in super::super) const PAGES: usize = 28;
    /// Number of changes of the schema, 32 bits.
    pub(in super::super) const SCHEMA_COOKIE: usize = 40;
    /// Format of the schema, 32 bits: 4 since 2006.
    pub(in super::super) const SCHEMA_FORMAT: usize = 44;
    /// Encoding of text, 32 bits: 1 for UTF-8.
    pub(in super::super) const ENCODING: usize = 56;
    /// Number of changes when the size in pages was written, 32 bits.
    pub(in super::super) const VALID_FOR: usize = 92;
    /// Version of the library that wrote it, 32 bits.
    pub(in super::super) const LIBRARY: usize = 96;
}

/// The encoding UTF-8.
pub(super) const UTF8: u32 = 1;
/// The fractions of a page that an entry of an index may take, in 255ths; no others exist.
pub(super) const FRACTIONS: [u8; 3] = [64, 32, 32];

/// Kinds of b-tree pages: their first byte.
pub(super) mod page_kind {
    /// Inner page of an index.
    pub(in super::super) const INDEX_INTERIOR: u8 = 2;
    /// Inner page of a table.
    pub(in super::super) const TABLE_INTERIOR: u8 = 5;
    /// Leaf of an index.
    pub(in super::super) const INDEX_LEAF: u8 = 10;
    /// Leaf of a table.
    pub(in super::super) const TABLE_LEAF: u8 = 13;
}

/// Length of the header of a leaf; that of an inner page has a page number more.
pub(super) const LEAF_HEADER: usize = 8;
/// Length of the header of an inner page.
pub(super) const INTERIOR_HEADER: usize = 12;
