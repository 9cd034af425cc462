//! Private keys of tests, from fixed numbers: no credential of anybody.

use std::path::Path;

use amiforge_formats::der::{object_identifier, tag, tlv};

use crate::keys::spki::{SECP256R1, SECP384R1};
use crate::private::PrivateKeyFile;

/// A key on P-256, one on P-384, and an Ed25519 key.
pub(crate) fn all() -> [PrivateKeyFile; 3] {
    let seed = tlv(tag::OCTET_STRING, &[&[9; 32]]);
    let algorithm = tlv(tag::SEQUENCE, &[&object_identifier(amiforge_formats::der::oid::ED25519)]);
    let version = tlv(tag::INTEGER, &[&[0]]);
    let ed25519 = tlv(tag::SEQUENCE, &[&version, &algorithm, &tlv(tag::OCTET_STRING, &[&seed])]);
    [sec1(&[7; 32], SECP256R1), sec1(&[8; 48], SECP384R1), read(&ed25519)]
}

/// A key on a curve (RFC 5915).
fn sec1(number: &[u8], curve: &[u8]) -> PrivateKeyFile {
    let curve = tlv(tag::CONTEXT, &[&object_identifier(curve)]);
    let number = tlv(tag::OCTET_STRING, &[number]);
    read(&tlv(tag::SEQUENCE, &[&tlv(tag::INTEGER, &[&[1]]), &number, &curve]))
}

fn read(der: &[u8]) -> PrivateKeyFile {
    PrivateKeyFile::parse(der, Path::new("key.der")).unwrap()
}
