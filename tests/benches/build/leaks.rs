//! The leak gate over a bundle of the root, and gitleaks over the same root in a folder.
//!
//! Both read every byte of every file once. The gate also looks at what is below the files, and gitleaks is given the files
//! extracted, which is not timed.

use std::path::Path;
use std::process::Command;

use amiforge_tests::{oracle, program, scratch};

use super::cases::{self, Case};
use super::clock;

/// Pairs of cases whose ratio is printed: the first against the second, and what it should be at most.
pub(crate) const RATIOS: [(&str, &str, f64); 1] = [(OURS, GITLEAKS, 0.5)];

const OURS: &str = "amiforge leaks";
const GITLEAKS: &str = "gitleaks of the same root";

/// The cases.
pub(crate) fn all(tar: &Path, memory: &Path) -> Vec<Case> {
    let out = memory.join("searched");
    let recipe = cases::recipe(tar, cases::Pinned::No);
    let built = program::run(&["build", &recipe.to_string_lossy(), "-o", &out.to_string_lossy()]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    // A root without an owner has findings, which is status 3.
    let script = format!("'{}' leaks '{}' || [ $? = 3 ]", program::path().display(), out.display());
    let folder = memory.to_owned();
    let mut cases = vec![Case { name: OURS, run: Box::new(move || clock::script(&script, &folder)) }];
    let gitleaks =
        oracle::find("gitleaks").unwrap_or_else(|| scratch::repository().join("target/tools/bin/gitleaks"));
    if !gitleaks.is_file() || !oracle::ready(&["tar"], true) {
        oracle::skip("gitleaks is not installed: tests/inputs/sid.sh gitleaks");
        return cases;
    }
    let root = memory.join("root");
    std::fs::create_dir(&root).expect("a folder for the root");
    oracle::must(
        "tar",
        &["-xpf", &tar.to_string_lossy(), "-C", &root.to_string_lossy(), "--exclude=./dev/*"],
    );
    let run = move || {
        let mut command = Command::new(&gitleaks);
        clock::run(command.args(["dir", "--no-banner", "--exit-code=0"]).arg(&root))
    };
    cases.push(Case { name: GITLEAKS, run: Box::new(run) });
    cases
}
