//! `update` with packages of a distribution: the new version is booted before it is published.

use std::fs;
use std::process::{Command, Output};

use amiforge_tests::program;
use serde_json::Value;

use crate::booted::{PATIENCE, ready};
use crate::examples::LOGIN;
use crate::fixtures::{LockedRecipe, must};

/// Updates to `out` and publishes to the local region.
fn update(fixture: &LockedRecipe, more: &[&str]) -> Output {
    let mut command = Command::new(program::path());
    command.env("AMIFORGE_LOCAL_REGION", fixture.path("region"));
    command
        .args(["update", "--json", "--quiet", "--region", "local", "--accel", "tcg"])
        .args(PATIENCE)
        .args(more);
    command.arg("--store").arg(fixture.path("store")).arg("--out").arg(fixture.path("out"));
    command.arg(fixture.recipe()).output().unwrap()
}

#[test]
fn a_version_that_does_not_boot_is_not_published_and_one_that_boots_is() {
    let Some(fixture) = ready().then(|| LockedRecipe::of_example("debian-minimal")).flatten() else { return };
    let lock = fs::read_to_string(fixture.path("recipe.lock")).unwrap();
    let failed = update(&fixture, &["--expect", "no such text", "--timeout", "5"]);
    let report: Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert_eq!((failed.status.code(), &report["outcome"]), (Some(3), &Value::from("boot-failed")));
    assert_eq!(report["boot"]["unmet"][0], "`no such text` on the console");
    assert_eq!(
        (fs::read_to_string(fixture.path("recipe.lock")).unwrap(), fixture.path("out").exists()),
        (lock, false)
    );
    assert!(!fixture.path("out.update/out.publish").exists());
    // The same packages give the same bytes, from the layers that were made.
    let done = update(&fixture, &["--run", LOGIN, "--timeout", "900"]);
    let report: Value = serde_json::from_str(&must(&done)).unwrap();
    assert_eq!(report["outcome"], "published", "{report:#}");
    assert_eq!(report["boot"]["passed"], true);
    assert!(fixture.path("out.boot.json").exists() && !fixture.path("out.update").exists());
    let again = update(&fixture, &["--no-boot"]);
    let report: Value = serde_json::from_str(&must(&again)).unwrap();
    assert_eq!(report["outcome"], "unchanged", "{report:#}");
}
