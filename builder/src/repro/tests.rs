//! Builds that are made irreproducible on purpose, and the results.

use std::fs::{self, File, FileTimes};
use std::time::{Duration, SystemTime};

use amiforge_image::bundle::ExistingBundle;

use super::*;
use crate::pipeline;
use crate::recipe::Recipe;

const RECIPE: &str = r#"
[image]
name = "repro"
version = "1"
arch = "x86_64"
epoch = 1700000000

[disk]
size = "minimal"

[[partition]]
role = "root"
fs = "ext4"
size = "minimal"

[[source]]
kind = "dir"
path = "tree"
"#;

/// A recipe whose folder source holds a file, and a folder for bundles.
struct Sample {
    folder: tempfile::TempDir,
}

impl Sample {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tree/etc")).unwrap();
        fs::write(folder.path().join("tree/etc/hosts"), "localhost\n").unwrap();
        fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
        let sample = Self { folder };
        sample.stamp(0);
        for path in ["tree/etc", "tree"] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
            File::open(sample.folder.path().join(path)).unwrap().set_modified(time).unwrap();
        }
        sample
    }

    /// Sets the modification time of the file.
    fn stamp(&self, later: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + later);
        let file = File::options().write(true).open(self.folder.path().join("tree/etc/hosts")).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }

    /// Makes builds; `later` returns the offset of the file's time in seconds for each.
    fn run(&self, rows: &[Vec<Condition>], later: impl Fn(usize, &[Condition]) -> u64) -> ReproReport {
        let recipe = Recipe::load(&self.folder.path().join("recipe.toml")).unwrap();
        let mut one = |number: usize, conditions: &[Condition], out: &Path| {
            self.stamp(later(number, conditions));
            let options = pipeline::BuildOptions {
                out: out.to_owned(),
                existing: ExistingBundle::Refuse,
                threads: 1,
                store: None,
                source_date_epoch: None,
                lock: None,
                vendor: None,
                signatures: Vec::new(),
                vex: None,
                on_failure: amiforge_sandbox::OnFailure::Stop,
            };
            pipeline::build(&recipe, &options, Monitor::none()).unwrap();
            Ok(Vec::new())
        };
        let options = ReproOptions {
            matrix: rows,
            folder: self.folder.path(),
            keep: KeepBundles::Nothing,
            monitor: Monitor::none(),
        };
        run(options, &mut one).unwrap()
    }
}

#[test]
fn builds_of_the_same_inputs_are_reproducible_and_leave_nothing() {
    let sample = Sample::new();
    let report = sample.run(&matrix(3), |_, _| 0);
    assert!(report.equal && report.differences.is_none());
    assert_eq!(report.result, ReproResult::Reproducible);
    assert!(!sample.folder.path().join("build-0").exists());
}

#[test]
fn a_condition_that_reaches_one_inode_is_found_and_the_field_named() {
    let sample = Sample::new();
    let report = sample.run(&matrix(6), |_, conditions| u64::from(conditions.contains(&Condition::TimeZone)));
    assert!(!report.equal);
    assert_eq!(report.result, ReproResult::Suspects(vec!["time zone".to_owned()]));
    let differences = report.differences.unwrap().differences;
    let lines: Vec<_> = differences.iter().map(diff::Difference::line).collect();
    let named = lines
        .iter()
        .any(|line| line.contains("/etc/hosts: mtime: 2020-09-13T12:26:40Z → 2020-09-13T12:26:41Z"));
    assert!(named, "{lines:?}");
}

#[test]
fn a_difference_without_a_changed_condition_is_chance() {
    let sample = Sample::new();
    let report = sample.run(&matrix(3), |number, _| number as u64);
    assert_eq!(report.result, ReproResult::Chance);
}
