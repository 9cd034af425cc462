//! Keys that rpm knows: each is a header `gpg-pubkey` of its own in the database, as `rpmkeys --import` makes it.
//!
//! rpm, `lib/rpmts.c` of 4 and `lib/keystore.cc` of 6; the armor is that of RFC 9580, section 6.

use std::io::{Cursor, Read as _};

use amiforge_formats::digest::{Digest, hex};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgp::armor::Dearmor;
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::Signature;
use pgp::types::{KeyDetails, KeyVersion};
use sha1::{Digest as _, Sha1};

use super::entries::{HeaderValue, extended, region};
use super::error::RpmDatabaseError;
use super::program::RpmProgram;
use crate::rpm::header::{RpmHeader, RpmHeaderError, RpmValueType, tag};
use crate::signature::blocks;
use crate::signature::packets::packet;

/// The packet that a key begins with (RFC 9580, section 5.5.1.1).
const PUBLIC_KEY: u8 = 6;
/// Flags of what a key provides: by rpm itself, at exactly that version.
const PROVIDED: u32 = 1 << 26 | 8;
/// Characters of a line of armor.
const LINE: usize = 64;
/// Longest file of keys, in bytes.
const LONGEST: usize = 16 << 20;

/// The headers of the keys in a keyring, binary or armored. `at` is the time of their import, in seconds since 1970.
pub(super) fn headers(
    keyring: &[u8],
    program: &RpmProgram,
    at: u32,
) -> Result<Vec<RpmHeader>, RpmDatabaseError> {
    if keyring.len() > LONGEST {
        return Err(RpmDatabaseError::Key("it has more than 16 MiB".to_owned()));
    }
    let mut headers = Vec::new();
    for block in blocks(keyring) {
        for key in keys(&binary(block)?) {
            headers.push(header(key, program, at)?);
        }
    }
    if headers.is_empty() {
        return Err(RpmDatabaseError::Key("it begins with no key".to_owned()));
    }
    Ok(headers)
}

/// The packets of a block, armored or not.
fn binary(block: &[u8]) -> Result<Vec<u8>, RpmDatabaseError> {
    if block.first().is_some_and(|first| first & 0x80 != 0) {
        return Ok(block.to_vec());
    }
    let mut bytes = Vec::new();
    let read = Dearmor::new(Cursor::new(block)).read_to_end(&mut bytes);
    read.map_err(|error| RpmDatabaseError::Key(error.to_string()))?;
    Ok(bytes)
}

/// The packets of each key: from its own to the next key's.
fn keys(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut keys, mut start, mut at) = (Vec::new(), None, 0);
    while let Some((kind, len)) = bytes.get(at..).and_then(packet) {
        if kind == PUBLIC_KEY {
            keys.extend(start.and_then(|start| bytes.get(start..at)));
            start = Some(at);
        }
        let Some(next) = at.checked_add(len).filter(|next| *next <= bytes.len()) else { break };
        at = next;
    }
    keys.extend(start.and_then(|start| bytes.get(start..at)).filter(|key| !key.is_empty()));
    keys
}

/// What rpm calls a key by.
struct KeyNames {
    /// The last eight bytes of the fingerprint.
    id: String,
    fingerprint: String,
    /// Its time of creation in hexadecimal.
    created: String,
    /// Version of the key, id and time.
    version: String,
}

impl KeyNames {
    fn of(key: &impl KeyDetails, program: &RpmProgram) -> Self {
        let fingerprint = format!("{:x}", key.fingerprint());
        let id = hex(key.legacy_key_id().as_ref());
        let created = format!("{:x}", key.created_at().as_secs());
        let number = match key.version() {
            KeyVersion::V6 => 6,
            KeyVersion::V3 => 3,
            _ => 4,
        };
        let named = if program.names_keys_by_fingerprint() { &fingerprint } else { &id };
        let version = format!("{number}:{named}-{created}");
        Self { id, fingerprint, created, version }
    }

    /// The last eight digits of the id.
    fn short(&self) -> &str {
        self.id.get(8..).unwrap_or_default()
    }
}

fn header(packets: &[u8], program: &RpmProgram, at: u32) -> Result<RpmHeader, RpmDatabaseError> {
    let key = SignedPublicKey::from_bytes(Cursor::new(packets));
    let key = key.map_err(|error| RpmDatabaseError::Key(error.to_string()))?;
    let of_package =
        |source: RpmHeaderError| RpmDatabaseError::Package { package: "gpg-pubkey".into(), source };
    let region = region(values(packets, &key, program)).map_err(of_package)?;
    let signed = region.region(tag::HEADERIMMUTABLE).map_err(of_package)?;
    let digests = vec![
        HeaderValue::texts(tag::SHA1HEADER, RpmValueType::Text, &[&hex(&Sha1::digest(&signed))]),
        HeaderValue::texts(tag::SHA256HEADER, RpmValueType::Text, &[&Digest::of(&signed).to_string()]),
        HeaderValue::number(tag::INSTALLTIME, at),
        HeaderValue::number(tag::INSTALLTID, at),
    ];
    extended(&region, digests).map_err(of_package)
}

