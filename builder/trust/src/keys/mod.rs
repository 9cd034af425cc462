//! Public keys as SSH has them (RFC 4253, section 6.6; RFC 5656; RFC 8709; OpenSSH `PROTOCOL.u2f`) and as X.509 has them (RFC 5280,
//! RFC 5480, RFC 8410), and the signatures that they verify.
//!
//! A key is checked when it is read: points lie on their curves, and an RSA modulus has at least 2048 bits. Certificates of
//! SSH are not keys, and are refused.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod error;
pub(crate) mod spki;
mod verify;

use std::fmt;

use amiforge_formats::digest::{Digest, hex};
use amiforge_formats::tree::Printable;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::wire::{SshReader, put_string, put_unsigned, strings};

pub use crate::wire::WireError;
pub use error::SshKeyError;
pub use verify::NotVerified;

/// The most bytes of a key in the form of SSH: RSA with 8192 bits has some 1100.
const BLOB_MAX: usize = 4096;

/// The most bytes of the name of a FIDO key's application.
const APPLICATION_MAX: usize = 256;

/// The bits that an RSA modulus may have.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on NIST P-256, with SHA-256.
    EcdsaP256,
    /// ECDSA on NIST P-384, with SHA-384.
    EcdsaP384,
    /// RSASSA-PKCS1-v1_5, with SHA-256 where this program signs; SHA-512 is read too.
    Rsa,
    /// Ed25519 on a FIDO token.
    SkEd25519,
    /// ECDSA on NIST P-256 on a FIDO token.
    SkEcdsa,
}

impl PublicKeyKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Ed25519, Self::EcdsaP256, Self::EcdsaP384, Self::Rsa, Self::SkEd25519, Self::SkEcdsa];

    /// The name of its keys in SSH.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::Rsa => "ssh-rsa",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsa => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    /// Whether a FIDO token holds it: then its signatures cover more than the message, and only SSH can use them.
    pub fn is_fido(self) -> bool {
        matches!(self, Self::SkEd25519 | Self::SkEcdsa)
    }

    fn of_name(name: &str) -> Result<Self, SshKeyError> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| SshKeyError::Kind { name: Printable(name.as_bytes()).to_string() })
    }
}

/// What a key consists of; numbers are big-endian without zeros before them.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Material {
    Ed25519([u8; 32]),
    /// An uncompressed point (SEC 1, section 2.3.3).
    EcdsaP256(Vec<u8>),
    EcdsaP384(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    SkEd25519 {
        key: [u8; 32],
        application: String,
    },
    SkEcdsa {
        point: Vec<u8>,
        application: String,
    },
}

/// A public key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    material: Material,
    blob: Vec<u8>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.kind().name(), self.fingerprint())
    }
}

impl PublicKey {
    /// Parses a line such as `ssh-ed25519 AAAA… comment`, as `.pub` files have it. Options before it, which
    /// `authorized_keys` and `allowed_signers` allow, are refused.
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn parse_openssh(line: &str) -> Result<Self, SshKeyError> {
        Self::parse_line(line).map(|(key, _)| key)
    }

    /// The same, with the comment (which may be empty).
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn parse_line(line: &str) -> Result<(Self, &str), SshKeyError> {
        let line = line.trim();
        let (name, rest) = line.split_once([' ', '\t']).ok_or(SshKeyError::Line)?;
        let kind = PublicKeyKind::of_name(name)?;
        let rest = rest.trim_start();
        let (base64, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        if base64.len() > BLOB_MAX.saturating_mul(2) {
            return Err(SshKeyError::TooLong);
        }
        let blob = STANDARD.decode(base64).map_err(|_| SshKeyError::Base64)?;
        let key = Self::from_blob(&blob)?;
        if key.kind() != kind {
            return Err(SshKeyError::OtherKind { line: kind.name(), key: key.kind().name() });
        }
        Ok((key, comment.trim()))
    }

    /// Reads a key in the form of the SSH protocol.
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, SshKeyError> {
        if blob.len() > BLOB_MAX {
            return Err(SshKeyError::TooLong);
        }
        let mut reader = SshReader::new(blob);
        let kind = PublicKeyKind::of_name(reader.text("the kind of the key")?)?;
        let material = match kind {
            PublicKeyKind::Ed25519 => Material::Ed25519(ed25519(reader.string("the key")?)?),
            PublicKeyKind::EcdsaP256 => Material::EcdsaP256(point(&mut reader, "nistp256")?),
            PublicKeyKind::EcdsaP384 => Material::EcdsaP384(point(&mut reader, "nistp384")?),
            PublicKeyKind::Rsa => {
                let exponent = reader.unsigned("the exponent")?;
                rsa(reader.unsigned("the modulus")?, exponent)?
            }
            PublicKeyKind::SkEd25519 => {
                let key = ed25519(reader.string("the key")?)?;
                Material::SkEd25519 { key, application: application(&mut reader)? }
            }
            PublicKeyKind::SkEcdsa => {
                let point = point(&mut reader, "nistp256")?;
                Material::SkEcdsa { point, application: application(&mut reader)? }
            }
        };
        reader.end("the key")?;
        Ok(Self::new(material))
    }

    /// An Ed25519 key.
    ///
    /// # Errors
    /// [`SshKeyError::Len`].
    pub fn from_ed25519(key: &[u8]) -> Result<Self, SshKeyError> {
        Ok(Self::new(Material::Ed25519(ed25519(key)?)))
    }

    /// A key on P-256 or P-384, from an uncompressed point.
    ///
    /// # Errors
    /// [`SshKeyError::Point`].
    pub fn from_point(kind: PublicKeyKind, point: &[u8]) -> Result<Self, SshKeyError> {
        let material = match kind {
            PublicKeyKind::EcdsaP384 => Material::EcdsaP384(checked_point("nistp384", point)?),
            _ => Material::EcdsaP256(checked_point("nistp256", point)?),
        };
        Ok(Self::new(material))
    }

    /// An RSA key, from big-endian numbers.
    ///
    /// # Errors
    /// [`SshKeyError::RsaBits`], [`SshKeyError::RsaExponent`].
    pub fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, SshKeyError> {
        use crate::wire::without_zeros;
        Ok(Self::new(rsa(without_zeros(modulus), without_zeros(exponent))?))
    }

    fn new(material: Material) -> Self {
        let blob = material.blob();
        Self { material, blob }
    }

    /// Its kind.
    pub fn kind(&self) -> PublicKeyKind {
        self.material.kind()
    }

    /// The key in the form of the SSH protocol.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The line of a `.pub` file, without a comment and without a newline.
    pub fn to_openssh(&self) -> String {
        format!("{} {}", self.kind().name(), STANDARD.encode(&self.blob))
    }

    /// The fingerprint as OpenSSH shows it: `SHA256:` and base64 without padding.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(&self.blob).0))
    }

