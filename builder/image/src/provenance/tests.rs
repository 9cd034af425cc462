//! A statement agrees with its manifest, and with no other.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use serde_json::{Value, json};

use super::*;
use crate::image::{Aggregate, BlockMap};
use crate::manifest::{ImageOrigin, Manifest, ManifestInput};
use crate::testing::origin;

fn input(kind: &str, name: &str) -> ManifestInput {
    ManifestInput { kind: kind.to_owned(), name: name.to_owned(), sha256: Some(Digest::of(name.as_bytes())) }
}

fn manifest() -> Manifest {
    let origin = ImageOrigin {
        version: Some("1".to_owned()),
        lock: Some(Digest::of(b"lock")),
        inputs: vec![input("deb", "bash 5.2 amd64"), input("file", "motd")],
        ..origin("web")
    };
    let (blocks, empty) = (BlockMap::default(), Digest::of(b""));
    Manifest {
        tool: "0.1.0".to_owned(),
        origin,
        size: 0,
        disk: Guid::derive("x", "disk"),
        partitions: Vec::new(),
        documents: BTreeMap::from([("tree.txt".to_owned(), Digest::of(b"tree"))]),
        secure_boot: None,
        pcr_policy: None,
        merkle_root: empty,
        without_free: Aggregate { blocks: 0, sha256: empty },
        without_zero: Aggregate { blocks: 0, sha256: empty },
        blocks,
        plain: Digest::of(b"disk"),
        verity: Vec::new(),
    }
}

fn dependency(input: &ManifestInput) -> Value {
    let sha256 = input.sha256.map(|digest| digest.to_string());
    json!({ "annotations": { "kind": input.kind }, "digest": { "sha256": sha256 }, "name": input.name })
}

fn predicate(manifest: &Manifest) -> Value {
    let origin = &manifest.origin;
    let lock = origin.lock.unwrap().to_string();
    let mut dependencies = vec![dependency(&input(RELEASE, "debian trixie"))];
    dependencies.extend(origin.inputs.iter().map(dependency));
    dependencies.push(dependency(&input(PATCH, "fix.patch")));
    json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "image": { "arch": origin.arch, "name": origin.name, "version": origin.version },
                "lock": { "digest": { "sha256": lock } },
                "recipe": { "digest": { "sha256": origin.recipe.to_string() } },
            },
            "internalParameters": { "tool": { "version": manifest.tool } },
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": { "id": BUILDER_ID, "version": { "amiforge": manifest.tool } },
            "metadata": { "invocationId": lock },
        },
    })
}

#[test]
fn a_statement_agrees_with_its_manifest_and_each_changed_value_is_named() {
    let (manifest, text) = (manifest(), b"the text");
    let statement = statement(&predicate(&manifest), &manifest, text);
    assert_eq!(compare(statement.as_bytes(), &manifest, text), [""; 0]);
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    let other = digest(b"other");
    let changes = [
        (digest(b"disk"), other.clone(), "its subject `disk.raw` has SHA-256"),
        (digest(b"the text"), other.clone(), "its subject `manifest.json` has"),
        ("tree.txt".to_owned(), "tree.md".to_owned(), "is no file of this bundle"),
        (digest(b"recipe"), other.clone(), "recipe.digest.sha256"),
        (digest(b"lock"), other.clone(), "invocationId"),
        (digest(b"motd"), other, "its dependency `motd` is not the input `motd`"),
        ("bash 5.2".to_owned(), "bash 5.3".to_owned(), "its dependency `bash 5.3 amd64`"),
        ("\"deb\"".to_owned(), "\"tool\"".to_owned(), "its dependency `bash 5.2 amd64`"),
        ("0.1.0".to_owned(), "0.2.0".to_owned(), "builder.version.amiforge"),
        ("build/v1".to_owned(), "build/v2".to_owned(), "buildType"),
        ("\"_type\"".to_owned(), "\"type\"".to_owned(), "`_type` is nothing"),
        ("{\n".to_owned(), "{\n  \"_type\": \"x\",\n".to_owned(), "as a build writes it"),
        ("\"web\"".to_owned(), "\"\u{1b}[31m\"".to_owned(), "not JSON"),
    ];
    for (old, new, expected) in changes {
        let changed = statement.replacen(&old, &new, 2);
        assert_ne!(changed, statement, "{old}");
        let problems = compare(changed.as_bytes(), &manifest, text);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{old}: {problems:?}");
        assert!(!problems.concat().contains('\u{1b}'));
    }
    for (pointer, expected) in [
        ("/subject", "it has no subject `disk.raw`"),
        ("/predicate/buildDefinition/resolvedDependencies", "it has no dependency `motd`"),
    ] {
        let mut value: Value = serde_json::from_str(&statement).unwrap();
        *value.pointer_mut(pointer).unwrap() = json!([]);
        let problems = compare(format!("{value:#}\n").as_bytes(), &manifest, text);
        assert!(problems.iter().any(|problem| problem == expected), "{problems:?}");
    }
}

#[test]
fn signatures_are_replaced_among_the_dependencies() {
    let mut manifest = manifest();
    let unsigned = predicate(&manifest);
    manifest.origin.inputs.push(input("signature", "uki"));
    let signed = with_signatures(&unsigned, &manifest.origin.inputs);
    assert_eq!(signed, predicate(&manifest));
    assert_eq!(with_signatures(&signed, &manifest.origin.inputs), signed);
    assert_eq!(compare(statement(&signed, &manifest, b"").as_bytes(), &manifest, b""), [""; 0]);
    assert_eq!(compare(statement(&unsigned, &manifest, b"").as_bytes(), &manifest, b"").len(), 1);
    manifest.origin.inputs.pop();
    assert_eq!(with_signatures(&signed, &manifest.origin.inputs), unsigned);
}
