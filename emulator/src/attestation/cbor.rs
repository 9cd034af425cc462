//! The items of CBOR that documents have (RFC 8949), as bytes.

/// An unsigned integer.
pub(super) fn unsigned(value: u64) -> Vec<u8> {
    head(0, value)
}

/// A negative integer, given as its distance from -1.
pub(super) fn negative(distance: u64) -> Vec<u8> {
    head(1, distance)
}

/// A byte string.
pub(super) fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len() as u64), value.to_vec()].concat()
}

/// A text.
pub(super) fn text(value: &str) -> Vec<u8> {
    [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
}

/// A list.
pub(super) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// A map of which the length stands in front.
pub(super) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    [head(5, entries.len() as u64), pairs(entries)].concat()
}

/// A map that ends with a break, as the payload of NitroTPM's documents does.
pub(super) fn open_map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    [vec![0xbf], pairs(entries), vec![0xff]].concat()
}

/// The simple value null.
pub(super) fn null() -> Vec<u8> {
    vec![0xf6]
}

fn pairs(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    entries.iter().flat_map(|(key, value)| [key.as_slice(), value]).flatten().copied().collect()
}

/// The head of an item in its shortest form: the major type and its argument (section 3).
fn head(major: u8, argument: u64) -> Vec<u8> {
    let initial = |additional: u8| vec![major << 5 | additional];
    let be = argument.to_be_bytes();
    match argument {
        0..=23 => initial(be[7]),
        24..=0xff => [initial(24), be[7..].to_vec()].concat(),
        0x100..=0xffff => [initial(25), be[6..].to_vec()].concat(),
        0x1_0000..=0xffff_ffff => [initial(26), be[4..].to_vec()].concat(),
        _ => [initial(27), be.to_vec()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 8949, appendix A.
    #[test]
    fn items_are_encoded_as_the_examples_of_the_rfc() {
        let cases: [(Vec<u8>, &str); 14] = [
            (unsigned(0), "00"),
            (unsigned(23), "17"),
            (unsigned(24), "1818"),
            (unsigned(100), "1864"),
            (unsigned(1000), "1903e8"),
            (unsigned(1_000_000), "1a000f4240"),
            (unsigned(1_000_000_000_000), "1b000000e8d4a51000"),
            (negative(9), "29"),
            (negative(99), "3863"),
            (bytes(&[1, 2, 3, 4]), "4401020304"),
            (text("IETF"), "6449455446"),
            (list(&[unsigned(1), list(&[unsigned(2), unsigned(3)])]), "8201820203"),
            (map(&[(unsigned(1), unsigned(2)), (unsigned(3), unsigned(4))]), "a201020304"),
            (null(), "f6"),
        ];
        for (encoded, expected) in cases {
            let hex = encoded.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            assert_eq!(hex, expected);
        }
        // The example {_ "Fun": true, "Amt": -2}, with other values.
        assert_eq!(open_map(&[(text("Fun"), unsigned(1))]), [0xbf, 0x63, 0x46, 0x75, 0x6e, 1, 0xff]);
    }
}
