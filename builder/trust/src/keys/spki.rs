//! `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7), in DER and PEM.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::der::{DerReader, integer, object_identifier, oid, parse_pem, tag, tlv};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Material, PublicKey, PublicKeyKind, SshKeyError};

/// `secp256r1` (RFC 5480, section 2.1.1.1).
pub(crate) const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// `secp384r1`.
pub(crate) const SECP384R1: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];

/// The label of its PEM block.
const LABEL: &str = "PUBLIC KEY";

/// Characters of a line of PEM (RFC 7468, section 2).
const LINE: usize = 64;

impl PublicKey {
    /// Reads a key in DER.
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn from_spki_der(der: &[u8]) -> Result<Self, SshKeyError> {
        let mut outer = DerReader::new(der);
        let mut info = outer.sequence("the public key")?;
        outer.end("the public key")?;
        let mut algorithm = info.sequence("the algorithm")?;
        let id = algorithm.object_identifier("the algorithm")?;
        let key = info.expect(tag::BIT_STRING, "the key")?.bits("the key")?;
        info.end("the public key")?;
        let other = |id: &[u8]| SshKeyError::Algorithm { oid: oid::dotted(id) };
        if id == oid::ED25519 {
            algorithm.end("the algorithm")?;
            return Self::from_ed25519(key);
        }
        if id == oid::EC_PUBLIC_KEY {
            let curve = algorithm.object_identifier("the curve")?;
            algorithm.end("the algorithm")?;
            return match curve {
                SECP256R1 => Self::from_point(PublicKeyKind::EcdsaP256, key),
                SECP384R1 => Self::from_point(PublicKeyKind::EcdsaP384, key),
                curve => Err(other(curve)),
            };
        }
        if id != oid::RSA_ENCRYPTION {
            return Err(other(id));
        }
        algorithm.expect(tag::NULL, "the parameters of the algorithm")?;
        algorithm.end("the algorithm")?;
        let mut outer = DerReader::new(key);
        let mut numbers = outer.sequence("the RSA key")?;
        outer.end("the RSA key")?;
        let modulus = numbers.expect(tag::INTEGER, "the modulus")?.unsigned("the modulus")?;
        let exponent = numbers.expect(tag::INTEGER, "the exponent")?.unsigned("the exponent")?;
        numbers.end("the RSA key")?;
        Self::from_rsa(modulus, exponent)
    }

    /// Reads a key in PEM: the first block with the label `PUBLIC KEY`.
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, SshKeyError> {
        let blocks = parse_pem(text).map_err(|_| SshKeyError::NotPem)?;
        let block = blocks.iter().find(|block| block.label == LABEL).ok_or(SshKeyError::NotPem)?;
        Self::from_spki_der(&block.der)
    }

    /// The key in DER.
    ///
    /// # Errors
    /// [`SshKeyError::OnlySsh`] for a key on a FIDO token.
    pub fn to_spki_der(&self) -> Result<Vec<u8>, SshKeyError> {
        let info = |algorithm: &[&[u8]], key: &[u8]| {
            let algorithm = tlv(tag::SEQUENCE, algorithm);
            tlv(tag::SEQUENCE, &[&algorithm, &tlv(tag::BIT_STRING, &[&[0], key])])
        };
        let curve = |curve: &[u8], point: &[u8]| {
            info(&[&object_identifier(oid::EC_PUBLIC_KEY), &object_identifier(curve)], point)
        };
        match &self.material {
            Material::Ed25519(key) => Ok(info(&[&object_identifier(oid::ED25519)], key)),
            Material::EcdsaP256(point) => Ok(curve(SECP256R1, point)),
            Material::EcdsaP384(point) => Ok(curve(SECP384R1, point)),
            Material::Rsa { modulus, exponent } => {
                let key = tlv(tag::SEQUENCE, &[&integer(modulus), &integer(exponent)]);
                Ok(info(&[&object_identifier(oid::RSA_ENCRYPTION), &tlv(tag::NULL, &[])], &key))
            }
            Material::SkEd25519 { .. } | Material::SkEcdsa { .. } => {
                Err(SshKeyError::OnlySsh { kind: self.kind().name() })
            }
        }
    }

    /// The key in PEM.
    ///
    /// # Errors
    /// As [`PublicKey::to_spki_der`].
    pub fn to_pem(&self) -> Result<String, SshKeyError> {
        let base64 = STANDARD.encode(self.to_spki_der()?);
        let lines: Vec<_> =
            base64.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        Ok(format!("-----BEGIN {LABEL}-----\n{}\n-----END {LABEL}-----\n", lines.join("\n")))
    }
}
