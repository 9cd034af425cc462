//! The header of an rpm package: a list of typed values by tag, in its file and in the database alike.
//!
//! rpm, `docs/manual/format_v4.md` and `format_v6.md`; the limits are those of `lib/header.cc`. Layout, integers big-endian:
//! number of entries, length of the data, entries of 16 bytes (tag, type, offset, count), the data.

mod error;
pub mod tag;

use std::fmt;

pub use self::error::RpmHeaderError;
pub use self::tag::RpmTag;

/// The first bytes of a header in a file, before four reserved ones.
const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
/// Bytes before the counts in a file.
const LEAD: usize = 8;
/// Bytes of an entry.
const ENTRY: usize = 16;
/// Most entries of a header.
const MOST_ENTRIES: u32 = 0xffff;
/// Most bytes of data.
const MOST_DATA: u32 = 0x0fff_ffff;
/// Most values of an entry that is not binary.
const MOST_VALUES: u32 = 0x000f_ffff;

/// A type of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RpmValueType {
    /// Characters.
    Char = 1,
    /// Numbers of 8 bits.
    Int8 = 2,
    /// Numbers of 16 bits.
    Int16 = 3,
    /// Numbers of 32 bits.
    Int32 = 4,
    /// Numbers of 64 bits.
    Int64 = 5,
    /// One text.
    Text = 6,
    /// Bytes.
    Binary = 7,
    /// Texts.
    Texts = 8,
    /// A text in several languages, the first of them untranslated.
    Translated = 9,
}

impl RpmValueType {
    fn from_number(number: u32) -> Option<Self> {
        use RpmValueType as T;
        let all =
            [T::Char, T::Int8, T::Int16, T::Int32, T::Int64, T::Text, T::Binary, T::Texts, T::Translated];
        all.into_iter().find(|one| *one as u32 == number)
    }

    /// Bytes of a value; texts have no fixed length.
    pub fn width(self) -> Option<usize> {
        match self {
            Self::Char | Self::Int8 | Self::Binary => Some(1),
            Self::Int16 => Some(2),
            Self::Int32 => Some(4),
            Self::Int64 => Some(8),
            Self::Text | Self::Texts | Self::Translated => None,
        }
    }
}

/// An entry of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpmHeaderEntry {
    /// Its tag.
    pub tag: RpmTag,
    /// The type of its values.
    pub kind: RpmValueType,
    /// Where its values begin, in bytes from the start of the data.
    pub offset: u32,
    /// Number of values.
    pub count: u32,
    /// Bytes that its values have.
    len: u32,
}

/// A header: entries and their data.
#[derive(Clone, PartialEq, Eq)]
pub struct RpmHeader {
    /// Counts, entries and data, as in the database.
    bytes: Vec<u8>,
    entries: Vec<RpmHeaderEntry>,
}

