//! The readers of private keys in files.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::der::{DerReader, integer, oid, parse_pem, tag, tlv};
use ring::signature::{Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use rsa::BigUint;

use super::{KeyRefusal, PrivateNumbers};
use crate::keys::spki::{SECP256R1, SECP384R1};
use crate::keys::{PublicKey, PublicKeyKind};
use crate::wire::SshReader;

/// How a file of OpenSSH begins.
const MAGIC: &[u8] = b"openssh-key-v1\0";

type Key = (PrivateNumbers, PublicKey);

/// Reads a key in any of the forms.
pub(super) fn parse(bytes: &[u8]) -> Result<Key, KeyRefusal> {
    if bytes.first() == Some(&tag::SEQUENCE) {
        return match pkcs8(bytes) {
            Err(KeyRefusal::NotAKey) => sec1(bytes, None).or_else(|_| rsa(bytes)),
            read => read,
        };
    }
    let blocks = parse_pem(bytes).map_err(|_| KeyRefusal::NotAKey)?;
    let block =
        blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY")).ok_or(KeyRefusal::NotAKey)?;
    // One of the old form is encrypted by headers within the block, so that it is no base64.
    if block.label.starts_with("ENCRYPTED") || block.der.is_empty() {
        return Err(KeyRefusal::Encrypted);
    }
    match block.label.as_str() {
        "OPENSSH PRIVATE KEY" => openssh(&block.der),
        "PRIVATE KEY" => pkcs8(&block.der),
        "EC PRIVATE KEY" => sec1(&block.der, None),
        "RSA PRIVATE KEY" => rsa(&block.der),
        _ => Err(KeyRefusal::NotAKey),
    }
}

/// A key of OpenSSH; the file has one key.
fn openssh(bytes: &[u8]) -> Result<Key, KeyRefusal> {
    let not = |_| KeyRefusal::NotAKey;
    let mut file = SshReader::new(bytes.strip_prefix(MAGIC).ok_or(KeyRefusal::NotAKey)?);
    let cipher = file.text("the cipher").map_err(not)?;
    let kdf = file.text("the derivation").map_err(not)?;
    file.string("the options").map_err(not)?;
    if (cipher, kdf) != ("none", "none") {
        return Err(KeyRefusal::Encrypted);
    }
    if file.number("the number of keys").map_err(not)? != 1 {
        return Err(KeyRefusal::NotAKey);
    }
    let public =
        PublicKey::from_blob(file.string("the public key").map_err(not)?).map_err(|_| KeyRefusal::NotAKey)?;
    let mut private = SshReader::new(file.string("the private key").map_err(not)?);
    let check = private.number("the check").map_err(not)?;
    if private.number("the check").map_err(not)? != check {
        return Err(KeyRefusal::NotAKey);
    }
    if public.kind().is_fido() {
        return Err(KeyRefusal::OnToken);
    }
    let kind = private.text("the kind").map_err(not)?;
    let secret = match kind {
        "ssh-ed25519" => {
            private.string("the public key").map_err(not)?;
            let both = private.string("the private key").map_err(not)?;
            let (seed, point) = both.split_at_checked(32).ok_or(KeyRefusal::NotAKey)?;
            let pair = Ed25519KeyPair::from_seed_and_public_key(seed, point);
            PrivateNumbers::Ed25519(Box::new(pair.map_err(|_| KeyRefusal::NotAKey)?))
        }
        "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" => {
            let curve = private.text("the curve").map_err(not)?;
            private.string("the point").map_err(not)?;
            let number = private.unsigned("the number").map_err(not)?;
            scalar(number, if curve == "nistp384" { SECP384R1 } else { SECP256R1 })?.0
        }
        "ssh-rsa" => {
            let mut numbers = Vec::new();
            for what in ["n", "e", "d", "iqmp", "p", "q"] {
                numbers.push(private.unsigned(what).map_err(not)?);
            }
            let [modulus, public, private, inverse, first, second] = numbers[..] else {
                return Err(KeyRefusal::NotAKey);
            };
            rsa(&pkcs1([modulus, public, private, first, second, inverse])?)?.0
        }
        _ => return Err(KeyRefusal::NotAKey),
    };
    // The public key in front is the one of the private key, else signatures would bear a wrong name.
    if secret.public()? != public {
        return Err(KeyRefusal::NotAKey);
    }
    Ok((secret, public))
}

/// `RSAPrivateKey` (RFC 8017, appendix A.1.2), with the exponents that OpenSSH leaves out.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of any length; no prime is below 2 where one is subtracted"
)]
fn pkcs1([modulus, public, private, first, second, inverse]: [&[u8]; 6]) -> Result<Vec<u8>, KeyRefusal> {
    let (one, number) = (BigUint::from(1_u8), BigUint::from_bytes_be(private));
    let exponent = |prime: &[u8]| {
        let prime = BigUint::from_bytes_be(prime);
        if prime > one { Ok((&number % (prime - &one)).to_bytes_be()) } else { Err(KeyRefusal::NotAKey) }
    };
    let (dp, dq) = (exponent(first)?, exponent(second)?);
    let numbers = [&[], modulus, public, private, first, second, &dp, &dq, inverse].map(integer);
    let numbers: Vec<&[u8]> = numbers.iter().map(Vec::as_slice).collect();
    Ok(tlv(tag::SEQUENCE, &numbers))
}

