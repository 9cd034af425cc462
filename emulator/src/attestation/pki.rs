//! The certificates of a folder: a root, then region, zone, instance and document, with the lifetimes that NitroTPM's have.

use std::time::Duration;

use super::certificate::{CertificateRole, Draft, IssuerKey};
use super::keys::PrivateKey;
use crate::clock::Timestamp;
use crate::digest::Sha256Digest;

/// The name of every root. Verifiers recognize documents of local regions by its first words.
const ROOT: &str = "amiforge local region, not AWS";
/// The validity of every root: 2020-01-01 to 2049-12-31, so that the root of a folder is always the same.
const ROOT_VALIDITY: (Timestamp, Timestamp) = (Timestamp(1_577_836_800_000), Timestamp(2_524_521_600_000));

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// The certificates of a document and the key that signs it.
pub(super) struct Chain {
    /// The certificates above the document, the root first: DER.
    pub(super) bundle: Vec<Vec<u8>>,
    /// The certificate of the document: DER.
    pub(super) certificate: Vec<u8>,
    /// Its key.
    pub(super) key: PrivateKey,
}

/// The root of a folder: DER.
pub(super) fn root(secret: &[u8; 32]) -> Vec<u8> {
    let key = PrivateKey::derive(secret, ROOT);
    root_draft().issue(&key, &IssuerKey { name: ROOT, key: &key })
}

/// The certificates of a document of an instance.
pub(super) fn chain(secret: &[u8; 32], (region, zone, module): (&str, &str, &str), made: Timestamp) -> Chain {
    let mut issuer = (ROOT.to_owned(), PrivateKey::derive(secret, ROOT));
    let mut certificates = vec![root(secret)];
    for draft in drafts(region, zone, module, made) {
        let key = PrivateKey::derive(secret, &format!("{} {}", draft.name, draft.not_before));
        certificates.push(draft.issue(&key, &IssuerKey { name: &issuer.0, key: &issuer.1 }));
        issuer = (draft.name, key);
    }
    let certificate = certificates.pop().unwrap_or_default();
    Chain { bundle: certificates, certificate, key: issuer.1 }
}

fn root_draft() -> Draft {
    let (not_before, not_after) = ROOT_VALIDITY;
    let role = CertificateRole::Issuer(None);
    Draft { name: ROOT.to_owned(), role, not_before, not_after, key_ids: true, revocation_list: None }
}

/// What follows below the root: the lifetimes begin at whole days and hours, so that documents share their issuers.
fn drafts(region: &str, zone: &str, module: &str, made: Timestamp) -> [Draft; 4] {
    let issuer = |kind: &str, of: &str, below, unit: u64, life: u64| {
        let start = made.0 - made.0 % unit;
        let name = format!("{} {kind} of the local region", short(&format!("{kind} {of} {start}")));
        let not_before = Timestamp(start.saturating_sub(unit));
        Draft {
            revocation_list: (kind != "instance").then(|| format!("http://crl.{of}.invalid/{kind}.crl")),
            name,
            role: CertificateRole::Issuer(Some(below)),
            not_before,
            not_after: Timestamp(not_before.0 + life),
            key_ids: true,
        }
    };
    [
        issuer("region", region, 2, DAY, 20 * DAY + HOUR),
        issuer("zone", zone, 1, DAY, 5 * DAY + 18 * HOUR),
        issuer("instance", module, 0, HOUR, DAY),
        Draft {
            name: format!("{module} in {zone}"),
            role: CertificateRole::Signer,
            not_before: Timestamp(made.0.saturating_sub(3000)),
            not_after: made.after(Duration::from_hours(3)),
            key_ids: false,
            revocation_list: None,
        },
    ]
}

/// The first digits of a digest, by which names of issuers differ.
fn short(text: &str) -> String {
    Sha256Digest::of(text.as_bytes()).hex()[..16].to_owned()
}
