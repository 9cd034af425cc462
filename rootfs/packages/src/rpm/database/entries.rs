//! Headers put together from entries.

use crate::rpm::header::{RpmHeader, RpmHeaderEntry, RpmHeaderError, RpmTag, RpmValueType, tag};

/// Bytes of an entry, and of the end of a region.
const ENTRY: usize = 16;

/// A value to enter into a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeaderValue {
    pub(super) tag: RpmTag,
    pub(super) kind: RpmValueType,
    pub(super) count: u32,
    /// Numbers big-endian, texts each with a NUL at its end.
    pub(super) bytes: Vec<u8>,
}

impl HeaderValue {
    /// A number of 32 bits.
    pub(super) fn number(tag: RpmTag, number: u32) -> Self {
        Self::numbers(tag, &[number])
    }

    /// Numbers of 32 bits.
    pub(super) fn numbers(tag: RpmTag, numbers: &[u32]) -> Self {
        let bytes = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        Self { tag, kind: RpmValueType::Int32, count: numbers.len() as u32, bytes }
    }

    /// Texts: one for the kinds that are one.
    pub(super) fn texts(tag: RpmTag, kind: RpmValueType, texts: &[&str]) -> Self {
        let bytes = texts.iter().flat_map(|text| text.bytes().chain([0])).collect();
        Self { tag, kind, count: texts.len() as u32, bytes }
    }

    /// The value of an entry of another header, under a tag of its own.
    pub(super) fn of(header: &RpmHeader, entry: &RpmHeaderEntry, tag: RpmTag) -> Self {
        Self { tag, kind: entry.kind, count: entry.count, bytes: header.value(entry).to_vec() }
    }
}

/// Index and data that grow.
#[derive(Debug, Clone, Default)]
struct Parts {
    index: Vec<u8>,
    data: Vec<u8>,
}

impl Parts {
    fn push(&mut self, value: &HeaderValue) {
        let width = value.kind.width().unwrap_or(1);
        self.data.resize(self.data.len().next_multiple_of(width), 0);
        self.entry(value.tag, value.kind, self.data.len() as u32, value.count);
        self.data.extend_from_slice(&value.bytes);
    }

    fn entry(&mut self, tag: RpmTag, kind: RpmValueType, offset: u32, count: u32) {
        for number in [tag, kind as u32, offset, count] {
            self.index.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn header(&self) -> Result<RpmHeader, RpmHeaderError> {
        let counts = [(self.index.len() / ENTRY) as u32, self.data.len() as u32];
        let mut bytes = Vec::with_capacity(8 + self.index.len() + self.data.len());
        bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend_from_slice(&self.index);
        bytes.extend_from_slice(&self.data);
        RpmHeader::from_blob(&bytes)
    }
}

/// A header with further values behind what it has, sorted by their tags: its own entries and data stay as they are, for its
/// signatures are of them.
pub(super) fn extended(
    header: &RpmHeader,
    mut values: Vec<HeaderValue>,
) -> Result<RpmHeader, RpmHeaderError> {
    values.sort_by_key(|value| value.tag);
    let index = header.blob().get(8..8 + header.entries().len() * ENTRY).unwrap_or_default();
    let mut parts = Parts { index: index.to_vec(), data: header.data().to_vec() };
    for value in &values {
        parts.push(value);
    }
    parts.header()
}

/// A header of its own: its values, sorted by their tags, are its region.
pub(super) fn region(mut values: Vec<HeaderValue>) -> Result<RpmHeader, RpmHeaderError> {
    values.sort_by_key(|value| value.tag);
    let mut parts = Parts::default();
    for value in &values {
        parts.push(value);
    }
    let back = -(((values.len() + 1) * ENTRY) as i32);
    let mut whole = Parts::default();
    whole.entry(tag::HEADERIMMUTABLE, RpmValueType::Binary, parts.data.len() as u32, ENTRY as u32);
    whole.index.append(&mut parts.index);
    let mut end = Parts::default();
    end.entry(tag::HEADERIMMUTABLE, RpmValueType::Binary, back as u32, ENTRY as u32);
    whole.data = parts.data;
    whole.data.append(&mut end.index);
    whole.header()
}
