//! Structures compared field by field, by the tables of `amiforge_formats`, so that a difference has the field's name.

use amiforge_formats::guid::Guid;
use amiforge_formats::structure::{FieldDisplay, FieldRole, StructField};
use amiforge_formats::time::Time;
use amiforge_formats::tree::Printable;

use super::report::{DiffChange, DiffCollector, DifferenceWeight};
use crate::inspect::{Utc, hex};

/// Which differences of a structure are consequences of differences elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Explained {
    /// Counts follow from other differences.
    pub(crate) counts: bool,
    /// Checksums follow from other differences, such as another seed.
    pub(crate) checksums: bool,
}

/// Compares two structures field by field and gives the number of differences of their own. Bytes that belong to no field
/// are differences by their offsets.
pub(crate) fn compare(
    (a, b): (&[u8], &[u8]),
    table: &[StructField],
    explained: Explained,
    location: &[String],
    collector: &mut DiffCollector,
) -> usize {
    if a == b {
        return 0;
    }
    let differing: Vec<_> = table.iter().filter(|field| field.bytes(a) != field.bytes(b)).collect();
    let own = differing.iter().filter(|field| field.role != FieldRole::Checksum).count();
    let unnamed = unnamed(a, b, table);
    for field in differing {
        let weight = match field.role {
            FieldRole::Skip => continue,
            FieldRole::Count if explained.counts => DifferenceWeight::Follows,
            FieldRole::Checksum if explained.checksums || own > 0 || !unnamed.is_empty() => {
                DifferenceWeight::Follows
            }
            FieldRole::Own | FieldRole::Count | FieldRole::Checksum => DifferenceWeight::Own,
        };
        collector.value(weight, location, field.name, shown(field, a), shown(field, b));
    }
    for (at, len) in &unnamed {
        let value = |raw: &[u8]| hex(raw.get(*at..at + len).unwrap_or(&[]));
        let change = DiffChange::Value { a: value(a), b: value(b) };
        collector.add(DifferenceWeight::Own, location, format!("bytes {at} to {}", at + len - 1), change);
    }
    own + unnamed.len()
}

/// The value of a field as text.
fn shown(field: &StructField, raw: &[u8]) -> String {
    let bytes = field.bytes(raw);
    let number = || bytes.iter().take(8).rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let big = || bytes.iter().take(8).fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let sixteen = || <[u8; 16]>::try_from(bytes).unwrap_or_default();
    match field.display {
        FieldDisplay::Number => number().to_string(),
        FieldDisplay::Hex => format!("{:#x}", number()),
        FieldDisplay::BigNumber => big().to_string(),
        FieldDisplay::BigHex => format!("{:#x}", big()),
        FieldDisplay::Bytes => hex(bytes),
        FieldDisplay::Text => {
            let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
            format!("`{}`", Printable(&bytes[..end]))
        }
        FieldDisplay::Uuid => Guid::from_bytes(sixteen()).to_string(),
        FieldDisplay::GuidLe => Guid::from_bytes_le(sixteen()).to_string(),
        FieldDisplay::Seconds => Utc(Time::from_secs(number() as i64)).to_string(),
    }
}

/// Runs of bytes that differ and belong to no field.
fn unnamed(a: &[u8], b: &[u8], table: &[StructField]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let named = |at: usize| table.iter().any(|field| (field.at..field.at + field.len).contains(&at));
    for at in (0..a.len().max(b.len())).filter(|at| a.get(*at) != b.get(*at) && !named(*at)) {
        match runs.last_mut() {
            Some((start, len)) if *start + *len == at => *len += 1,
            _ => runs.push((at, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [StructField; 3] = [
        StructField::number("count", 0, 2).role(FieldRole::Count),
        StructField::own("label", 2, 4, FieldDisplay::Text),
        StructField::own("sum", 6, 2, FieldDisplay::Hex).role(FieldRole::Checksum),
    ];

    fn lines(a: &[u8], b: &[u8], counts: bool) -> (Vec<String>, usize) {
        let mut collector = DiffCollector::default();
        let explained = Explained { counts, checksums: false };
        compare((a, b), &TABLE, explained, &[], &mut collector);
        (collector.differences.iter().map(ToString::to_string).collect(), collector.follows.len())
    }

    #[test]
    fn a_checksum_is_a_difference_only_by_itself() {
        assert_eq!(lines(b"\x01\0ab\0\0\x01\0", b"\x01\0ab\0\0\x02\0", false).0, ["sum: 0x1 → 0x2"]);
        let (own, follows) = lines(b"\x01\0ab\0\0\x01\0", b"\x01\0ac\0\0\x02\0", false);
        assert_eq!((own, follows), (vec!["label: `ab` → `ac`".to_owned()], 1));
        assert_eq!(lines(b"\x01\0ab\0\0\x01\0", b"\x02\0ab\0\0\x02\0", true), (vec![], 2));
        let (own, follows) = lines(b"\x01\0ab\0\0\x01\0zz", b"\x01\0ab\0\0\x01\0zy", false);
        assert_eq!((own, follows), (vec!["bytes 9 to 9: 7a → 79".to_owned()], 0));
    }
}
