//! The policy of a signature by a key of KMS: of a bundle by `sign`, of a summary by `verify --attest`.

use std::process::Command;

use amiforge_emulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use amiforge_tests::policy::{REGION, Stage};
use amiforge_tests::{python, scratch};

use super::publish::bundle;
use super::published::check;

/// The kind of the key, and its alias.
const SPEC: &str = "ECC_NIST_P256";

#[test]
pub(super) fn the_policies_of_a_signature_by_a_key_of_kms_are_the_least() {
    let Some(python) = python::with(&["boto3", "cryptography"]) else { return };
    let stage = Stage::new();
    bundle(&stage, "web", 1);
    stage.served(|endpoint| {
        let mut command = Command::new(&python);
        command.arg(scratch::repository().join("tests/oracles/signing_keys.py"));
        command.args([endpoint, REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY, SPEC]);
        let made = command.output().expect("python starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    });
    let key = format!("awskms:alias/{SPEC}");
    check(&stage, &["sign", "web-1", "--for=bundle", "--key", &key], &[], &[]);
    check(&stage, &["verify", "web-1", "--attest", &key, "-o", "web.vsa.dsse.json"], &[], &[]);
}
