//! What recovered bytes look like, by their first ones: enough to say how much a finding matters.

use std::fmt;

use crate::private_key;

/// What bytes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecoveredContent {
    /// A private key, by its armour or its structure.
    Key,
    /// A program or a library.
    Elf,
    /// A compressed file or an archive.
    Archive(&'static str),
    /// A database or a file system of its own.
    Database(&'static str),
    /// A picture or a document.
    Document(&'static str),
    /// Text.
    Text,
    /// Something else.
    Binary,
}

/// Beginnings of archives, and where in the file they are.
const ARCHIVES: [(usize, &[u8], &str); 10] = [
    (0, b"\x1f\x8b\x08", "gzip"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"!<arch>\n", "ar"),
    (0, b"070701", "cpio"),
    (257, b"ustar", "tar"),
    (0, b"\x04\x22\x4d\x18", "lz4"),
];

/// Beginnings of databases.
const DATABASES: [(usize, &[u8], &str); 3] =
    [(0, b"SQLite format 3\0", "sqlite"), (0, b"LPKSHHRH", "systemd journal"), (0, b"hsqs", "squashfs")];

/// Beginnings of documents.
const DOCUMENTS: [(usize, &[u8], &str); 4] = [
    (0, b"%PDF-", "pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
];

/// The first words of private keys, which count even where the rest was overwritten.
const KEY_WORDS: [&[u8]; 4] =
    [b"PRIVATE KEY-----", b"PuTTY-User-Key-File-", b"AGE-SECRET-KEY-1", b"-----BEGIN PGP PRIVATE KEY BLOCK"];

impl RecoveredContent {
    /// Bytes that are enough for [`RecoveredContent::of`].
    pub const SAMPLE: usize = 4096;

    /// What `sample`, the first bytes of a run, looks like.
    pub fn of(sample: &[u8]) -> Self {
        let begins = |table: &[(usize, &[u8], &'static str)]| {
            let row = table
                .iter()
                .find(|(at, magic, _)| sample.get(*at..).is_some_and(|bytes| bytes.starts_with(magic)));
            row.map(|(_, _, name)| *name)
        };
        let key = KEY_WORDS.iter().any(|word| contains(sample, word));
        if key || is_binary_key(sample) || private_key::identify_text(sample).is_some() {
            return Self::Key;
        }
        if sample.starts_with(b"\x7fELF") {
            return Self::Elf;
        }
        let archive = begins(&ARCHIVES).map(Self::Archive);
        let other = archive.or_else(|| begins(&DATABASES).map(Self::Database));
        let other = other.or_else(|| begins(&DOCUMENTS).map(Self::Document));
        other.unwrap_or(if is_text(sample) { Self::Text } else { Self::Binary })
    }
}

impl fmt::Display for RecoveredContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("private key"),
            Self::Elf => f.write_str("program (ELF)"),
            Self::Archive(name) => write!(f, "archive ({name})"),
            Self::Database(name) => write!(f, "database ({name})"),
            Self::Document(name) => write!(f, "document ({name})"),
            Self::Text => f.write_str("text"),
            Self::Binary => f.write_str("binary"),
        }
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len().max(1)).any(|window| window == word)
}

/// A private key in a binary format at the start of a run. What follows the key in the run is no part of it, so an element
/// of DER counts with its own length.
fn is_binary_key(sample: &[u8]) -> bool {
    let len = match sample {
        [0x30, 0x82, high, low, ..] => (usize::from(*high) << 8 | usize::from(*low)).saturating_add(4),
        [0x30, 0x81, len, ..] => usize::from(*len).saturating_add(3),
        [0x30, len @ ..=0x7f, ..] => usize::from(*len).saturating_add(2),
        _ => sample.len(),
    };
    private_key::identify_binary(sample, len as u64).is_some()
}

/// Whether nearly all bytes are printable, or would be in UTF-16.
fn is_text(sample: &[u8]) -> bool {
    let printable = |byte: &&u8| matches!(**byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    let ascii = sample.iter().filter(|byte| matches!(**byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e)).count();
    let all = sample.iter().filter(printable).count();
    let enough = |count: usize, of: usize| of > 0 && count.saturating_mul(20) >= of.saturating_mul(19);
    if enough(all, sample.len()) && ascii.saturating_mul(2) >= sample.len() {
        return true;
    }
    let pairs = sample.chunks_exact(2);
    let count = pairs.len();
    let wide = pairs.filter(|pair| matches!(pair, [b'\t' | b'\n' | b'\r' | 0x20..=0x7e, 0])).count();
    enough(wide, count)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_bytes_look_like() {
        let armour = format!("x\n-----BEGIN OPENSSH {} KEY-----\n", "PRIVATE");
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let mut der = vec![0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 34, 4, 32];
        der.resize(100, 1);
        let wide: Vec<u8> = "password".bytes().flat_map(|byte| [byte, 0]).collect();
        let cases: [(&[u8], RecoveredContent); 9] = [
            (armour.as_bytes(), RecoveredContent::Key),
            (&der, RecoveredContent::Key),
            (b"\x7fELF\x02\x01", RecoveredContent::Elf),
            (b"\x1f\x8b\x08\0\0", RecoveredContent::Archive("gzip")),
            (&tar, RecoveredContent::Archive("tar")),
            (b"root:x:0:0\n", RecoveredContent::Text),
            (&wide, RecoveredContent::Text),
            (&[1, 2, 3, 4, 5, 6], RecoveredContent::Binary),
            (b"", RecoveredContent::Binary),
        ];
        for (sample, expected) in cases {
            assert_eq!(RecoveredContent::of(sample), expected, "{sample:02x?}");
        }
    }
}
