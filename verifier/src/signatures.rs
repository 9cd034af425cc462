//! Signatures of a bundle: over `SHA256SUMS` as SSH signs files, and over statements in DSSE envelopes; and what a policy
//! says of them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::shown;
use crate::digest::Sha;
use crate::dsse::Envelope;
use crate::files::{self, BundleFiles};
use crate::json::Json;
use crate::manifest::Claims;
use crate::policy::Policy;
use crate::provenance;
use crate::report::Report;
use crate::sshsig::{PublicKey, SshSignature, NAMESPACE};

/// The folder of signatures.
pub(crate) const FOLDER: &str = "signatures/";

/// What the signatures are over, and who may have made them.
pub(crate) struct Signed<'a> {
    pub(crate) files: &'a dyn BundleFiles,
    /// The text of `SHA256SUMS`.
    pub(crate) sums: &'a [u8],
    pub(crate) digests: &'a BTreeMap<String, Sha>,
    pub(crate) claims: Option<&'a Claims>,
    pub(crate) policy: Option<&'a Policy>,
}

enum Form {
    Ssh,
    Dsse,
    Sigstore,
}

/// What a file in the folder holds, by its name: `ID.sig`, `ID.KIND.dsse.json` or `ID.KIND.sigstore.json`.
fn form(name: &str) -> Option<Form> {
    let (id, rest) = name.split_once('.')?;
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !(16..=64).contains(&id.len()) || !id.bytes().all(digit) {
        return None;
    }
    match rest {
        "sig" if id.len() == 16 => Some(Form::Ssh),
        _ if rest.ends_with(".dsse.json") => Some(Form::Dsse),
        _ if rest.ends_with(".sigstore.json") => Some(Form::Sigstore),
        _ => None,
    }
}

/// Checks the signature files of these names, and asks the policy.
pub(crate) fn check(signed: &Signed<'_>, names: &[String], report: &mut Report) {
    let (mut keys, mut envelopes): (Vec<PublicKey>, Vec<_>) = (Vec::new(), Vec::new());
    for name in names {
        let bytes = match files::text(signed.files, name) {
            Ok(bytes) => bytes,
            Err(failure) => {
                report.failed(name, format!("it cannot be read: {}", failure.reason));
                continue;
            }
        };
        let own = name.strip_prefix(FOLDER).unwrap_or_default();
        match form(own) {
            Some(Form::Ssh) => keys.extend(ssh(signed, name, own, &bytes, report)),
            Some(Form::Dsse) => envelopes.push((name, Envelope::parse(&bytes))),
            Some(Form::Sigstore) => envelopes.push((name, Envelope::parse_sigstore(&bytes))),
            None => report.failed(name, "no signature has such a name"),
        }
    }
    // Envelopes name keys and do not hold them: they are looked for in the policy and among those of the signatures.
    let mut known: Vec<PublicKey> = signed.policy.into_iter().flat_map(Policy::keys).cloned().collect();
    known.extend(keys.iter().cloned());
    known.dedup();
    for (name, envelope) in envelopes {
        statement(signed, name, envelope, &known, report);
    }
    decide(signed, &keys, report);
}

/// An SSH signature: a good one gives its key.
fn ssh(signed: &Signed<'_>, name: &str, own: &str, bytes: &[u8], report: &mut Report) -> Option<PublicKey> {
    let signature = match SshSignature::parse(bytes) {
        Ok(signature) => signature,
        Err(reason) => {
            report.part(name, 0).wrong(None, reason);
            return None;
        }
    };
    let id = signature.key.id();
    let named = report.part(name, 0).equal(
        None,
        "the name is not that of the key",
        format!("{id}.sig"),
        own.to_string(),
    );
    match signature.verify(NAMESPACE, signed.sums) {
        Ok(()) if named => {
            report.did(format!("{name}: a signature of SHA256SUMS by {}", signature.key.fingerprint()));
            Some(signature.key)
        }
        Ok(()) => None,
        Err(reason) => {
            report.part(name, 0).wrong(None, reason);
            None
        }
    }
}

fn statement(
    signed: &Signed<'_>,
    name: &str,
    envelope: Result<Envelope, String>,
    keys: &[PublicKey],
    report: &mut Report,
) {
    let envelope = match envelope {
        Ok(envelope) => envelope,
        Err(reason) => {
            report.part(name, 0).wrong(None, reason);
            return;
        }
    };
    let id = name.strip_prefix(FOLDER).and_then(|own| own.split('.').next()).unwrap_or_default();
    if !envelope.names(id) {
        report.part(name, 0).wrong(None, "it is named after another key than those that it names");
    }
    match envelope.signed_by(keys) {
        Err(reason) => report.part(name, 0).wrong(None, reason),
        Ok(by) if by.is_empty() => report.skipped(name, "it is signed by a key that is not known here"),
        Ok(by) => {
            let by: Vec<String> = by.iter().map(PublicKey::fingerprint).collect();
            report.did(format!("{name}: a statement signed by {}", by.join(", ")));
        }
    }
    provenance::check(&envelope.payload, signed.digests, signed.claims, &mut report.part(name, 0));
    compare_document(signed, name, &envelope.payload, report);
}

/// Kinds of statements with the document that each is made of.
const DOCUMENTS: [(&str, &str); 4] = [
    ("provenance", "provenance.json"),
    ("sbom-cyclonedx", "sbom.cdx.json"),
    ("sbom-spdx", "sbom.spdx.json"),
    ("vex", "openvex.json"),
];

/// The statement of a kind says what the bundle's own document says: provenance is the document, the others have it as
/// their predicate.
fn compare_document(signed: &Signed<'_>, name: &str, payload: &[u8], report: &mut Report) {
    let kind = name.strip_prefix(FOLDER).and_then(|own| own.split('.').nth(1)).unwrap_or_default();
    let Some((_, document)) = DOCUMENTS.iter().find(|known| known.0 == kind) else {
        report.skipped(name, "what it states is not compared with the image");
        return;
    };
    let own = files::text(signed.files, document).unwrap_or_default();
    let same = if kind == "provenance" {
        own == payload
    } else {
        let predicate = Json::parse(payload).ok().and_then(|json| json.get("predicate").cloned());
        predicate.is_some() && predicate == Json::parse(&own).ok()
    };
    if !same {
        report.part(name, 0).wrong(None, format!("it does not state what {document} says"));
    }
}

/// What the policy says; without one, who signed is reported and nothing is decided.
fn decide(signed: &Signed<'_>, keys: &[PublicKey], report: &mut Report) {
    let Some(policy) = signed.policy else {
        report.signers.extend(keys.iter().map(PublicKey::fingerprint));
        return;
    };
    let Some(claims) = signed.claims else {
        report
            .part("signatures", 0)
            .wrong(None, "without a manifest there is no name to look up in the policy");
        return;
    };
    let verdict = policy.decide(&claims.name, keys);
    let count = verdict.signers.len();
    match verdict.threshold {
        None => {
            let problem = format!("no rule of the policy is for images of the name {}", shown(&claims.name));
            report.part("signatures", 0).wrong(None, problem);
        }
        Some(threshold) if !verdict.is_enough() => {
            let problem = format!("the policy asks for {threshold} signers, and there are {count}");
            report.part("signatures", 0).wrong(None, problem);
        }
        Some(threshold) => report.did(format!("signatures: {count} of at least {threshold} signers")),
    }
    report.signers.extend(verdict.signers);
}
