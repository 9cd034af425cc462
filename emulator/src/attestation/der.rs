//! The elements of DER that certificates and messages have (ITU-T X.690), as bytes.

use crate::clock::Timestamp;

/// An element with a tag.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let be = content.len().to_be_bytes();
    match content.len() {
        0..=0x7f => bytes.push(be[be.len() - 1]),
        0x80..=0xff => bytes.extend([0x81, be[be.len() - 1]]),
        // Nothing here has 64 KiB.
        _ => bytes.extend([0x82, be[be.len() - 2], be[be.len() - 1]]),
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A SEQUENCE of elements.
pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// A SET of one element.
pub(crate) fn set_of_one(part: &[u8]) -> Vec<u8> {
    element(0x31, part)
}

/// A non-negative INTEGER of big-endian bytes.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let digits = &bytes[start..];
    let mut content = Vec::new();
    // The highest bit is the sign.
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(digits);
    element(0x02, &content)
}

/// An OBJECT IDENTIFIER, given as its encoded content.
pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    element(0x06, content)
}

/// The BOOLEAN true. False is left out where it is the default.
pub(crate) fn yes() -> Vec<u8> {
    element(0x01, &[0xff])
}

/// An OCTET STRING.
pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    element(0x04, content)
}

/// A BIT STRING of whole bytes.
pub(crate) fn bits(content: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], content].concat())
}

/// A BIT STRING with named bits, of which those after the last one set are left out (X.690, 11.2.2). Bit 0 is the highest.
pub(crate) fn named_bits(set: u8) -> Vec<u8> {
    element(0x03, &[set.trailing_zeros() as u8, set])
}

/// The content of a tag of the context: `[number]` in front of an element.
pub(crate) fn tagged(number: u8, content: &[u8]) -> Vec<u8> {
    element(0xa0 | number, content)
}

/// A primitive element with a tag of the context instead of its own.
pub(crate) fn implicit(number: u8, content: &[u8]) -> Vec<u8> {
    element(0x80 | number, content)
}

/// A time of a certificate: `UTCTime` until 2049, then `GeneralizedTime` (RFC 5280, 4.1.2.5).
pub(crate) fn time(at: Timestamp) -> Vec<u8> {
    // YYYY-MM-DDTHH:MM:SS.mmmZ
    let digits: String = at.iso().chars().take(19).filter(char::is_ascii_digit).collect();
    if digits.as_str() < "2050" {
        element(0x17, format!("{}Z", &digits[2..]).as_bytes())
    } else {
        element(0x18, format!("{digits}Z").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_encoded_as_x_690_says() {
        assert_eq!(integer(&[0]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(named_bits(0b1000_0110), [3, 2, 1, 0x86]);
        assert_eq!(element(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(element(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
        let at = |text: &str| Timestamp::parse(text).expect("a time");
        assert_eq!(time(at("2049-12-31T23:59:59")), [&[0x17, 13], &b"491231235959Z"[..]].concat());
        assert_eq!(time(at("2050-01-01")), [&[0x18, 15], &b"20500101000000Z"[..]].concat());
    }
}
