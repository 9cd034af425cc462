//! Policies against bundles: what is accepted, what is refused, and that nothing unsigned gets through.

mod fixture;
mod script;

use std::fs;
use std::os::unix::fs::symlink;

use amiforge_progress::Monitor;
use amiforge_trust::policy::SigningPolicy;
use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sshsig::{BUNDLE, INPUTS, sign};

use super::*;
use crate::bundle;
use crate::image::EmitOptions;
use crate::signatures::statement::StatementProblem;
use crate::verify::{BundleDifference, verify};
use fixture::{Fixture, key, policy};

const THREADS: EmitOptions = EmitOptions { threads: 2 };

fn refused(fixture: &Fixture, policy: &SigningPolicy) -> BundleSignatureError {
    let error = check(&fixture.path, Some(policy)).unwrap_err();
    assert!(error.is_difference(), "{error:?}");
    error
}

#[test]
fn two_of_three_have_to_sign_and_a_second_signature_replaces_the_first() {
    let fixture = Fixture::new();
    let policy = policy("web*", 2);
    let BundleSignatureError::NotMet { decision, .. } = refused(&fixture, &policy) else { panic!() };
    assert_eq!((decision.missing, decision.absent.len()), (2, 3));
    let first = fixture.sign(1);
    let BundleSignatureError::NotMet { decision, .. } = refused(&fixture, &policy) else { panic!() };
    assert_eq!((decision.signed.as_slice(), decision.missing), (&["signer-1".to_owned()][..], 1));
    assert_eq!(fixture.sign(1), first);
    assert!(check(&fixture.path, Some(&policy)).is_err(), "one signer is one");
    fixture.sign(3);
    let accepted = check(&fixture.path, Some(&policy)).unwrap();
    assert_eq!(accepted.decision.unwrap().signed, ["signer-1", "signer-3"]);
    assert_eq!(accepted.manifest.unwrap().origin.name, "web");
    assert_eq!(fs::read_dir(fixture.path.join("signatures")).unwrap().count(), 2);
    assert_eq!(fs::read_dir(fixture.path.parent().unwrap()).unwrap().count(), 1);
    // A name that no rule is for.
    let other = refused(&fixture, &fixture::policy("db", 1));
    assert!(other.to_string().contains("no rule of the policy is for images of the name `web`"), "{other}");
    // Signatures are no difference for `verify`, and it says who made them.
    let report = verify(&fixture.path, &THREADS, Monitor::none()).unwrap();
    assert_eq!(fixture.differences(), []);
    let keys: Vec<_> = report.signatures.iter().map(|one| one.fingerprint.clone().unwrap()).collect();
    assert!(keys.contains(&key(1).public().fingerprint()) && keys.len() == 2);
}

#[test]
fn what_nobody_signed_is_refused() {
    let fixture = Fixture::new();
    let policy = policy("*", 1);
    fixture.sign(1);
    check(&fixture.path, Some(&policy)).unwrap();
    let at = |name: &str| fixture.path.join(name);
    // A further file, folder and link; each is removed again.
    for name in ["more", ".hidden", "signing"] {
        fs::write(at(name), "").unwrap();
        assert!(matches!(refused(&fixture, &policy), BundleSignatureError::Unlisted { .. }), "{name}");
        fs::remove_file(at(name)).unwrap();
    }
    fs::create_dir(at("signing")).unwrap();
    fs::write(at("signing/uki.tbs"), "").unwrap();
    assert!(
        matches!(refused(&fixture, &policy), BundleSignatureError::Unlisted { name } if name == "signing/uki.tbs")
    );
    fs::remove_dir_all(at("signing")).unwrap();
    fs::write(at("signatures/other"), "").unwrap();
    assert!(matches!(refused(&fixture, &policy), BundleSignatureError::Unlisted { .. }));
    fs::remove_file(at("signatures/other")).unwrap();
    // Changed, missing, or a link.
    let text = fs::read(at("tree.txt")).unwrap();
    fs::write(at("tree.txt"), "x").unwrap();
    assert!(matches!(refused(&fixture, &policy), BundleSignatureError::Differs { .. }));
    fs::remove_file(at("tree.txt")).unwrap();
    assert!(matches!(refused(&fixture, &policy), BundleSignatureError::Missing { .. }));
    let outside = fixture.path.with_file_name("outside");
    fs::write(&outside, &text).unwrap();
    symlink(&outside, at("tree.txt")).unwrap();
    assert!(matches!(refused(&fixture, &policy), BundleSignatureError::NotAFile { .. }));
    fs::remove_file(at("tree.txt")).unwrap();
    fs::write(at("tree.txt"), &text).unwrap();
    check(&fixture.path, Some(&policy)).unwrap();
    // The image is compared where it is asked for.
    let checked = check(&fixture.path, None).unwrap();
    check_files(&fixture.path, &checked.statement, THREADS, Monitor::none()).unwrap();
    let mut disk = fs::read(at("disk.raw")).unwrap();
    disk[(1 << 20) + 1] ^= 1;
    fs::write(at("disk.raw"), disk).unwrap();
    let changed = check_files(&fixture.path, &checked.statement, THREADS, Monitor::none()).unwrap_err();
    assert!(matches!(changed, BundleSignatureError::Differs { name, .. } if name == "disk.raw"));
}

