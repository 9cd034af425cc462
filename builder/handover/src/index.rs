//! The index: the files of the bundle but its image, and the length and digest of each stored block.
//!
//! ```text
//! u32 number of documents | u32 zero | u64 number of stored blocks
//! for each document, sorted by name:
//!     u16 length of the name | name | u32 encoding | u64 length | u64 stored length | SHA-256 of the document
//! the stored documents, in the same order
//! for each stored block:
//!     u32 stored length | u32 encoding | SHA-256 of the stored form
//! ```
//!
//! Encodings: 0 plain, 1 a frame of Zstandard. The table of blocks has a known length before any block is encoded, so a
//! file is written in one pass with the index last.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::ops::Range;

use amiforge_formats::digest::{BLOCK, Digest};

use crate::codec::{self, Encoding};

/// Maximum number of documents.
const DOCUMENTS_MAX: u32 = 4096;
/// Maximum length of all documents in bytes: a frame of a few KiB may say that it has a GiB.
const DOCUMENTS_LEN_MAX: u64 = 256 << 20;
/// Maximum length of a name in bytes.
const NAME_MAX: usize = 200;
/// Bytes before the entries of the documents.
const COUNTS: u64 = 16;
/// Bytes of an entry beside the name.
const ENTRY: u64 = 2 + 4 + 8 + 8 + 32;
/// Bytes of the entry of a block.
const BLOCK_ENTRY: u64 = 4 + 4 + 32;

/// A stored block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlock {
    /// Length of its stored form in bytes, from 1 to that of a block.
    pub len: u32,
    /// How it is stored.
    pub encoding: Encoding,
    /// SHA-256 of its stored form.
    pub sha256: Digest,
}

/// A document that is encoded and not yet written.
#[derive(Debug, Clone)]
pub(crate) struct EncodedDocument {
    /// Its name.
    pub(crate) name: String,
    /// How it is stored.
    pub(crate) encoding: Encoding,
    /// Its length.
    pub(crate) len: u64,
    /// Its SHA-256.
    pub(crate) sha256: Digest,
    /// Its stored form.
    pub(crate) stored: Vec<u8>,
}

/// A document of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDocument {
    /// Its name in the bundle, at most one folder deep.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// Its SHA-256, which [`Index::bytes`] compares.
    pub sha256: Digest,
    encoding: Encoding,
    stored: Range<usize>,
}

/// An index that was read.
#[derive(Debug, Clone)]
pub struct Index {
    bytes: Vec<u8>,
    documents: Vec<IndexDocument>,
    blocks: Vec<StoredBlock>,
}

/// Whether documents of this length altogether are read.
pub(crate) fn are_readable(documents: &[(String, Vec<u8>)]) -> bool {
    documents.iter().map(|(_, bytes)| bytes.len() as u64).fold(0, u64::saturating_add) <= DOCUMENTS_LEN_MAX
        && documents.len() <= DOCUMENTS_MAX as usize
}

/// The length of an index in bytes.
pub(crate) fn len(documents: &[EncodedDocument], blocks: u64) -> u64 {
    let entries = documents.iter().map(|document| {
        (document.name.len() as u64).saturating_add(document.stored.len() as u64).saturating_add(ENTRY)
    });
    let entries = entries.fold(COUNTS, u64::saturating_add);
    entries.saturating_add(blocks.saturating_mul(BLOCK_ENTRY))
}

