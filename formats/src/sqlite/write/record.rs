//! Records: the values of a row in their smallest form.

use super::super::SqliteValue;

/// Appends a number in groups of seven bits, the highest first; of nine bytes the last has eight.
pub(super) fn push_varint(bytes: &mut Vec<u8>, value: u64) {
    if value >= 1 << 56 {
        bytes.extend((0..8).map(|group| 0x80 | (value >> (57 - 7 * group)) as u8));
        bytes.push(value as u8);
        return;
    }
    let groups = (64 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        bytes.push(more | (value >> (7 * group)) as u8 & 0x7f);
    }
}

/// The number of bytes of a number.
pub(super) fn varint_len(value: u64) -> usize {
    if value >= 1 << 56 { 9 } else { (64 - value.leading_zeros()).div_ceil(7).max(1) as usize }
}

/// A record.
#[derive(Debug, Clone)]
pub(super) struct RecordOut(pub(super) Vec<u8>);

impl RecordOut {
    /// The record of values.
    pub(super) fn of(values: &[SqliteValue<'_>]) -> Self {
        let mut types = Vec::with_capacity(values.len() + 1);
        for value in values {
            push_varint(&mut types, serial_type(value));
        }
        // The length counts itself, which can make it longer.
        let mut header = types.len() + 1;
        while header != types.len() + varint_len(header as u64) {
            header = types.len() + varint_len(header as u64);
        }
        let mut bytes = Vec::with_capacity(header + values.iter().map(value_len).sum::<usize>());
        push_varint(&mut bytes, header as u64);
        bytes.append(&mut types);
        for value in values {
            push_value(&mut bytes, value);
        }
        Self(bytes)
    }
}

/// Bytes of a number in the smallest of its forms; 0 and 1 have none.
fn integer_len(value: i64) -> usize {
    if matches!(value, 0 | 1) {
        return 0;
    }
    let significant = if value < 0 { value.leading_ones() } else { value.leading_zeros() };
    let bits = 65 - significant;
    [1, 2, 3, 4, 6].into_iter().find(|len| bits <= 8 * len).unwrap_or(8) as usize
}

fn serial_type(value: &SqliteValue<'_>) -> u64 {
    match value {
        SqliteValue::Null => 0,
        SqliteValue::Integer(value @ (0 | 1)) => 8 + *value as u64,
        SqliteValue::Integer(value) => match integer_len(*value) {
            len @ ..=4 => len as u64,
            6 => 5,
            _ => 6,
        },
        SqliteValue::Real(_) => 7,
        SqliteValue::Blob(bytes) => 12 + 2 * bytes.len() as u64,
        SqliteValue::Text(bytes) => 13 + 2 * bytes.len() as u64,
    }
}

fn value_len(value: &SqliteValue<'_>) -> usize {
    match value {
        SqliteValue::Null => 0,
        SqliteValue::Integer(value) => integer_len(*value),
        SqliteValue::Real(_) => 8,
        SqliteValue::Blob(bytes) | SqliteValue::Text(bytes) => bytes.len(),
    }
}

fn push_value(bytes: &mut Vec<u8>, value: &SqliteValue<'_>) {
    match value {
        SqliteValue::Null => {}
        SqliteValue::Integer(value) => {
            let all = value.to_be_bytes();
            bytes.extend_from_slice(&all[all.len() - integer_len(*value)..]);
        }
        SqliteValue::Real(value) => bytes.extend_from_slice(&value.to_be_bytes()),
        SqliteValue::Blob(value) | SqliteValue::Text(value) => bytes.extend_from_slice(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_least_bytes() {
        for (value, bytes) in [
            (0, vec![0]),
            (0x7f, vec![0x7f]),
            (0x80, vec![0x81, 0]),
            (0x3fff, vec![0xff, 0x7f]),
            ((1 << 56) - 1, [vec![0xff; 7], vec![0x7f]].concat()),
            (1 << 56, [vec![0x80], vec![0xc0], vec![0x80; 6], vec![0]].concat()),
            (u64::MAX, vec![0xff; 9]),
        ] {
            let mut written = Vec::new();
            push_varint(&mut written, value);
            assert_eq!(written, bytes, "{value}");
            assert_eq!(varint_len(value), bytes.len(), "{value}");
        }
        let lens =
            [0, 1, 2, -1, 127, 128, -128, -129, 32767, 32768, -8_388_608, 8_388_608, i64::MAX, i64::MIN]
                .map(integer_len);
        assert_eq!(lens, [0, 0, 1, 1, 1, 2, 1, 2, 2, 3, 3, 4, 8, 8]);
    }
}
