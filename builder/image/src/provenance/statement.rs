//! The text of a statement.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use serde_json::{Value, json};

use super::{PREDICATE_TYPE, STATEMENT_TYPE};
use crate::bundle::{DISK, MANIFEST};
use crate::manifest::{Manifest, ManifestInput, SIGNATURE_INPUT};

/// The files that a statement is about, by name: the image, the manifest with this text, and the documents that it binds.
pub fn subjects(manifest: &Manifest, manifest_text: &[u8]) -> BTreeMap<String, Digest> {
    let mut subjects = manifest.documents.clone();
    subjects.insert(DISK.to_owned(), manifest.plain);
    subjects.insert(MANIFEST.to_owned(), Digest::of(manifest_text));
    subjects
}

/// The text of the statement with a predicate: indented, keys and subjects sorted, with a newline at its end.
pub fn statement(predicate: &Value, manifest: &Manifest, manifest_text: &[u8]) -> String {
    let subjects = subjects(manifest, manifest_text);
    let subject = |(name, sha256): (&String, &Digest)| json!({ "digest": { "sha256": sha256.to_string() }, "name": name });
    let subjects: Vec<Value> = subjects.iter().map(subject).collect();
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "predicate": predicate,
        "predicateType": PREDICATE_TYPE,
        "subject": subjects,
    });
    format!("{statement:#}\n")
}

/// The predicate of an image whose signatures for firmware are now those of `inputs`: the same that a build with these
/// signatures writes.
pub fn with_signatures(predicate: &Value, inputs: &[ManifestInput]) -> Value {
    let mut predicate = predicate.clone();
    let dependencies = predicate.pointer_mut("/buildDefinition/resolvedDependencies");
    let Some(Value::Array(all)) = dependencies else { return predicate };
    all.retain(|one| kind(one) != Some(SIGNATURE_INPUT));
    // Patches follow what the manifest lists.
    let at = all.iter().position(|one| kind(one) == Some(super::PATCH)).unwrap_or(all.len());
    let signatures = inputs.iter().filter(|input| input.kind == SIGNATURE_INPUT).map(signature);
    all.splice(at..at, signatures);
    predicate
}

/// The descriptor of a signature.
fn signature(input: &ManifestInput) -> Value {
    let mut descriptor = json!({ "annotations": { "kind": input.kind }, "name": input.name });
    if let Some(sha256) = input.sha256 {
        descriptor["digest"] = json!({ "sha256": sha256.to_string() });
    }
    descriptor
}

/// The kind of a dependency.
pub(super) fn kind(dependency: &Value) -> Option<&str> {
    dependency.pointer("/annotations/kind")?.as_str()
}
