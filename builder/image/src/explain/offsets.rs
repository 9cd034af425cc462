//! Bytes as a user names them: one, or a range.

use std::ops::Range;

/// Parses `N`, one byte, or `N..M`, the bytes from N up to and without M. Numbers are decimal, or hexadecimal with `0x`.
///
/// # Errors
/// A sentence for the user.
pub fn parse_offsets(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Some(_) | None => None,
    };
    let range = match text.split_once("..") {
        None => number(text).and_then(|start| Some(start..start.checked_add(1)?)),
        Some((start, end)) => number(start).zip(number(end)).map(|(start, end)| start..end),
    };
    let range = range.filter(|range| !range.is_empty());
    range.ok_or_else(|| {
        format!("`{text}` is neither a byte nor a range of bytes, such as `1048576` or `0x100000..0x100200`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_and_ranges() {
        assert_eq!(parse_offsets("7"), Ok(7..8));
        assert_eq!(parse_offsets("0x10..32"), Ok(16..32));
        for wrong in ["", "x", "..", "5..", "5..5", "6..5", "+5", "0x", "0x+1", "18446744073709551615"] {
            assert!(parse_offsets(wrong).is_err(), "{wrong}");
        }
    }
}
