//! `provenance.json` and other in-toto statements (Attestation Framework 1.0): their subjects are files of the bundle, and
//! the inputs of a provenance of SLSA 1 are those of the manifest.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};

use crate::bytes::{from_hex, hex, shown};
use crate::digest::Sha;
use crate::json::Json;
use crate::manifest::{self, Claims};
use crate::report::Log;

/// The types of statements and of provenance.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// How a build of amiforge reads its parameters, and who vouches for it.
const BUILD_TYPE: &str = "https://github.com/amiforge/amiforge/build/v1";
const BUILDER: &str = "https://github.com/amiforge/amiforge/local/v1";

/// Checks `provenance.json`, which is a provenance and nothing else.
pub(crate) fn check_document(
    text: &[u8],
    digests: &BTreeMap<String, Sha>,
    claims: Option<&Claims>,
    log: &mut Log<'_>,
) {
    let json = Json::parse(text).ok();
    let kind = json.as_ref().and_then(|json| json.get("predicateType")).and_then(Json::text);
    log.equal(None, "the type of the predicate", PROVENANCE, shown(kind.unwrap_or_default()).as_str());
    check(text, digests, claims, log);
}

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
                _ = log.equal(None, &format!("the digest of {}", shown(name)), hex(actual), hex(digest));
            }
            None => log.wrong(None, format!("its subject {} is no file of the bundle", shown(name))),
        }
    }
    if json.get("predicateType").and_then(Json::text) == Some(PROVENANCE) {
        let bound = claims.iter().flat_map(|claims| claims.documents.keys().map(String::as_str));
        let files: BTreeSet<&str> = bound.chain(["disk.raw", "manifest.json"]).collect();
        for name in files.iter().filter(|name| !subjects.contains_key(**name)) {
            log.wrong(None, format!("{} is none of its subjects", shown(name)));
        }
        for name in subjects.keys().filter(|name| !files.contains(name.as_str())) {
            log.wrong(None, format!("its subject {} is bound by no manifest", shown(name)));
        }
        if let Some(at) = manifest::difference(&manifest::canonical(&json), text) {
            log.wrong(at as u64, "it is not sorted and indented as a statement of a build is");
        }
        check_build(&json, claims, log);
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

/// What the build was made of: recipe, lock, image and program are those of the manifest, and so are the inputs, in its
/// order. The signed lists of archives (`release`) and patches are dependencies that the manifest does not list.
fn check_build(json: &Json, claims: Option<&Claims>, log: &mut Log<'_>) {
    let Some(claims) = claims else { return };
    let at = |path: &[&str]| {
        path.iter().try_fold(json, |json, key| json.get(key)).map(|json| json.text().unwrap_or("no text"))
    };
    let external = ["predicate", "buildDefinition", "externalParameters"];
    let values: [(&[&str], Option<&str>); 8] = [
        (&[external[0], external[1], external[2], "recipe", "digest", "sha256"], Some(&claims.recipe)),
        (&[external[0], external[1], external[2], "lock", "digest", "sha256"], claims.lock.as_deref()),
        (&[external[0], external[1], external[2], "image", "name"], Some(&claims.name)),
        (&[external[0], external[1], external[2], "image", "version"], claims.version.as_deref()),
        (&[external[0], external[1], external[2], "image", "arch"], Some(&claims.arch)),
        (&["predicate", "buildDefinition", "internalParameters", "tool", "version"], Some(&claims.tool)),
        (&["predicate", "runDetails", "builder", "version", "amiforge"], Some(&claims.tool)),
        (&["predicate", "runDetails", "metadata", "invocationId"], claims.lock.as_deref()),
    ];
    for (path, expected) in values {
        let none = |value: Option<&str>| shown(value.unwrap_or("nothing"));
        log.equal(None, &format!("`{}`", path.join(".")), none(expected), none(at(path)));
    }
    let fixed: [(&[&str], &str); 2] = [
        (&["predicate", "buildDefinition", "buildType"], BUILD_TYPE),
        (&["predicate", "runDetails", "builder", "id"], BUILDER),
    ];
    for (path, expected) in fixed {
        log.equal(
            None,
            &format!("`{}`", path.join(".")),
            expected,
            shown(at(path).unwrap_or("nothing")).as_str(),
        );
    }
    check_inputs(json, claims, log);
}

fn check_inputs(json: &Json, claims: &Claims, log: &mut Log<'_>) {
    let definition = json.get("predicate").and_then(|predicate| predicate.get("buildDefinition"));
    let all = definition.and_then(|definition| definition.get("resolvedDependencies")).and_then(Json::list);
    let text = |one: &Json, path: &[&str]| {
        let value = path.iter().try_fold(one, |json, key| json.get(key)).and_then(Json::text);
        value.map(ToString::to_string)
    };
    let kind = |one: &Json| text(one, &["annotations", "kind"]).unwrap_or_default();
    let mut dependencies =
        all.unwrap_or(&[]).iter().filter(|one| !["release", "patch"].contains(&kind(one).as_str()));
    for input in &claims.inputs {
        let same = dependencies.next().is_some_and(|one| {
            kind(one) == input.kind
                && text(one, &["name"]).as_ref() == Some(&input.name)
                && text(one, &["digest", "sha256"]) == input.sha256
        });
        if !same {
            log.wrong(
                None,
                format!("its dependencies are not the inputs of the manifest: {}", shown(&input.name)),
            );
            return;
        }
    }
    if let Some(further) = dependencies.next() {
        let name = text(further, &["name"]).unwrap_or_default();
        log.wrong(None, format!("its dependency {} is no input of the manifest", shown(&name)));
    }
}
