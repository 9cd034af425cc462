//! Pages: their bytes, the cells of a table's pages, and chains of overflow pages.

use std::borrow::Cow;

use super::{SqliteError, SqliteFile};
use crate::sqlite::format::{HEADER, INTERIOR_HEADER, LEAF_HEADER, page_kind};

/// The big-endian number of 32 bits at an offset; 0 where there are no bytes.
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    field.map_or(0, |field| u32::from_be_bytes(*field))
}

fn be16(bytes: &[u8], at: usize) -> usize {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>());
    field.map_or(0, |field| usize::from(u16::from_be_bytes(*field)))
}

/// The number at the start of bytes, and its length: groups of seven bits, and the ninth byte whole.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            return Some((value << 8 | u64::from(*byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Which pages were visited.
#[derive(Debug, Clone)]
pub(super) struct Visited {
    bits: Vec<u64>,
}

impl Visited {
    pub(super) fn new(pages: u32) -> Self {
        Self { bits: vec![0; pages as usize / 64 + 1] }
    }

    /// Marks a page; whether it was not marked before.
    pub(super) fn first(&mut self, page: u32) -> bool {
        let Some(word) = self.bits.get_mut(page as usize / 64) else { return false };
        let bit = 1 << (page % 64);
        let first = *word & bit == 0;
        *word |= bit;
        first
    }
}

/// A page of a table's b-tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct TablePage<'a> {
    pub(super) number: u32,
    bytes: &'a [u8],
    /// Where its header begins.
    start: usize,
    pub(super) interior: bool,
    pub(super) cells: usize,
}

impl<'a> SqliteFile<'a> {
    /// The used bytes of a page.
    fn page(&self, number: u32) -> Result<&'a [u8], SqliteError> {
        let outside = SqliteError::Page { page: number, why: "the file does not have it" };
        let index = number.checked_sub(1).filter(|_| number <= self.pages).ok_or(outside)?;
        let start = index as usize * self.page_size;
        self.bytes.get(start..start + self.usable).ok_or(outside)
    }

    /// A page of a table's b-tree that no other page has led to.
    pub(super) fn table_page(
        &self,
        number: u32,
        visited: &mut Visited,
    ) -> Result<TablePage<'a>, SqliteError> {
        let damaged = |why| SqliteError::Page { page: number, why };
        let bytes = self.page(number)?;
        if !visited.first(number) {
            return Err(damaged("two pages lead to it"));
        }
        let start = if number == 1 { HEADER } else { 0 };
        let interior = match bytes.get(start) {
            Some(&page_kind::TABLE_LEAF) => false,
            Some(&page_kind::TABLE_INTERIOR) => true,
            Some(&(page_kind::INDEX_LEAF | page_kind::INDEX_INTERIOR)) => {
                return Err(damaged("it is a page of an index, or of a table without row numbers"));
            }
            _ => return Err(damaged("it is no page of a table")),
        };
        let cells = be16(bytes, start + 3);
        let header = if interior { INTERIOR_HEADER } else { LEAF_HEADER };
        if start + header + 2 * cells > bytes.len() {
            return Err(damaged("it counts more cells than it has room for"));
        }
        Ok(TablePage { number, bytes, start, interior, cells })
    }

    /// The payload of a cell that begins at `local`: of the table's kind, `len` bytes, the rest in overflow pages.
    pub(super) fn payload(
        &self,
        page: &TablePage<'a>,
        local: &'a [u8],
        len: u64,
        visited: &mut Visited,
    ) -> Result<Cow<'a, [u8]>, SqliteError> {
        let damaged = |why| SqliteError::Page { page: page.number, why };
        let len = usize::try_from(len).ok().filter(|len| *len <= self.bytes.len());
        let len = len.ok_or(damaged("a cell is longer than the file"))?;
        let cut = damaged("a cell ends outside of it");
        if len <= self.usable - 35 {
            return Ok(Cow::Borrowed(local.get(..len).ok_or(cut)?));
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let kept = least + (len - least) % (self.usable - 4);
        let kept = if kept <= self.usable - 35 { kept } else { least };
        let here = local.get(..kept).filter(|_| local.len() >= kept + 4).ok_or(cut)?;
        let mut next = be32(local, kept);
        let mut all = here.to_vec();
        while all.len() < len {
            let bytes = self.page(next)?;
            if !visited.first(next) {
                return Err(SqliteError::Page { page: next, why: "two chains lead to it" });
            }
            let part = bytes.get(4..).unwrap_or_default();
            all.extend_from_slice(part.get(..part.len().min(len - all.len())).unwrap_or_default());
            next = be32(bytes, 0);
        }
        Ok(Cow::Owned(all))
    }
}

impl<'a> TablePage<'a> {
    /// The bytes from the cell of an index to the end of the page.
    pub(super) fn cell(&self, index: usize) -> Result<&'a [u8], SqliteError> {
        let header = if self.interior { INTERIOR_HEADER } else { LEAF_HEADER };
        let pointers = self.start + header;
        let at = be16(self.bytes, pointers + 2 * index);
        let after = pointers + 2 * self.cells;
        // A page of 65536 bytes may write that number as 0, but no cell can begin there.
        let cell = self.bytes.get(at..).filter(|_| at >= after);
        cell.ok_or(SqliteError::Page { page: self.number, why: "a cell begins outside of its room" })
    }

    /// The page of a child of an inner page; the last is the right one.
    pub(super) fn child(&self, index: usize) -> Result<u32, SqliteError> {
        if index == self.cells {
            Ok(be32(self.bytes, self.start + 8))
        } else {
            Ok(be32(self.cell(index)?, 0))
        }
    }
}
