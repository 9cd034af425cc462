//! Keys on P-384 that follow from the secret of a folder, so that none is stored: the same name gives the same key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{DerSignature, Signature, SigningKey};
use sha2::Sha384;

/// A private key.
pub(super) struct PrivateKey(SigningKey);

impl PrivateKey {
    /// The key of a name.
    pub(super) fn derive(secret: &[u8; 32], name: &str) -> Self {
        // One number in 2^190 is no key: the order of the curve is that near to a power of two.
        let keys = (0_u8..=255).filter_map(|attempt| {
            let mut mac = Hmac::<Sha384>::new_from_slice(secret).expect("a key of any length");
            mac.update(b"amiforge attestation key\0");
            mac.update(&[attempt]);
            mac.update(name.as_bytes());
            SigningKey::from_slice(&mac.finalize().into_bytes()).ok()
        });
        Self(keys.into_iter().next().expect("one of 256 numbers is a key"))
    }

    /// The public point, uncompressed (SEC 1, 2.3.3).
    pub(super) fn public_point(&self) -> Vec<u8> {
        self.0.verifying_key().to_encoded_point(false).as_bytes().to_vec()
    }

    /// A signature with SHA-384 as certificates have it: DER. The same message gives the same one (RFC 6979).
    pub(super) fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.0.sign(message);
        signature.as_bytes().to_vec()
    }

    /// A signature with SHA-384 as COSE has it: two numbers of 48 bytes (RFC 9053, 2.1).
    pub(super) fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_bytes().to_vec()
    }
}