#[test]
fn a_manifest_of_another_name_does_not_choose_another_rule() {
    let fixture = Fixture::new();
    fixture.sign(1);
    let manifest = fixture.path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"web\"", "\"dev\"")).unwrap();
    let BundleSignatureError::Differs { name, .. } = refused(&fixture, &policy("dev", 1)) else { panic!() };
    assert_eq!(name, "manifest.json");
}

#[test]
fn other_statements_are_refused() {
    let fixture = Fixture::new();
    let text = fs::read_to_string(fixture.path.join(bundle::SUMS)).unwrap();
    let parse = |text: &str| BundleStatement::parse(text.as_bytes()).unwrap_err();
    let first = text.lines().next().unwrap();
    assert!(matches!(parse(&format!("{text}{first}\n")), StatementProblem::Twice { .. }));
    assert!(matches!(parse(&text.replace("tree.txt", "../tree.txt")), StatementProblem::Sums(_)));
    assert!(matches!(parse(&text.replace("tree.txt", "tree.txz")), StatementProblem::Unknown { .. }));
    assert!(matches!(parse(&text.replace("tree.txt", "SHA256SUMS")), StatementProblem::Unknown { .. }));
    let digest = first.split(' ').next().unwrap();
    assert!(matches!(
        parse(&text.replace(digest, &digest.to_uppercase())),
        StatementProblem::Form | StatementProblem::Sums(_)
    ));
    assert_eq!(parse(text.trim_end()), StatementProblem::Form);
    assert!(matches!(parse(&text.replace('\n', "\r\n")), StatementProblem::Unknown { .. }));
    let without: Vec<_> = text.lines().filter(|line| !line.ends_with("disk.raw")).collect();
    assert_eq!(parse(&format!("{}\n", without.join("\n"))), StatementProblem::Lacks { name: "disk.raw" });
    assert!(matches!(parse(&" ".repeat(70_000)), StatementProblem::TooLong { .. }));
}

#[test]
fn a_signature_of_something_else_is_none() {
    let fixture = Fixture::new();
    let statement = check(&fixture.path, None).unwrap().statement;
    for (namespace, message) in [(INPUTS, statement.bytes()), (BUNDLE, b"other")] {
        let signature = sign(&key(1), namespace, message).unwrap();
        let refused = store(&fixture.path, &signature, &statement).unwrap_err();
        assert!(matches!(refused, BundleSignatureError::NotASignature(_)), "{refused:?}");
        fs::create_dir_all(fixture.path.join("signatures")).unwrap();
        let name = fixture.path.join(signature_name(key(1).public()));
        fs::write(&name, signature.to_armour()).unwrap();
        let differences = fixture.differences();
        assert!(matches!(differences[..], [BundleDifference::Signature { .. }]), "{differences:?}");
        let error = check(&fixture.path, Some(&policy("*", 1))).unwrap_err();
        assert!(matches!(error, BundleSignatureError::NotMet { refused, .. } if refused.len() == 1));
    }
    // A good signature under the name of another key.
    let signature = sign(&key(2), BUNDLE, statement.bytes()).unwrap();
    let named = FileSignature::check(
        &signature_name(key(1).public()),
        signature.to_armour().as_bytes(),
        statement.bytes(),
    );
    assert!(named.key.unwrap_err().contains("named after another key"));
    assert_eq!(count_signatures(&fixture.path), 1);
}

#[test]
fn a_bundle_of_an_older_version_is_signed_and_accepted() {
    let fixture = Fixture::new();
    // Version 0.1 wrote neither the script nor a statement of provenance.
    let sums = fixture.path.join(bundle::SUMS);
    let text = fs::read_to_string(&sums).unwrap();
    let old: String =
        text.lines().filter(|line| !line.ends_with("verify.sh")).flat_map(|line| [line, "\n"]).collect();
    assert_ne!(old, text);
    fs::write(&sums, old).unwrap();
    fs::remove_file(fixture.path.join("verify.sh")).unwrap();
    assert_eq!(fixture.differences(), []);
    fixture.sign(2);
    check(&fixture.path, Some(&policy("web", 1))).unwrap();
}

#[test]
fn a_link_in_place_of_the_folder_of_signatures_is_refused() {
    let fixture = Fixture::new();
    let elsewhere = fixture.path.with_file_name("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, fixture.path.join("signatures")).unwrap();
    let statement = fixture.statement();
    let signature = sign(&key(1), BUNDLE, statement.bytes()).unwrap();
    assert!(store(&fixture.path, &signature, &statement).is_err());
    assert!(check(&fixture.path, Some(&policy("*", 1))).is_err());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}
