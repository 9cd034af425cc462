//! Records: the values of a row.

use std::borrow::Cow;
use std::ops::Range;

use super::SqliteError;
use super::page::varint;
use crate::sqlite::SqliteValue;

/// Most columns of a table; SQLite itself allows as many where it is not built otherwise.
const COLUMNS_MAX: usize = 2000;

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteRow<'a> {
    /// Its row number.
    pub row: i64,
    payload: Cow<'a, [u8]>,
    columns: Vec<(SerialType, Range<usize>)>,
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SerialType {
    Null,
    Integer,
    Real,
    /// The numbers 0 and 1 are stored as types of their own.
    Constant(i64),
    Blob,
    Text,
}

impl<'a> SqliteRow<'a> {
    /// Reads the record of a row that a page has.
    pub(super) fn read(page: u32, row: i64, payload: Cow<'a, [u8]>) -> Result<Self, SqliteError> {
        let damaged = |why| SqliteError::Row { page, row, why };
        let (len, first) = varint(&payload).ok_or(damaged("it has no header"))?;
        let len = usize::try_from(len).ok().filter(|len| (first..=payload.len()).contains(len));
        let len = len.ok_or(damaged("its header is longer than it"))?;
        let mut types = payload.get(first..len).unwrap_or_default();
        let mut at = len;
        let mut columns = Vec::new();
        while !types.is_empty() {
            if columns.len() == COLUMNS_MAX {
                return Err(damaged("it has more than 2000 values"));
            }
            let (code, used) = varint(types).ok_or(damaged("its header is cut off"))?;
            types = types.get(used..).unwrap_or_default();
            let (kind, width) = serial_type(code).ok_or(damaged("a value has an unknown type"))?;
            let end = at.checked_add(width).filter(|end| *end <= payload.len());
            let end = end.ok_or(damaged("a value ends behind it"))?;
            columns.push((kind, at..end));
            at = end;
        }
        Ok(Self { row, payload, columns })
    }

    /// The number of values. A row that was written before the last columns were added to its table has fewer.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The value of a column, from 0; none where the row has no such column.
    pub fn value(&self, column: usize) -> SqliteValue<'_> {
        let Some((kind, range)) = self.columns.get(column) else { return SqliteValue::Null };
        let bytes = self.payload.get(range.clone()).unwrap_or_default();
        match kind {
            SerialType::Null => SqliteValue::Null,
            SerialType::Constant(value) => SqliteValue::Integer(*value),
            SerialType::Integer => SqliteValue::Integer(integer(bytes)),
            SerialType::Real => SqliteValue::Real(f64::from_bits(integer(bytes) as u64)),
            SerialType::Blob => SqliteValue::Blob(bytes),
            SerialType::Text => SqliteValue::Text(bytes),
        }
    }
}

/// A big-endian number with its sign.
fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |all, byte| all << 8 | i64::from(*byte))
}

/// The type and length of a value.
fn serial_type(code: u64) -> Option<(SerialType, usize)> {
    Some(match code {
        0 => (SerialType::Null, 0),
        1..=4 => (SerialType::Integer, code as usize),
        5 => (SerialType::Integer, 6),
        6 => (SerialType::Integer, 8),
        7 => (SerialType::Real, 8),
        8 | 9 => (SerialType::Constant(code as i64 - 8), 0),
        10 | 11 => return None,
        _ => {
            let len = usize::try_from((code - 12) / 2).ok()?;
            (if code.is_multiple_of(2) { SerialType::Blob } else { SerialType::Text }, len)
        }
    })
}
