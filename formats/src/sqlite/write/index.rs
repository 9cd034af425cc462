//! The b-tree of an index: entries in order, those between two pages in the page above.

use std::cmp::Ordering;

use super::pages::{PageRoom, SqlitePages, capacity, taken};
use super::record::RecordOut;
use super::{SqliteIndex, SqliteTable, SqliteWriteError};
use crate::sqlite::SqliteValue;
use crate::sqlite::format::page_kind;

/// Writes the b-tree of an index and returns its root.
pub(super) fn write(
    pages: &mut SqlitePages,
    table: &SqliteTable<'_>,
    index: &SqliteIndex,
) -> Result<u32, SqliteWriteError> {
    let mut entries = Vec::with_capacity(table.rows.len());
    for (row, values) in &table.rows {
        entries.push(entry(table.name, *row, values, &index.columns)?);
    }
    entries.sort_by(|a, b| compare_values(a, b));
    let cells = entries.iter().map(|entry| pages.cell(&RecordOut::of(entry).0, None)).collect();
    Ok(tree(pages, cells))
}

/// The values that an index keeps of a row: its columns, and the row number.
fn entry<'a>(
    table: &str,
    row: i64,
    values: &[SqliteValue<'a>],
    columns: &[usize],
) -> Result<Vec<SqliteValue<'a>>, SqliteWriteError> {
    let of_column = |column: &usize| {
        let missing = SqliteWriteError::Column { table: table.to_owned(), row, column: *column };
        values.get(*column).copied().ok_or(missing)
    };
    let mut entry = columns.iter().map(of_column).collect::<Result<Vec<_>, _>>()?;
    entry.push(SqliteValue::Integer(row));
    Ok(entry)
}

/// The order of entries: no value, then numbers, then text, then bytes.
fn compare_values(a: &[SqliteValue<'_>], b: &[SqliteValue<'_>]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| compare(a, b));
    pairs.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare(a: &SqliteValue<'_>, b: &SqliteValue<'_>) -> Ordering {
    use SqliteValue::{Blob, Integer, Real, Text};
    match (a, b) {
        (Integer(a), Integer(b)) => a.cmp(b),
        (Real(a), Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Integer(a), Real(b)) => compare_mixed(*a, *b),
        (Real(a), Integer(b)) => compare_mixed(*b, *a).reverse(),
        (Text(a), Text(b)) | (Blob(a), Blob(b)) => a.cmp(b),
        _ => class(a).cmp(&class(b)),
    }
}

/// A whole number beside a floating-point one, without rounding the first.
fn compare_mixed(a: i64, b: f64) -> Ordering {
    if b.is_nan() || b < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    if b >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    let whole = a.cmp(&(b.trunc() as i64));
    whole.then_with(|| 0.0_f64.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal))
}

fn class(value: &SqliteValue<'_>) -> u8 {
    match value {
        SqliteValue::Null => 0,
        SqliteValue::Integer(_) | SqliteValue::Real(_) => 1,
        SqliteValue::Text(_) => 2,
        SqliteValue::Blob(_) => 3,
    }
}

/// A level: entries, and the pages between them, one more than there are entries. Leaves have no pages between.
struct IndexLevel {
    entries: Vec<Vec<u8>>,
    children: Vec<u32>,
}

/// Writes the levels from the leaves up.
fn tree(pages: &mut SqlitePages, entries: Vec<Vec<u8>>) -> u32 {
    let mut level = IndexLevel { entries, children: Vec::new() };
    loop {
        level = match above(pages, level) {
            Above::Root(root) => return root,
            Above::Level(level) => level,
        };
    }
}

enum Above {
    Root(u32),
    Level(IndexLevel),
}

/// Writes the pages of a level. The entries between two of them go up.
fn above(pages: &mut SqlitePages, level: IndexLevel) -> Above {
    let interior = !level.children.is_empty();
    let mut cells = level.entries;
    if interior {
        for (cell, child) in cells.iter_mut().zip(&level.children) {
            cell.splice(..0, child.to_be_bytes());
        }
    }
    let kind = if interior { page_kind::INDEX_INTERIOR } else { page_kind::INDEX_LEAF };
    let mut upper = IndexLevel { entries: Vec::new(), children: Vec::new() };
    let mut from = 0;
    loop {
        let to = from + fitting(&cells[from..], capacity(interior, PageRoom::Whole));
        let page = pages.page(kind, &cells[from..to], level.children.get(to).copied(), PageRoom::Whole);
        upper.children.push(page);
        let Some(between) = cells.get_mut(to) else { break };
        let between = std::mem::take(between);
        upper.entries.push(if interior { between[4..].to_vec() } else { between });
        from = to + 1;
    }
    match upper.children.as_slice() {
        [root] => Above::Root(*root),
        _ => Above::Level(upper),
    }
}

/// How many cells go into a page: as many as fit, but one entry goes up behind them, and the page behind that one must not be
/// empty. At least four fit into any page.
fn fitting(cells: &[Vec<u8>], capacity: usize) -> usize {
    let mut used = 0;
    let fit = cells.iter().take_while(|cell| {
        used += taken(cell);
        used <= capacity
    });
    let fit = fit.count();
    if fit + 1 == cells.len() { fit - 1 } else { fit }
}
