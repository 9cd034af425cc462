//! Structures as tables of named fields, so that a difference can be told by the field's name.

use amiforge_formats::guid::Guid;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Printable;

use super::report::{Change, Found, Weight};
use crate::inspect::{Utc, hex};

/// A field of a structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Its name in the specification.
    pub(crate) name: &'static str,
    /// First byte in the structure.
    pub(crate) at: usize,
    /// Length in bytes.
    pub(crate) len: usize,
    /// How it is shown.
    pub(crate) show: Show,
    /// What it is in a comparison.
    pub(crate) part: Part,
}

/// How a field is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// A little-endian number.
    Number,
    /// A little-endian number in hexadecimal.
    Hex,
    /// Bytes in hexadecimal.
    Bytes,
    /// Text, padded with NULs or spaces.
    Text,
    /// A UUID in text order.
    Uuid,
    /// A GUID as GPT stores it.
    GuidLe,
    /// Seconds since 1970.
    Seconds,
}

/// What a field is in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It stands for itself.
    Own,
    /// It counts what is elsewhere, and follows when that differs.
    Count,
    /// A checksum: it follows when anything that it covers differs.
    Checksum,
    /// Told elsewhere.
    Skip,
}

impl Field {
    /// A field that stands for itself.
    pub(crate) const fn own(name: &'static str, at: usize, len: usize, show: Show) -> Self {
        Self { name, at, len, show, part: Part::Own }
    }

    /// A number that stands for itself.
    pub(crate) const fn number(name: &'static str, at: usize, len: usize) -> Self {
        Self::own(name, at, len, Show::Number)
    }

    /// A field of another part.
    pub(crate) const fn part(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// The field's bytes; fewer where the structure is shorter.
    fn bytes<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        raw.get(self.at..raw.len().min(self.at + self.len)).unwrap_or(&[])
    }

    /// The value in words.
    fn shown(&self, raw: &[u8]) -> String {
        let bytes = self.bytes(raw);
        let number = || bytes.iter().take(8).rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let sixteen = || <[u8; 16]>::try_from(bytes).unwrap_or_default();
        match self.show {
            Show::Number => number().to_string(),
            Show::Hex => format!("{:#x}", number()),
            Show::Bytes => hex(bytes),
            Show::Text => {
                let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
                format!("`{}`", Printable(&bytes[..end]))
            }
            Show::Uuid => Guid::from_bytes(sixteen()).to_string(),
            Show::GuidLe => Guid::from_bytes_le(sixteen()).to_string(),
            Show::Seconds => Utc(Time::from_secs(number() as i64)).to_string(),
        }
    }
}

/// What explains differences outside of the structure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Explained {
    /// Counts follow from other differences.
    pub(crate) counts: bool,
    /// Checksums follow from other differences, such as another seed.
    pub(crate) checksums: bool,
}

/// Compares two structures field by field and gives how many fields stood for themselves. Bytes that no field names are
/// told as such.
pub(crate) fn compare(
    (a, b): (&[u8], &[u8]),
    table: &[Field],
    explained: Explained,
    place: &[String],
    found: &mut Found,
) -> usize {
    if a == b {
        return 0;
    }
    let differing: Vec<_> = table.iter().filter(|field| field.bytes(a) != field.bytes(b)).collect();
    let own = differing.iter().filter(|field| field.part != Part::Checksum).count();
    let unnamed = unnamed(a, b, table);
    for field in differing {
        let weight = match field.part {
            Part::Skip => continue,
            Part::Count if explained.counts => Weight::Follows,
            Part::Checksum if explained.checksums || own > 0 || !unnamed.is_empty() => Weight::Follows,
            Part::Own | Part::Count | Part::Checksum => Weight::Own,
        };
        found.value(weight, place, field.name, field.shown(a), field.shown(b));
    }
    for (at, len) in &unnamed {
        let value = |raw: &[u8]| hex(raw.get(*at..at + len).unwrap_or(&[]));
        let change = Change::Value { a: value(a), b: value(b) };
        found.add(Weight::Own, place, format!("bytes {at} to {}", at + len - 1), change);
    }
    own + unnamed.len()
}

/// Runs of bytes that differ and belong to no field.
fn unnamed(a: &[u8], b: &[u8], table: &[Field]) -> Vec<(usize, usize)> {
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

    const TABLE: [Field; 3] = [
        Field::number("count", 0, 2).part(Part::Count),
        Field::own("label", 2, 4, Show::Text),
        Field::own("sum", 6, 2, Show::Hex).part(Part::Checksum),
    ];

    fn lines(a: &[u8], b: &[u8], counts: bool) -> (Vec<String>, usize) {
        let mut found = Found::default();
        let explained = Explained { counts, checksums: false };
        compare((a, b), &TABLE, explained, &[], &mut found);
        (found.differences.iter().map(ToString::to_string).collect(), found.follows.len())
    }

    #[test]
    fn a_checksum_is_told_only_when_it_stands_alone() {
        assert_eq!(lines(b"\x01\0ab\0\0\x01\0", b"\x01\0ab\0\0\x02\0", false).0, ["sum: 0x1 → 0x2"]);
        let (own, follows) = lines(b"\x01\0ab\0\0\x01\0", b"\x01\0ac\0\0\x02\0", false);
        assert_eq!((own, follows), (vec!["label: `ab` → `ac`".to_owned()], 1));
        assert_eq!(lines(b"\x01\0ab\0\0\x01\0", b"\x02\0ab\0\0\x02\0", true), (vec![], 2));
        let (own, follows) = lines(b"\x01\0ab\0\0\x01\0zz", b"\x01\0ab\0\0\x01\0zy", false);
        assert_eq!((own, follows), (vec!["bytes 9 to 9: 7a → 79".to_owned()], 0));
    }
}
