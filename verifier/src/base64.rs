//! Base64 of RFC 4648, strictly: with padding, without line breaks, without stray bits.

use alloc::vec::Vec;

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// The bytes of a text; `None` when it is not base64 in the one form that an encoder gives.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() % 4 != 0 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3);
    let last = (digits.len() / 4).checked_sub(1);
    for (index, four) in digits.chunks_exact(4).enumerate() {
        let padding = match four {
            [.., b'=', b'='] if Some(index) == last => 2,
            [.., b'='] if Some(index) == last => 1,
            _ => 0,
        };
        let digits = four.iter().take(4 - padding);
        let mut bits = digits.clone().try_fold(0, |bits, digit| Some(bits << 6 | value(*digit)?))?;
        bits <<= 6 * padding;
        let [_, a, b, c] = bits.to_be_bytes();
        let stray: &[u8] = if padding == 2 { &[b, c] } else { &[c] };
        if padding > 0 && stray.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend([a, b, c].iter().take(3 - padding));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn the_vectors_of_the_rfc_and_no_second_form() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Zg=", "Zh==", "Zg==Zg==", "Zm9=", "Zm 9", "====", "Zg==\n"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
