//! Images of rpm packages: the test distribution (`tests/inputs/rpm.sh`), locked by the program, fetched, and built with the
//! packages unpacked, configured natively, and by their scripts.

use std::fs;
use std::path::Path;

use crate::fixtures::{assert_same, has_line, verified_listing};
use crate::rpm_recipe::RpmRecipe;

/// The lines of the lock with a key.
fn values(lock: &Path, key: &str) -> Vec<String> {
    let text = fs::read_to_string(lock).unwrap();
    let begin = format!("{key} = ");
    text.lines().filter_map(|line| line.strip_prefix(&begin)).map(str::to_owned).collect()
}

#[test]
fn rpm_packages_are_locked_fetched_and_built() {
    let Some(recipe) = RpmRecipe::new("none", &["bash", "coreutils"]) else { return };
    let said = recipe.run(&["lock"]);
    assert!(said.contains("the packages of `mini` are signed, its metadata is not"), "{said}");
    let lock = recipe.path("recipe.lock");
    let kinds = values(&lock, "kind");
    assert!(kinds.len() > 5 && kinds.iter().all(|kind| kind == "\"rpm\""), "{kinds:?}");
    assert_eq!(values(&lock, "header").len(), kinds.len());
    assert_eq!(values(&lock, "packages-signed-by").len(), 1);
    recipe.run(&["lock", "--check"]);
    assert!(recipe.run(&["outdated"]).contains("0 outdated"));
    recipe.run(&["fetch"]);
    let bundle = recipe.build("out");
    let listing = verified_listing(&bundle);
    assert!(has_line(&listing, "/usr/bin/bash file "), "bash is there");
    let database = listing.lines().filter(|line| line.contains("/rpmdb.sqlite file ")).count();
    assert_eq!(database, 1, "rpm's database is there");
    let again = recipe.build("again");
    assert_same(&bundle, &again);
    assert!(fs::read_to_string(recipe.path("out/sbom.spdx.json")).unwrap().contains("pkg:rpm/mini/bash@"));
}

#[test]
fn rpm_packages_are_configured_natively_and_by_their_scripts() {
    for scripts in ["native", "run"] {
        let Some(recipe) = RpmRecipe::new(scripts, &["systemd-sysv", "openssh-server", "dnf", "rpm"]) else {
            return;
        };
        recipe.run(&["lock"]);
        recipe.run(&["fetch"]);
        let bundle = recipe.build("out");
        let listing = verified_listing(&bundle);
        for line in [
            "/etc/passwd file ",
            "/etc/yum.repos.d/mini.repo file ",
            "/etc/pki/rpm-gpg/RPM-GPG-KEY-mini file ",
        ] {
            assert!(has_line(&listing, line), "{scripts}: no line `{line}…`");
        }
    }
}