/// The values of a key's header.
fn values(packets: &[u8], key: &SignedPublicKey, program: &RpmProgram) -> Vec<HeaderValue> {
    use RpmValueType::{Text, Texts, Translated};
    let names = KeyNames::of(&key.primary_key, program);
    let user = user(key);
    let encoded = lines(packets);
    let (mut provided, mut versions) = (Vec::new(), Vec::new());
    for name in [&user, names.short(), &names.id] {
        provided.push(format!("gpg({name})"));
        versions.push(names.version.clone());
    }
    for subkey in subkeys(key, program) {
        for name in [subkey.short(), &subkey.id] {
            provided.push(format!("gpg({name})"));
            versions.push(subkey.version.clone());
        }
    }
    let texts = |tag, texts: &[String]| {
        HeaderValue::texts(tag, Texts, &texts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let text = |tag, text: &str| HeaderValue::texts(tag, Text, &[text]);
    let translated = |tag, text: &str| HeaderValue::texts(tag, Translated, &[text]);
    let version = if program.names_keys_by_fingerprint() { &names.fingerprint } else { names.short() };
    vec![
        HeaderValue::texts(tag::PUBKEYS, Texts, &[&encoded]),
        text(tag::NAME, "gpg-pubkey"),
        text(tag::VERSION, version),
        text(tag::RELEASE, &names.created),
        translated(tag::SUMMARY, &format!("{user} public key")),
        translated(tag::DESCRIPTION, &armor(packets, &encoded, program)),
        HeaderValue::number(tag::BUILDTIME, key.primary_key.created_at().as_secs()),
        text(tag::BUILDHOST, "localhost"),
        HeaderValue::number(tag::SIZE, 0),
        text(tag::LICENSE, "pubkey"),
        text(tag::PACKAGER, &user),
        translated(tag::GROUP, "Public Keys"),
        text(tag::SOURCERPM, "(none)"),
        texts(tag::PROVIDENAME, &provided),
        text(tag::RPMVERSION, program.version()),
        HeaderValue::numbers(tag::PROVIDEFLAGS, &vec![PROVIDED; provided.len()]),
        texts(tag::PROVIDEVERSION, &versions),
    ]
}

/// The name of whose key it is: the primary one, or the last.
fn user(key: &SignedPublicKey) -> String {
    let users = &key.details.users;
    let primary = users.iter().find(|user| user.signatures.iter().any(Signature::is_primary));
    let user = primary.or(users.last()).map(|user| String::from_utf8_lossy(user.id.id()).into_owned());
    // A header's texts end at a NUL.
    user.filter(|user| !user.is_empty()).map_or_else(|| "none".to_owned(), |user| user.replace('\0', " "))
}

/// The subkeys that rpm before 6 lists: those that can sign by their kind.
fn subkeys(key: &SignedPublicKey, program: &RpmProgram) -> Vec<KeyNames> {
    use PublicKeyAlgorithm as A;
    if program.names_keys_by_fingerprint() {
        return Vec::new();
    }
    let subkeys = key.public_subkeys.iter().map(|subkey| &subkey.key);
    let subkeys = subkeys.filter(|subkey| {
        matches!(subkey.algorithm(), A::RSA | A::RSASign | A::RSAEncrypt | A::DSA | A::ECDSA | A::EdDSALegacy)
    });
    subkeys.map(|subkey| KeyNames::of(subkey, program)).collect()
}

/// Base64 in lines, each with a newline at its end.
fn lines(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let lines = encoded.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line).into_owned() + "\n");
    lines.collect()
}

/// The armor that rpm makes of a key, with a sum of its bytes.
fn armor(packets: &[u8], encoded: &str, program: &RpmProgram) -> String {
    let sum = STANDARD.encode(&crc24(packets).to_be_bytes()[1..]);
    format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: rpm-{}\n\n{encoded}={sum}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        program.version()
    )
}

/// The sum of an armor (RFC 9580, section 6.1.1).
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 16, |sum, _| {
            let sum = sum << 1;
            if sum & 0x0100_0000 == 0 { sum } else { sum ^ 0x0186_4cfb }
        })
    }) & 0x00ff_ffff
}
