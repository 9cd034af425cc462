//! The writer: an element from its tag and the parts of its content.

use super::tag;

/// An element whose content are these parts, one after another.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = vec![tag];
    if len < 0x80 {
        bytes.push(len as u8);
    } else {
        let number = len.to_be_bytes();
        let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        bytes.push(0x80 | number.len() as u8);
        bytes.extend(number);
    }
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// An object identifier from its content.
pub fn object_identifier(content: &[u8]) -> Vec<u8> {
    tlv(tag::OBJECT_IDENTIFIER, &[content])
}

/// A number that is not negative, from its big-endian bytes.
pub fn integer(number: &[u8]) -> Vec<u8> {
    let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
    let sign: &[u8] = if number.first().is_none_or(|first| first & 0x80 != 0) { &[0] } else { &[] };
    tlv(tag::INTEGER, &[sign, number])
}

#[cfg(test)]
mod tests {
    use super::super::DerReader;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for len in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let content = vec![7; len];
            let bytes = tlv(tag::OCTET_STRING, &[&content[..len / 2], &content[len / 2..]]);
            let mut reader = DerReader::new(&bytes);
            assert_eq!(reader.expect(tag::OCTET_STRING, "x").unwrap().content, content);
            reader.end("x").unwrap();
        }
        assert_eq!(integer(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[1]), [2, 1, 1]);
        assert_eq!(integer(&[]), [2, 1, 0]);
    }
}
