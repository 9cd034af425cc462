//! The ar archive that a `.deb` is: a magic, then members of a 60-byte header and their bytes, each on an even byte
//! (deb(5), ar(5), common format: no long names, no symbol table).
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::tree::Printable;

/// First bytes of an archive.
pub const MAGIC: &[u8; 8] = b"!<arch>\n";

/// Bytes of a member's header.
pub const HEADER: usize = 60;

/// A member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberHeader {
    /// Its name, without the padding and without the slash that System V puts at the end.
    pub name: String,
    /// Bytes of its content.
    pub size: u64,
}

/// Why a header is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// It does not end as one.
    #[error("a member's header ends in `{}`, not in `` `\\x0a ``", Printable(found))]
    End {
        /// Its last two bytes.
        found: [u8; 2],
    },
    /// The length is no number.
    #[error("a member's length is `{}`, not a number", Printable(found))]
    Size {
        /// The field's bytes.
        found: Vec<u8>,
    },
    /// The name is none that a package has.
    #[error("a member's name is `{}`, not printable text", Printable(found))]
    Name {
        /// The field's bytes.
        found: Vec<u8>,
    },
}

impl MemberHeader {
    /// Reads a header.
    ///
    /// # Errors
    /// The cause.
    pub fn parse(bytes: &[u8; HEADER]) -> Result<Self, HeaderError> {
        let (fields, end) = bytes.split_at(HEADER.saturating_sub(2));
        if end != b"`\n" {
            return Err(HeaderError::End { found: end.try_into().unwrap_or_default() });
        }
        let (name, rest) = fields.split_at(16);
        let name = name.trim_ascii_end();
        let name = name.strip_suffix(b"/").unwrap_or(name);
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(HeaderError::Name { found: name.to_vec() });
        }
        // Time, owner, group and mode have no meaning in a package.
        let size = rest.get(32..).unwrap_or_default();
        let wrong = || HeaderError::Size { found: size.to_vec() };
        let digits = std::str::from_utf8(size.trim_ascii_end()).map_err(|_| wrong())?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let name = String::from_utf8_lossy(name).into_owned();
        Ok(Self { name, size: digits.parse().map_err(|_| wrong())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, size: &str) -> [u8; HEADER] {
        let text = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644);
        text.as_bytes().try_into().unwrap()
    }

    #[test]
    fn names_lose_their_padding_and_slash() {
        for (name, read) in [("control.tar.xz", "control.tar.xz"), ("data.tar/", "data.tar"), ("_x", "_x")] {
            let expected = MemberHeader { name: read.to_owned(), size: 4_000_000_000 };
            assert_eq!(MemberHeader::parse(&header(name, "4000000000")), Ok(expected));
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        assert!(matches!(MemberHeader::parse(&header("a", "")), Err(HeaderError::Size { .. })));
        assert!(matches!(MemberHeader::parse(&header("a", "+1")), Err(HeaderError::Size { .. })));
        assert!(matches!(MemberHeader::parse(&header("", "1")), Err(HeaderError::Name { .. })));
        assert!(matches!(MemberHeader::parse(&header("a b", "1")), Err(HeaderError::Name { .. })));
        assert!(matches!(MemberHeader::parse(&[b' '; HEADER]), Err(HeaderError::End { .. })));
    }
}
