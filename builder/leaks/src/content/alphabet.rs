//! The letters that tokens are made of.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// `0-9 A-Z a-z`.
    Alphanumeric,
    /// `0-9 A-Z a-z _`.
    Word,
    /// `0-9 A-Z a-z - _`: base64 for addresses (RFC 4648, 5).
    Base64Url,
    /// `0-9 A-Z a-z + / =`: base64 (RFC 4648, 4), with its padding.
    Base64,
    /// `0-9 A-Z a-z - _ .`.
    Dotted,
    /// `0-9 a-f`.
    Hex,
    /// `0-9 a-z`.
    Lowercase,
    /// `2-7 A-Z`: base32 (RFC 4648, 6).
    Base32,
    /// `0-9 A-Z -`, or the same in Bech32's letters.
    Uppercase,
}

impl Alphabet {
    /// Whether a byte is a letter of it.
    pub(crate) fn has(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Base64Url => byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_',
            Self::Base64 => byte.is_ascii_alphanumeric() || b"+/=".contains(&byte),
            Self::Dotted => byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Lowercase => matches!(byte, b'0'..=b'9' | b'a'..=b'z'),
            Self::Base32 => matches!(byte, b'2'..=b'7' | b'A'..=b'Z'),
            Self::Uppercase => matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'-'),
        }
    }

    /// Its letters.
    pub(crate) fn letters(self) -> impl Iterator<Item = u8> {
        (0..=0x7f).filter(move |byte| self.has(*byte))
    }

    /// The number of letters at the start of `bytes`.
    pub(crate) fn run(self, bytes: &[u8]) -> usize {
        bytes.iter().take_while(|byte| self.has(**byte)).count()
    }
}

/// Whether no letter or digit is before an offset: a token in the middle of base64 is none.
pub(crate) fn starts_word(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    before
        .is_none_or(|byte| !(byte.is_ascii_alphanumeric() || b"_-+/.".contains(byte)) || is_escape(bytes, at))
}

/// Whether the letter before an offset is that of an escape such as `\n`, as JSON has it.
fn is_escape(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(2).and_then(|from| bytes.get(from..at));
    matches!(before, Some([b'\\', b'n' | b'r' | b't']))
}
