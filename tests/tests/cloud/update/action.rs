//! The scripts of the GitHub Action, run as a runner runs them: inputs in the environment, outputs in files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use amiforge_tests::{oracle, program, scratch};

use super::fixture::UpdateFixture;

/// The folder of the scripts.
fn scripts() -> PathBuf {
    scratch::repository().join("action")
}

/// A run of `run.sh` in the folder of a fixture.
struct ActionRun {
    output: Output,
    /// The outputs of the step.
    outputs: BTreeMap<String, String>,
    /// The summary of the step.
    summary: String,
}

/// Parses the file of outputs: `NAME<<DELIMITER`, lines, `DELIMITER`.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("{line:?} in {text}"));
        let value: Vec<_> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        assert!(outputs.insert(name.to_owned(), value.join("\n")).is_none(), "{name} is given twice");
    }
    outputs
}

/// Runs the script with inputs that differ from the usual ones.
fn run(fixture: &UpdateFixture, inputs: &[(&str, &str)]) -> ActionRun {
    let folder = program::path().parent().unwrap().display().to_string();
    run_program(fixture, &folder, inputs)
}

/// The same with the program in a folder.
fn run_program(fixture: &UpdateFixture, folder: &str, inputs: &[(&str, &str)]) -> ActionRun {
    let at = |name: &str| fixture.files.path(name);
    let (step_outputs, step_summary) = (at("github-output"), at("github-summary"));
    for file in [&step_outputs, &step_summary] {
        fs::write(file, "").unwrap();
    }
    let endpoint = format!("--endpoint-url={}", fixture.region.running.endpoint());
    let usual = [
        ("MODE", "update"),
        ("RECIPE", "recipe.toml"),
        ("OUT", "out"),
        ("REGION", "local"),
        ("NAME", ""),
        ("PARENT_BUNDLE", ""),
        ("EXPECT", ""),
        ("BOOT", "false"),
        ("PUBLISH", "true"),
        ("SECURITY_ONLY", "false"),
        ("ARGUMENTS", endpoint.as_str()),
        ("STORE", "store"),
        ("WORK", "work"),
    ];
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.arg(scripts().join("run.sh")).current_dir(fixture.files.path("")).env_clear();
    command.env("PATH", path).env("HOME", at("home")).env("AMIFORGE_DEB_MIRROR", fixture.mirror());
    command.env("GITHUB_OUTPUT", &step_outputs).env("GITHUB_STEP_SUMMARY", &step_summary);
    command.envs(usual.iter().chain(inputs).map(|(name, value)| (format!("AMIFORGE_ACTION_{name}"), *value)));
    let output = command.output().unwrap();
    ActionRun {
        output,
        outputs: outputs(&fs::read_to_string(step_outputs).unwrap()),
        summary: fs::read_to_string(step_summary).unwrap(),
    }
}

