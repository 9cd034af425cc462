//! The example that proves what it runs: the TPM of a machine has the PCRs that are predicted, shows them to the system, and a
//! document with the values that it measured is verified against the bundle.

use std::fs;

use amiforge_emulator::{LocalRegion, RegionConfig};
use amiforge_tests::{oracle, program};
use serde_json::Value;

use crate::booted;
use crate::fixtures::{LockedRecipe, has_line, verified_listing};

#[test]
fn an_attested_machine_shows_what_was_predicted_and_proves_it() {
    if !booted::ready() || !oracle::ready(&["swtpm"], false) {
        return;
    }
    let Some(fixture) = LockedRecipe::of_example("attested") else { return };
    let bundle = fixture.build("out");
    let listing = verified_listing(&bundle);
    assert!(has_line(&listing, "/usr/local/bin/attested file 0755 0:0 "));
    assert!(!has_line(&listing, "/usr/sbin/sshd"), "there is an ssh server");
    let out = bundle.folder.to_string_lossy().into_owned();
    let log = fixture.path("log").display().to_string();
    fixture.boot_successfully(&out, &["--tpm", "--log", &log, "--expect", "attested: PCR 13"]);
    // The kernel writes digits in upper case, manifests in lower case.
    let console = fs::read_to_string(&log).unwrap().to_lowercase();
    let manifest: Value =
        serde_json::from_slice(&fs::read(bundle.folder.join("manifest.json")).unwrap()).unwrap();
    let predicted = &manifest["measurements"]["secure_boot_off"]["sha384"];
    for number in ["2", "3", "4", "7", "12", "13"] {
        let value = predicted[number].as_str().unwrap_or_else(|| panic!("{predicted}"));
        let line = format!("attested: pcr {number} {value}");
        assert!(console.contains(&line), "no `{line}` in\n{console}");
    }
    prove(&fixture, &out);
}

/// A document of the booted machine against the bundle, and against a PCR that it does not have.
fn prove(fixture: &LockedRecipe, out: &str) {
    let (region, document) = (fixture.path("region"), fixture.path("document.bin").display().to_string());
    drop(LocalRegion::open(RegionConfig::new(&region)).unwrap());
    let folder = region.display().to_string();
    let instance = "i-0123456789abcdef0";
    let attest =
        ["local", "attest", instance, "--booted", out, "--folder", &folder, "--nonce", "n", "-o", &document];
    program::must(&attest);
    let root = region.join("attestation-root.pem").display().to_string();
    let verify = ["attest", "verify", &document, "--bundle", out, "--nonce", "n", "--root", &root];
    program::must(&verify);
    let other = format!("12={}", "01".repeat(48));
    let differs = program::run(&[&verify[..], &["--pcr", &other]].concat());
    assert_eq!(differs.status.code(), Some(3), "{}", String::from_utf8_lossy(&differs.stderr));
}
