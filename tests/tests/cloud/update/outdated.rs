//! `outdated`: packages, security updates, pins that hold them back, and sources of stages.

use std::fs;
use std::process::Command;

use amiforge_tests::debs::server::Server;
use amiforge_tests::oracle;
use serde_json::Value;

use super::fixture::{RECIPE, UpdateFixture, packages};

fn outdated(fixture: &UpdateFixture, more: &[&str]) -> (Option<i32>, Value) {
    let output = fixture.files.run("outdated", &fixture.mirror(), &[&["--json"], more].concat());
    let report = serde_json::from_slice(&output.stdout);
    (
        output.status.code(),
        report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr))),
    )
}

fn lock(fixture: &UpdateFixture) {
    fixture.files.must("lock", &fixture.mirror(), &[]);
}

#[test]
fn packages_are_compared_with_todays_archives_and_nothing_is_written() {
    let Some(fixture) = UpdateFixture::new() else { return };
    let stderr = fixture.files.must_fail(2, "outdated", &fixture.mirror(), &[]);
    assert!(stderr.contains("amiforge lock"), "{stderr}");
    lock(&fixture);
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(fixture.files.path("")).unwrap().map(|one| one.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let (before, text) = (names(), fixture.files.lock_text());
    assert_eq!(outdated(&fixture, &[]).0, Some(0));
    fixture.archive(2, 1);
    let (code, report) = outdated(&fixture, &[]);
    assert_eq!(code, Some(3));
    assert_eq!(packages(&report), ["app upgraded 1.0 1.1", "extra added - 1", "lib upgraded 2.1 2.2"]);
    assert_eq!((&report["outdated"], &report["security"]), (&Value::from(3), &Value::from(1)));
    assert_eq!(report["security_suites"], serde_json::json!(["tests stable-security"]));
    let text_output = fixture.files.run("outdated", &fixture.mirror(), &[]);
    let lines = String::from_utf8(text_output.stdout).unwrap();
    assert!(lines.contains("lib upgraded 2.1 to 2.2, security update 2.2 (source libsrc)\n"), "{lines}");
    assert_eq!((names(), fixture.files.lock_text()), (before, text));
}

#[test]
fn a_security_update_that_a_pin_holds_back_is_listed_and_counts() {
    let Some(fixture) = UpdateFixture::new() else { return };
    let pinned = format!("{RECIPE}[[source.pin]]\npackage = \"lib\"\nversion = \"2.1\"\npriority = 1001\n");
    fs::write(fixture.files.path("recipe.toml"), pinned).unwrap();
    lock(&fixture);
    assert_eq!(outdated(&fixture, &["--security"]).0, Some(0));
    fixture.archive(2, 1);
    let (code, report) = outdated(&fixture, &["--security"]);
    assert_eq!(code, Some(3));
    let held = &report["held_back"][0];
    assert_eq!(
        (&held["name"], &held["version"], &held["security"]),
        (&"lib".into(), &"2.1".into(), &"2.2".into())
    );
    // Without the update only other packages are newer, which do not count.
    fs::write(fixture.files.path("recipe.toml"), RECIPE).unwrap();
    lock(&fixture);
    fixture.files.must("lock", &fixture.mirror(), &["--update", "lib"]);
    assert_eq!(outdated(&fixture, &["--security"]).0, Some(0));
    assert_eq!(outdated(&fixture, &[]).0, Some(3));
}

/// A git repository with two tags; returns the commit of the first.
fn repository(fixture: &UpdateFixture) -> String {
    let folder = fixture.files.path("repository").display().to_string();
    let git = |args: &[&str]| {
        let settings =
            ["-c", "user.name=Tests", "-c", "user.email=tests@example.org", "-c", "init.defaultBranch=main"];
        let output = Command::new("git").args(settings).args(["-C", &folder]).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    fs::create_dir(&folder).unwrap();
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
    git(&["tag", "v1.9"]);
    let first = git(&["rev-parse", "HEAD"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "two"]);
    git(&["tag", "-a", "-m", "ten", "v1.10"]);
    first
}

#[test]
fn sources_of_stages_are_looked_at_without_being_fetched() {
    if !oracle::ready(&["git"], false) {
        return;
    }
    let Some(fixture) = UpdateFixture::new() else { return };
    let commit = repository(&fixture);
    let served = fixture.files.path("served");
    fs::create_dir(&served).unwrap();
    let server = Server::start(&served);
    fs::write(served.join("grows.tar"), b"grows").unwrap();
    fs::write(served.join("goes.tar"), b"goes").unwrap();
    fs::write(fixture.files.path("local.tar"), b"local").unwrap();
    let [grows, goes] = [b"grows".as_slice(), b"goes"].map(amiforge_formats::digest::Digest::of);
    let (url, git) = (server.url(), fixture.files.path("repository"));
    let stage = format!(
        "{RECIPE}[[stage]]\nname = \"x\"\nrun = [\"make\"]\n[[stage.source]]\nurl = \"{url}/grows.tar\"\nsha256 = \"{grows}\"\n\
         [[stage.source]]\nurl = \"{url}/goes.tar\"\nsha256 = \"{goes}\"\n[[stage.source]]\npath = \"local.tar\"\n\
         [[stage.source]]\ngit = \"file://{}\"\ncommit = \"{commit}\"\n[[stage.install]]\nfrom = \"/x\"\n",
        git.display()
    );
    fs::write(fixture.files.path("recipe.toml"), stage).unwrap();
    lock(&fixture);
    let states = |report: &Value| -> Vec<String> {
        let sources = report["sources"].as_array().unwrap().iter();
        sources.map(|source| source["state"].as_str().unwrap().to_owned()).collect()
    };
    let (code, report) = outdated(&fixture, &[]);
    // The newer tag is not what a new lock would take, so it does not count.
    assert_eq!(
        (code, states(&report)),
        (Some(0), ["same", "same", "same", "newer"].map(str::to_owned).to_vec())
    );
    assert!(report["sources"][3]["detail"].as_str().unwrap().contains("tag v1.10"), "{report:#}");
    fs::write(served.join("grows.tar"), b"longer").unwrap();
    fs::remove_file(served.join("goes.tar")).unwrap();
    fs::write(fixture.files.path("local.tar"), b"other").unwrap();
    let (code, report) = outdated(&fixture, &[]);
    let expected = ["changed", "missing", "changed", "newer"].map(str::to_owned).to_vec();
    // Of these a new lock would change the local file alone: the recipe itself pins what is fetched.
    assert_eq!((code, states(&report), &report["outdated"]), (Some(3), expected, &Value::from(1)));
    assert_eq!(outdated(&fixture, &["--security"]).0, Some(0));
}
