//! The data types of the SSH protocol (RFC 4251, section 5): bytes, 32-bit numbers, strings and numbers of any length.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

/// Why bytes are not the fields that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A field reaches past the end.
    #[error("{what} needs {len} bytes, and {left} are left")]
    Short {
        /// The field.
        what: &'static str,
        /// Bytes that it needs.
        len: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// Bytes after the last field.
    #[error("{more} bytes follow {what}")]
    Trailing {
        /// The last field.
        what: &'static str,
        /// How many.
        more: usize,
    },
    /// A number below zero.
    #[error("{what} is a negative number")]
    Negative {
        /// The field.
        what: &'static str,
    },
    /// A text with other bytes than printable ASCII.
    #[error("{what} is not printable ASCII")]
    Text {
        /// The field.
        what: &'static str,
    },
}

/// Reads fields one after another.
#[derive(Debug, Clone)]
pub(crate) struct SshReader<'a> {
    bytes: &'a [u8],
}

impl<'a> SshReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let short = WireError::Short { what, len, left: self.bytes.len() };
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(short)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// An array.
    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    /// A `byte`.
    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    /// A `uint32`.
    pub(crate) fn number(&mut self, what: &'static str) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// A `string`.
    pub(crate) fn string(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let len = self.number(what)?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX), what)
    }

    /// A `string` of printable ASCII.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, WireError> {
        let bytes = self.string(what)?;
        let text = std::str::from_utf8(bytes).ok();
        text.filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
            .ok_or(WireError::Text { what })
    }

    /// An `mpint` that is not negative: big-endian, without zeros before it.
    pub(crate) fn unsigned(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let bytes = self.string(what)?;
        if bytes.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(WireError::Negative { what });
        }
        Ok(without_zeros(bytes))
    }

    /// Ends what is read; `what` was the last field.
    pub(crate) fn end(self, what: &'static str) -> Result<(), WireError> {
        match self.bytes.len() {
            0 => Ok(()),
            more => Err(WireError::Trailing { what, more }),
        }
    }
}

/// A number without the zeros before it.
pub(crate) fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Appends a `string`.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends an `mpint` from the big-endian bytes of a number that is not negative.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, number: &[u8]) {
    let number = without_zeros(number);
    let sign: &[u8] = if number.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    put_string(out, &[sign, number].concat());
}

/// Strings one after another.
pub(crate) fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        put_string(&mut out, part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_back_and_nothing_is_read_past_the_end() {
        let mut bytes = vec![7];
        put_string(&mut bytes, b"name");
        put_unsigned(&mut bytes, &[0, 0, 0x80]);
        put_unsigned(&mut bytes, &[]);
        let mut reader = SshReader::new(&bytes);
        assert_eq!(reader.byte("a").unwrap(), 7);
        assert_eq!(reader.text("b").unwrap(), "name");
        assert_eq!(reader.unsigned("c").unwrap(), [0x80]);
        assert_eq!(reader.clone().end("c"), Err(WireError::Trailing { what: "c", more: 4 }));
        assert_eq!(reader.unsigned("d").unwrap(), [0; 0]);
        reader.clone().end("d").unwrap();
        assert_eq!(reader.number("e"), Err(WireError::Short { what: "e", len: 4, left: 0 }));
        let mut long = SshReader::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        let short = WireError::Short { what: "f", len: 0xffff_ffff, left: 1 };
        assert_eq!(long.string("f"), Err(short));
        let negative = strings(&[&[0x80]]);
        assert_eq!(SshReader::new(&negative).unsigned("g"), Err(WireError::Negative { what: "g" }));
        let text = strings(&[b"a\x1b"]);
        assert_eq!(SshReader::new(&text).text("h"), Err(WireError::Text { what: "h" }));
    }
}
