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
