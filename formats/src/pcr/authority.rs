//! The entry of `db` by which firmware allows an image: firmware measures it into PCR 7.
//!
//! As EDK2 decides (`DxeImageVerificationLib`): the first certificate of `db`, in the order of its lists, on which a chain from
//! the signer ends; else an entry with the digest of the image. No signature is verified here: an image whose signature is
//! wrong is not started, and then there is no register to predict.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::{PcrError, UkiDigests};
use crate::der::Certificate;
use crate::guid::Guid;
use crate::uefi_vars::{SignatureKind, parse_signature_lists};

/// The entry, as a list holds it: its owner's 16 bytes, then the certificate or the digest.
///
/// `certificates` are those that come with the signature, the signer's first. Without any, the image is taken to be signed
/// later by the one certificate that `db` holds, or allowed by its digest.
///
/// # Errors
/// [`PcrError::NoAuthority`], [`PcrError::Undecided`], [`PcrError::Database`].
pub fn authority(db: &[u8], certificates: &[Certificate], image: &UkiDigests) -> Result<Vec<u8>, PcrError> {
    let lists = parse_signature_lists(db).map_err(|source| PcrError::Database { variable: "db", source })?;
    let all = |kind| {
        let lists = lists.iter().filter(move |list| list.kind == kind);
        lists.flat_map(|list| list.entries.iter())
    };
    let digest = all(SignatureKind::Sha256).find(|(_, value)| *value == image.image.sha256);
    let by_certificate = match certificates {
        [] if digest.is_some() => None,
        [] => only(all(SignatureKind::X509))?,
        chain => anchor(all(SignatureKind::X509), chain)?,
    };
    by_certificate.or(digest).map(entry).ok_or(PcrError::NoAuthority)
}

/// An entry of a list: owner and value.
type DbEntry = (Guid, Vec<u8>);

fn entry((owner, value): &DbEntry) -> Vec<u8> {
    [owner.to_bytes_le().as_slice(), value].concat()
}

/// The only certificate, by whichever key of its own or below it the image will be signed.
fn only<'a>(mut entries: impl Iterator<Item = &'a DbEntry>) -> Result<Option<&'a DbEntry>, PcrError> {
    let first = entries.next();
    match entries.count() {
        0 => Ok(first),
        more => Err(PcrError::Undecided { certificates: more.saturating_add(1) }),
    }
}

/// The first certificate that ends a chain: one of those of the signature, or the issuer of one of them.
fn anchor<'a>(
    entries: impl Iterator<Item = &'a DbEntry>,
    certificates: &[Certificate],
) -> Result<Option<&'a DbEntry>, PcrError> {
    let chain = chain(certificates);
    let mut found: Option<(&DbEntry, Certificate)> = None;
    for entry in entries {
        // Firmware passes over what it cannot read.
        let Ok(trusted) = Certificate::parse(&entry.1) else { continue };
        let same = chain.iter().any(|one| one.der == trusted.der);
        let issuer = chain.iter().any(|one| one.issuer == trusted.subject);
        if !same && !issuer {
            continue;
        }
        match &found {
            None if same => return Ok(Some(entry)),
            None => found = Some((entry, trusted)),
            // Of two issuers of one name only the arithmetic says which one it is.
            Some((_, first)) if first.subject == trusted.subject && first.key_info != trusted.key_info => {
                return Err(PcrError::Undecided { certificates: 2 });
            }
            Some(_) => {}
        }
    }
    Ok(found.map(|(entry, _)| entry))
}

/// The signer's certificate, and from it on those that each issued the one before.
fn chain(certificates: &[Certificate]) -> Vec<&Certificate> {
    let mut chain: Vec<&Certificate> = certificates.first().into_iter().collect();
    while let Some(last) = chain.last() {
        let next = certificates.iter().find(|one| one.subject == last.issuer && !chain.contains(one));
        match next {
            Some(next) => chain.push(next),
            None => break,
        }
    }
    chain
}
