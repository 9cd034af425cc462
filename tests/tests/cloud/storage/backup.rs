//! `backup` and `restore-image`: an AMI as an object, in another region an AMI again, with its tags and its blocks.

use std::time::Duration;

use amiforge_emulator::{FaultScript, InjectedFault, Windows};
use amiforge_publish::request::AmiOptions;
use serde_json::json;

use crate::sharing::fixture::{Account, SharingFixture, call};

fn lagging(config: &mut amiforge_emulator::RegionConfig) {
    config.windows = Windows { task: Duration::from_millis(1200), ..Windows::default() };
}

#[test]
fn an_ami_is_stored_carried_to_another_region_and_restored_with_its_tags() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), lagging) else { return };
    fixture.bucket("local", "here");
    fixture.bucket("local-2", "there");
    let backup = ["backup", fixture.image.as_str(), "--bucket", "here"];
    let stored = fixture.must(&backup);
    let key = format!("{}.bin", fixture.image);
    assert_eq!((&stored["key"], &stored["origin"]), (&json!(key), &json!("stored")), "{stored}");
    let head = fixture.s3("local", "head_object", json!({ "Bucket": "here", "Key": key }));
    assert_eq!(head["ContentLength"], stored["bytes"], "{head}");
    let tags = fixture.s3("local", "get_object_tagging", json!({ "Bucket": "here", "Key": key })).to_string();
    assert!(tags.contains("amiforge:manifest") && tags.contains("amiforge:merkle-root"), "{tags}");
    let again = fixture.must(&backup);
    assert_eq!(again["origin"], json!("present"), "{again}");
    assert_eq!(fixture.ami.region.successes("CreateStoreImageTask"), 1);
    // boto3 carries the object, as `aws s3 cp` does between partitions.
    carry(&fixture, &key);
    let restore = restore("carried");
    let (bundle, other) = (fixture.ami.bundle.to_string_lossy().into_owned(), "local-2");
    let args = [&restore[..], &["--bundle", &bundle, "--tag", "team=a", "--json"]].concat();
    let output = fixture.command(Account::Owner, other, &args).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["verified"]["differences"], json!([]), "{shown}");
    fixture.ami.assert_one(other);
    let (source, image) = (fixture.ami.images("local").remove(0), fixture.ami.images(other).remove(0));
    for (key, value) in source.tags.iter().filter(|(key, _)| key.starts_with("amiforge:")) {
        assert_eq!(image.tags.get(key), Some(value), "{key}");
    }
    assert_eq!(image.tags["amiforge:restored-from"], "s3://there/carried");
    assert_eq!(image.tags["team"], "a");
    let ids = json!({ "SnapshotIds": image.snapshots() });
    let snapshot = fixture.call(Account::Owner, other, "describe_snapshots", ids).to_string();
    assert!(snapshot.contains(&source.tags["amiforge:manifest"]), "{snapshot}");
    let output = fixture.command(Account::Owner, other, &args).output().unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["joined"], json!(true), "{shown}");
    assert_eq!(fixture.ami.region.successes("CreateRestoreImageTask"), 1);
}

/// Copies the stored object to the bucket of the other region.
fn carry(fixture: &SharingFixture, key: &str) {
    let Some(python) = amiforge_tests::python::with(&["boto3"]) else { return };
    let endpoint = fixture.endpoint();
    let args = [endpoint.as_str(), "local", "here", key, "local-2", "there", "carried"];
    amiforge_tests::python::must(&python, "sharing/carry.py", &args);
}

/// The arguments that restore an object of the other region's bucket.
fn restore(key: &str) -> [&str; 7] {
    ["restore-image", "--bucket", "there", "--key", key, "--name", "web-again"]
}

