//! Signatures that a public key verifies: bare, and in the form of SSH.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::digest::Digest;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED,
    ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

use super::{Material, PublicKey};
use crate::wire::{SshReader, WireError, without_zeros};

/// The bit of a FIDO signature's flags that says that a person touched the token (CTAP, section 6.1: `up`).
const USER_PRESENT: u8 = 0x01;

/// Why a signature is not one of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotVerified {
    /// It is one of another key, of another message, or of none.
    #[error("it is no signature of the message by this key")]
    Wrong,
    /// An algorithm that the key does not have, or that is too weak.
    #[error("its algorithm `{found}` is none of the key's")]
    Algorithm {
        /// The algorithm, printable.
        found: String,
    },
    /// The fields are not those of a signature.
    #[error("reading its fields")]
    Wire(#[from] WireError),
    /// A key on a token signed without a touch.
    #[error("the token signed without being touched")]
    NotTouched,
    /// A key on a token signs in the form of SSH alone.
    #[error("a key on a FIDO token signs in the form of SSH alone")]
    OnlySsh,
}

impl PublicKey {
    /// Verifies a bare signature: 64 bytes (Ed25519), `Ecdsa-Sig-Value` in DER with SHA-256 on P-256 and SHA-384 on P-384, or
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), NotVerified> {
        match &self.material {
            Material::Ed25519(key) => with(&ED25519, key, message, signature),
            Material::EcdsaP256(point) => with(&ECDSA_P256_SHA256_ASN1, point, message, signature),
            Material::EcdsaP384(point) => with(&ECDSA_P384_SHA384_ASN1, point, message, signature),
            Material::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                let verified = key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature);
                verified.map_err(|_| NotVerified::Wrong)
            }
            Material::SkEd25519 { .. } | Material::SkEcdsa { .. } => Err(NotVerified::OnlySsh),
        }
    }

    /// Verifies a signature in the form of SSH: its algorithm, then what the algorithm gives.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub fn verify_ssh(&self, message: &[u8], signature: &[u8]) -> Result<(), NotVerified> {
        let mut reader = SshReader::new(signature);
        let algorithm = reader.text("the algorithm")?;
        let value = reader.string("the signature")?;
        let name = self.kind().name();
        let other = || NotVerified::Algorithm { found: algorithm.to_owned() };
        if let Material::Rsa { modulus, exponent } = &self.material {
            reader.end("the signature")?;
            let hash = match algorithm {
                "rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                "rsa-sha2-512" => &RSA_PKCS1_2048_8192_SHA512,
                _ => return Err(other()),
            };
            // Some agents leave out the zeros before it.
            let value = fixed(value, modulus.len())?;
            let key = RsaPublicKeyComponents { n: modulus, e: exponent };
            return key.verify(hash, message, &value).map_err(|_| NotVerified::Wrong);
        }
        if algorithm != name {
            return Err(other());
        }
        match &self.material {
            Material::Ed25519(key) => {
                reader.end("the signature")?;
                with(&ED25519, key, message, value)
            }
            Material::EcdsaP256(point) => {
                reader.end("the signature")?;
                with(&ECDSA_P256_SHA256_FIXED, point, message, &pair(value, 32)?)
            }
            Material::EcdsaP384(point) => {
                reader.end("the signature")?;
                with(&ECDSA_P384_SHA384_FIXED, point, message, &pair(value, 48)?)
            }
            Material::SkEd25519 { key, application } => {
                let message = signed_by_token(reader, application, message)?;
                with(&ED25519, key, &message, value)
            }
            Material::SkEcdsa { point, application } => {
                let message = signed_by_token(reader, application, message)?;
                with(&ECDSA_P256_SHA256_FIXED, point, &message, &pair(value, 32)?)
            }
            Material::Rsa { .. } => Err(other()),
        }
    }
}

fn with(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), NotVerified> {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| NotVerified::Wrong)
}

/// What a token signs (OpenSSH `PROTOCOL.u2f`, section "SSH U2F signatures"): flags and counter follow the signature.
fn signed_by_token(
    mut reader: SshReader<'_>,
    application: &str,
    message: &[u8],
) -> Result<Vec<u8>, NotVerified> {
    let flags = reader.byte("the flags")?;
    let counter = reader.number("the counter")?;
    reader.end("the counter")?;
    if flags & USER_PRESENT == 0 {
        return Err(NotVerified::NotTouched);
    }
    let (application, message) = (Digest::of(application.as_bytes()), Digest::of(message));
    Ok([&application.0[..], &[flags], &counter.to_be_bytes(), &message.0].concat())
}

/// The two numbers of an ECDSA signature, each in so many bytes.
fn pair(value: &[u8], len: usize) -> Result<Vec<u8>, NotVerified> {
    let mut reader = SshReader::new(value);
    let r = reader.unsigned("r")?;
    let s = reader.unsigned("s")?;
    reader.end("s")?;
    Ok([fixed(r, len)?, fixed(s, len)?].concat())
}

/// A number in so many bytes.
fn fixed(number: &[u8], len: usize) -> Result<Vec<u8>, NotVerified> {
    let number = if number.len() > len { without_zeros(number) } else { number };
    let zeros = len.checked_sub(number.len()).ok_or(NotVerified::Wrong)?;
    Ok([&vec![0; zeros], number].concat())
}
