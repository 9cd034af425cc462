//! Signature lists: `EFI_SIGNATURE_LIST` (UEFI 2.10, section 32.4.1).
//!
//! A variable holds one list after another. Each list says its own length, and every entry of a list has the same length, so
//! certificates of different lengths need a list each. The reader never looks past the length that a list gives for itself.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::UefiVarsError;
use crate::fields;
use crate::guid::Guid;

/// Bytes of a list before its entries.
const HEADER: usize = 28;

/// Bytes of an entry before its value: the GUID of its owner.
const OWNER: usize = 16;

/// The most bytes of lists that are read: more than a store of any firmware holds.
const LISTS_MAX: usize = 1 << 20;

/// What the entries of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// `EFI_CERT_X509_GUID`: certificates in DER.
    X509,
    /// `EFI_CERT_SHA256_GUID`: SHA-256 Authenticode digests of images.
    Sha256,
    /// `EFI_CERT_X509_SHA256_GUID`: the SHA-256 of a certificate's part that is signed, then 16 bytes of the time of its
    /// revocation.
    X509Sha256,
    /// Another kind, by its GUID.
    Other(Guid),
}

impl SignatureKind {
    const X509_GUID: Guid = Guid::from_u128(0xa5c0_59a1_94e4_4aa7_87b5_ab15_5c2b_f072);
    const SHA256_GUID: Guid = Guid::from_u128(0xc1c4_1626_504c_4092_aca9_41f9_3693_4328);
    const X509_SHA256_GUID: Guid = Guid::from_u128(0x3bd2_a492_96c0_4079_b420_fcf9_8ef1_03ed);

    /// Its GUID in a list.
    pub fn guid(self) -> Guid {
        match self {
            Self::X509 => Self::X509_GUID,
            Self::Sha256 => Self::SHA256_GUID,
            Self::X509Sha256 => Self::X509_SHA256_GUID,
            Self::Other(guid) => guid,
        }
    }

    fn of(guid: Guid) -> Self {
        match guid {
            Self::X509_GUID => Self::X509,
            Self::SHA256_GUID => Self::Sha256,
            Self::X509_SHA256_GUID => Self::X509Sha256,
            other => Self::Other(other),
        }
    }

    /// Bytes of an entry without its owner, where the kind fixes them.
    fn value_len(self) -> Option<usize> {
        match self {
            Self::Sha256 => Some(32),
            Self::X509Sha256 => Some(48),
            Self::X509 | Self::Other(_) => None,
        }
    }
}

/// A list of signatures of one kind and one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureList {
    /// What its entries are.
    pub kind: SignatureKind,
    /// Its entries: owner and value, all values of one length.
    pub entries: Vec<(Guid, Vec<u8>)>,
}

impl SignatureList {
    /// A list with one certificate in DER.
    pub fn certificate(owner: Guid, der: &[u8]) -> Self {
        Self { kind: SignatureKind::X509, entries: vec![(owner, der.to_vec())] }
    }
}

/// The bytes of lists, one after another. Values of other lengths than the first of their list are left out.
#[expect(clippy::arithmetic_side_effects, reason = "lengths of values that are in memory")]
pub fn write_signature_lists(lists: &[SignatureList]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for list in lists {
        let len = list.entries.first().map_or(0, |(_, value)| value.len());
        let entries = || list.entries.iter().filter(|(_, value)| value.len() == len);
        let size = (OWNER + len) as u32;
        bytes.extend(list.kind.guid().to_bytes_le());
        bytes.extend((HEADER as u32 + size * entries().count() as u32).to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        for (owner, value) in entries() {
            bytes.extend(owner.to_bytes_le());
            bytes.extend(value);
        }
    }
    bytes
}

/// Reads lists up to the end of the bytes.
///
/// # Errors
/// [`UefiVarsError`] where a list is longer than what is left, its entries do not fill it exactly, or have a length that
/// their kind does not have.
pub fn parse_signature_lists(bytes: &[u8]) -> Result<Vec<SignatureList>, UefiVarsError> {
    let len = bytes.len() as u64;
    if bytes.len() > LISTS_MAX {
        return Err(outside("the signature lists", 0, len, "what is read of them", LISTS_MAX as u64));
    }
    let mut lists = Vec::new();
    let mut at = 0_usize;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let offset = at as u64;
        if rest.len() < HEADER {
            let end = offset.saturating_add(HEADER as u64);
            return Err(outside("the header of a signature list", offset, end, "the variable", len));
        }
        let size = fields::u32(rest, 16) as usize;
        if size > rest.len() {
            let end = offset.saturating_add(size as u64);
            return Err(outside("a signature list", offset, end, "the variable", len));
        }
        if size < HEADER {
            return Err(field("length of a signature list", at, 16, size, "at least 28"));
        }
        lists.push(list(rest.get(..size).unwrap_or_default(), at)?);
        at = at.saturating_add(size);
    }
    Ok(lists)
}

