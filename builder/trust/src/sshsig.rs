//! SSH signatures of files (OpenSSH `PROTOCOL.sshsig`), as `ssh-keygen -Y sign` makes and `ssh-keygen -Y verify` checks them.
//!
//! A signature has a namespace, so that one that was made for another purpose is none here. Nothing is verified by reading:
//! call [`SshSignature::verify`], and look up the key in a policy.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::tree::Printable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use crate::keys::{NotVerified, PublicKey, SshKeyError};
use crate::signing::{SignerError, SigningKey};
use crate::wire::{SshReader, WireError, put_string, strings};

/// The namespace of signatures of bundles.
pub const BUNDLE: &str = "amiforge-bundle";
/// The namespace of signatures of files with inputs.
pub const INPUTS: &str = "amiforge-inputs";

/// The most bytes of a file with a signature: RSA with 8192 bits needs some 3500.
pub const LEN_MAX: usize = 16 << 10;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// Characters of a line of the armour, as ssh-keygen writes it.
const LINE: usize = 70;

/// The hash of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshHash {
    /// SHA-256.
    Sha256,
    /// SHA-512, which this program uses for all that it signs.
    Sha512,
}

impl SshHash {
    /// Its name in signatures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of a message.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        digest::digest(self.ring(), message).as_ref().to_vec()
    }

    /// The algorithm, for a message in pieces.
    pub fn ring(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// Why something is no signature, or not the one that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshsigError {
    /// It has no armour.
    #[error("it is not one block from `{BEGIN}` to `{END}`")]
    Armour,
    /// More bytes than a signature has.
    #[error("it has {len} bytes, and a signature has at most {LEN_MAX}")]
    TooLong {
        /// Bytes that it has.
        len: usize,
    },
    /// What the armour holds is no base64.
    #[error("what its armour holds is not base64")]
    Base64,
    /// What the armour holds is no signature.
    #[error("what its armour holds does not begin with `SSHSIG`")]
    Magic,
    /// A version that is not known.
    #[error("it has version {found}, and 1 is known")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The fields are not those of a signature.
    #[error("reading its fields")]
    Wire(#[from] WireError),
    /// Its key is none that is used here.
    #[error("reading its public key")]
    Key(#[source] SshKeyError),
    /// A hash that is not known.
    #[error("its hash is `{found}`, and sha256 and sha512 are known")]
    Hash {
        /// Its name, printable.
        found: String,
    },
    /// It was made for another purpose.
    #[error("it was made for `{found}`, not for `{expected}`")]
    Namespace {
        /// The namespace that it should have.
        expected: String,
        /// The one that it has, printable.
        found: String,
    },
    /// It is no signature of the message.
    #[error("checking it with the key {fingerprint}")]
    NotVerified {
        /// The key's fingerprint.
        fingerprint: String,
        /// Why.
        source: NotVerified,
    },
}

/// A signature with its public key; nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSignature {
    key: PublicKey,
    namespace: String,
    hash: SshHash,
    /// In the form of SSH.
    signature: Vec<u8>,
}

impl SshSignature {
    /// Reads an armoured signature. White space around it is allowed, as nothing else is.
    ///
    /// # Errors
    /// [`SshsigError`].
    pub fn parse(armoured: &[u8]) -> Result<Self, SshsigError> {
        if armoured.len() > LEN_MAX {
            return Err(SshsigError::TooLong { len: armoured.len() });
        }
        let text = std::str::from_utf8(armoured).map_err(|_| SshsigError::Armour)?;
        let inner = text.strip_prefix(BEGIN).and_then(|text| text.trim_end().strip_suffix(END));
        // ssh-keygen looks for the end at the start of a line.
        let inner = inner.filter(|inner| inner.ends_with('\n')).ok_or(SshsigError::Armour)?;
        let base64: String = inner.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        Self::from_blob(&STANDARD.decode(base64).map_err(|_| SshsigError::Base64)?)
    }

    /// Reads a signature without armour.
    ///
    /// # Errors
    /// [`SshsigError`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, SshsigError> {
        let mut reader = SshReader::new(blob.strip_prefix(MAGIC).ok_or(SshsigError::Magic)?);
        match reader.number("the version")? {
            VERSION => {}
            found => return Err(SshsigError::Version { found }),
        }
        let key = PublicKey::from_blob(reader.string("the public key")?).map_err(SshsigError::Key)?;
        let namespace = reader.text("the namespace")?.to_owned();
        // "Reserved" is ignored where it is not empty, and the signature covers an empty one.
        reader.string("the reserved field")?;
        let hash = match reader.string("the hash")? {
            b"sha256" => SshHash::Sha256,
            b"sha512" => SshHash::Sha512,
            found => return Err(SshsigError::Hash { found: Printable(found).to_string() }),
        };
        let signature = reader.string("the signature")?.to_vec();
        reader.end("the signature")?;
        Ok(Self { key, namespace, hash, signature })
    }

    /// The key that it says it was made with.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What it says it was made for.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The hash of the message.
    pub fn hash(&self) -> SshHash {
        self.hash
    }

    /// Verifies it: made for this namespace, by its own key, over this message. Whose key that is, a policy says.
    ///
    /// # Errors
    /// [`SshsigError::Namespace`], [`SshsigError::NotVerified`].
    pub fn verify(&self, namespace: &str, message: &[u8]) -> Result<(), SshsigError> {
        self.verify_digest(namespace, &self.hash.digest(message))
    }

    /// The same for the digest of a message with [`SshSignature::hash`].
    ///
    /// # Errors
    /// As [`SshSignature::verify`].
    pub fn verify_digest(&self, namespace: &str, digest: &[u8]) -> Result<(), SshsigError> {
        if self.namespace != namespace {
            let (expected, found) = (namespace.to_owned(), self.namespace.clone());
            return Err(SshsigError::Namespace { expected, found });
        }
        let signed = signed_bytes(namespace, self.hash, digest);
        self.key
            .verify_ssh(&signed, &self.signature)
            .map_err(|source| SshsigError::NotVerified { fingerprint: self.key.fingerprint(), source })
    }

    /// The signature without armour.
    pub fn to_blob(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_be_bytes());
        let (namespace, hash) = (self.namespace.as_bytes(), self.hash.name().as_bytes());
        for field in [self.key.blob(), namespace, b"", hash, &self.signature] {
            put_string(&mut out, field);
        }
        out
    }

    /// The signature as a file has it.
    pub fn to_armour(&self) -> String {
        let base64 = STANDARD.encode(self.to_blob());
        let lines: Vec<_> =
            base64.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
    }
}

