//! `copy`: copies of an existing AMI, found by their names and tags; failed ones are made again.

use std::time::Duration;

use amiforge_emulator::{FaultScript, InjectedFault, Windows};
use amiforge_publish::request::AmiOptions;
use serde_json::json;

use crate::register::fixture::texts;
use crate::sharing::fixture::{Account, OTHER, SharingFixture};

fn tagged() -> AmiOptions {
    AmiOptions { tags: texts(&["team=a"]), ..AmiOptions::default() }
}

#[test]
fn an_existing_ami_is_copied_with_its_tags_and_found_again() {
    let windows = Windows { copy: Duration::from_millis(700), ..Windows::default() };
    let Some(fixture) = SharingFixture::new(&tagged(), |config| config.windows = windows) else { return };
    let args = ["copy", fixture.image.as_str(), "--to", "local-2,local-3", "--within", "30m"];
    let copied = fixture.must(&args);
    assert_eq!(copied["copies"].as_array().unwrap().len(), 2, "{copied}");
    let source = fixture.ami.images("local").remove(0);
    for region in ["local-2", "local-3"] {
        fixture.ami.assert_one(region);
        let image = fixture.ami.images(region).remove(0);
        assert_eq!((&image.name, &image.tags), (&source.name, &source.tags), "{region}");
        let ids = json!({ "SnapshotIds": image.snapshots() });
        let tags = fixture.call(Account::Owner, region, "describe_snapshots", ids).to_string();
        assert!(tags.contains(&source.tags["amiforge:manifest"]), "{region}: {tags}");
    }
    let again = fixture.must(&args);
    assert_eq!(again["copies"][0]["present"], json!(true), "{again}");
    assert_eq!(fixture.ami.region.successes("CopyImage"), 2);
    // Shared by name: the copies are those of the AMI.
    let shared = fixture.must(&["share", "--name", "web-1", "--with", OTHER, "--regions", "local-2,local-3"]);
    assert_eq!(shared["regions"].as_array().unwrap().len(), 3, "{shared}");
}

#[test]
fn copies_are_encrypted_on_request() {
    let Some(fixture) = SharingFixture::new(&tagged(), |_| {}) else { return };
    fixture.must(&["copy", &fixture.image, "--to", "local-2", "--encrypt"]);
    let key = "arn:aws:kms:local-3:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    fixture.must(&["copy", &fixture.image, "--to", "local-3", "--kms-key", key]);
    for (region, expected) in [("local-2", ":key/0a1b2c3d"), ("local-3", key)] {
        let ids = json!({ "SnapshotIds": fixture.ami.snapshots(region) });
        let shown = fixture.call(Account::Owner, region, "describe_snapshots", ids);
        let key = shown["Snapshots"][0]["KmsKeyId"].as_str().unwrap_or_default();
        assert!(key.contains(expected), "{region}: {shown}");
    }
}

#[test]
fn a_copy_that_failed_or_was_deleted_is_made_again_and_a_foreign_name_is_refused() {
    let Some(fixture) = SharingFixture::new(&tagged(), |_| {}) else { return };
    let args = ["copy", fixture.image.as_str(), "--to", "local-2"];
    let region = &fixture.ami.region;
    region.inject(FaultScript::times(1, "CopyImage", InjectedFault::FailLater));
    let failed = fixture.refused(1, &args);
    assert!(failed.contains("failed on purpose"), "{failed}");
    fixture.must(&args);
    fixture.ami.assert_one("local-2");
    let first = fixture.ami.images("local-2").remove(0).id;
    let gone = json!({ "ImageId": first, "DeleteAssociatedSnapshots": true });
    fixture.call(Account::Owner, "local-2", "deregister_image", gone);
    fixture.must(&args);
    fixture.ami.assert_one("local-2");
    assert_ne!(fixture.ami.images("local-2").remove(0).id, first);
    region.inject(FaultScript::times(1, "CopyImage", InjectedFault::DropAfter));
    fixture.must(&["copy", &fixture.image, "--to", "local-4"]);
    fixture.ami.assert_one("local-4");
    // The name belongs to another AMI there.
    let foreign = ["copy", fixture.image.as_str(), "--to", "local-3", "--name", "web-1"];
    let other = fixture.must(&["copy", &fixture.image, "--to", "local", "--name", "other"]);
    let other = other["copies"][0]["imageId"].as_str().unwrap().to_owned();
    fixture.call(Account::Owner, "local", "delete_tags", json!({ "Resources": [other] }));
    fixture.must(&["copy", &other, "--to", "local-3", "--name", "web-1"]);
    let refused = fixture.refused(1, &foreign);
    assert!(refused.contains("is a copy of"), "{refused}");
}

#[test]
fn requests_that_the_service_would_refuse_are_refused_before_a_copy_begins() {
    let Some(fixture) = SharingFixture::new(&tagged(), |_| {}) else { return };
    let image = fixture.image.as_str();
    let key = "arn:aws:kms:local-2:123456789012:key/1";
    for (args, code, words) in [
        (vec!["copy", image, "--to", "local-2", "--within", "20m"], 2, "steps of 15 minutes"),
        (vec!["copy", image, "--to", "cn-north-1"], 2, "is of the partition `aws-cn`"),
        (vec!["copy", image, "--to", "local"], 2, "needs another name"),
        (vec!["copy", image, "--to", "local-2,local-3", "--kms-key", key], 2, "a copy goes to local-3"),
        (vec!["copy", image, "--to", "local-2,nowhere"], 1, "`nowhere` is not a region"),
    ] {
        let refused = fixture.refused(code, &args);
        assert!(refused.contains(words), "{args:?}: {refused}");
    }
    assert_eq!(fixture.ami.region.successes("CopyImage"), 0);
}