/// The bytes of an index.
pub(crate) fn encode(documents: &[EncodedDocument], blocks: &[StoredBlock]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((documents.len() as u32).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend((blocks.len() as u64).to_le_bytes());
    for document in documents {
        bytes.extend((document.name.len() as u16).to_le_bytes());
        bytes.extend(document.name.as_bytes());
        bytes.extend(document.encoding.number().to_le_bytes());
        bytes.extend(document.len.to_le_bytes());
        bytes.extend((document.stored.len() as u64).to_le_bytes());
        bytes.extend(document.sha256.0);
    }
    for document in documents {
        bytes.extend(&document.stored);
    }
    for block in blocks {
        bytes.extend(block.len.to_le_bytes());
        bytes.extend(block.encoding.number().to_le_bytes());
        bytes.extend(block.sha256.0);
    }
    bytes
}

impl Index {
    /// Reads an index. Counts and lengths are compared with the bytes that are there before memory is taken for them.
    ///
    /// # Errors
    /// A sentence that says what is wrong, after "the index is not one: ".
    pub fn decode(bytes: Vec<u8>) -> Result<Self, String> {
        let mut cursor = Cursor { bytes: &bytes, at: 0 };
        let (documents, zero, blocks) = (cursor.u32()?, cursor.u32()?, cursor.u64()?);
        if documents > DOCUMENTS_MAX || zero != 0 {
            return Err(format!("it counts {documents} documents, and at most {DOCUMENTS_MAX} may be there"));
        }
        let table = blocks.checked_mul(BLOCK_ENTRY).filter(|table| *table <= bytes.len() as u64);
        let table =
            table.ok_or_else(|| format!("{blocks} blocks have no room in its {} bytes", bytes.len()))?;
        let entries = (0..documents).map(|_| cursor.entry()).collect::<Result<Vec<_>, _>>()?;
        let len = entries.iter().fold(0, |len: u64, entry| len.saturating_add(entry.len));
        if len > DOCUMENTS_LEN_MAX {
            return Err(format!("its documents have {len} bytes, and at most {DOCUMENTS_LEN_MAX} are read"));
        }
        let documents =
            entries.into_iter().map(|entry| entry.place(&mut cursor)).collect::<Result<Vec<_>, _>>()?;
        let sorted = documents.iter().zip(documents.iter().skip(1)).all(|(one, next)| one.name < next.name);
        if !sorted {
            return Err("its documents are not sorted by name, or a name occurs twice".to_owned());
        }
        if cursor.rest() != table {
            return Err(format!("{} bytes are where {blocks} blocks have {table}", cursor.rest()));
        }
        let blocks = (0..blocks).map(|_| cursor.block()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { bytes, documents, blocks })
    }

    /// The documents, sorted by name.
    pub fn documents(&self) -> &[IndexDocument] {
        &self.documents
    }

    /// The stored blocks, in the order in which they are stored.
    pub fn blocks(&self) -> &[StoredBlock] {
        &self.blocks
    }

    /// The bytes of a document.
    ///
    /// # Errors
    /// A sentence without its subject.
    pub fn bytes(&self, document: &IndexDocument) -> Result<Vec<u8>, String> {
        let stored = self.bytes.get(document.stored.clone()).unwrap_or_default();
        let bytes = codec::decode_document(document.encoding, stored, document.len)?;
        let computed = Digest::of(&bytes);
        if computed != document.sha256 {
            return Err(format!("has the digest {computed}, and the index says {}", document.sha256));
        }
        Ok(bytes)
    }
}

/// The entry of a document, whose bytes follow later.
struct IndexEntry {
    name: String,
    encoding: Encoding,
    len: u64,
    stored: u64,
    sha256: Digest,
}

impl IndexEntry {
    fn place(self, cursor: &mut Cursor<'_>) -> Result<IndexDocument, String> {
        let Self { name, encoding, len, stored, sha256 } = self;
        let start = cursor.at;
        let fits = usize::try_from(stored).ok().and_then(|stored| cursor.take(stored).ok());
        if fits.is_none() {
            return Err(format!("document `{name}` of {len} bytes, {stored} stored, reaches past its end"));
        }
        Ok(IndexDocument { name, len, sha256, encoding, stored: start..cursor.at })
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len);
        let range = end.and_then(|end| self.bytes.get(self.at..end).map(|bytes| (bytes, end)));
        let (bytes, end) =
            range.ok_or_else(|| format!("it ends at byte {}, within a field", self.bytes.len()))?;
        self.at = end;
        Ok(bytes)
    }

    fn rest(&self) -> u64 {
        (self.bytes.len() as u64).saturating_sub(self.at as u64)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "a field is cut off".to_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn encoding(&mut self) -> Result<Encoding, String> {
        let number = self.u32()?;
        Encoding::by_number(number).ok_or_else(|| format!("encoding {number} is not one of this version"))
    }

    fn entry(&mut self) -> Result<IndexEntry, String> {
        let len = u16::from_le_bytes(self.array()?);
        let name = self.take(len.into())?;
        let name = std::str::from_utf8(name).ok().filter(|name| is_name(name));
        let name =
            name.ok_or_else(|| "a document's name is not one of a file in a bundle".to_owned())?.to_owned();
        let (encoding, len, stored) = (self.encoding()?, self.u64()?, self.u64()?);
        Ok(IndexEntry { name, encoding, len, stored, sha256: Digest(self.array()?) })
    }

    fn block(&mut self) -> Result<StoredBlock, String> {
        let (len, encoding, sha256) = (self.u32()?, self.encoding()?, Digest(self.array()?));
        let fits = match encoding {
            Encoding::Plain => u64::from(len) == BLOCK,
            Encoding::Zstd => (1..BLOCK).contains(&u64::from(len)),
        };
        if !fits {
            return Err(format!("a block of {len} bytes cannot be {encoding:?}"));
        }
        Ok(StoredBlock { len, encoding, sha256 })
    }
}

/// Whether a name is that of a file in a bundle or in one folder of it: letters, digits, `.`, `_`, `-`, and no part that
/// begins with a dot.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !part.is_empty() && !part.starts_with(['.', '-']) && part.chars().all(allowed)
    };
    name.len() <= NAME_MAX && name.split('/').count() <= 2 && name.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    fn index() -> Vec<u8> {
        let document = |name: &str, bytes: &[u8]| EncodedDocument {
            name: name.to_owned(),
            encoding: Encoding::Plain,
            len: bytes.len() as u64,
            sha256: Digest::of(bytes),
            stored: bytes.to_vec(),
        };
        let block = |len, encoding| StoredBlock { len, encoding, sha256: Digest::of(b"block") };
        let documents = [document("SHA256SUMS", b"sums"), document("signatures/a.sig", b"")];
        let blocks = [block(BLOCK as u32, Encoding::Plain), block(5, Encoding::Zstd)];
        let bytes = encode(&documents, &blocks);
        assert_eq!(bytes.len() as u64, len(&documents, 2));
        bytes
    }

    #[test]
    fn an_index_reads_back() {
        let index = Index::decode(index()).unwrap();
        assert_eq!(index.documents().len(), 2);
        assert_eq!(index.bytes(&index.documents()[0]).unwrap(), b"sums");
        assert_eq!((index.blocks().len(), index.blocks()[1].len), (2, 5));
    }

    #[test]
    fn every_truncation_is_refused_and_no_change_of_a_byte_panics() {
        let good = index();
        for len in 0..good.len() {
            assert!(Index::decode(good[..len].to_vec()).is_err(), "{len}");
        }
        assert!(Index::decode([good.as_slice(), &[0]].concat()).is_err());
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = good.clone();
                changed[at] = value;
                if let Ok(index) = Index::decode(changed) {
                    for document in index.documents() {
                        let _ = index.bytes(document);
                    }
                }
            }
        }
    }

    #[test]
    fn counts_and_lengths_that_lie_cost_no_memory() {
        let huge = (8u64 << 60).to_le_bytes();
        for (at, name) in [(8, "blocks"), (16 + 2 + 10 + 4, "length"), (16 + 2 + 10 + 12, "stored")] {
            let mut changed = index();
            changed[at..at + 8].copy_from_slice(&huge);
            assert!(Index::decode(changed).is_err(), "{name}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["disk.raw", "signatures/0a.sig", "sbom.cdx.json"] {
            assert!(is_name(name), "{name}");
        }
        for name in
            ["", "..", "../x", "/x", "a/b/c", "a//b", ".hidden", "a\nb", "a\x1b", "-o", "a/", "ä", "a\\b"]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