/// `PrivateKeyInfo` and `OneAsymmetricKey` (RFC 5958).
fn pkcs8(der: &[u8]) -> Result<Key, KeyRefusal> {
    let not = |_| KeyRefusal::NotAKey;
    let mut outer = DerReader::new(der);
    let mut info = outer.sequence("the key").map_err(not)?;
    outer.end("the key").map_err(not)?;
    // `EncryptedPrivateKeyInfo` has an algorithm where the others have a version.
    let refusal = if info_is_encrypted(der) { KeyRefusal::Encrypted } else { KeyRefusal::NotAKey };
    info.expect(tag::INTEGER, "the version").map_err(|_| refusal)?;
    let mut algorithm = info.sequence("the algorithm").map_err(not)?;
    let id = algorithm.object_identifier("the algorithm").map_err(not)?;
    let key = info.expect(tag::OCTET_STRING, "the key").map_err(not)?.content;
    if id == oid::ED25519 {
        let seed = DerReader::new(key).expect(tag::OCTET_STRING, "the key").map_err(not)?.content;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyRefusal::NotAKey)?;
        return with_public(PrivateNumbers::Ed25519(Box::new(pair)));
    }
    if id == oid::EC_PUBLIC_KEY {
        let curve = algorithm.object_identifier("the curve").map_err(not)?;
        return sec1(key, Some(curve));
    }
    if id == oid::RSA_ENCRYPTION { rsa(key) } else { Err(KeyRefusal::NotAKey) }
}

/// Whether a file in DER begins as an encrypted key does.
fn info_is_encrypted(der: &[u8]) -> bool {
    let mut outer = DerReader::new(der);
    let Ok(mut info) = outer.sequence("the key") else { return false };
    info.sequence("the algorithm").is_ok() && info.expect(tag::OCTET_STRING, "the key").is_ok()
}

/// `ECPrivateKey` (RFC 5915); the curve is in it where it is not given.
fn sec1(der: &[u8], curve: Option<&[u8]>) -> Result<Key, KeyRefusal> {
    let not = |_| KeyRefusal::NotAKey;
    let mut outer = DerReader::new(der);
    let mut fields = outer.sequence("the key").map_err(not)?;
    outer.end("the key").map_err(not)?;
    fields.expect(tag::INTEGER, "the version").map_err(not)?;
    let number = fields.expect(tag::OCTET_STRING, "the number").map_err(not)?.content;
    let own = fields.optional(tag::CONTEXT, "the curve").map_err(not)?;
    let own = own.and_then(|own| own.reader().object_identifier("the curve").ok());
    scalar(number, curve.or(own).ok_or(KeyRefusal::NotAKey)?)
}

/// A key on a curve, from its number.
fn scalar(number: &[u8], curve: &[u8]) -> Result<Key, KeyRefusal> {
    // Numbers of SSH have no zeros before them, those of SEC 1 have them all.
    let number = crate::wire::without_zeros(number);
    let fixed = |len: usize| {
        let zeros = len.checked_sub(number.len()).ok_or(KeyRefusal::NotAKey)?;
        Ok::<_, KeyRefusal>([&vec![0; zeros], number].concat())
    };
    let secret = match curve {
        SECP256R1 => {
            let key = p256::ecdsa::SigningKey::from_slice(&fixed(32)?).map_err(|_| KeyRefusal::NotAKey)?;
            PrivateNumbers::P256(Box::new(key))
        }
        SECP384R1 => {
            let key = p384::ecdsa::SigningKey::from_slice(&fixed(48)?).map_err(|_| KeyRefusal::NotAKey)?;
            PrivateNumbers::P384(Box::new(key))
        }
        _ => return Err(KeyRefusal::NotAKey),
    };
    with_public(secret)
}

/// `RSAPrivateKey`.
fn rsa(der: &[u8]) -> Result<Key, KeyRefusal> {
    let pair = RsaKeyPair::from_der(der).map_err(|_| KeyRefusal::NotAKey)?;
    with_public(PrivateNumbers::Rsa(Box::new(pair)))
}

fn with_public(secret: PrivateNumbers) -> Result<Key, KeyRefusal> {
    let public = secret.public()?;
    Ok((secret, public))
}

impl PrivateNumbers {
    /// The public key that follows from it.
    fn public(&self) -> Result<PublicKey, KeyRefusal> {
        let public = match self {
            Self::Ed25519(pair) => PublicKey::from_ed25519(pair.public_key().as_ref()),
            Self::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                PublicKey::from_point(PublicKeyKind::EcdsaP256, point.as_bytes())
            }
            Self::P384(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                PublicKey::from_point(PublicKeyKind::EcdsaP384, point.as_bytes())
            }
            Self::Rsa(pair) => {
                let public = pair.public();
                let components: ring::rsa::PublicKeyComponents<Vec<u8>> = public.into();
                PublicKey::from_rsa(&components.n, &components.e)
            }
        };
        public.map_err(|_| KeyRefusal::NotAKey)
    }
}
