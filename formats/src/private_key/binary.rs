//! Identifies keys in binary formats from the first bytes of a file and its length.

use super::kind::KeyKind;

/// Tags of DER (X.690, 8.1.2).
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// `pkcs-5` and `pkcs-12PbeIds`, the schemes that encrypt keys (RFC 8018, RFC 7292).
const PKCS5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05];
const PKCS12_PBE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01];

/// `keyBag` and `pkcs8ShroudedKeyBag` (RFC 7292, 4.2), encoded in DER.
const KEY_BAGS: [&[u8]; 2] = [
    &[0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x01],
    &[0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02],
];

/// Ids of the public-key algorithms of OpenPGP (RFC 9580, 9.1).
const PGP_ALGORITHMS: [u8; 12] = [1, 2, 3, 16, 17, 18, 19, 22, 25, 26, 27, 28];

/// The kind of key that a file of `len` bytes starts with; `head` is the file, or its first 4 or 64 KiB.
pub fn identify_binary(head: &[u8], len: u64) -> Option<KeyKind> {
    der(head, len).or_else(|| open_pgp(head)).or_else(|| java(head)).or_else(|| keytab(head, len))
}

/// An element of DER: its tag, its content as far as the bytes reach, its length, and the bytes after it.
struct DerElement<'a> {
    tag: u8,
    content: &'a [u8],
    len: u64,
    rest: &'a [u8],
}

fn parse_element(bytes: &[u8]) -> Option<DerElement<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (u64::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |len, octet| len << 8 | u64::from(*octet)), rest)
        }
        _ => return None,
    };
    let available = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
    let (content, rest) = rest.split_at(available);
    Some(DerElement { tag, content, len, rest })
}

/// The first elements of a sequence, at most `limit`, as far as the bytes reach.
fn parse_elements(mut bytes: &[u8], limit: usize) -> Vec<DerElement<'_>> {
    let mut all = Vec::new();
    while all.len() < limit
        && let Some(element) = parse_element(bytes)
    {
        bytes = element.rest;
        all.push(element);
    }
    all
}

fn der(head: &[u8], len: u64) -> Option<KeyKind> {
    let whole = parse_element(head)?;
    let header = (head.len() - whole.content.len() - whole.rest.len()) as u64;
    // The file is this one element.
    if whole.tag != SEQUENCE || header + whole.len != len {
        return None;
    }
    let parts = parse_elements(whole.content, 9);
    let tags: Vec<u8> = parts.iter().map(|part| part.tag).collect();
    let version = parts.first().filter(|part| part.tag == INTEGER && part.len == 1);
    let version = version.and_then(|part| part.content.first().copied());
    let begins_with = |part: &DerElement<'_>, ids: &[&[u8]]| {
        parse_element(part.content)
            .is_some_and(|id| id.tag == OID && ids.iter().any(|prefix| id.content.starts_with(prefix)))
    };
    match (version, tags.as_slice()) {
        // PrivateKeyInfo: version, algorithm, key.
        (Some(0 | 1), [INTEGER, SEQUENCE, OCTETS, ..]) if begins_with(&parts[1], &[b""]) => {
            Some(KeyKind::Plain)
        }
        // RSAPrivateKey has nine integers, a DSA key six; a modulus or prime has at least 512 bits.
        (Some(0 | 1), [INTEGER, INTEGER, INTEGER, INTEGER, rest @ ..])
            if rest.iter().all(|tag| *tag == INTEGER) && parts[1].len >= 64 =>
        {
            Some(KeyKind::Plain)
        }
        // ECPrivateKey: version, key, and the curve or the public key.
        (Some(1), [INTEGER, OCTETS, rest @ ..])
            if (16..=80).contains(&parts[1].len) && rest.iter().all(|tag| [0xa0, 0xa1].contains(tag)) =>
        {
            Some(KeyKind::Plain)
        }
        // EncryptedPrivateKeyInfo: scheme, encrypted key.
        (None, [SEQUENCE, OCTETS]) if begins_with(&parts[0], &[PKCS5, PKCS12_PBE]) => {
            Some(KeyKind::Encrypted)
        }
        // PFX: one with certificates only is a trust store.
        (Some(3), [INTEGER, SEQUENCE, ..]) => {
            let contains = |bag: &[u8]| head.windows(bag.len()).any(|window| window == bag);
            KEY_BAGS.iter().any(|bag| contains(bag)).then_some(KeyKind::Pkcs12)
        }
        _ => None,
    }
}

/// A packet of a secret key or subkey: its header, the version of the key, a time from September 1989 on, and an algorithm.
fn open_pgp(head: &[u8]) -> Option<KeyKind> {
    let (&first, rest) = head.split_first()?;
    let (&one, _) = rest.split_first()?;
    let after = match first {
        0x94 | 0x9c => 1,
        0x95 | 0x9d => 2,
        0x96 | 0x9e => 4,
        0xc5 | 0xc7 => match one {
            0..=191 => 1,
            192..=223 => 2,
            255 => 5,
            _ => return None,
        },
        _ => return None,
    };
    let [version, time @ .., algorithm] = rest.get(after..)?.first_chunk::<6>()?;
    let known = (3..=6).contains(version) && PGP_ALGORITHMS.contains(algorithm) && time[0] >= 0x25;
    known.then_some(KeyKind::OpenPgp)
}

/// A key store of Java whose first entry is a key; a store of certificates is public.
fn java(head: &[u8]) -> Option<KeyKind> {
    let magic = [&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], &[0xce, 0xce, 0xce, 0xce, 0, 0, 0, 2_u8]];
    let rest = magic.iter().find_map(|magic| head.strip_prefix(magic.as_slice()))?;
    (rest.get(4..8)? == [0, 0, 0, 1]).then_some(KeyKind::JavaKeyStore)
}

/// A keytab of version 2 (`krb5/src/lib/krb5/keytab/kt_file.c`): the first entry's length, number of names, and realm.
fn keytab(head: &[u8], len: u64) -> Option<KeyKind> {
    let rest = head.strip_prefix(&[5, 2])?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let (names, rest) = rest.split_first_chunk::<2>()?;
    let (realm, rest) = rest.split_first_chunk::<2>()?;
    let (size, names) = (u64::from(u32::from_be_bytes(*size)), u16::from_be_bytes(*names));
    let realm = rest.get(..usize::from(u16::from_be_bytes(*realm)))?;
    let valid = (16..=len.saturating_sub(6)).contains(&size) && (1..=8).contains(&names);
    (valid && !realm.is_empty() && realm.iter().all(u8::is_ascii_graphic)).then_some(KeyKind::Keytab)
}
