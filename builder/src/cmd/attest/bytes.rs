//! Bytes on the command line: a text, hexadecimal digits, or the content of a file.

use std::path::Path;
use std::str::FromStr;

use amiforge_attest::decode_hex;
use anyhow::Context as _;

use crate::outcome::Failure;

/// The largest value: an entry of a document has at most 1 KiB, and a key as PEM somewhat more.
const MAX_VALUE: u64 = 64 << 10;

/// Bytes as they are written on the command line: `@FILE`, `hex:DIGITS`, or the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ByteValue {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The content of a file.
    File(String),
}

impl FromStr for ByteValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Self::File(path.to_owned()));
        }
        match text.strip_prefix("hex:") {
            Some(digits) => decode_hex(digits).map(Self::Bytes).map_err(|error| error.to_string()),
            None => Ok(Self::Bytes(text.as_bytes().to_vec())),
        }
    }
}

impl ByteValue {
    /// The bytes; those of a file are read. `name` is what they are, for the message.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::File(path) => read_file(Path::new(path), MAX_VALUE)
                .with_context(|| format!("reading the {name} in `{path}`"))
                .map_err(Failure::from),
        }
    }
}

/// The content of a regular file of limited size.
pub(crate) fn read_file(path: &Path, max: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let file = amiforge_progress::regular::open(path)?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(std::io::Error::other(format!("it has more than {max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_text_digits_or_a_file() {
        assert_eq!("00ff".parse(), Ok(ByteValue::Bytes(b"00ff".to_vec())));
        assert_eq!("hex:00ff".parse(), Ok(ByteValue::Bytes(vec![0, 255])));
        assert_eq!("@a/b".parse(), Ok(ByteValue::File("a/b".to_owned())));
        assert!("hex:0".parse::<ByteValue>().is_err());
    }
}
