//! The walk through a table's b-tree.

use super::page::{TablePage, Visited, varint};
use super::{SqliteError, SqliteFile, SqliteRow};

/// Most levels of a b-tree; SQLite itself follows no more.
const LEVELS_MAX: usize = 20;

/// The rows of a table: [`SqliteFile::rows`].
#[derive(Debug, Clone)]
pub struct SqliteRows<'a> {
    file: SqliteFile<'a>,
    visited: Visited,
    /// The pages from the root to the current leaf, with the next cell or child of each.
    stack: Vec<(TablePage<'a>, usize)>,
    /// The root, until it is read.
    root: Option<u32>,
    last: Option<i64>,
}

impl<'a> SqliteRows<'a> {
    pub(super) fn new(file: SqliteFile<'a>, root: u32) -> Self {
        let visited = Visited::new(file.pages);
        Self { file, visited, stack: Vec::new(), root: Some(root), last: None }
    }

    fn enter(&mut self, page: u32) -> Result<(), SqliteError> {
        if self.stack.len() == LEVELS_MAX {
            return Err(SqliteError::Page { page, why: "it is deeper than any b-tree" });
        }
        let page = self.file.table_page(page, &mut self.visited)?;
        self.stack.push((page, 0));
        Ok(())
    }

    fn step(&mut self) -> Result<Option<SqliteRow<'a>>, SqliteError> {
        if let Some(root) = self.root.take() {
            self.enter(root)?;
        }
        while let Some((page, next)) = self.stack.last_mut() {
            let (page, index) = (*page, *next);
            // An inner page has one more child than cells.
            if index >= page.cells + usize::from(page.interior) {
                self.stack.pop();
                continue;
            }
            *next += 1;
            if page.interior {
                self.enter(page.child(index)?)?;
            } else {
                return self.row(&page, index).map(Some);
            }
        }
        Ok(None)
    }

    fn row(&mut self, page: &TablePage<'a>, index: usize) -> Result<SqliteRow<'a>, SqliteError> {
        let cut = SqliteError::Page { page: page.number, why: "a cell is cut off" };
        let cell = page.cell(index)?;
        let (len, used) = varint(cell).ok_or(cut)?;
        let cell = cell.get(used..).unwrap_or_default();
        let (row, used) = varint(cell).ok_or(cut)?;
        let row = row as i64;
        if self.last.is_some_and(|last| last >= row) {
            return Err(SqliteError::Row { page: page.number, row, why: "row numbers do not rise" });
        }
        self.last = Some(row);
        let local = cell.get(used..).unwrap_or_default();
        let payload = self.file.payload(page, local, len, &mut self.visited)?;
        SqliteRow::read(page.number, row, payload)
    }
}

impl<'a> Iterator for SqliteRows<'a> {
    type Item = Result<SqliteRow<'a>, SqliteError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            // Nothing behind the damage is read.
            self.stack.clear();
        }
        step.transpose()
    }
}
