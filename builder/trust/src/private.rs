//! Private keys in files: `openssh-key-v1` (OpenSSH `PROTOCOL.key`), PKCS#8 (RFC 5958), SEC 1 (RFC 5915) and PKCS#1 (RFC 8017),
//! none of them encrypted.
//!
//! The same key and message give the same signature: Ed25519 and RSA by definition, ECDSA by RFC 6979.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod read;

use std::fmt;
use std::path::{Path, PathBuf};

use p256::ecdsa::signature::Signer as _;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};

use crate::keys::PublicKey;
use crate::signing::{SignerError, SigningKey};

/// The most bytes of a file with a key.
const LEN_MAX: usize = 64 << 10;

/// A private key that was read from a file.
pub struct PrivateKeyFile {
    path: PathBuf,
    secret: PrivateNumbers,
    public: PublicKey,
}

/// What signs.
enum PrivateNumbers {
    Ed25519(Box<Ed25519KeyPair>),
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for PrivateKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?})", self.public)
    }
}

/// Why bytes are no private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyRefusal {
    NotAKey,
    Encrypted,
    OnToken,
}

impl PrivateKeyFile {
    /// Reads the key in a file.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn open(path: &Path) -> Result<Self, SignerError> {
        let failed = |source| SignerError::Read { path: path.to_owned(), source };
        let bytes = amiforge_progress::regular::read(path).map_err(failed)?;
        Self::parse(&bytes, path)
    }

    /// Reads a key; the path is for messages.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, SignerError> {
        let parsed = if bytes.len() > LEN_MAX { Err(KeyRefusal::NotAKey) } else { read::parse(bytes) };
        let path = path.to_owned();
        match parsed {
            Ok((secret, public)) => Ok(Self { path, secret, public }),
            Err(KeyRefusal::NotAKey) => Err(SignerError::NotAPrivateKey { path }),
            Err(KeyRefusal::Encrypted) => Err(SignerError::Encrypted { path }),
            Err(KeyRefusal::OnToken) => Err(SignerError::OnToken { path }),
        }
    }
}

impl SigningKey for PrivateKeyFile {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let failed = || SignerError::Sign { path: self.path.clone() };
        match &self.secret {
            PrivateNumbers::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            PrivateNumbers::P256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(|_| failed())?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            PrivateNumbers::P384(key) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).map_err(|_| failed())?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            PrivateNumbers::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                // Random numbers blind the computation against an observer of its time; the result does not depend on them.
                let signed = key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                signed.map(|()| signature).map_err(|_| failed())
            }
        }
    }
}

#[cfg(test)]
mod tests;
