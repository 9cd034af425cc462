//! Comparison of a statement with the manifest beside it.

use std::collections::BTreeMap;

use amiforge_formats::tree::Printable;
use serde_json::Value;

use super::statement::{kind, subjects};
use super::{BUILD_TYPE, BUILDER_ID, PATCH, PREDICATE_TYPE, RELEASE, STATEMENT_TYPE};
use crate::manifest::{Manifest, ManifestInput};

/// The most differences that are listed for one statement.
const LISTED_MAX: usize = 20;

/// What in a statement is not what the manifest with this text says, as sentences; none if they agree.
pub fn compare(text: &[u8], manifest: &Manifest, manifest_text: &[u8]) -> Vec<String> {
    let statement: Value = match serde_json::from_slice(text) {
        Ok(statement) => statement,
        Err(error) => return vec![format!("it is not JSON: {error}")],
    };
    let mut problems = Vec::new();
    // A second key of the same name, or text behind the statement, would be read differently by others.
    if format!("{statement:#}\n").as_bytes() != text {
        problems.push("it is not written as a build writes it".to_owned());
    }
    fixed(&statement, &mut problems);
    compare_subjects(&statement, manifest, manifest_text, &mut problems);
    parameters(&statement, manifest, &mut problems);
    dependencies(&statement, manifest, &mut problems);
    if problems.len() > LISTED_MAX {
        let more = problems.len() - LISTED_MAX;
        problems.truncate(LISTED_MAX);
        problems.push(format!("and {more} more differences"));
    }
    problems
}

/// The values that every statement of a build has.
fn fixed(statement: &Value, problems: &mut Vec<String>) {
    let expected = [
        ("/_type", STATEMENT_TYPE),
        ("/predicateType", PREDICATE_TYPE),
        ("/predicate/buildDefinition/buildType", BUILD_TYPE),
        ("/predicate/runDetails/builder/id", BUILDER_ID),
    ];
    for (pointer, expected) in expected {
        equal(statement, pointer, Some(expected), problems);
    }
}

/// Subjects have to be all files that the manifest vouches for, and the manifest.
fn compare_subjects(
    statement: &Value,
    manifest: &Manifest,
    manifest_text: &[u8],
    problems: &mut Vec<String>,
) {
    let mut expected: BTreeMap<String, String> = subjects(manifest, manifest_text)
        .into_iter()
        .map(|(name, sha256)| (name, sha256.to_string()))
        .collect();
    let all = statement.get("subject").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for subject in all {
        let name = text_at(subject, "/name").unwrap_or_default();
        let found = text_at(subject, "/digest/sha256").unwrap_or_default();
        match expected.remove(name) {
            Some(sha256) if sha256 == found => {}
            Some(sha256) => problems.push(format!(
                "its subject `{}` has SHA-256 {}, and that file has {sha256}",
                shown(name),
                shown(found)
            )),
            None => problems.push(format!("its subject `{}` is no file of this bundle", shown(name))),
        }
    }
    problems.extend(expected.keys().map(|name| format!("it has no subject `{name}`")));
}

/// Recipe, lock, image and tool have to be those of the manifest.
fn parameters(statement: &Value, manifest: &Manifest, problems: &mut Vec<String>) {
    let origin = &manifest.origin;
    let (recipe, lock) = (origin.recipe.to_string(), origin.lock.map(|digest| digest.to_string()));
    let external = "/predicate/buildDefinition/externalParameters";
    let expected = [
        (format!("{external}/recipe/digest/sha256"), Some(recipe.as_str())),
        (format!("{external}/lock/digest/sha256"), lock.as_deref()),
        (format!("{external}/image/name"), Some(origin.name.as_str())),
        (format!("{external}/image/version"), origin.version.as_deref()),
        (format!("{external}/image/arch"), Some(origin.arch.as_str())),
        ("/predicate/buildDefinition/internalParameters/tool/version".to_owned(), Some(&manifest.tool)),
        ("/predicate/runDetails/builder/version/amiforge".to_owned(), Some(&manifest.tool)),
        ("/predicate/runDetails/metadata/invocationId".to_owned(), lock.as_deref()),
    ];
    for (pointer, expected) in expected {
        equal(statement, &pointer, expected, problems);
    }
}

/// Dependencies have to be the inputs of the manifest, in its order; the lists of archives and the patches of stages, which
/// it has not, are left aside.
fn dependencies(statement: &Value, manifest: &Manifest, problems: &mut Vec<String>) {
    let all = statement.pointer("/predicate/buildDefinition/resolvedDependencies").and_then(Value::as_array);
    let all = all.map(Vec::as_slice).unwrap_or_default();
    let mut found = all.iter().filter(|one| !matches!(kind(one), Some(RELEASE | PATCH)));
    for input in &manifest.origin.inputs {
        match found.next() {
            Some(dependency) if is_of(dependency, input) => {}
            Some(dependency) => problems.push(format!(
                "its dependency `{}` is not the input `{}` of the manifest",
                shown(text_at(dependency, "/name").unwrap_or_default()),
                shown(&input.name)
            )),
            None => problems.push(format!("it has no dependency `{}`", shown(&input.name))),
        }
    }
    problems.extend(found.map(|dependency| {
        let name = shown(text_at(dependency, "/name").unwrap_or_default());
        format!("its dependency `{name}` is no input of the manifest")
    }));
}

fn is_of(dependency: &Value, input: &ManifestInput) -> bool {
    let sha256 = input.sha256.map(|digest| digest.to_string());
    kind(dependency) == Some(input.kind.as_str())
        && text_at(dependency, "/name") == Some(input.name.as_str())
        && text_at(dependency, "/digest/sha256") == sha256.as_deref()
}

/// Compares a text of the statement; none expects that it has no such key.
fn equal(statement: &Value, pointer: &str, expected: Option<&str>, problems: &mut Vec<String>) {
    let found = statement.pointer(pointer);
    if found.map(Value::as_str) != expected.map(Some) {
        let (key, found) =
            (pointer.trim_start_matches('/').replace('/', "."), found.map(ToString::to_string));
        let found = shown(found.as_deref().unwrap_or("nothing"));
        let expected = shown(expected.unwrap_or("nothing"));
        problems.push(format!("its `{key}` is {found}, and expected is {expected}"));
    }
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn shown(text: &str) -> String {
    Printable(text.as_bytes()).to_string()
}
