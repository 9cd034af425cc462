//! A failure at any step leaves the old lock and the old bundle; the rerun completes.

use std::fs;

use amiforge_emulator::{FaultScript, InjectedFault};
use serde_json::Value;

use super::fixture::{RECIPE, UpdateFixture, packages};

/// The first version is published, and the archive has the second.
fn waiting() -> Option<(UpdateFixture, Value)> {
    let (fixture, first) = UpdateFixture::published()?;
    fixture.archive(2, 1);
    Some((fixture, first))
}

/// The rerun publishes the second version.
fn completes(fixture: &UpdateFixture, first: &Value) {
    let second = fixture.must(&[]);
    assert_eq!(second["outcome"], "published", "{second:#}");
    assert_eq!(second["published"]["parent"], first["published"]["snapshot_id"]);
    assert!(fixture.is_clean());
    fixture.verify(second["published"]["image_id"].as_str().unwrap(), &fixture.out());
}

#[test]
fn an_archive_that_cannot_be_read_leaves_nothing_behind() {
    let Some((fixture, first)) = waiting() else { return };
    let stderr = fixture.must_fail(1, fixture.command(&[]).env("AMIFORGE_DEB_MIRROR", "file:///nowhere"));
    assert!(stderr.contains("cannot update `tested`") && stderr.contains("are as they were"), "{stderr}");
    assert!(fixture.is_clean());
    completes(&fixture, &first);
}

#[test]
fn a_package_that_cannot_be_fetched_fails_before_the_build() {
    let Some((fixture, first)) = waiting() else { return };
    let package = fixture.files.path("archive/pool/main");
    let hidden = fixture.files.path("hidden");
    fs::rename(&package, &hidden).unwrap();
    let stderr = fixture.must_fail(1, &mut fixture.command(&[]));
    assert!(stderr.contains("out.update") && stderr.contains("recipe.lock.next"), "{stderr}");
    fs::rename(&hidden, &package).unwrap();
    completes(&fixture, &first);
}

#[test]
fn a_build_that_fails_is_said_with_what_is_left() {
    let Some((fixture, first)) = waiting() else { return };
    let summary = fixture.files.path("summary.md");
    let broken = format!("{RECIPE}[[file]]\npath = \"/etc/x\"\nsource = \"missing\"\n");
    fs::write(fixture.files.path("recipe.toml"), broken).unwrap();
    let stderr = fixture.must_fail(1, &mut fixture.command(&["--summary", &summary.to_string_lossy()]));
    assert!(stderr.contains("cannot build `tested`") && stderr.contains("recipe.lock.next"), "{stderr}");
    let summary = fs::read_to_string(summary).unwrap();
    assert!(
        summary.starts_with("## `tested`: the update failed\n") && summary.contains("cannot build"),
        "{summary}"
    );
    fs::write(fixture.files.path("recipe.toml"), RECIPE).unwrap();
    completes(&fixture, &first);
}

#[test]
fn a_boot_that_cannot_be_tried_publishes_nothing() {
    let Some((fixture, first)) = waiting() else { return };
    fixture.clear();
    let mut command = fixture.files.command("update", &fixture.mirror());
    command.args(["--region", "local", "--endpoint-url", &fixture.region.running.endpoint()]);
    // No QEMU is on this path.
    command.arg("--out").arg(fixture.out()).env("PATH", "/nonexistent");
    let stderr = fixture.must_fail(1, &mut command);
    assert!(stderr.contains("cannot boot `") && stderr.contains("out.update"), "{stderr}");
    assert_eq!(fixture.changes(), 0);
    completes(&fixture, &first);
}

#[test]
fn mistakes_in_the_options_are_reported_before_any_call() {
    let Some((fixture, first)) = waiting() else { return };
    fixture.clear();
    for (option, message) in [
        (["--name", "{nam}"], "`{nam}` is none of {name}"),
        (["--name", "{version}"], "the recipe has no `version`"),
        (["--share", "12"], "--share"),
    ] {
        let stderr = fixture.must_fail(2, &mut fixture.command(&option));
        assert!(stderr.contains(message), "{stderr}");
    }
    assert_eq!(fixture.region.request_log.requests().len(), 0);
    completes(&fixture, &first);
}

#[test]
fn a_copy_that_fails_is_repeated_with_the_lock_that_the_publish_began_with() {
    let Some((fixture, first)) = waiting() else { return };
    fixture.region.inject(FaultScript::times(1, "CopyImage", InjectedFault::FailLater));
    let more = ["--copy-to", "local-2"];
    let stderr = fixture.must_fail(1, &mut fixture.command(&more));
    assert!(stderr.contains("to 1 of 1 regions: local-2") && stderr.contains("continues it"), "{stderr}");
    // The archive goes on meanwhile. A third version now would be another image of the same update.
    fixture.archive(3, 2);
    fixture.clear();
    let second = fixture.must(&more);
    assert_eq!(packages(&second), ["app upgraded 1.0 1.1", "extra added - 1", "lib upgraded 2.1 2.2"]);
    assert_eq!(
        (fixture.region.successes("PutSnapshotBlock"), fixture.region.successes("RegisterImage")),
        (0, 0)
    );
    let copies = second["published"]["copies"].as_array().unwrap();
    assert_eq!((copies.len(), &copies[0]["region"]), (1, &Value::from("local-2")));
    assert!(fixture.is_clean());
    let third = fixture.must(&more);
    assert_eq!(packages(&third), ["app upgraded 1.1 1.2", "extra removed 1 -"]);
    assert_eq!(first["outcome"], "published");
}

#[test]
fn another_recipe_does_not_continue_the_publish_of_an_earlier_one() {
    let Some((fixture, _)) = waiting() else { return };
    fixture.region.inject(FaultScript::times(1, "CopyImage", InjectedFault::FailLater));
    fixture.must_fail(1, &mut fixture.command(&["--copy-to", "local-2"]));
    let other =
        amiforge_tests::text::replace(RECIPE, "packages = [\"app\"]", "packages = [\"app\", \"unrelated\"]");
    fs::write(fixture.files.path("recipe.toml"), other).unwrap();
    let stderr = fixture.must_fail(2, &mut fixture.command(&[]));
    assert!(stderr.contains("an update of an earlier recipe") && stderr.contains("--abandon"), "{stderr}");
    fs::write(fixture.files.path("recipe.toml"), RECIPE).unwrap();
    assert_eq!(fixture.must(&["--copy-to", "local-2"])["outcome"], "published");
}

#[test]
fn an_old_bundle_with_an_unfinished_publish_is_not_replaced() {
    let Some(fixture) = UpdateFixture::new() else { return };
    fixture.must(&["--no-publish"]);
    fixture.region.inject(FaultScript::times(1, "CopyImage", InjectedFault::FailLater));
    let publish = |more: &[&str]| {
        let mut command = std::process::Command::new(amiforge_tests::program::path());
        command.args(["publish", "--region", "local", "--endpoint-url", &fixture.region.running.endpoint()]);
        command.arg(fixture.out()).args(more).output().unwrap()
    };
    assert_eq!(publish(&["--copy-to", "local-2"]).status.code(), Some(1));
    fixture.archive(2, 1);
    let stderr = fixture.must_fail(1, &mut fixture.command(&[]));
    assert!(stderr.contains("has not finished") && stderr.contains("--abandon"), "{stderr}");
    assert!(publish(&["--copy-to", "local-2"]).status.success());
    assert_eq!(fixture.must(&[])["outcome"], "published");
}
