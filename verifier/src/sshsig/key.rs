//! Public keys in OpenSSH's form, and signatures by them: as SSH has them, and as DSSE has them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crypto_bigint::modular::runtime_mod::{DynResidue, DynResidueParams};
use crypto_bigint::{Encoding as _, U8192};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::Fields;
use crate::base64;
use crate::bytes::{byte, hex, word};
use crate::digest::sha256;

/// Bytes of the largest RSA key.
const RSA_MAX: usize = 1024;

/// The kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA of 2048 to 8192 bits.
    Rsa,
    /// Ed25519 on a FIDO token.
    TokenEd25519,
    /// ECDSA on P-256 on a FIDO token.
    TokenP256,
}

/// Their names.
const NAMES: [(KeyKind, &str, &str); 6] = [
    (KeyKind::Ed25519, "ssh-ed25519", ""),
    (KeyKind::P256, "ecdsa-sha2-nistp256", "nistp256"),
    (KeyKind::P384, "ecdsa-sha2-nistp384", "nistp384"),
    (KeyKind::Rsa, "ssh-rsa", ""),
    (KeyKind::TokenEd25519, "sk-ssh-ed25519@openssh.com", ""),
    (KeyKind::TokenP256, "sk-ecdsa-sha2-nistp256@openssh.com", "nistp256"),
];

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    blob: Vec<u8>,
    /// A point or a modulus.
    value: Vec<u8>,
    /// The exponent of RSA, or the application of a token.
    second: Vec<u8>,
}

