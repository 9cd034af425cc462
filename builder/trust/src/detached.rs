//! Signatures that were made elsewhere: by openssl, a token or a service, each in a form of its own.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::der::{integer, tag, tlv};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::keys::{NotVerified, PublicKey, PublicKeyKind};

/// The most bytes of a file with a signature: RSA with 8192 bits in base64.
pub const LEN_MAX: usize = 4096;

/// The signature in the form of [`crate::signing::SigningKey::sign`], if the bytes are one by the key over the message: raw
/// or in base64 (as services give it), for ECDSA in DER (openssl, AWS KMS) or as the two numbers (PKCS #11).
///
/// # Errors
/// [`NotVerified`] where they are none in any of these forms.
pub fn verified(key: &PublicKey, message: &[u8], bytes: &[u8]) -> Result<Vec<u8>, NotVerified> {
    let first = key.verify(message, bytes);
    let Err(wrong) = first else { return Ok(bytes.to_vec()) };
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = STANDARD.decode(text).ok();
    let pairs =
        [Some(bytes), decoded.as_deref()].into_iter().flatten().filter_map(|raw| pair(key.kind(), raw));
    let candidates: Vec<Vec<u8>> = decoded.clone().into_iter().chain(pairs).collect();
    candidates.into_iter().find(|candidate| key.verify(message, candidate).is_ok()).ok_or(wrong)
}

/// Two numbers of the same length as an `Ecdsa-Sig-Value`.
fn pair(kind: PublicKeyKind, raw: &[u8]) -> Option<Vec<u8>> {
    let half = match kind {
        PublicKeyKind::EcdsaP256 => 32,
        PublicKeyKind::EcdsaP384 => 48,
        _ => return None,
    };
    let (r, s) = raw.split_at_checked(half).filter(|(_, s)| s.len() == half)?;
    let number = |bytes: &[u8]| integer(crate::wire::without_zeros(bytes));
    Some(tlv(tag::SEQUENCE, &[&number(r), &number(s)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::SigningKey as _;
    use crate::test_keys;

    #[test]
    fn each_form_of_a_signature_is_taken_and_others_are_not() {
        for key in test_keys::all() {
            let public = key.public();
            let signature = key.sign(b"message").unwrap();
            let base64 = STANDARD.encode(&signature);
            let lines: Vec<_> = base64.as_bytes().chunks(64).collect();
            for form in [signature.clone(), base64.clone().into_bytes(), lines.join(&b'\n')] {
                assert_eq!(verified(public, b"message", &form).unwrap(), signature);
                assert!(verified(public, b"massage", &form).is_err());
            }
            assert!(verified(public, b"message", b"").is_err());
            let half = match public.kind() {
                PublicKeyKind::EcdsaP256 => 32,
                PublicKeyKind::EcdsaP384 => 48,
                _ => continue,
            };
            let raw = match half {
                32 => p256::ecdsa::Signature::from_der(&signature).unwrap().to_bytes().to_vec(),
                _ => p384::ecdsa::Signature::from_der(&signature).unwrap().to_bytes().to_vec(),
            };
            assert_eq!(raw.len(), 2 * half);
            assert_eq!(verified(public, b"message", &raw).unwrap(), signature);
            let base64 = STANDARD.encode(&raw).into_bytes();
            assert_eq!(verified(public, b"message", &base64).unwrap(), signature);
        }
    }
}
