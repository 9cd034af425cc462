//! Versions that follow one another: first, next, unchanged.

use std::fs;

use amiforge_tests::program;
use serde_json::Value;

use super::fixture::{RECIPE, UpdateFixture, packages};

/// Most blocks that a version with three changed packages of a few kilobytes may cost.
const FEW: u64 = 40;

#[test]
fn an_update_publishes_a_delta_and_replaces_lock_and_bundle() {
    let Some((fixture, first)) = UpdateFixture::published() else { return };
    assert_eq!((&first["outcome"], &first["published"]["parent"]), (&Value::from("published"), &Value::Null));
    fixture.archive(2, 1);
    fixture.clear();
    let summary = fixture.files.path("summary.md");
    let second = fixture.must(&["--summary", &summary.to_string_lossy()]);
    assert_eq!(second["outcome"], "published", "{second:#}");
    assert_eq!(packages(&second), ["app upgraded 1.0 1.1", "extra added - 1", "lib upgraded 2.1 2.2"]);
    let lib = &second["packages"][2];
    assert_eq!((lib["security"].as_str(), lib["source"].as_str()), (Some("2.2"), Some("libsrc")));
    assert_eq!(second["security"], 1);
    // A delta of the first version, of which the region counts the blocks.
    let published = &second["published"];
    assert_eq!(published["parent"], first["published"]["snapshot_id"]);
    let sent = published["blocks_sent"].as_u64().unwrap();
    assert_eq!(sent as usize, fixture.region.successes("PutSnapshotBlock"));
    assert!(sent > 0 && sent <= FEW && sent < second["blocks"].as_u64().unwrap(), "{second:#}");
    let changed = second["blocks_changed"].as_u64().unwrap();
    assert!(
        changed > 0 && changed <= sent,
        "{changed} of {sent}: blocks that became free are written over too"
    );
    // The manifest that was kept with the first version makes reading the parent unnecessary.
    assert_eq!(fixture.region.successes("GetSnapshotBlock") as u64, sent, "only what was sent is read back");
    let files = &second["files"];
    assert!(files["added"].as_u64() >= Some(2) && files["changed"].as_u64() >= Some(2), "{files}");
    let summary = fs::read_to_string(summary).unwrap();
    let ami = published["image_id"].as_str().unwrap();
    assert!(
        summary.contains(ami) && summary.contains("| `lib` | upgraded | `2.1` | `2.2` | `libsrc` | `2.2` |"),
        "{summary}"
    );
    // Everything has its name, and nothing else is there.
    assert!(fixture.is_clean());
    assert_eq!(fixture.files.run("lock", &fixture.mirror(), &["--update", "--check"]).status.code(), Some(0));
    let bundle = program::Bundle::open(&fixture.out());
    assert_eq!(second["sha256"], bundle.digest().as_str());
    assert_eq!(second["sha256_before"], first["sha256"]);
    fixture.verify(ami, &fixture.out());
}

#[test]
fn without_a_change_nothing_is_published_and_nothing_is_written() {
    let Some((fixture, first)) = UpdateFixture::published() else { return };
    let before = fixture.version();
    // A newer Release with the same packages is no change either.
    for days in [0, 3] {
        fixture.archive(1, days);
        fixture.clear();
        let again = fixture.must(&[]);
        assert_eq!((&again["outcome"], &again["sha256"]), (&Value::from("unchanged"), &first["sha256"]));
        assert_eq!((fixture.changes(), fixture.version() == before, fixture.is_clean()), (0, true, true));
    }
}

#[test]
fn another_lock_that_gives_the_same_image_is_taken_without_a_publish() {
    let Some((fixture, first)) = UpdateFixture::published() else { return };
    let before = fixture.version();
    // What comes as a dependency is named too: other inputs, the same packages.
    let recipe = amiforge_tests::text::replace(RECIPE, "[\"app\"]", "[\"app\", \"lib\"]");
    fs::write(fixture.files.path("recipe.toml"), recipe).unwrap();
    fixture.clear();
    let again = fixture.must(&[]);
    let outcome = (&again["outcome"], &again["sha256"], &again["lock_changed"]);
    assert_eq!(outcome, (&Value::from("unchanged"), &first["sha256"], &Value::from(true)));
    let after = fixture.version();
    assert!(
        before["recipe.lock"] != after["recipe.lock"]
            && before["out/manifest.json"] == after["out/manifest.json"]
    );
    assert_eq!(fixture.files.run("lock", &fixture.mirror(), &["--check"]).status.code(), Some(0));
    assert_eq!((fixture.changes(), fixture.is_clean()), (0, true));
}

#[test]
fn a_content_that_the_account_has_is_not_published_again_where_the_old_bundle_is_gone() {
    let Some((fixture, first)) = UpdateFixture::published() else { return };
    fs::remove_dir_all(fixture.out()).unwrap();
    fs::remove_dir_all(fixture.files.path("out.publish")).unwrap();
    fixture.clear();
    let again = fixture.must(&[]);
    assert_eq!(
        (&again["outcome"], &again["present"]),
        (&Value::from("unchanged"), &first["published"]["image_id"])
    );
    assert_eq!(fixture.changes(), 0);
    // The bundle is there for the next version.
    assert_eq!(program::Bundle::open(&fixture.out()).digest(), first["sha256"].as_str().unwrap());
    assert!(fixture.is_clean());
    fixture.archive(2, 1);
    let second = fixture.must(&[]);
    assert_eq!(second["published"]["parent"], first["published"]["snapshot_id"]);
    fixture.verify(second["published"]["image_id"].as_str().unwrap(), &fixture.out());
}

#[test]
fn a_manifest_stands_in_for_the_old_bundle_on_another_host() {
    let Some((fixture, first)) = UpdateFixture::published() else { return };
    let manifest = fixture.files.path("last.json");
    fs::copy(fixture.out().join("manifest.json"), &manifest).unwrap();
    fs::remove_dir_all(fixture.out()).unwrap();
    fs::remove_dir_all(fixture.files.path("out.publish")).unwrap();
    fixture.archive(2, 1);
    fixture.clear();
    let second = fixture.must(&["--parent-bundle", &manifest.to_string_lossy()]);
    assert_eq!(second["published"]["parent"], first["published"]["snapshot_id"]);
    assert_eq!((&second["sha256_before"], &second["files"]), (&first["sha256"], &Value::Null));
    let sent = second["published"]["blocks_sent"].as_u64().unwrap();
    assert_eq!(fixture.region.successes("GetSnapshotBlock") as u64, sent, "the parent is not read");
}

#[test]
fn a_version_can_be_built_and_planned_without_a_publish() {
    let Some(fixture) = UpdateFixture::new() else { return };
    let built = fixture.must(&["--no-publish"]);
    assert_eq!((&built["outcome"], &built["published"]), (&Value::from("built"), &Value::Null));
    assert!(fixture.is_clean() && fixture.out().is_dir());
    assert_eq!(fixture.region.request_log.requests().len(), 0);
    fixture.archive(2, 1);
    let before = fixture.version();
    let plan = fixture.must(&["--dry-run"]);
    assert!(plan["policy"].to_string().contains("ebs:PutSnapshotBlock"), "{plan:#}");
    let blocks = plan["blocks"].as_u64().unwrap();
    assert!(blocks > 0 && blocks <= FEW, "only the blocks that differ are planned: {plan:#}");
    assert_eq!((fixture.version() == before, fixture.region.request_log.requests().len()), (true, 0));
    // What the dry run built is what the next run publishes.
    let second = fixture.must(&[]);
    assert_eq!((&second["outcome"], fixture.is_clean()), (&Value::from("published"), true));
}
