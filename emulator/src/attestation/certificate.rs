//! Certificates with the extensions that those of NitroTPM have (RFC 5280).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::der;
use super::keys::PrivateKey;
use crate::clock::Timestamp;
use crate::digest::Sha256Digest;

// Object identifiers, as the content of their encoding.
const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 4, 11];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];

/// `digitalSignature`, `keyCertSign` and `cRLSign`; for a document only the first (RFC 5280, 4.2.1.3).
const ISSUER_USAGE: u8 = 0b1000_0110;
const SIGNER_USAGE: u8 = 0b1000_0000;

/// The role of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificateRole {
    /// Issues certificates, with at most so many issuers below it.
    Issuer(Option<u8>),
    /// Signs a document.
    Signer,
}

/// A certificate to be made.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// The common name.
    pub(super) name: String,
    /// The role.
    pub(super) role: CertificateRole,
    /// The first moment of its validity.
    pub(super) not_before: Timestamp,
    /// The last moment of its validity.
    pub(super) not_after: Timestamp,
    /// Whether it has key identifiers; those of documents have none.
    pub(super) key_ids: bool,
    /// The address of its revocation list. None is served.
    pub(super) revocation_list: Option<String>,
}

/// The owner and the key of an issuer.
pub(super) struct IssuerKey<'k> {
    pub(super) name: &'k str,
    pub(super) key: &'k PrivateKey,
}

impl Draft {
    /// The certificate of a key, issued by another one, or by itself: DER.
    pub(super) fn issue(&self, key: &PrivateKey, issuer: &IssuerKey<'_>) -> Vec<u8> {
        let point = key.public_point();
        let algorithm = der::sequence(&[der::oid(ECDSA_WITH_SHA384)]);
        let serial = Sha256Digest::of(format!("{} {}", self.name, self.not_before).as_bytes()).0;
        let signed = der::sequence(&[
            // Version 3.
            der::tagged(0, &der::integer(&[2])),
            der::integer(&serial[..16]),
            algorithm.clone(),
            name(issuer.name),
            der::sequence(&[der::time(self.not_before), der::time(self.not_after)]),
            name(&self.name),
            der::sequence(&[
                der::sequence(&[der::oid(EC_PUBLIC_KEY), der::oid(SECP384R1)]),
                der::bits(&point),
            ]),
            der::tagged(3, &der::sequence(&self.extensions(&point, &issuer.key.public_point()))),
        ]);
        let signature = der::bits(&issuer.key.sign_der(&signed));
        der::sequence(&[signed, algorithm, signature])
    }

    fn extensions(&self, point: &[u8], issuer_point: &[u8]) -> Vec<Vec<u8>> {
        let (constraints, usage) = match self.role {
            CertificateRole::Issuer(None) => (vec![der::yes()], ISSUER_USAGE),
            CertificateRole::Issuer(Some(below)) => (vec![der::yes(), der::integer(&[below])], ISSUER_USAGE),
            CertificateRole::Signer => (Vec::new(), SIGNER_USAGE),
        };
        let mut extensions = vec![
            critical(BASIC_CONSTRAINTS, &der::sequence(&constraints)),
            critical(KEY_USAGE, &der::named_bits(usage)),
        ];
        if self.key_ids {
            extensions.push(extension(SUBJECT_KEY_ID, &der::octets(&key_id(point))));
            let issuer = der::sequence(&[der::implicit(0, &key_id(issuer_point))]);
            extensions.push(extension(AUTHORITY_KEY_ID, &issuer));
        }
        if let Some(address) = &self.revocation_list {
            let full_name = der::tagged(0, &der::implicit(6, address.as_bytes()));
            let point = der::sequence(&[der::tagged(0, &full_name)]);
            extensions.push(extension(CRL_DISTRIBUTION_POINTS, &der::sequence(&[point])));
        }
        extensions
    }
}

/// A certificate as PEM (RFC 7468).
pub(super) fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The name of an owner: organization, unit, common name.
fn name(common: &str) -> Vec<u8> {
    let part = |kind, value: &str| {
        // UTF8String.
        der::set_of_one(&der::sequence(&[der::oid(kind), der::element(0x0c, value.as_bytes())]))
    };
    der::sequence(&[
        part(ORGANIZATION, "amiforge"),
        part(ORGANIZATIONAL_UNIT, "local region, not AWS"),
        part(COMMON_NAME, common),
    ])
}

/// The identifier of a key (RFC 5280, 4.2.1.2, method 1).
fn key_id(point: &[u8]) -> Vec<u8> {
    Sha1::digest(point).to_vec()
}

fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[der::oid(id), der::octets(value)])
}

fn critical(id: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[der::oid(id), der::yes(), der::octets(value)])
}
