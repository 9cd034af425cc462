//! Pages: one after the other in the order in which they are written, but for the first, which is the schema's root.

use super::SqliteWriteError;
use super::record::push_varint;
use crate::sqlite::format::{HEADER, INTERIOR_HEADER, LEAF_HEADER};

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// Bytes of an overflow page that hold payload.
const OVERFLOW: usize = PAGE - 4;
/// SQLite locks bytes from here on, and uses the page that has them for nothing.
const LOCKED: usize = 1 << 30;

/// Where the root of a b-tree goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageRoom {
    /// Into the next page.
    Whole,
    /// Into the first page, behind the header.
    First,
}

/// How much of a payload stays in its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadOf {
    /// A row of a table.
    Table,
    /// An entry of an index.
    Index,
}

impl PayloadOf {
    /// The most bytes that stay.
    fn most(self) -> usize {
        match self {
            Self::Table => PAGE - 35,
            Self::Index => (PAGE - 12) * 64 / 255 - 23,
        }
    }

    /// The bytes of a payload that stay. The rest fills whole overflow pages where that leaves not too much here.
    fn local(self, payload: usize) -> usize {
        let least = (PAGE - 12) * 32 / 255 - 23;
        let most = self.most();
        if payload <= most {
            return payload;
        }
        let even = least + (payload - least) % OVERFLOW;
        if even <= most { even } else { least }
    }
}

/// The pages written so far.
pub(super) struct SqlitePages {
    bytes: Vec<u8>,
}

impl SqlitePages {
    /// The first page only.
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; PAGE] }
    }

    /// The number that the next page gets.
    fn next(&self) -> u32 {
        (self.bytes.len() / PAGE + 1) as u32
    }

    /// A cell: the payload's length, the row number of a table's row, the payload. What does not stay in the cell is written
    /// into overflow pages.
    pub(super) fn cell(&mut self, payload: &[u8], row: Option<i64>) -> Vec<u8> {
        let of = if row.is_some() { PayloadOf::Table } else { PayloadOf::Index };
        let (local, rest) = payload.split_at(of.local(payload.len()));
        let mut cell = Vec::with_capacity(local.len() + 22);
        push_varint(&mut cell, payload.len() as u64);
        if let Some(row) = row {
            push_varint(&mut cell, row as u64);
        }
        cell.extend_from_slice(local);
        if !rest.is_empty() {
            cell.extend_from_slice(&self.next().to_be_bytes());
            self.overflow(rest);
        }
        cell
    }

    fn overflow(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            let (here, behind) = rest.split_at(rest.len().min(OVERFLOW));
            let next = if behind.is_empty() { 0 } else { self.next() + 1 };
            self.bytes.extend_from_slice(&next.to_be_bytes());
            self.bytes.extend_from_slice(here);
            self.bytes.resize(self.bytes.len().next_multiple_of(PAGE), 0);
            rest = behind;
        }
    }

    /// Writes a b-tree page and returns its number. `right` is the last child of an inner page.
    pub(super) fn page(&mut self, kind: u8, cells: &[Vec<u8>], right: Option<u32>, room: PageRoom) -> u32 {
        let header = if right.is_some() { INTERIOR_HEADER } else { LEAF_HEADER };
        let (number, skipped) = match room {
            PageRoom::First => (1, HEADER),
            PageRoom::Whole => (self.next(), 0),
        };
        let mut page = vec![0; PAGE];
        let mut end = PAGE;
        let mut at = skipped + header;
        for cell in cells {
            end -= cell.len();
            page[end..end + cell.len()].copy_from_slice(cell);
            page[at..at + 2].copy_from_slice(&(end as u16).to_be_bytes());
            at += 2;
        }
        page[skipped] = kind;
        page[skipped + 3..skipped + 5].copy_from_slice(&(cells.len() as u16).to_be_bytes());
        page[skipped + 5..skipped + 7].copy_from_slice(&(end as u16).to_be_bytes());
        if let Some(right) = right {
            page[skipped + 8..skipped + 12].copy_from_slice(&right.to_be_bytes());
        }
        match room {
            PageRoom::First => self.bytes[..PAGE].copy_from_slice(&page),
            PageRoom::Whole => self.bytes.append(&mut page),
        }
        number
    }

    /// The bytes of all pages.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>, SqliteWriteError> {
        if self.bytes.len() > LOCKED { Err(SqliteWriteError::TooLarge) } else { Ok(self.bytes) }
    }
}

/// Bytes that the cells and pointers of a page may take.
pub(super) fn capacity(interior: bool, room: PageRoom) -> usize {
    let header = if interior { INTERIOR_HEADER } else { LEAF_HEADER };
    PAGE - header - if room == PageRoom::First { HEADER } else { 0 }
}

/// Bytes that a cell takes of a page with its pointer.
pub(super) fn taken(cell: &[u8]) -> usize {
    cell.len() + 2
}