impl PublicKey {
    /// Reads a line of a `.pub` file: kind, base64, and a comment.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let (Some(kind), Some(digits)) = (words.next(), words.next()) else {
            return Err("it is not a kind of key and base64".to_string());
        };
        let key = Self::from_blob(&base64::decode(digits).ok_or("it is not base64")?)?;
        match NAMES.iter().find(|name| name.0 == key.kind) {
            Some(name) if name.1 == kind => Ok(key),
            _ => Err("its line names another kind of key".to_string()),
        }
    }

    /// Reads a key in the form of the SSH protocol.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn from_blob(blob: &[u8]) -> Result<Self, String> {
        let mut fields = Fields(blob);
        let name = fields.string().ok_or("it has no kind")?;
        let known = NAMES.iter().find(|known| known.1.as_bytes() == name);
        let (kind, _, curve) =
            known.ok_or_else(|| alloc::format!("keys of the kind {} are not known", word(name)))?;
        let malformed = "a public key is malformed";
        if !curve.is_empty() && fields.string() != Some(curve.as_bytes()) {
            return Err(malformed.to_string());
        }
        let (value, second) = match kind {
            KeyKind::Ed25519 | KeyKind::P256 | KeyKind::P384 => (fields.string(), Some(&[][..])),
            KeyKind::TokenEd25519 | KeyKind::TokenP256 => (fields.string(), fields.string()),
            KeyKind::Rsa => {
                let exponent = fields.unsigned();
                (fields.unsigned(), exponent)
            }
        };
        match (value, second) {
            (Some(value), Some(second)) if fields.0.is_empty() && blob.len() <= 2 * RSA_MAX => {
                let key =
                    Self { kind: *kind, blob: blob.to_vec(), value: value.to_vec(), second: second.to_vec() };
                if key.is_sound() {
                    Ok(key)
                } else {
                    Err("a public key is too short, or no point of its curve".into())
                }
            }
            _ => Err(malformed.to_string()),
        }
    }

    fn is_sound(&self) -> bool {
        match self.kind {
            KeyKind::Ed25519 | KeyKind::TokenEd25519 => self.ed25519().is_some(),
            KeyKind::P256 | KeyKind::TokenP256 => byte(&self.value, 0) == 4 && self.p256().is_some(),
            KeyKind::P384 => byte(&self.value, 0) == 4 && self.p384().is_some(),
            KeyKind::Rsa => {
                let bits =
                    self.value.len() * 8 - self.value.first().map_or(0, |byte| byte.leading_zeros() as usize);
                let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
                let exponent =
                    self.second.len() <= 4 && (self.second.len() > 1 || byte(&self.second, 0) >= 3);
                (2048..=8192).contains(&bits) && odd(&self.value) && odd(&self.second) && exponent
            }
        }
    }

    /// The fingerprint as OpenSSH shows it.
    pub fn fingerprint(&self) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::from("SHA256:");
        for three in sha256(&self.blob).chunks(3) {
            let bits =
                u32::from(byte(three, 0)) << 16 | u32::from(byte(three, 1)) << 8 | u32::from(byte(three, 2));
            for digit in 0..=three.len() {
                text.push(char::from(byte(DIGITS, (bits >> (18 - 6 * digit) & 63) as usize)));
            }
        }
        text
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the key in SSH's form: the name of its signatures.
    pub fn id(&self) -> String {
        hex(sha256(&self.blob).get(..8).unwrap_or(&[]))
    }

    fn ed25519(&self) -> Option<ed25519_dalek::VerifyingKey> {
        let bytes: &[u8; 32] = self.value.as_slice().try_into().ok()?;
        ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()
    }

    fn p256(&self) -> Option<p256::ecdsa::VerifyingKey> {
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&self.value).ok()
    }

    fn p384(&self) -> Option<p384::ecdsa::VerifyingKey> {
        p384::ecdsa::VerifyingKey::from_sec1_bytes(&self.value).ok()
    }

    /// Whether a signature in SSH's form is one of a message.
    pub(super) fn verify_ssh(&self, message: &[u8], signature: &[u8]) -> Result<(), String> {
        self.ssh(message, signature).unwrap_or_else(|| Err("the signature is malformed".to_string()))
    }

    fn ssh(&self, message: &[u8], signature: &[u8]) -> Option<Result<(), String>> {
        let mut fields = Fields(signature);
        let (name, value) = (fields.string()?, fields.string()?);
        let own = NAMES.iter().find(|known| known.0 == self.kind).map(|known| known.1.as_bytes());
        if self.kind != KeyKind::Rsa && Some(name) != own {
            return None;
        }
        let mut covered = message.to_vec();
        if matches!(self.kind, KeyKind::TokenEd25519 | KeyKind::TokenP256) {
            let (flags, counter) = (fields.take(1)?, fields.take(4)?);
            if byte(flags, 0) & 1 == 0 {
                return Some(Err("the token was not touched".to_string()));
            }
            covered = [&sha256(&self.second), flags, counter, &sha256(message)].concat();
        }
        if !fields.0.is_empty() {
            return None;
        }
        let good = match self.kind {
            KeyKind::Ed25519 | KeyKind::TokenEd25519 => self.check_ed25519(&covered, value),
            KeyKind::P256 | KeyKind::TokenP256 => {
                let (r, s) = pair::<32>(value)?;
                let signature = p256::ecdsa::Signature::from_scalars(r, s).ok()?;
                self.p256()?.verify_prehash(&Sha256::digest(&covered), &signature).is_ok()
            }
            KeyKind::P384 => {
                let (r, s) = pair::<48>(value)?;
                let signature = p384::ecdsa::Signature::from_scalars(r, s).ok()?;
                self.p384()?.verify_prehash(&Sha384::digest(&covered), &signature).is_ok()
            }
            KeyKind::Rsa => match name {
                b"rsa-sha2-256" => self.check_rsa(&covered, value, RsaHash::Sha256),
                b"rsa-sha2-512" => self.check_rsa(&covered, value, RsaHash::Sha512),
                _ => return None,
            },
        };
        Some(if good {
            Ok(())
        } else {
            Err("the signature is not one by its key over these bytes".to_string())
        })
    }

    /// Whether a signature as DSSE has it is one of a message: 64 bytes of Ed25519, DER of ECDSA with the hash of the
    /// curve's length, RSASSA-PKCS1-v1_5 with SHA-256. Tokens have no such form.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            KeyKind::Ed25519 => self.check_ed25519(message, signature),
            KeyKind::P256 => p256::ecdsa::Signature::from_der(signature).ok().zip(self.p256()).is_some_and(
                |(signature, key)| key.verify_prehash(&Sha256::digest(message), &signature).is_ok(),
            ),
            KeyKind::P384 => p384::ecdsa::Signature::from_der(signature).ok().zip(self.p384()).is_some_and(
                |(signature, key)| key.verify_prehash(&Sha384::digest(message), &signature).is_ok(),
            ),
            KeyKind::Rsa => self.check_rsa(message, signature, RsaHash::Sha256),
            KeyKind::TokenEd25519 | KeyKind::TokenP256 => false,
        }
    }

    fn check_ed25519(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = ed25519_dalek::Signature::from_slice(signature).ok();
        self.ed25519()
            .zip(signature)
            .is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2.2): the power is compared with the only encoding that there is of the digest.
    fn check_rsa(&self, message: &[u8], signature: &[u8], hash: RsaHash) -> bool {
        let len = self.value.len();
        if signature.len() != len {
            return false;
        }
        let number = |bytes: &[u8]| {
            let mut padded = [0; RSA_MAX];
            let from = RSA_MAX.saturating_sub(bytes.len());
            padded.iter_mut().skip(from).zip(bytes).for_each(|(to, byte)| *to = *byte);
            U8192::from_be_bytes(padded)
        };
        let (modulus, value) = (number(&self.value), number(signature));
        if value >= modulus {
            return false;
        }
        // The modulus is odd, which was looked at when the key was read.
        let parameters = DynResidueParams::new(&modulus);
        let exponent = self.second.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let power =
            DynResidue::new(&value, parameters).pow_bounded_exp(&U8192::from_u64(exponent), 32).retrieve();
        let (prefix, digest): (&[u8], Vec<u8>) = match hash {
            RsaHash::Sha256 => (&RSA_SHA256, Sha256::digest(message).to_vec()),
            RsaHash::Sha512 => (&RSA_SHA512, Sha512::digest(message).to_vec()),
        };
        let tail = [prefix, &digest].concat();
        let mut expected = alloc::vec![0xff; len.saturating_sub(tail.len() + 3)];
        expected.splice(0..0, [0, 1]);
        expected.push(0);
        expected.extend(tail);
        power == number(&expected)
    }
}

#[derive(Clone, Copy)]
enum RsaHash {
    Sha256,
    Sha512,
}

/// `DigestInfo` before a digest (RFC 8017, 9.2, note 1).
const RSA_SHA256: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];
const RSA_SHA512: [u8; 19] = [
    0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00,
    0x04, 0x40,
];

/// The two numbers of ECDSA, filled up with zeros.
fn pair<const N: usize>(value: &[u8]) -> Option<([u8; N], [u8; N])> {
    let mut fields = Fields(value);
    let mut number = || {
        let digits = fields.unsigned()?;
        let mut out = [0; N];
        let from = N.checked_sub(digits.len())?;
        out.get_mut(from..)?.copy_from_slice(digits);
        Some(out)
    };
    let both = (number()?, number()?);
    fields.0.is_empty().then_some(both)
}
