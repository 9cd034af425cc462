//! Numbers in bytes, hexadecimal, and text that is safe to print.

use alloc::string::String;
use core::fmt::Write as _;

/// `N` bytes at an offset; zeros where the slice is too short, which callers rule out by reading whole structures.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let end = at.saturating_add(N);
    bytes.get(at..end).and_then(|slice| slice.try_into().ok()).unwrap_or([0; N])
}

/// A little-endian number of 16 bits.
pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// A little-endian number of 32 bits.
pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// A little-endian number of 64 bits.
pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// A byte; 0 behind the end.
pub(crate) fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// A range of a slice; empty where it is not within the slice.
pub(crate) fn part(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    bytes.get(at..at.saturating_add(len)).unwrap_or(&[])
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes that lower-case hexadecimal digits stand for, if there are exactly `N`.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(*pair.first()?)? << 4 | value(*pair.get(1)?)?;
    }
    Some(out)
}

/// Bytes of somebody else as one word of a line: what is not printable ASCII, a backslash or a space is escaped.
pub(crate) fn word(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'!'..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

/// Text of somebody else for a message, cut after 200 bytes.
pub(crate) fn shown(text: &str) -> String {
    let cut = text.as_bytes().get(..200).unwrap_or(text.as_bytes());
    let mut out = String::with_capacity(cut.len());
    for &byte in cut {
        match byte {
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out
}

/// The text of a GUID as UEFI stores it: the first three groups are little-endian.
pub(crate) fn guid_text(bytes: [u8; 16]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut big = [0; 16];
    for (to, from) in big.iter_mut().zip(order) {
        *to = byte(&bytes, from);
    }
    uuid_text(big)
}

/// The text of a UUID whose bytes are in the order of its text.
pub(crate) fn uuid_text(bytes: [u8; 16]) -> String {
    let mut text = hex(&bytes);
    for at in [8, 13, 18, 23] {
        text.insert(at, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_bytes() {
        assert_eq!(hex(&[0, 0xaf]), "00af");
        assert_eq!(from_hex::<2>("00af"), Some([0, 0xaf]));
        assert_eq!(from_hex::<2>("00AF"), None);
        assert_eq!(from_hex::<2>("00a"), None);
        assert_eq!(word(b"a b\\\xff"), "a\\x20b\\\\\\xff");
        let esp = from_hex("28732ac11ff8d211ba4b00a0c93ec93b").unwrap();
        assert_eq!(guid_text(esp), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    }
}