#[test]
fn what_cannot_be_stored_or_restored_is_refused_in_full() {
    let encrypt = |python: &std::path::PathBuf, endpoint: &str| {
        let of = ("local", "ec2", "enable_ebs_encryption_by_default");
        call(python, endpoint, Account::Owner, of, json!({}));
    };
    let Some(fixture) = SharingFixture::prepared(&AmiOptions::default(), |_| {}, encrypt) else { return };
    fixture.bucket("local", "here");
    fixture.bucket("local-2", "there");
    let image = fixture.image.as_str();
    for (args, code, words) in [
        (vec!["backup", image, "--bucket", "here"], 1, "would hold its data decrypted"),
        (vec!["backup", image, "--bucket", "there"], 1, "the bucket `there` is in local-2, not in local"),
        (vec!["backup", image, "--bucket", "missing"], 1, "does not exist"),
        (vec!["backup", "ami-0123456789abcdef0", "--bucket", "here"], 1, "no AMI"),
        (vec!["backup", image, "--bucket", "s3://here"], 2, "not the name of a bucket"),
        (restore("none").to_vec(), 1, "is in local-2, not in local"),
    ] {
        let refused = fixture.refused(code, &args);
        assert!(refused.contains(words), "{args:?}: {refused}");
    }
    assert_eq!(fixture.ami.region.successes("CreateStoreImageTask"), 0);
    let stored = fixture.must(&["backup", image, "--bucket", "here", "--decrypt"]);
    assert_eq!(stored["origin"], json!("stored"), "{stored}");
    let no_object = ["restore-image", "--bucket", "here", "--key", "none", "--name", "web-again"];
    let refused = fixture.refused(1, &no_object);
    assert!(refused.contains("has no object `none`"), "{refused}");
    let key = format!("{image}.bin");
    let taken = fixture.refused(1, &["restore-image", "--bucket", "here", "--key", &key, "--name", "web-1"]);
    assert!(taken.contains("was not restored from an object"), "{taken}");
    fixture.call(Account::Owner, "local", "disable_image", json!({ "ImageId": image }));
    fixture.s3("local", "delete_object", json!({ "Bucket": "here", "Key": key }));
    let refused = fixture.refused(1, &["backup", image, "--bucket", "here"]);
    assert!(refused.contains("it is `disabled`"), "{refused}");
}

#[test]
fn lost_responses_and_failed_tasks_leave_one_object_and_one_image() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), lagging) else { return };
    fixture.bucket("local", "here");
    let backup = ["backup", fixture.image.as_str(), "--bucket", "here"];
    let region = &fixture.ami.region;
    region.inject(FaultScript::times(1, "CreateStoreImageTask", InjectedFault::FailLater));
    let failed = fixture.refused(1, &backup);
    assert!(failed.contains("failed on purpose"), "{failed}");
    region.inject(FaultScript::times(1, "CreateStoreImageTask", InjectedFault::DropAfter));
    let stored = fixture.must(&backup);
    assert_eq!(stored["origin"], json!("stored"), "{stored}");
    assert_eq!(region.requests("CreateStoreImageTask").len(), 2, "the lost one is joined");
    let key = format!("{}.bin", fixture.image);
    let restore = ["restore-image", "--bucket", "here", "--key", &key, "--name", "web-again"];
    region.inject(FaultScript::times(1, "CreateRestoreImageTask", InjectedFault::FailLater));
    let failed = fixture.refused(1, &restore);
    assert!(failed.contains("failed on purpose"), "{failed}");
    region.inject(FaultScript::times(1, "CreateRestoreImageTask", InjectedFault::DropAfter));
    let restored = fixture.must(&restore);
    assert_eq!(restored["joined"], json!(true), "{restored}");
    assert_eq!((fixture.ami.images("local").len(), fixture.ami.snapshots("local").len()), (2, 2));
    for action in
        ["DescribeStoreImageTasks", "HeadBucket", "HeadObject", "DescribeImages", "DescribeSnapshots"]
    {
        for fault in [InjectedFault::DropAfter, InjectedFault::ServerError { status: 503 }] {
            region.inject(FaultScript::times(1, action, fault));
            fixture.must(&backup);
            fixture.must(&restore);
        }
    }
    assert_eq!(region.successes("CreateRestoreImageTask") + region.successes("CreateStoreImageTask"), 2);
}
