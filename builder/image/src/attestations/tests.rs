//! Attestations of a small bundle: what is stored verifies, and what changed is found.

use std::fs;
use std::path::{Path, PathBuf};

use amiforge_progress::Monitor;
use amiforge_trust::dsse::{DsseEnvelope, IN_TOTO};
use amiforge_trust::in_toto::InTotoStatement;
use amiforge_trust::policy::SigningPolicy;
use amiforge_trust::signing::SigningKey as _;
use serde_json::json;

use super::*;
use crate::bundle::{MANIFEST, PROVENANCE, SPDX};
use crate::provenance::{BUILD_TYPE, BUILDER_ID};
use crate::testing::{THREADS, key, origin, small_disk, texts, three_bytes, write_bundle};
use crate::verify::{BundleDifference, verify};

fn policy(require: &str) -> SigningPolicy {
    let signer = |number: u8| {
        let key = key(number).public().to_openssh();
        format!("[[signer]]\nname = \"signer-{number}\"\nkeys = [\"{key}\"]\n")
    };
    let text = format!(
        "{}{}[[rule]]\nnames = [\"web\"]\nsigners = [\"signer-1\", \"signer-2\"]\nthreshold = 2\nrequire = [{require}]\n",
        signer(1),
        signer(2)
    );
    SigningPolicy::parse(&text).unwrap()
}

/// A bundle of the image `web` with a bill of materials and provenance.
fn bundle() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("web");
    let origin = origin("web");
    let tool = env!("CARGO_PKG_VERSION");
    let predicate = json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "image": { "arch": "x86_64", "name": "web" },
                "recipe": { "digest": { "sha256": origin.recipe.to_string() } },
            },
            "internalParameters": { "tool": { "version": tool } },
            "resolvedDependencies": [],
        },
        "runDetails": { "builder": { "id": BUILDER_ID, "version": { "amiforge": tool } }, "metadata": {} },
    });
    let documents = [(SPDX, b"{\n  \"spdxVersion\": \"SPDX-2.3\"\n}\n".to_vec())];
    let texts = texts(origin, "", &documents, Some(&predicate));
    write_bundle(&path, &small_disk(three_bytes()), texts);
    (parent, path)
}

fn sign(path: &Path, kind: AttestationKind, number: u8) -> Vec<String> {
    let (stated, key) = (StatedBundle::open(path).unwrap(), key(number));
    let envelope = DsseEnvelope::sign(IN_TOTO, stated.payload(kind).unwrap(), &key).unwrap();
    store(path, kind, key.public(), &envelope).unwrap()
}

/// What `verify` says of signatures and provenance.
fn problems(path: &Path) -> Vec<String> {
    let report = verify(path, &THREADS, Monitor::none()).unwrap();
    let own = |one: &BundleDifference| {
        matches!(one, BundleDifference::Signature { .. } | BundleDifference::Provenance { .. })
    };
    report.differences.iter().filter(|one| own(one)).map(ToString::to_string).collect()
}

#[test]
fn what_is_stated_follows_from_the_bundle() {
    let (_parent, path) = bundle();
    let stated = StatedBundle::open(&path).unwrap();
    assert_eq!(stated.available(), [AttestationKind::Provenance, AttestationKind::Spdx]);
    let provenance = stated.payload(AttestationKind::Provenance).unwrap();
    assert_eq!(provenance, fs::read(path.join(PROVENANCE)).unwrap());
    let subjects = InTotoStatement::parse(&provenance).unwrap().subjects;
    assert_eq!(
        subjects.keys().collect::<Vec<_>>(),
        ["disk.raw", "manifest.json", "sbom.spdx.json", "tree.txt"]
    );
    let bill = InTotoStatement::parse(&stated.payload(AttestationKind::Spdx).unwrap()).unwrap();
    assert_eq!(bill.predicate, json!({ "spdxVersion": "SPDX-2.3" }));
    assert_eq!(bill.predicate_type, "https://spdx.dev/Document");
    assert_eq!(bill.subjects.get("disk.raw"), Some(&stated.manifest().plain));
    let nothing = stated.payload(AttestationKind::Vex);
    assert!(matches!(nothing, Err(AttestationError::Nothing { document: "openvex.json" })));
    disk_differs(&stated, THREADS, Monitor::none()).unwrap();
    let mut image = fs::read(path.join("disk.raw")).unwrap();
    image[5] ^= 1;
    fs::write(path.join("disk.raw"), image).unwrap();
    let differs = disk_differs(&stated, THREADS, Monitor::none());
    assert!(matches!(differs, Err(AttestationError::Differs { .. })), "{differs:?}");
    fs::write(path.join(SPDX), "{}").unwrap();
    assert!(matches!(stated.payload(AttestationKind::Spdx), Err(AttestationError::Differs { .. })));
}

