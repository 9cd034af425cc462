//! The hash of a certificate's subject that OpenSSL looks certificates up by. Knows nothing of trees.
//!
//! X.509 (RFC 5280) in DER (X.690); OpenSSL's canonical form: texts as UTF-8, in lower case, spaces run together.

use sha1::{Digest, Sha1};

use crate::configure::base64;

/// The hash of the subject of the one certificate that a PEM file holds; `None` for none or several.
pub(super) fn hash(pem: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(pem);
    let mut parts = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let body = parts.next()?.split("-----END CERTIFICATE-----").next()?;
    if parts.next().is_some() {
        return None;
    }
    let digest = Sha1::digest(canonical(&base64::decoded(body)?)?);
    digest.get(..4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The tag, content and rest of the first element.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let len = rest.get(..count).filter(|_| count <= 4)?;
        let len = len.iter().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
        (len, rest.get(count..)?)
    };
    Some((tag, rest.get(..len)?, rest.get(len..)?))
}

fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let len = content.len();
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let bytes: Vec<u8> = len.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | bytes.len() as u8);
        out.extend(bytes);
    }
    out.extend_from_slice(content);
    out
}

/// The subject of a certificate in OpenSSL's canonical form: the sets of its names one after the other.
fn canonical(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    // A version comes first in all but the oldest certificates.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        rest = element(rest)?.2;
    }
    let (_, mut subject, _) = element(rest)?;
    let mut out = Vec::new();
    while let Some((_, mut set, after)) = element(subject) {
        let mut names = Vec::new();
        while let Some((_, name, others)) = element(set) {
            let (tag, oid, value) = element(name)?;
            let (kind, text, _) = element(value)?;
            let value = match utf8(kind, text) {
                Some(text) => encoded(0x0c, plain(&text).as_bytes()),
                None => encoded(kind, text),
            };
            names.push(encoded(0x30, &[encoded(tag, oid), value].concat()));
            set = others;
        }
        names.sort();
        out.extend(encoded(0x31, &names.concat()));
        subject = after;
    }
    Some(out)
}

/// The text of a string type; `None` for every other.
fn utf8(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        // UTF8String, PrintableString, IA5String, VisibleString
        0x0c | 0x13 | 0x16 | 0x1a => String::from_utf8(bytes.to_vec()).ok(),
        // T61String, which everybody means as Latin-1
        0x14 => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
        // BMPString
        0x1e => {
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// Lower case in ASCII, no spaces at the ends, runs of spaces as one.
fn plain(text: &str) -> String {
    let is_space = |letter: char| letter.is_ascii_whitespace() || letter == '\u{b}';
    let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
    words.join(" ").to_ascii_lowercase()
}
