//! Numbers in tar headers and PAX records. Ustar: octal text (POSIX.1-2017, *pax*, ustar interchange format);
//! GNU: base-256 when the first bit is set; PAX: decimal text, times with a fraction.

use amiforge_formats::time::Time;

use crate::sources::entry_error::EntryError;

/// A number field of a header. Blank fields are zero, as every reader takes them.
pub(super) fn field(name: &'static str, bytes: &[u8]) -> Result<i128, EntryError> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => Ok(base256(bytes)),
        _ => octal(bytes).ok_or_else(|| EntryError::NotANumber { field: name, bytes: bytes.to_vec() }),
    }
}

/// A number field that must be in `min..=max`.
pub(super) fn bounded(name: &'static str, bytes: &[u8], min: i128, max: i128) -> Result<i128, EntryError> {
    within(name, field(name, bytes)?, min, max)
}

/// Checks a number that was read elsewhere.
pub(super) fn within(field: &'static str, value: i128, min: i128, max: i128) -> Result<i128, EntryError> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(EntryError::OutOfRange { field, value, min, max })
    }
}

/// Big-endian two's complement in all bits but the first; fields have at most 12 bytes, so 95 bits suffice.
fn base256(bytes: &[u8]) -> i128 {
    let negative = bytes.first().is_some_and(|first| first & 0x40 != 0);
    let mut bytes = bytes.iter();
    let first = bytes.next().copied().unwrap_or(0) & 0x3f;
    let start = if negative { i128::from(first).wrapping_sub(0x40) } else { i128::from(first) };
    bytes.fold(start, |value, byte| value.wrapping_shl(8) | i128::from(*byte))
}

/// Spaces, octal digits, then spaces and NULs to the end.
fn octal(bytes: &[u8]) -> Option<i128> {
    let digits = bytes.trim_ascii_start();
    let end = digits.iter().position(|byte| !(b'0'..=b'7').contains(byte)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if rest.iter().any(|byte| *byte != b' ' && *byte != 0) {
        return None;
    }
    // At most 12 digits of 3 bits.
    Some(digits.iter().fold(0, |value: i128, digit| value.wrapping_shl(3) | i128::from(digit & 7)))
}

/// A decimal number without sign.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte & 15))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A time of a PAX record: an optional minus, seconds, an optional fraction. What is finer than a nanosecond is
/// dropped towards the past, as GNU tar does.
pub(super) fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut halves = text.splitn(2, |byte| *byte == b'.');
    let secs = i64::try_from(decimal(halves.next()?)?).ok()?;
    let fraction = halves.next().unwrap_or(b"");
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (nine, finer) = fraction.split_at(fraction.len().min(9));
    let mut nanos =
        nine.iter().fold(0u32, |value, byte| value.wrapping_mul(10).wrapping_add(u32::from(byte & 15)));
    for _ in nine.len()..9 {
        nanos = nanos.wrapping_mul(10);
    }
    if !negative {
        return Some(Time { secs, nanos });
    }
    if finer.iter().any(|byte| *byte != b'0') {
        nanos = nanos.wrapping_add(1);
    }
    let secs = secs.checked_neg()?;
    if nanos == 0 {
        return Some(Time { secs, nanos });
    }
    Some(Time { secs: secs.checked_sub(1)?, nanos: 1_000_000_000u32.wrapping_sub(nanos) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_octal_or_base_256() {
        for (bytes, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"   755 \0", 0o755),
            (b"\0\0\0\0", 0),
            (b"777777777777", 0o777_777_777_777),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", 1 << 33),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
            (b"\xff\xff\xff\xff\xed\x30\x0a\x80", -315_618_688),
        ] {
            assert_eq!(field("size", bytes), Ok(value), "{bytes:?}");
        }
        for bytes in [&b"00x0644\0"[..], b"12 34\0\0\0", b"-1\0\0\0\0\0\0", b"888"] {
            assert!(field("size", bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(
            bounded("gid", b"\x80\0\0\x01\0\0\0\0", 0, i128::from(u32::MAX)),
            Err(EntryError::OutOfRange { field: "gid", value: 1 << 32, min: 0, max: i128::from(u32::MAX) })
        );
    }

    #[test]
    fn times_have_fractions_on_both_sides_of_the_epoch() {
        for (text, secs, nanos) in [
            ("0", 0, 0),
            ("1700000000.5", 1_700_000_000, 500_000_000),
            ("1.0000000019", 1, 1),
            ("-1", -1, 0),
            ("-1.25", -2, 750_000_000),
            ("-0.0000000001", -1, 999_999_999),
            ("-0", 0, 0),
            ("15032385535.999999999", 15_032_385_535, 999_999_999),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Time { secs, nanos }), "{text}");
        }
        for text in ["", "-", ".5", "1e9", "+1", "1.2.3", "99999999999999999999", "1 "] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }
}
