//! The b-tree of a table: rows in leaves, and inner pages that have the largest row number of each child.

use super::SqliteWriteError;
use super::pages::{PageRoom, SqlitePages, capacity, taken};
use super::record::{RecordOut, push_varint};
use crate::sqlite::format::page_kind;

/// Most children of an inner page: each takes a page number, a row number of up to nine bytes, and a pointer,
/// and the first page has room for fewer than others.
const CHILDREN: usize = 260;

/// A page of a level, and the largest row number in it.
#[derive(Clone, Copy)]
struct TableChild {
    page: u32,
    largest: i64,
}

/// Writes the b-tree of rows and returns its root.
pub(super) fn write(
    pages: &mut SqlitePages,
    table: &str,
    rows: impl Iterator<Item = (i64, RecordOut)>,
    root: PageRoom,
) -> Result<u32, SqliteWriteError> {
    let mut leaves = TableLeaves { pages, done: Vec::new(), cells: Vec::new(), used: 0, last: None };
    for (row, record) in rows {
        if leaves.last.is_some_and(|last| last >= row) {
            return Err(SqliteWriteError::Order { table: table.to_owned(), row });
        }
        leaves.push(row, &record);
    }
    let TableLeaves { pages, done, cells, used, last } = leaves;
    if done.is_empty() && used <= capacity(false, root) {
        return Ok(pages.page(page_kind::TABLE_LEAF, &cells, None, root));
    }
    let mut level = done;
    if let Some(largest) = last.filter(|_| !cells.is_empty()) {
        let page = pages.page(page_kind::TABLE_LEAF, &cells, None, PageRoom::Whole);
        level.push(TableChild { page, largest });
    }
    Ok(inner(pages, level, root))
}

/// The leaves written, and the one that is being filled.
struct TableLeaves<'a> {
    pages: &'a mut SqlitePages,
    done: Vec<TableChild>,
    cells: Vec<Vec<u8>>,
    used: usize,
    last: Option<i64>,
}

impl TableLeaves<'_> {
    fn push(&mut self, row: i64, record: &RecordOut) {
        let cell = self.pages.cell(&record.0, Some(row));
        if self.used + taken(&cell) > capacity(false, PageRoom::Whole)
            && let Some(largest) = self.last
        {
            let page = self.pages.page(page_kind::TABLE_LEAF, &self.cells, None, PageRoom::Whole);
            self.done.push(TableChild { page, largest });
            self.cells.clear();
            self.used = 0;
        }
        self.used += taken(&cell);
        self.cells.push(cell);
        self.last = Some(row);
    }
}

/// Writes the levels above the leaves. Children are spread evenly, so that no inner page has one alone: only the first page of
/// a database may.
fn inner(pages: &mut SqlitePages, mut level: Vec<TableChild>, root: PageRoom) -> u32 {
    while level.len() > CHILDREN {
        let groups = level.len().div_ceil(CHILDREN);
        let (each, more) = (level.len() / groups, level.len() % groups);
        let mut rest = level.as_slice();
        let mut above = Vec::with_capacity(groups);
        for group in 0..groups {
            let (children, behind) = rest.split_at(each + usize::from(group < more));
            rest = behind;
            above.extend(interior(pages, children, PageRoom::Whole));
        }
        level = above;
    }
    interior(pages, &level, root).map_or(1, |root| root.page)
}

fn interior(pages: &mut SqlitePages, children: &[TableChild], room: PageRoom) -> Option<TableChild> {
    let (right, others) = children.split_last()?;
    let cells: Vec<Vec<u8>> = others
        .iter()
        .map(|child| {
            let mut cell = child.page.to_be_bytes().to_vec();
            push_varint(&mut cell, child.largest as u64);
            cell
        })
        .collect();
    let page = pages.page(page_kind::TABLE_INTERIOR, &cells, Some(right.page), room);
    Some(TableChild { page, largest: right.largest })
}
