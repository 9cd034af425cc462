//! The requests for signatures of PCR policies, as files of a bundle: `signing/pcr-policy.json` lists them, and each has a
//! file with the bytes to be signed, so that any tool that signs a file will do.

use amiforge_formats::digest::Digest;
use amiforge_formats::pcr::KERNEL_IMAGE;
use serde::Serialize;

use super::{PcrPolicy, PolicyRequest};
use crate::bundle::{self, Document};

/// Version of the text.
const SCHEMA: u64 = 1;

// The fields are in the order of their names, which makes the keys of the text sorted.

#[derive(Serialize)]
struct PolicyRequestsText<'a> {
    algorithm: &'static str,
    /// SHA-256 of the key's `RSAPublicKey`.
    key: String,
    requests: Vec<PolicyRequestText<'a>>,
    schema: u64,
}

#[derive(Serialize)]
struct PolicyRequestText<'a> {
    bank: &'static str,
    id: &'a str,
    pcrs: [u8; 1],
    phases: String,
    /// The digest of the policy, in hexadecimal: what the file holds.
    policy: String,
    /// The file with the bytes to be signed, in the bundle.
    tbs: &'static str,
}

/// The list, and the bytes to be signed.
pub(super) fn documents(policy: &PcrPolicy, requests: &[PolicyRequest]) -> Vec<Document> {
    let named = || requests.iter().filter_map(|one| Some((one, bundle::policy_name(&one.id)?)));
    let entries = named().map(|(one, tbs)| PolicyRequestText {
        bank: one.bank.name(),
        id: &one.id,
        pcrs: [KERNEL_IMAGE],
        phases: one.phases.to_string(),
        policy: Digest(one.policy).to_string(),
        tbs,
    });
    let text = PolicyRequestsText {
        algorithm: "rsa-pkcs1-sha256",
        key: policy.key.fingerprint.to_string(),
        requests: entries.collect(),
        schema: SCHEMA,
    };
    // Plain structures of strings cannot fail to become JSON.
    let mut json = serde_json::to_string_pretty(&text).unwrap_or_default();
    json.push('\n');
    let list = (bundle::PCR_POLICY, json.into_bytes());
    std::iter::once(list).chain(named().map(|(one, name)| (name, one.policy.to_vec()))).collect()
}
