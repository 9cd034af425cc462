//! The files with attestations of a bundle against what it would state now.

use std::collections::BTreeMap;

use amiforge_formats::digest::hex;
use amiforge_formats::tree::Printable;
use amiforge_trust::dsse::{self, DsseEnvelope};
use amiforge_trust::keys::PublicKey;
use amiforge_trust::policy::SigningPolicy;
use amiforge_trust::sigstore::SigstoreBundle;
use amiforge_trust::statement::{FOLDER, SignatureFile};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::folder::names;
use super::payload::read_most;
use super::{AttestationError, AttestationKind, AttestationSummary, StatedBundle};
use crate::inspect::chain;

/// A file with an attestation, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedAttestation {
    /// Its name in the bundle, such as `signatures/0123456789abcdef.provenance.dsse.json`.
    pub name: String,
    /// What it states; none for a kind that is not known here.
    pub kind: Option<AttestationKind>,
    /// The keys among those that were given by which its signatures verify; or why it is no attestation of this bundle.
    pub signed_by: Result<Vec<PublicKey>, String>,
}

impl CheckedAttestation {
    /// The attestation as reports show it. Whose signature it is, only a policy says.
    pub fn summary(&self) -> AttestationSummary {
        AttestationSummary {
            file: self.name.clone(),
            kind: self.kind.map(AttestationKind::name),
            problem: self.signed_by.as_ref().err().cloned(),
        }
    }
}

/// Checks every file with an attestation: the statement has to be the one that follows from the bundle, and a signature that
/// names one of `keys` has to be one by it. Without the key of a signature only the statement is checked.
///
/// # Errors
/// [`AttestationError`] where the folder cannot be read.
pub fn check(stated: &StatedBundle, keys: &[PublicKey]) -> Result<Vec<CheckedAttestation>, AttestationError> {
    // Each statement is made once, whatever the number of signers.
    let mut payloads: BTreeMap<AttestationKind, Result<Vec<u8>, String>> = BTreeMap::new();
    let mut checked = Vec::new();
    for (name, file) in names(stated.folder())? {
        let kind = name.split('.').nth(1).and_then(AttestationKind::of_name);
        let signed_by = match kind {
            None => Err("its name says a kind of attestation that is not known here".to_owned()),
            Some(kind) => {
                let payload = payloads
                    .entry(kind)
                    .or_insert_with(|| stated.payload(kind).map_err(|error| chain(&error)));
                payload.clone().and_then(|payload| check_file(stated, (&name, file), &payload, keys))
            }
        };
        checked.push(CheckedAttestation { name: format!("{FOLDER}/{name}"), kind, signed_by });
    }
    Ok(checked)
}

/// Asks a policy about the attestations that its rule for the image requires besides the bundle. The manifest has to be one
/// that was accepted before. Gives the files that were checked.
///
/// # Errors
/// [`AttestationError::NotMet`] names the first that is missing, [`AttestationError::Refused`] one that is none, required or
/// not: a signature that names a signer of the policy has to be one by that signer.
pub fn check_required(
    stated: &StatedBundle,
    policy: &SigningPolicy,
) -> Result<Vec<CheckedAttestation>, AttestationError> {
    let name = &stated.manifest().origin.name;
    let required = policy.rule_for(name).map(|rule| rule.require.as_slice()).unwrap_or_default();
    let keys: Vec<PublicKey> = policy.signers().iter().flat_map(|signer| signer.keys.clone()).collect();
    let checked = check(stated, &keys)?;
    for word in required {
        let of_kind = || checked.iter().filter(|one| one.kind.is_some_and(|kind| kind.name() == word));
        let signed: Vec<PublicKey> =
            of_kind().filter_map(|one| one.signed_by.clone().ok()).flatten().collect();
        let decision = policy.decide(name, &signed);
        if !decision.is_met() {
            let refused = of_kind().filter_map(|one| {
                let problem = one.signed_by.as_ref().err()?;
                Some(format!("`{}`: {problem}", one.name))
            });
            let (kind, refused) = (word.clone(), refused.collect());
            return Err(AttestationError::NotMet { kind, decision: Box::new(decision), refused });
        }
    }
    for one in &checked {
        if let Err(problem) = &one.signed_by {
            let (name, problem) = (one.name.clone(), problem.clone());
            return Err(AttestationError::Refused { name, problem });
        }
    }
    Ok(checked)
}

/// Checks a file; gives the keys by which it is signed.
fn check_file(
    stated: &StatedBundle,
    (name, file): (&str, SignatureFile),
    payload: &[u8],
    keys: &[PublicKey],
) -> Result<Vec<PublicKey>, String> {
    let path = stated.folder().join(FOLDER).join(name);
    let text = read_most(&path, dsse::LEN_MAX as u64).map_err(|error| chain(&error))?;
    let envelope = match file {
        SignatureFile::Sigstore => {
            let bundle = SigstoreBundle::parse(&text).map_err(|error| chain(&error))?;
            let own = bundle.envelope.signatures.iter().all(|one| one.key_id == bundle.hint);
            if !own {
                return Err("its hint is not the id of its signature's key".to_owned());
            }
            bundle.envelope
        }
        _ => DsseEnvelope::parse(&text).map_err(|error| chain(&error))?,
    };
    if envelope.payload_type != dsse::IN_TOTO {
        let found = Printable(envelope.payload_type.as_bytes());
        return Err(format!("its payload has the type `{found}`, and a statement has {}", dsse::IN_TOTO));
    }
    if envelope.payload != payload {
        return Err(
            "it is not what this bundle states: it was signed before the bundle changed, or is of another"
                .to_owned(),
        );
    }
    let id = name.split('.').next().unwrap_or_default();
    if !envelope.signatures.iter().any(|one| short_id(&one.key_id).as_deref() == Some(id)) {
        return Err("it is named after another key than those that its signatures name".to_owned());
    }
    let signed = envelope.verify(keys).map_err(|error| chain(&error))?;
    Ok(signed.into_iter().cloned().collect())
}

/// The id in names of files ([`PublicKey::short_id`]) of a fingerprint ([`PublicKey::fingerprint`]).
fn short_id(fingerprint: &str) -> Option<String> {
    let digest = STANDARD_NO_PAD.decode(fingerprint.strip_prefix("SHA256:")?).ok()?;
    digest.get(..8).filter(|_| digest.len() == 32).map(hex)
}
