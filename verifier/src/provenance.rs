//! `provenance.json` and other in-toto statements (Attestation Framework 1.0): their subjects are files of the bundle, and
//! the inputs of a provenance of SLSA 1 are those of the manifest.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};

use crate::bytes::{from_hex, hex, shown};
use crate::digest::Sha;
use crate::json::Json;
use crate::manifest::Claims;
use crate::report::Log;

/// The types of statements and of provenance.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// Checks a statement about files whose digests are known.
pub(crate) fn check(
    text: &[u8],
    digests: &BTreeMap<String, Sha>,
    claims: Option<&Claims>,
    log: &mut Log<'_>,
) {
    let json = match Json::parse(text) {
        Ok(json) => json,
        Err(error) => {
            log.wrong(error.offset as u64, format!("it is not JSON: {}", error.reason));
            return;
        }
    };
    let kind = json.get("_type").and_then(Json::text).unwrap_or_default();
    log.equal(None, "the type of the statement", STATEMENT, shown(kind).as_str());
    let subjects = match subjects(&json) {
        Ok(subjects) => subjects,
        Err(reason) => {
            log.wrong(None, reason);
            return;
        }
    };
    for (name, digest) in &subjects {
        match digests.get(name) {
            Some(actual) => {
                _ = log.equal(None, &format!("the digest of {}", shown(name)), hex(actual), hex(digest))
            }
            None => log.wrong(None, format!("its subject {} is no file of the bundle", shown(name))),
        }
    }
    if json.get("predicateType").and_then(Json::text) == Some(PROVENANCE) {
        for name in ["disk.raw", "manifest.json"] {
            if !subjects.contains_key(name) {
                log.wrong(None, format!("{name} is none of its subjects"));
            }
        }
        check_inputs(&json, claims, log);
    }
}

fn subjects(json: &Json) -> Result<BTreeMap<String, Sha>, String> {
    let mut all = BTreeMap::new();
    for subject in json.get("subject").and_then(Json::list).unwrap_or(&[]) {
        let name = subject.get("name").and_then(Json::text).unwrap_or_default();
        let digest = subject.get("digest").and_then(|digest| digest.get("sha256")).and_then(Json::text);
        let digest =
            digest.and_then(from_hex).ok_or_else(|| format!("the subject {} has no SHA-256", shown(name)))?;
        if all.insert(name.to_string(), digest).is_some() {
            return Err(format!("the subject {} is there twice", shown(name)));
        }
    }
    if all.is_empty() {
        Err("it has no subjects".to_string())
    } else {
        Ok(all)
    }
}

/// Every input of the manifest with a digest is a dependency of the build with the same one.
fn check_inputs(json: &Json, claims: Option<&Claims>, log: &mut Log<'_>) {
    let Some(claims) = claims else { return };
    let definition = json.get("predicate").and_then(|predicate| predicate.get("buildDefinition"));
    let dependencies = definition.and_then(|definition| definition.get("resolvedDependencies"));
    let digest = |one: &Json| one.get("digest")?.get("sha256")?.text().and_then(from_hex);
    let known: BTreeSet<Sha> =
        dependencies.and_then(Json::list).unwrap_or(&[]).iter().filter_map(digest).collect();
    for input in claims.inputs.iter().filter(|input| !known.contains(*input)) {
        log.wrong(None, format!("the input {} of the manifest is none of its dependencies", hex(input)));
    }
}