/// The list in exactly these bytes, which begin at byte `at` of the variable.
fn list(bytes: &[u8], at: usize) -> Result<SignatureList, UefiVarsError> {
    let kind = SignatureKind::of(Guid::from_bytes_le(fields::array(bytes, 0)));
    let header = fields::u32(bytes, 20) as usize;
    let size = fields::u32(bytes, 24) as usize;
    // No kind of entry that is defined has a header.
    if header != 0 {
        return Err(field("length of a signature list's own header", at, 20, header, "0"));
    }
    if size <= OWNER {
        return Err(field("length of a signature", at, 24, size, "more than its owner's 16 bytes"));
    }
    if kind.value_len().is_some_and(|len| len.saturating_add(OWNER) != size) {
        return Err(field("length of a signature", at, 24, size, "that of its kind"));
    }
    let entries = bytes.get(HEADER..).unwrap_or_default();
    if entries.is_empty() || !entries.len().is_multiple_of(size) {
        let rule = "a whole number of signatures, at least one";
        return Err(field("length of a signature list", at, 16, bytes.len(), rule));
    }
    let entries = entries.chunks_exact(size).map(|entry| {
        let owner = Guid::from_bytes_le(fields::array(entry, 0));
        (owner, entry.get(OWNER..).unwrap_or_default().to_vec())
    });
    Ok(SignatureList { kind, entries: entries.collect() })
}

fn field(field: &'static str, list: usize, within: usize, found: usize, rule: &'static str) -> UefiVarsError {
    let at = list.saturating_add(within) as u64;
    UefiVarsError::Field { field, at, found: found as u64, rule }
}

fn outside(what: &'static str, at: u64, end: u64, within: &'static str, len: u64) -> UefiVarsError {
    UefiVarsError::Outside { what, at, end, within, len }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use super::*;

    const OWNER_GUID: Guid = Guid::from_u128(7);

    fn sample() -> Vec<u8> {
        let hashes = vec![(OWNER_GUID, vec![1; 32]), (OWNER_GUID, vec![2; 32])];
        write_signature_lists(&[
            SignatureList::certificate(OWNER_GUID, b"certificate"),
            SignatureList { kind: SignatureKind::Sha256, entries: hashes },
        ])
    }

    fn changed(at: usize, value: u32) -> UefiVarsError {
        let mut bytes = sample();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        parse_signature_lists(&bytes).unwrap_err()
    }

    #[test]
    fn several_lists_of_different_lengths_are_read_back() {
        let bytes = sample();
        assert_eq!(bytes.len(), 28 + 16 + 11 + 28 + 2 * 48);
        let lists = parse_signature_lists(&bytes).unwrap();
        assert_eq!(lists[0].entries, [(OWNER_GUID, b"certificate".to_vec())]);
        assert_eq!((lists[1].kind, lists[1].entries.len()), (SignatureKind::Sha256, 2));
        assert_eq!(write_signature_lists(&lists), bytes);
        assert_eq!(parse_signature_lists(&[]), Ok(Vec::new()));
    }

    #[test]
    fn a_list_never_reaches_past_its_own_length() {
        assert!(matches!(changed(16, 1000), UefiVarsError::Outside { end: 1000, len: 179, .. }));
        assert!(matches!(changed(16, 27), UefiVarsError::Field { found: 27, .. }));
        assert!(matches!(changed(16, 28), UefiVarsError::Field { found: 28, .. }));
        assert!(matches!(changed(16, 54), UefiVarsError::Field { found: 54, .. }));
        assert!(matches!(changed(20, 1), UefiVarsError::Field { at: 20, .. }));
        assert!(matches!(changed(24, 16), UefiVarsError::Field { at: 24, found: 16, .. }));
        assert!(matches!(changed(55 + 24, 96), UefiVarsError::Field { at: 79, found: 96, .. }));
        let cut = parse_signature_lists(&sample()[..80]).unwrap_err();
        assert!(matches!(cut, UefiVarsError::Outside { at: 55, end: 83, len: 80, .. }), "{cut}");
    }
}
