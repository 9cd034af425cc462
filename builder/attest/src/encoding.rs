//! The forms in which documents and values are handed over: raw bytes, Base64, hexadecimal digits.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use coset::iana::{CborTag, EnumI64 as _};

use crate::limits::MAX_DOCUMENT;

/// The first byte of a CBOR array of four elements: an untagged `COSE_Sign1`.
const ARRAY_OF_FOUR: u8 = 0x84;
/// Major type 6 (tag) of an initial byte of CBOR; the tags below 24 are in the byte itself.
const TAG: u8 = 0xc0;

/// Why a text is not the encoding that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// Neither CBOR nor Base64.
    #[error("it is neither a COSE_Sign1 structure nor its Base64: it begins with the byte 0x{first:02x}")]
    NotADocument {
        /// The first byte.
        first: u8,
    },
    /// Base64 with an invalid character or length.
    #[error("its Base64 is not valid: {0}")]
    Base64(base64::DecodeError),
    /// A digit is not hexadecimal, or there is an odd number of them.
    #[error("it is not an even number of hexadecimal digits")]
    Hex,
}

/// Whether bytes begin as a `COSE_Sign1` structure does, with or without its tag.
pub(crate) fn is_tagged(bytes: &[u8]) -> bool {
    let tag = u8::try_from(CborTag::CoseSign1.to_i64()).map_or(TAG, |number| TAG | number);
    bytes.first() == Some(&tag)
}

/// The bytes of a document that was handed over raw or as Base64 (standard alphabet, with line breaks or without).
/// What is too large to be a document is returned as it is, for [`authenticate`](crate::authenticate) to refuse.
///
/// # Errors
/// If it is neither.
pub fn decode_document(input: Vec<u8>) -> Result<Vec<u8>, EncodingError> {
    let Some(&first) = input.first() else { return Ok(input) };
    // Base64 takes four characters for three bytes, and a line break at most each few characters.
    if first == ARRAY_OF_FOUR || is_tagged(&input) || input.len() > MAX_DOCUMENT.saturating_mul(2) {
        return Ok(input);
    }
    let text: Vec<u8> = input.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)) {
        return Err(EncodingError::NotADocument { first });
    }
    let padded = text.last() == Some(&b'=') || text.len().is_multiple_of(4);
    let engine = if padded { &STANDARD } else { &STANDARD_NO_PAD };
    engine.decode(&text).map_err(EncodingError::Base64)
}

/// Lower-case hexadecimal digits.
pub fn encode_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        // A write to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits of either case.
///
/// # Errors
/// If a character is none, or there is an odd number of them.
pub fn decode_hex(text: &str) -> Result<Vec<u8>, EncodingError> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(EncodingError::Hex);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    pairs.iter().map(|pair| byte(pair).ok_or(EncodingError::Hex)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_taken_raw_and_as_base64_with_and_without_line_breaks() {
        let raw = vec![ARRAY_OF_FOUR, 1, 2, 3, 250];
        for input in [raw.clone(), b"hAECA/o=".to_vec(), b"hAEC\nA/o=\n".to_vec(), b"hAECA/o".to_vec()] {
            assert_eq!(decode_document(input), Ok(raw.clone()));
        }
        assert_eq!(decode_document(vec![0xd2, 0x84]), Ok(vec![0xd2, 0x84]));
        assert_eq!(decode_document(b"{\"a\": 1}".to_vec()), Err(EncodingError::NotADocument { first: b'{' }));
        assert!(matches!(decode_document(b"hA=A".to_vec()), Err(EncodingError::Base64(_))));
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(decode_hex("00fFa1"), Ok(vec![0, 255, 0xa1]));
        assert_eq!(encode_hex(&[0, 255, 0xa1]), "00ffa1");
        for wrong in ["0", "0g", "0x00", "é0"] {
            assert_eq!(decode_hex(wrong), Err(EncodingError::Hex), "{wrong}");
        }
    }
}