    /// The first 16 hexadecimal digits of the SHA-256 of [`PublicKey::blob`], by which its signatures are named.
    pub fn short_id(&self) -> String {
        let mut id = hex(&Digest::of(&self.blob).0);
        id.truncate(16);
        id
    }
}

impl Material {
    fn kind(&self) -> PublicKeyKind {
        match self {
            Self::Ed25519(_) => PublicKeyKind::Ed25519,
            Self::EcdsaP256(_) => PublicKeyKind::EcdsaP256,
            Self::EcdsaP384(_) => PublicKeyKind::EcdsaP384,
            Self::Rsa { .. } => PublicKeyKind::Rsa,
            Self::SkEd25519 { .. } => PublicKeyKind::SkEd25519,
            Self::SkEcdsa { .. } => PublicKeyKind::SkEcdsa,
        }
    }

    fn blob(&self) -> Vec<u8> {
        let name = self.kind().name().as_bytes();
        match self {
            Self::Ed25519(key) => strings(&[name, key]),
            Self::EcdsaP256(point) => strings(&[name, b"nistp256", point]),
            Self::EcdsaP384(point) => strings(&[name, b"nistp384", point]),
            Self::Rsa { modulus, exponent } => {
                let mut out = strings(&[name]);
                put_unsigned(&mut out, exponent);
                put_unsigned(&mut out, modulus);
                out
            }
            Self::SkEd25519 { key, application } => strings(&[name, key, application.as_bytes()]),
            Self::SkEcdsa { point, application } => {
                let mut out = strings(&[name, b"nistp256", point]);
                put_string(&mut out, application.as_bytes());
                out
            }
        }
    }
}

fn ed25519(key: &[u8]) -> Result<[u8; 32], SshKeyError> {
    key.try_into().map_err(|_| SshKeyError::Len { expected: 32, found: key.len() })
}

/// The curve's name and a point on it.
fn point(reader: &mut SshReader<'_>, curve: &'static str) -> Result<Vec<u8>, SshKeyError> {
    let found = reader.text("the curve")?;
    if found != curve {
        return Err(SshKeyError::Curve { expected: curve, found: found.to_owned() });
    }
    checked_point(curve, reader.string("the point")?)
}

/// A point that is uncompressed and on its curve.
fn checked_point(curve: &'static str, point: &[u8]) -> Result<Vec<u8>, SshKeyError> {
    let valid = point.first() == Some(&4)
        && match curve {
            "nistp384" => p384::PublicKey::from_sec1_bytes(point).is_ok(),
            _ => p256::PublicKey::from_sec1_bytes(point).is_ok(),
        };
    if valid { Ok(point.to_vec()) } else { Err(SshKeyError::Point { curve }) }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Material, SshKeyError> {
    let zeros = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = modulus.len().saturating_mul(8).saturating_sub(zeros);
    if !RSA_BITS.contains(&bits) {
        return Err(SshKeyError::RsaBits { bits });
    }
    // The bounds of the verifier: an odd number of 3 to 2^33 - 1.
    let number = exponent.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    if exponent.len() > 5 || !(3..1 << 33).contains(&number) || number.is_multiple_of(2) {
        return Err(SshKeyError::RsaExponent);
    }
    Ok(Material::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
}

fn application(reader: &mut SshReader<'_>) -> Result<String, SshKeyError> {
    let application = reader.text("the application")?;
    if application.len() > APPLICATION_MAX {
        return Err(SshKeyError::TooLong);
    }
    Ok(application.to_owned())
}

#[cfg(test)]
mod tests;