impl ActionRun {
    fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("no {name} in {:?}: {}", self.outputs, self.errors()))
    }

    fn errors(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

#[test]
fn an_update_gives_outputs_and_a_summary() {
    if !oracle::ready(&["bash", "jq"], false) {
        return;
    }
    let Some(fixture) = UpdateFixture::new() else { return };
    let endpoint = format!("--endpoint-url={}\n--copy-to=local-2\n", fixture.region.running.endpoint());
    let first = run(&fixture, &[("NAME", "{name} {number}"), ("ARGUMENTS", &endpoint)]);
    assert_eq!(first.code(), Some(0), "{}", first.errors());
    assert_eq!((first.output("changed"), first.output("outcome")), ("true", "published"));
    let ids: BTreeMap<String, String> = serde_json::from_str(first.output("image-ids")).unwrap();
    assert_eq!(ids.keys().collect::<Vec<_>>(), ["local", "local-2"]);
    assert_eq!(ids["local"], first.output("image-id"));
    assert_eq!(first.output("digest"), program::Bundle::open(&fixture.out()).digest());
    assert!(first.summary.contains("| name | `tested 1` |"), "{}", first.summary);
    let again = run(&fixture, &[]);
    assert_eq!((again.output("changed"), again.output("outcome")), ("false", "unchanged"));
    assert!(again.summary.contains("nothing changed"), "{}", again.summary);
    fixture.archive(2, 1);
    let outdated = run(&fixture, &[("MODE", "outdated"), ("ARGUMENTS", "")]);
    assert_eq!(outdated.code(), Some(0), "{}", outdated.errors());
    let given = ["changed", "outcome", "security"].map(|name| outdated.output(name));
    assert_eq!(given, ["true", "outdated", "1"]);
    assert!(outdated.summary.contains("`libsrc`"), "{}", outdated.summary);
}

#[test]
fn a_failure_fails_the_step_with_its_summary() {
    if !oracle::ready(&["bash", "jq"], false) {
        return;
    }
    let Some(fixture) = UpdateFixture::new() else { return };
    let failed = run(&fixture, &[("RECIPE", "missing.toml")]);
    assert_eq!(failed.code(), Some(2), "{}", failed.errors());
    assert!(!failed.outputs.contains_key("changed"), "{:?}", failed.outputs);
    let failed = run(&fixture, &[("PUBLISH", "yes")]);
    assert_eq!(failed.code(), Some(2));
    assert!(String::from_utf8_lossy(&failed.output.stdout).contains("::error::the input publish"));
    fs::remove_dir_all(fixture.files.path("archive/pool")).unwrap();
    let failed = run(&fixture, &[]);
    assert_eq!(failed.code(), Some(1), "{}", failed.errors());
    assert!(failed.summary.contains("the update failed"), "{}", failed.summary);
}

/// A program that prints a report of its own and ends with a code.
fn stub(fixture: &UpdateFixture, report: &str, code: i32) -> String {
    let folder = fixture.files.path("stub");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("amiforge");
    fs::write(
        &program,
        format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >arguments\ncat <<'END'\n{report}\nEND\nexit {code}\n"),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder.display().to_string()
}

#[test]
fn a_version_that_does_not_boot_fails_the_step_and_keeps_the_outputs() {
    if !oracle::ready(&["bash", "jq"], false) {
        return;
    }
    let Some(fixture) = UpdateFixture::new() else { return };
    let report = r#"{"outcome": "boot-failed", "sha256": "aa", "security": 2, "lock_changed": true, "published": null, "present": null}"#;
    let failed = run_program(&fixture, &stub(&fixture, report, 3), &[]);
    assert_eq!(failed.code(), Some(3), "{}", failed.errors());
    let given =
        ["changed", "outcome", "security", "digest", "image-id", "image-ids"].map(|name| failed.output(name));
    assert_eq!(given, ["false", "boot-failed", "2", "aa", "", "{}"]);
    // A program that says nothing gives nothing.
    let silent = run_program(&fixture, &stub(&fixture, "", 0), &[]);
    assert_eq!(silent.code(), Some(1));
}

#[test]
fn inputs_and_results_are_never_part_of_a_script() {
    if !oracle::ready(&["bash", "jq"], false) {
        return;
    }
    let Some(fixture) = UpdateFixture::new() else { return };
    let hostile = "$(touch pwned) `touch pwned`; touch pwned\" 'x'";
    let report = r#"{"outcome": "published\nchanged=true\nimage-id<<x", "sha256": "$(touch pwned)", "security": 0, "lock_changed": true,
        "published": {"image_id": "ami-1\nx", "region": "a", "copies": []}, "present": null}"#;
    let folder = stub(&fixture, report, 0);
    let inputs: Vec<_> = ["RECIPE", "OUT", "REGION", "NAME", "PARENT_BUNDLE", "EXPECT", "STORE"]
        .into_iter()
        .map(|name| (name, hostile))
        .chain([("ARGUMENTS", "--tag=a b\n\n--tag=$(touch pwned)")])
        .collect();
    let run = run_program(&fixture, &folder, &inputs);
    assert_eq!(run.code(), Some(0), "{}", run.errors());
    let arguments = fs::read_to_string(fixture.files.path("arguments")).unwrap();
    let expected = [
        "--json".to_owned(),
        "update".to_owned(),
        format!("--store={hostile}"),
        "--summary=work/summary.md".to_owned(),
        format!("--out={hostile}"),
        "--no-boot".to_owned(),
        format!("--region={hostile}"),
        format!("--name={hostile}"),
        format!("--expect={hostile}"),
        format!("--parent-bundle={hostile}"),
        "--tag=a b".to_owned(),
        "--tag=$(touch pwned)".to_owned(),
        "--".to_owned(),
        hostile.to_owned(),
    ];
    assert_eq!(arguments.lines().collect::<Vec<_>>(), expected);
    assert_eq!((run.output("changed"), run.output("digest")), ("false", "$(touch pwned)"));
    assert_eq!(run.output("image-id"), "ami-1\nx");
    assert!(!fixture.files.path("pwned").exists());
}

#[test]
fn the_program_is_identified_by_its_sources_and_taken_where_it_is_installed() {
    if !oracle::ready(&["bash", "sha256sum"], false) {
        return;
    }
    let folder = scratch::folder();
    let at = |name: &str| folder.path().join(name);
    let script = |name: &str, program: &str| {
        let mut command = Command::new("bash");
        command.arg(scripts().join(name)).env("GITHUB_ACTION_PATH", scratch::repository());
        command.env("GITHUB_OUTPUT", at("output")).env("GITHUB_PATH", at("path"));
        command.env("AMIFORGE_ACTION_PROGRAM", program).env("AMIFORGE_ACTION_ROOT", at("root"));
        command.output().unwrap()
    };
    assert!(script("identify.sh", "").status.success());
    let digest = fs::read_to_string(at("output")).unwrap();
    assert_eq!(digest.trim_start_matches("digest=").trim_end().len(), 64, "{digest}");
    let installed = script("install.sh", &program::path().display().to_string());
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    assert!(String::from_utf8_lossy(&installed.stdout).starts_with("amiforge "));
    assert_eq!(fs::read_to_string(at("path")).unwrap(), format!("{}\n", at("root/bin").display()));
    // What an earlier run compiled is taken as it is: no compiler runs.
    assert!(script("install.sh", "").status.success());
    assert_eq!(script("install.sh", "/nonexistent/amiforge").status.code(), Some(2));
}
