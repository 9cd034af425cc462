//! The PCR policies of an image against those of its manifest: the key, every policy, every signature.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_formats::pcr::{
    Bank, KERNEL_IMAGE, PUBLIC_KEY_SECTION, PhasePath, PolicyKey, SIGNATURE_SECTION,
};
use amiforge_formats::pe::{self, PeHeaders};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::Printable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{PHASES_MAX, PcrPolicy, PcrPolicyError, PcrPolicyRecord, PolicyRequest, is_signed, requests};

/// The longest section that is read: sixteen signatures of 8192 bits.
const SECTION_MAX: u64 = 64 << 10;

/// An entry of `.pcrsig`.
#[derive(Deserialize)]
struct SignedEntry {
    pcrs: Vec<u8>,
    pkfp: String,
    pol: String,
    sig: String,
}

/// Checks the policies of a unified kernel image; gives a line on what was checked.
///
/// # Errors
/// [`PcrPolicyError`] with the first thing that differs.
pub(crate) fn check(uki: &dyn ReadAt, record: &PcrPolicyRecord) -> Result<String, PcrPolicyError> {
    let headers = pe::read(uki).map_err(PcrPolicyError::Image)?;
    let pem = section(uki, &headers, PUBLIC_KEY_SECTION)?;
    let pem = pem.ok_or(PcrPolicyError::NoSection { name: PUBLIC_KEY_SECTION })?;
    let key = PolicyKey::parse(&pem).map_err(PcrPolicyError::Key)?;
    if key.fingerprint.to_string() != record.key {
        let (expected, found) = (Printable(record.key.as_bytes()).to_string(), key.fingerprint.to_string());
        return Err(PcrPolicyError::OtherKey { expected, found });
    }
    let policy = PcrPolicy { key, phases: phases(record)? };
    let requests = requests(uki, &policy).map_err(PcrPolicyError::Predict)?;
    compare(&requests, record)?;
    let signatures = section(uki, &headers, SIGNATURE_SECTION)?;
    let count = requests.len();
    match (signatures, record.is_signed()) {
        (None, false) => Ok(format!("PCR policies: {count}, not signed yet")),
        (None, true) => Err(PcrPolicyError::NoSection { name: SIGNATURE_SECTION }),
        (Some(_), false) => Err(PcrPolicyError::Unexpected { name: SIGNATURE_SECTION }),
        (Some(text), true) => {
            signed(&policy.key, &requests, &text)?;
            Ok(format!("PCR policies: {count}, signed by the key {}", policy.key.fingerprint))
        }
    }
}

fn section(
    uki: &dyn ReadAt,
    headers: &PeHeaders,
    name: &'static str,
) -> Result<Option<Vec<u8>>, PcrPolicyError> {
    headers.content(uki, name, SECTION_MAX).map_err(PcrPolicyError::Image)
}

/// The phases of a record: those of the first bank.
fn phases(record: &PcrPolicyRecord) -> Result<Vec<PhasePath>, PcrPolicyError> {
    let wrong = |what, value: &str| {
        let value = Printable(value.as_bytes()).to_string();
        PcrPolicyError::Record { what, value }
    };
    let all = &record.policies;
    if all.is_empty()
        || all.len() > PHASES_MAX * Bank::ALL.len()
        || !all.len().is_multiple_of(Bank::ALL.len())
    {
        return Err(wrong("the number", &all.len().to_string()));
    }
    let first = &all[..all.len() / Bank::ALL.len()];
    first
        .iter()
        .map(|one| PhasePath::parse(&one.phases).map_err(|_| wrong("the phases", &one.phases)))
        .collect()
}

/// Compares the policies that follow from the image with those of the manifest.
fn compare(requests: &[PolicyRequest], record: &PcrPolicyRecord) -> Result<(), PcrPolicyError> {
    for (request, expected) in requests.iter().zip(&record.policies) {
        let found = Digest(request.policy).to_string();
        let same = expected.bank == request.bank.name() && expected.phases == request.phases.to_string();
        if !same || expected.policy != found {
            return Err(PcrPolicyError::Policy {
                phases: request.phases.to_string(),
                bank: request.bank.name().to_owned(),
                expected: Printable(expected.policy.as_bytes()).to_string(),
                found,
            });
        }
    }
    Ok(())
}

/// Checks the content of `.pcrsig`.
fn signed(key: &PolicyKey, requests: &[PolicyRequest], text: &[u8]) -> Result<(), PcrPolicyError> {
    let banks: BTreeMap<String, Vec<SignedEntry>> =
        serde_json::from_slice(text).map_err(PcrPolicyError::Json)?;
    let entries: Vec<(&str, &SignedEntry)> =
        banks.iter().flat_map(|(bank, entries)| entries.iter().map(|one| (bank.as_str(), one))).collect();
    if entries.len() != requests.len() {
        return Err(PcrPolicyError::Entries);
    }
    for (request, (bank, entry)) in requests.iter().zip(entries) {
        let named = bank == request.bank.name()
            && entry.pcrs == [KERNEL_IMAGE]
            && entry.pkfp == key.fingerprint.to_string()
            && entry.pol == Digest(request.policy).to_string();
        if !named {
            return Err(PcrPolicyError::Entries);
        }
        let signature = STANDARD.decode(&entry.sig).unwrap_or_default();
        if !is_signed(key, &request.policy, &signature) {
            let (phases, bank) = (request.phases.to_string(), request.bank.name().to_owned());
            return Err(PcrPolicyError::Signature { phases, bank });
        }
    }
    Ok(())
}
