//! The policies of `upload` and `register`, the halves of a publish.

use amiforge_tests::policy::{PreparedCase, Run, Stage, Unshown};
use serde_json::Value;

use super::publish::bundle;
use super::published::{check, unshown};

/// An upload says without it that blocks of zeros are sent too.
const BY_DEFAULT: [&str; 1] = ["ec2:GetEbsEncryptionByDefault"];

/// An upload that ends before the snapshot is complete, its abandonment, and the upload.
fn interrupted_then_whole(stage: &Stage, policy: &Value, command: &[&str]) -> Vec<Run> {
    let ended = stage.without(&["ebs:CompleteSnapshot"], command);
    assert_eq!(ended.status.code(), Some(1), "it ends where the snapshot may not be completed: {ended:?}");
    let abandon = [command[0], command[1], "--abandon"];
    vec![Run::succeeds(stage.under(policy, &abandon)), Run::succeeds(stage.under(policy, command))]
}

fn check_upload(stage: &Stage, command: &[&str], optional: &[&str], unshown: &[Unshown<'_>]) {
    let story = |stage: &Stage, policy: &Value| interrupted_then_whole(stage, policy, command);
    PreparedCase { stage, command, story: &story, optional, unshown }.check();
}

#[test]
pub(super) fn the_policies_of_upload_are_the_least() {
    let stage = Stage::new();
    bundle(&stage, "web", 1);
    bundle(&stage, "web", 2);
    check_upload(&stage, &["upload", "web-1", "--max-rate=0"], &BY_DEFAULT, &[]);
    check_upload(&stage, &["upload", "web-1", "--encrypt", "--max-rate=0"], &[], &[]);
    let shown = stage.must(&["--json", "publish", "web-1", "--max-rate=0"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let parent = format!("--parent={}", shown["imageId"].as_str().expect("an id"));
    // Without the manifest of the parent its blocks have to be read.
    std::fs::remove_dir_all(stage.path("web-1.publish")).expect("the journal");
    check_upload(&stage, &["upload", "web-2", "--parent=auto", "--max-rate=0"], &BY_DEFAULT, &[]);
    check_upload(&stage, &["upload", "web-2", &parent, "--max-rate=0"], &BY_DEFAULT, &[]);
}

#[test]
fn the_policy_of_an_upload_with_the_alias_of_a_key_is_the_least() {
    let stage = Stage::new();
    bundle(&stage, "web", 1);
    if stage.script("local_region/account.py", &["boto3"], &["key"]) {
        check_upload(&stage, &["upload", "web-1", "--kms-key=alias/web", "--max-rate=0"], &[], &[]);
    }
}

#[test]
pub(super) fn the_policies_of_register_are_the_least() {
    let stage = Stage::new();
    bundle(&stage, "web", 1);
    let shown = stage.must(&["--json", "upload", "web-1", "--max-rate=0"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let snapshot = shown["snapshotId"].as_str().expect("an id");
    let plain = ["register", snapshot, "--bundle=web-1"];
    check(&stage, &plain, &[], &[]);
    let attributes = [
        "--share=111122223333",
        "--share-snapshots",
        "--protect",
        "--deprecate=30d",
        "--watermark=team",
        "--tag=team=web",
    ];
    let by_default = unshown("ec2:GetEbsDefaultKmsKeyId", "the account does not encrypt by default");
    check(&stage, &[&plain[..], &attributes].concat(), &[], &[by_default]);
    check(&stage, &[&plain[..], &["--public", "--yes"]].concat(), &[], &[by_default]);
}
