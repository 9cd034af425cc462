//! Every change is named, and nothing else.

use std::path::Path;

use amiforge_image::diff::{DiffOptions, DiffReport, diff};
use amiforge_progress::Monitor;
use amiforge_tests::{oracle, scratch};

use super::cases::CASES;
use super::sample::sample;

/// Compares two images.
fn compared(a: &Path, b: &Path) -> DiffReport {
    diff(a, b, DiffOptions { threads: 2, monitor: Monitor::none() }).unwrap()
}

#[test]
fn every_change_is_named_and_nothing_else() {
    let tools = [
        "sgdisk",
        "mkfs.fat",
        "mmd",
        "mcopy",
        "mdel",
        "mattrib",
        "mke2fs",
        "debugfs",
        "tune2fs",
        "mkswap",
        "swaplabel",
    ];
    if !oracle::ready(&tools, false) {
        return;
    }
    let folder = scratch::folder();
    let a = sample(folder.path());
    let same = compared(&a, &a);
    assert!(same.equal, "{}", same.text(100));
    let only = std::env::var("CASE").ok();
    let mut wrong = Vec::new();
    let chosen = CASES.iter().filter(|case| only.as_deref().is_none_or(|only| case.0.contains(only)));
    for (name, change, expected) in chosen {
        let b = folder.path().join("b.raw");
        std::fs::copy(&a, &b).unwrap();
        change(&b);
        let report = compared(&a, &b);
        let lines: Vec<_> = report.differences.iter().map(amiforge_image::diff::Difference::line).collect();
        let named = lines.len() == expected.len()
            && expected.iter().all(|part| lines.iter().any(|line| line.contains(part)));
        if !named || report.equal {
            wrong.push(format!("{name}: expected {expected:?}\n{}", report.text(usize::MAX)));
        }
    }
    assert!(
        CASES.len() >= 25 && wrong.is_empty(),
        "{} of {} wrong:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}