#[test]
fn a_policy_that_requires_provenance_needs_it_of_as_many_signers() {
    let (_parent, path) = bundle();
    let required = |require: &str| check_required(&StatedBundle::open(&path).unwrap(), &policy(require));
    assert!(required("").is_ok());
    let missing = |require: &str| match required(require) {
        Err(AttestationError::NotMet { kind, decision, refused }) => (kind, decision.missing, refused.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(missing("\"provenance\""), ("provenance".to_owned(), 2, 0));
    let names = sign(&path, AttestationKind::Provenance, 1);
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(missing("\"provenance\""), ("provenance".to_owned(), 1, 0));
    sign(&path, AttestationKind::Provenance, 3);
    assert_eq!(missing("\"provenance\"").1, 1, "the policy does not know this signer");
    sign(&path, AttestationKind::Provenance, 2);
    assert!(required("\"provenance\"").is_ok());
    assert_eq!(missing("\"provenance\", \"sbom-spdx\"").0, "sbom-spdx");
    assert_eq!(sign(&path, AttestationKind::Spdx, 1).len(), 1);
    sign(&path, AttestationKind::Spdx, 2);
    assert!(required("\"provenance\", \"sbom-spdx\"").is_ok());
    assert_eq!(problems(&path), [""; 0]);
}

#[test]
fn an_attestation_of_another_bundle_under_another_name_or_of_another_key_is_found() {
    let (_parent, path) = bundle();
    let names = sign(&path, AttestationKind::Provenance, 1);
    let file = path.join(&names[0]);
    let text = fs::read_to_string(&file).unwrap();
    let refused = |text: &str, name: &str, expected: &str| {
        let other = path.join("signatures").join(name);
        fs::write(&other, text).unwrap();
        let found = problems(&path);
        assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
        fs::remove_file(&other).unwrap();
    };
    let id = key(1).public().short_id();
    refused(&text, &format!("{id}.sbom-spdx.dsse.json"), "it is not what this bundle states");
    refused(&text, &format!("{id}.luck.dsse.json"), "a kind of attestation that is not known");
    refused(&text, &format!("{id}.vex.dsse.json"), "the bundle has no `openvex.json`");
    refused(
        &text,
        &format!("{}.provenance.dsse.json", key(2).public().short_id()),
        "named after another key",
    );
    refused(&text, &format!("{id}.provenance.sigstore.json"), "reading its JSON");
    sign(&path, AttestationKind::Provenance, 1);
    // The signature is not the key's: only who has the key can say so.
    let envelope = DsseEnvelope::parse(text.as_bytes()).unwrap();
    let mut forged = envelope.clone();
    forged.signatures[0].signature[0] ^= 1;
    fs::write(&file, forged.to_text()).unwrap();
    assert_eq!(problems(&path), [""; 0]);
    let stated = StatedBundle::open(&path).unwrap();
    let checked = check(&stated, &[key(1).public().clone()]).unwrap();
    assert!(checked[0].signed_by.is_err() && checked[1].signed_by.as_ref().is_ok_and(|all| all.len() == 1));
    fs::write(&file, envelope.to_text()).unwrap();
    // The manifest changes, and with it what is stated.
    let manifest = fs::read_to_string(path.join(MANIFEST)).unwrap();
    fs::write(path.join(MANIFEST), manifest.replace("\"epoch\": 0", "\"epoch\": 1")).unwrap();
    let found = problems(&path);
    assert!(found.iter().any(|one| one.contains("its subject `manifest.json` has SHA-256")), "{found:?}");
    assert_eq!(found.iter().filter(|one| one.starts_with("`signatures/")).count(), 2, "{found:?}");
}
