//! The check of a signature against the enrolled certificates, as EDK2's `DxeImageVerificationLib` makes it: the entries of
//! `dbx` first, then those of `db` in their order, of which the first that the signature leads to is the authority. It is
//! the one that firmware measures into PCR 7.
//!
//! As firmware does, it ignores the validity of certificates and what their keys are for, except that a key that signs a
//! certificate has to be an authority.

use amiforge_formats::der::{Certificate, Hash, PublicKey, SignatureAlgorithm};
use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use amiforge_formats::uefi_vars::SignatureKind;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents,
};

use super::SecureBootKeys;

/// The most certificates between a signer and an entry of `db`.
const DEPTH_MAX: usize = 8;

/// What an entry of `dbx` revokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForbiddenBy {
    /// The image itself, by its digest.
    Image,
    /// A certificate, by its name.
    Certificate(String),
}

/// Why firmware would not start an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureRefused {
    /// The key of the certificate did not make the signature.
    #[error("the signature is not one of `{signer}` over these bytes")]
    Signature {
        /// Name of the certificate.
        signer: String,
    },
    /// The certificate has another kind of key.
    #[error("the certificate `{signer}` has no RSA key, and firmware verifies with no other")]
    Key {
        /// Name of the certificate.
        signer: String,
    },
    /// An entry of `dbx` forbids it.
    #[error("dbx revokes {}", match by {
        ForbiddenBy::Image => "the image by its digest".to_owned(),
        ForbiddenBy::Certificate(name) => format!("the certificate `{name}`"),
    })]
    Revoked {
        /// What the entry revokes.
        by: ForbiddenBy,
    },
    /// No entry of `db` allows it.
    #[error("the certificate `{signer}` is neither in db nor signed by an authority in db, which has {db}")]
    NotTrusted {
        /// Name of the certificate.
        signer: String,
        /// Names of the certificates in `db`.
        db: String,
    },
}

/// The entry of `db`, with its owner, by which firmware starts an image with this SHA-256 Authenticode digest that `signer`
/// signed. `others` are certificates that come with the signature. The signature itself is not looked at.
///
/// # Errors
/// [`SignatureRefused::Revoked`], [`SignatureRefused::NotTrusted`].
pub fn authority<'k>(
    keys: &'k SecureBootKeys,
    authenticode: &Digest,
    signer: &Certificate,
    others: &[Certificate],
) -> Result<&'k (Guid, Certificate), SignatureRefused> {
    if let Some(by) = forbidden(keys, authenticode, signer, others) {
        return Err(SignatureRefused::Revoked { by });
    }
    let entry = keys.db.iter().find(|(_, entry)| leads_to(signer, entry, others, DEPTH_MAX));
    entry.ok_or_else(|| SignatureRefused::NotTrusted { signer: signer.name(), db: keys.db_names() })
}

/// The first entry of `dbx` that forbids an image.
fn forbidden(
    keys: &SecureBootKeys,
    authenticode: &Digest,
    signer: &Certificate,
    others: &[Certificate],
) -> Option<ForbiddenBy> {
    let chain = || std::iter::once(signer).chain(others);
    let entries =
        keys.enrolment.dbx.iter().flat_map(|list| list.entries.iter().map(|one| (list.kind, &one.1)));
    for (kind, value) in entries {
        match kind {
            SignatureKind::Sha256 if *value == authenticode.0 => return Some(ForbiddenBy::Image),
            SignatureKind::X509 => {
                let revoked = Certificate::parse(value).ok();
                if let Some(revoked) = revoked.filter(|one| leads_to(signer, one, others, DEPTH_MAX)) {
                    return Some(ForbiddenBy::Certificate(revoked.name()));
                }
            }
            // The time of the revocation does not matter: a signature here has no time of its own.
            SignatureKind::X509Sha256 => {
                let revoked = chain().find(|one| value.starts_with(&Digest::of(&one.signed).0));
                if let Some(revoked) = revoked {
                    return Some(ForbiddenBy::Certificate(revoked.name()));
                }
            }
            SignatureKind::Sha256 | SignatureKind::Other(_) => {}
        }
    }
    None
}

/// Whether a certificate is `entry`, or signed by it, or by one of `others` that leads to it.
fn leads_to(certificate: &Certificate, entry: &Certificate, others: &[Certificate], depth: usize) -> bool {
    if certificate.der == entry.der || is_signed_by(certificate, entry) {
        return true;
    }
    let above = others.iter().filter(|one| one.der != certificate.der && is_signed_by(certificate, one));
    depth > 0 && above.into_iter().any(|one| leads_to(one, entry, others, depth - 1))
}

/// Whether an authority signed a certificate.
fn is_signed_by(certificate: &Certificate, authority: &Certificate) -> bool {
    let SignatureAlgorithm::RsaPkcs1(hash) = certificate.algorithm else { return false };
    let parameters = match hash {
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    };
    let may_sign = authority.authority == Some(true)
        && authority.unknown_critical.is_none()
        && authority.usage.is_none_or(|usage| usage.certificate_signing);
    may_sign
        && certificate.issuer == authority.subject
        && verify(parameters, authority, &certificate.signed, &certificate.signature) == Some(true)
}

/// Checks a signature (RSASSA-PKCS1-v1_5 with SHA-256) of the key of a certificate.
///
/// # Errors
/// [`SignatureRefused::Signature`], [`SignatureRefused::Key`].
pub fn verify_rsa_sha256(
    certificate: &Certificate,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureRefused> {
    let signer = certificate.name();
    match verify(&RSA_PKCS1_2048_8192_SHA256, certificate, message, signature) {
        Some(true) => Ok(()),
        Some(false) => Err(SignatureRefused::Signature { signer }),
        None => Err(SignatureRefused::Key { signer }),
    }
}

/// Whether a signature is that of a certificate's key; none where that is no RSA key.
fn verify(
    parameters: &RsaParameters,
    certificate: &Certificate,
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let PublicKey::Rsa(key) = &certificate.key else { return None };
    let key = RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent };
    Some(key.verify(parameters, message, signature).is_ok())
}
