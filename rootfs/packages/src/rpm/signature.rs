//! Signatures of packages: OpenPGP signatures of the header, which is what rpm signs today (rpm, `docs/manual/
//! signatures_digests.md`, `format_v4.md`, `format_v6.md`). The header has digests of the payload and of every file, so a
//! good header makes a good package; the signatures of rpm 3 over header and payload are ignored.
//!
//! Keys count as in [`crate::signature`]. Signatures of others on a key are not looked at. A key's own signature on itself,
//! which says only until when it is good and what its subkeys are for, may be by SHA-1, as on the keys of `CentOS` 9 and
//! openSUSE: keys are good because the recipe names them, not because they say so. A signature of a *package* by SHA-1 is
//! refused.

use amiforge_formats::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::file::head::{self, RpmHeadError};
use super::file::{has_file_digests, has_payload_digest};
use super::header::{RpmHeader, RpmHeaderError, tag};
use crate::signature::{Keyring, SignatureError, verify_detached};

/// Why the signature of a package is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmSignatureError {
    /// What precedes the payload is damaged.
    #[error(transparent)]
    Head(#[from] RpmHeadError),
    /// The header has no region that could be signed.
    #[error("reading its header")]
    Header(#[from] RpmHeaderError),
    /// No signature of the header.
    #[error(
        "its header is not signed; a package that is to be trusted by a key needs a signature of its header (rpm 4 and later make one)"
    )]
    Unsigned,
    /// None of its signatures counts.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// A header whose signature was checked.
#[derive(Debug, Clone)]
pub struct VerifiedHeader {
    /// The header with signatures and digests.
    pub signatures: RpmHeader,
    /// The header.
    pub header: RpmHeader,
    /// SHA-256 of the header: of all that signatures cover. It stays the same when a package is signed anew.
    pub sha256: Digest,
    /// Fingerprint of the primary key that signed it, in upper-case hexadecimal; none where no key was asked for.
    pub signer: Option<String>,
}

impl VerifiedHeader {
    /// Whether the header holds the contents of the package by digests that cannot be forged: of the payload, or of every
    /// file. Packages that rpm before 4.14 built may have neither; only the digest of the whole file holds their contents.
    pub fn holds_contents(&self) -> bool {
        has_payload_digest(&self.header) || has_file_digests(&self.header).unwrap_or(false)
    }
}

/// Checks a package by its first bytes alone, all up to the end of the header: `header_range` of the repository's metadata
/// says where that is ([`crate::rpm::available::AvailablePackage::header_range`]), and the bytes needed begin at 0, for the
/// signatures precede the range. More bytes do no harm. `at` is the time to check at, in seconds since 1970.
///
/// # Errors
/// [`RpmSignatureError`].
pub fn verify_range(
    bytes: &[u8],
    keyrings: &[Keyring],
    at: i64,
) -> Result<VerifiedHeader, RpmSignatureError> {
    let mut input = bytes;
    let head = head::read(&mut input, bytes.len() as u64, &mut Vec::new())?;
    let signer = verify_header(&head.signatures, &head.header, keyrings, at)?;
    let head::RpmFileHead { signatures, header, sha256, .. } = head;
    Ok(VerifiedHeader { signatures, header, sha256, signer })
}

/// Checks the signatures of a header: at least one must be by a key of a keyring, and none that is by such a key may be wrong.
/// Returns the fingerprint of its primary key in upper-case hexadecimal; none where there is no keyring, when nothing is
/// checked. `at` is the time to check at, in seconds since 1970.
///
/// # Errors
/// [`RpmSignatureError`].
pub fn verify_header(
    signatures: &RpmHeader,
    header: &RpmHeader,
    keyrings: &[Keyring],
    at: i64,
) -> Result<Option<String>, RpmSignatureError> {
    if keyrings.is_empty() {
        return Ok(None);
    }
    let region = header.region(tag::HEADERIMMUTABLE)?;
    let binary = [tag::RSAHEADER, tag::DSAHEADER].into_iter().filter_map(|tag| signatures.binary(tag));
    let mut packets: Vec<Vec<u8>> = binary.map(<[u8]>::to_vec).collect();
    for text in signatures.texts(tag::OPENPGP) {
        let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        // One that does not decode is none; another may be good.
        packets.extend(STANDARD.decode(text).ok());
    }
    if packets.is_empty() {
        return Err(RpmSignatureError::Unsigned);
    }
    let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    Ok(Some(verify_detached(&region, &packets, keyrings, at)?))
}