impl fmt::Debug for RpmHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.text(tag::NAME).map(String::from_utf8_lossy);
        f.debug_struct("RpmHeader")
            .field("name", &name)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl RpmHeader {
    /// Reads a header with its magic number, as in a package's file. Returns with it the number of its bytes.
    ///
    /// # Errors
    /// [`RpmHeaderError`].
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), RpmHeaderError> {
        if bytes.get(..MAGIC.len()) != Some(&MAGIC) {
            return Err(RpmHeaderError::Magic);
        }
        let needed = Self::needed(bytes)?;
        let there = bytes.len() as u64;
        let body = usize::try_from(needed).ok().and_then(|end| bytes.get(LEAD..end));
        let body = body.ok_or(RpmHeaderError::Short { needed, there })?;
        let header = Self::from_blob(body)?;
        Ok((header, LEAD + body.len()))
    }

    /// The length of a header in bytes, its magic number included, by its first 16 bytes.
    ///
    /// # Errors
    /// Too few bytes, another magic number, counts out of range.
    pub fn needed(bytes: &[u8]) -> Result<u64, RpmHeaderError> {
        if bytes.get(..MAGIC.len()).is_some_and(|magic| magic != MAGIC) {
            return Err(RpmHeaderError::Magic);
        }
        let short = RpmHeaderError::Short { needed: 16, there: bytes.len() as u64 };
        let entries = number(bytes, LEAD).ok_or(short)?;
        let data = number(bytes, LEAD + 4).ok_or(short)?;
        if entries > MOST_ENTRIES || data > MOST_DATA {
            return Err(RpmHeaderError::Size { entries, data });
        }
        Ok(16 + u64::from(entries) * ENTRY as u64 + u64::from(data))
    }

    /// Reads a header without its magic number, as the database keeps it. All of the bytes belong to it.
    ///
    /// # Errors
    /// [`RpmHeaderError`].
    pub fn from_blob(bytes: &[u8]) -> Result<Self, RpmHeaderError> {
        let there = bytes.len() as u64;
        let short = |needed| RpmHeaderError::Short { needed, there };
        let count = number(bytes, 0).ok_or(short(8))?;
        let data = number(bytes, 4).ok_or(short(8))?;
        if count > MOST_ENTRIES || data > MOST_DATA {
            return Err(RpmHeaderError::Size { entries: count, data });
        }
        let needed = 8 + u64::from(count) * ENTRY as u64 + u64::from(data);
        if needed != there {
            return Err(short(needed));
        }
        let start = 8 + count as usize * ENTRY;
        let values = bytes.get(start..).unwrap_or_default();
        let entries =
            (0..count as usize).map(|index| entry(bytes, index, values)).collect::<Result<_, _>>()?;
        Ok(Self { bytes: bytes.to_vec(), entries })
    }

    /// Counts, entries and data, as the database keeps them.
    pub fn blob(&self) -> &[u8] {
        &self.bytes
    }

    /// The entries in their order.
    pub fn entries(&self) -> &[RpmHeaderEntry] {
        &self.entries
    }

    /// The data that the entries point into.
    pub fn data(&self) -> &[u8] {
        self.bytes.get(8 + self.entries.len() * ENTRY..).unwrap_or_default()
    }

    /// The bytes that digests and signatures of the header are of: the region that its first entry marks, with a magic
    /// number, counts, entries and data of its own.
    ///
    /// # Errors
    /// [`RpmHeaderError::Region`].
    pub fn region(&self, region: RpmTag) -> Result<Vec<u8>, RpmHeaderError> {
        use RpmHeaderError::Region;
        let first = self.entries.first().filter(|entry| entry.tag == region);
        let first = first.ok_or(Region("its first entry does not mark one"))?;
        if first.kind != RpmValueType::Binary || first.count as usize != ENTRY {
            return Err(Region("its mark has another type or length"));
        }
        let end = first.offset as usize + ENTRY;
        let trailer =
            self.data().get(first.offset as usize..end).ok_or(Region("its end is outside of the data"))?;
        if number(trailer, 0) != Some(region) || number(trailer, 4) != Some(RpmValueType::Binary as u32) {
            return Err(Region("its end has another tag or type"));
        }
        let back = number(trailer, 8).map(|offset| (offset as i32).unsigned_abs() as usize);
        let entries = back.filter(|back| back % ENTRY == 0).map(|back| back / ENTRY);
        let entries = entries.filter(|count| (1..=self.entries.len()).contains(count));
        let entries = entries.ok_or(Region("its end counts other entries"))?;
        let mut bytes = Vec::with_capacity(16 + entries * ENTRY + end);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(entries as u32).to_be_bytes());
        bytes.extend_from_slice(&(end as u32).to_be_bytes());
        bytes.extend_from_slice(self.bytes.get(8..8 + entries * ENTRY).unwrap_or_default());
        bytes.extend_from_slice(self.data().get(..end).unwrap_or_default());
        Ok(bytes)
    }

    /// The entry of a tag.
    pub fn entry(&self, tag: RpmTag) -> Option<&RpmHeaderEntry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// The bytes of an entry's values: numbers big-endian, texts each with a NUL at its end.
    pub fn value(&self, entry: &RpmHeaderEntry) -> &[u8] {
        let start = entry.offset as usize;
        self.data().get(start..start + entry.len as usize).unwrap_or_default()
    }

    /// The first text of a tag.
    pub fn text(&self, tag: RpmTag) -> Option<&[u8]> {
        self.texts(tag).next()
    }

    /// The texts of a tag; none where it is missing or has another type.
    pub fn texts(&self, tag: RpmTag) -> impl Iterator<Item = &[u8]> {
        let entry = self.entry(tag).filter(|entry| entry.kind.width().is_none());
        let count = entry.map_or(0, |entry| entry.count as usize);
        let bytes = entry.map(|entry| self.value(entry)).unwrap_or_default();
        bytes.split(|byte| *byte == 0).take(count)
    }

    /// The bytes of a tag.
    pub fn binary(&self, tag: RpmTag) -> Option<&[u8]> {
        self.entry(tag).filter(|entry| entry.kind == RpmValueType::Binary).map(|entry| self.value(entry))
    }

    /// The numbers of a tag, of whichever width; none where it is missing or has another type.
    pub fn numbers(&self, tag: RpmTag) -> impl Iterator<Item = u64> {
        let entry = self.entry(tag).filter(|entry| entry.kind != RpmValueType::Binary);
        let width = entry.and_then(|entry| entry.kind.width());
        let bytes = entry.filter(|_| width.is_some()).map(|entry| self.value(entry)).unwrap_or_default();
        bytes
            .chunks_exact(width.unwrap_or(1))
            .map(|bytes| bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    /// The first number of a tag.
    pub fn number(&self, tag: RpmTag) -> Option<u64> {
        self.numbers(tag).next()
    }
}

/// The number of 32 bits at an offset.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Reads and checks an entry; `bytes` are those of the header without its magic number.
fn entry(bytes: &[u8], index: usize, data: &[u8]) -> Result<RpmHeaderEntry, RpmHeaderError> {
    let at = 8 + index * ENTRY;
    let field = |at| number(bytes, at).ok_or(RpmHeaderError::Region("it is cut off"));
    let (tag, kind, offset, count) = (field(at)?, field(at + 4)?, field(at + 8)?, field(at + 12)?);
    let damaged = |why| RpmHeaderError::Entry { tag, why };
    let kind = RpmValueType::from_number(kind).ok_or(damaged("its type is unknown"))?;
    let is_region = matches!(tag, tag::HEADERSIGNATURES | tag::HEADERIMMUTABLE);
    if tag < 100 && !is_region {
        return Err(damaged("tags below 100 are no values"));
    }
    if count == 0 || (kind != RpmValueType::Binary && count > MOST_VALUES) || count as usize > data.len() {
        return Err(damaged("it has no values, or more than there is data"));
    }
    if kind == RpmValueType::Text && count != 1 {
        return Err(damaged("one text has a count of 1"));
    }
    let rest = data.get(offset as usize..).filter(|rest| !rest.is_empty());
    let rest = rest.ok_or(damaged("it begins outside of the data"))?;
    let len = match kind.width() {
        Some(width) if !(offset as usize).is_multiple_of(width) => return Err(damaged("it is not aligned")),
        Some(width) => count as usize * width,
        None => texts_len(rest, count).ok_or(damaged("a text does not end within the data"))?,
    };
    if len > rest.len() {
        return Err(damaged("it ends outside of the data"));
    }
    Ok(RpmHeaderEntry { tag, kind, offset, count, len: len as u32 })
}

/// The length of so many texts, the NUL of each included.
fn texts_len(bytes: &[u8], count: u32) -> Option<usize> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1);
    ends.nth(count as usize - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of one text and two numbers.
    fn bytes() -> Vec<u8> {
        let mut bytes = [MAGIC.as_slice(), &[0; 4]].concat();
        for number in [2, 12, 1000, 6, 0, 1, 1028, 4, 4, 2] {
            bytes.extend_from_slice(&u32::to_be_bytes(number));
        }
        bytes.extend_from_slice(b"abc\0\0\0\0\x07\0\0\x01\0");
        bytes
    }

    #[test]
    fn values_are_read_by_their_tags() {
        let (header, len) = RpmHeader::read(&[bytes(), b"rest".to_vec()].concat()).unwrap();
        assert_eq!(len, bytes().len());
        assert_eq!(header.text(tag::NAME), Some(b"abc".as_slice()));
        assert_eq!(header.numbers(tag::FILESIZES).collect::<Vec<_>>(), [7, 256]);
        assert_eq!(header.number(tag::NAME), None);
        assert_eq!(header.text(tag::FILESIZES), None);
    }

    #[test]
    fn counts_and_offsets_that_lie_are_refused() {
        let change = |at: usize, to: u32| {
            let mut bytes = bytes();
            bytes[at..at + 4].copy_from_slice(&to.to_be_bytes());
            RpmHeader::read(&bytes).unwrap_err()
        };
        assert_eq!(change(0, 0), RpmHeaderError::Magic);
        assert!(matches!(change(8, 0x1_0000), RpmHeaderError::Size { .. }));
        assert!(matches!(change(12, 13), RpmHeaderError::Short { .. }));
        for (at, to) in [
            (16, 63 - 10),
            (20, 10),
            (24, 12),
            (24, u32::MAX),
            (28, 0),
            (28, 2),
            (40, 5),
            (44, 3),
            (44, u32::MAX),
        ] {
            assert!(matches!(change(at, to), RpmHeaderError::Entry { .. }), "{at} {to}");
        }
    }
}