/// The bytes that a key signs: over the digest of a message, for a namespace.
pub fn signed_bytes(namespace: &str, hash: SshHash, digest: &[u8]) -> Vec<u8> {
    [MAGIC, &strings(&[namespace.as_bytes(), b"", hash.name().as_bytes(), digest])].concat()
}

/// Signs a message, with SHA-512, and verifies the signature before it is given out.
///
/// # Errors
/// [`SignerError`].
pub fn sign(key: &dyn SigningKey, namespace: &str, message: &[u8]) -> Result<SshSignature, SignerError> {
    sign_digest(key, namespace, &SshHash::Sha512.digest(message))
}

/// The same for the SHA-512 of a message.
///
/// # Errors
/// [`SignerError`].
pub fn sign_digest(
    key: &dyn SigningKey,
    namespace: &str,
    digest: &[u8],
) -> Result<SshSignature, SignerError> {
    let hash = SshHash::Sha512;
    let signature = key.sign_ssh(&signed_bytes(namespace, hash, digest))?;
    let (key, namespace) = (key.public().clone(), namespace.to_owned());
    let signed = SshSignature { key, namespace: namespace.clone(), hash, signature };
    match signed.verify_digest(&namespace, digest) {
        Ok(()) => Ok(signed),
        Err(source) => Err(SignerError::Unsound { source: Box::new(source) }),
    }
}

#[cfg(test)]
mod tests;
