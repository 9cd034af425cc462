//! Keys that sign. What a key is follows from the secret of the folder and the id of the key, so none is stored.

use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use sha2::{Digest as _, Sha256, Sha384};

use super::sealed::derive;
use crate::attestation::der;

/// `id-ecPublicKey` (RFC 5480), as the content of its encoding.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const SECP384R1: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];

/// A curve whose keys sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SigningCurve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

/// A private key.
pub(super) enum KmsSigningKey {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
}

impl SigningCurve {
    /// The curve of a key spec.
    pub(super) fn of_spec(spec: &str) -> Option<Self> {
        match spec {
            "ECC_NIST_P256" => Some(Self::P256),
            "ECC_NIST_P384" => Some(Self::P384),
            _ => None,
        }
    }

    /// The one signing algorithm of its keys.
    pub(super) fn algorithm(self) -> &'static str {
        match self {
            Self::P256 => "ECDSA_SHA_256",
            Self::P384 => "ECDSA_SHA_384",
        }
    }

    /// Bytes of a digest.
    pub(super) fn digest_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    /// The digest of a message.
    pub(super) fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256 => Sha256::digest(message).to_vec(),
            Self::P384 => Sha384::digest(message).to_vec(),
        }
    }
}

impl KmsSigningKey {
    /// The private key of a key of the region.
    pub(super) fn derive(secret: &[u8; 32], id: &str, curve: SigningCurve) -> Self {
        // A number that is no private key is one in 2^32 and less: the next counter gives another.
        for counter in 0_u32.. {
            let half = |part: u8| derive(secret, id, &format!("sign {counter} {part}"));
            let mut number = [half(0), half(1)].concat();
            number.truncate(curve.digest_len());
            let key = match curve {
                SigningCurve::P256 => p256::ecdsa::SigningKey::from_slice(&number).map(Self::P256),
                SigningCurve::P384 => p384::ecdsa::SigningKey::from_slice(&number).map(Self::P384),
            };
            if let Ok(key) = key {
                return key;
            }
        }
        unreachable!("some counter gives a private key")
    }

    /// The public half: `SubjectPublicKeyInfo` (RFC 5480, section 2) in DER.
    pub(super) fn public(&self) -> Vec<u8> {
        let (curve, point) = match self {
            Self::P256(key) => (SECP256R1, key.verifying_key().to_encoded_point(false).as_bytes().to_vec()),
            Self::P384(key) => (SECP384R1, key.verifying_key().to_encoded_point(false).as_bytes().to_vec()),
        };
        der::sequence(&[der::sequence(&[der::oid(EC_PUBLIC_KEY), der::oid(curve)]), der::bits(&point)])
    }

    /// The signature of a digest, in DER; nothing for a digest that is too short.
    pub(super) fn sign(&self, digest: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier as _;

    use super::*;

    #[test]
    fn a_key_follows_from_the_secret_and_its_id() {
        let key = |secret: u8, id: &str, curve| KmsSigningKey::derive(&[secret; 32], id, curve).public();
        for curve in [SigningCurve::P256, SigningCurve::P384] {
            let first = key(1, "a", curve);
            assert_eq!(first, key(1, "a", curve));
            assert!(first != key(1, "b", curve) && first != key(2, "a", curve));
        }
        let KmsSigningKey::P256(key) = KmsSigningKey::derive(&[1; 32], "a", SigningCurve::P256) else {
            panic!()
        };
        let signature =
            KmsSigningKey::P256(key.clone()).sign(&SigningCurve::P256.digest(b"message")).unwrap();
        let signature = p256::ecdsa::Signature::from_der(&signature).unwrap();
        key.verifying_key().verify(b"message", &signature).unwrap();
        assert_eq!(KmsSigningKey::P256(key).sign(&[1; 8]), None);
    }
}
