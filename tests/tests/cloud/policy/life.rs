//! The policies of the commands for the life of an AMI. Each region is prepared once and copied for every run.

use amiforge_tests::policy::{PreparedCase, Run, Stage};
use serde_json::Value;

use super::publish::bundle;
use super::published::{Published, unshown};

/// Another service is called by EC2 for the caller, and the local region is none.
const WITHIN: &str = "EC2 calls it for the caller, and which calls it makes is not documented";

#[test]
pub(super) fn the_policies_of_backup_and_restore_image_are_the_least() {
    let published = Published::new(&[]);
    let image = published.image.as_str();
    let backup = ["backup", image, "--bucket=backups"];
    // Stored, and found stored.
    let story = |stage: &Stage, policy: &Value| {
        let run = || Run::succeeds(stage.under(policy, &backup));
        vec![run(), run()]
    };
    let unneeded = [unshown("ebs:ListChangedBlocks", WITHIN)];
    let stage = &published.stage;
    PreparedCase { stage, command: &backup, story: &story, optional: &[], unshown: &unneeded }.check();
    published.stage.must(&backup);
    let key = format!("--key={image}.bin");
    let restore = ["restore-image", "--bucket=backups", &key, "--name=again"];
    published.check_failed("CreateRestoreImageTask", &restore, &[]);
}

#[test]
pub(super) fn the_policies_of_copy_are_the_least() {
    let published = Published::new(&[]);
    let copy = ["copy", &published.image, "--to=eu-west-1", "--watermark=auto"];
    published.check_failed("CopyImage", &copy, &["ec2:DescribeRegions"]);
}

#[test]
pub(super) fn the_policies_of_snapshot_are_the_least() {
    let published = Published::new(&[]);
    let snapshot = published.snapshot.as_str();
    published.check(&["snapshot", "lock", snapshot, "--for=2d"], &[]);
    published.check(&["snapshot", "lock", &published.image, "--for=2d"], &[]);
    published.stage.must(&["snapshot", "lock", snapshot, "--for=2d"]);
    published.check(&["snapshot", "unlock", snapshot], &[]);
    let fast = ["snapshot", "fast-restore", snapshot, "--zones=us-east-1a"];
    let story = |stage: &Stage, policy: &Value| {
        vec![Run::succeeds(stage.under(policy, &[&fast[..], &["--yes"]].concat()))]
    };
    let stage = &published.stage;
    PreparedCase { stage, command: &fast, story: &story, optional: &[], unshown: &[] }.check();
    stage.must(&[&fast[..], &["--yes"]].concat());
    published.check(&[&fast[..], &["--off"]].concat(), &[]);
}

#[test]
pub(super) fn the_policies_of_the_archive_are_the_least() {
    let stage = Stage::new();
    bundle(&stage, "web", 1);
    let shown = stage.must(&["--json", "upload", "web-1", "--max-rate=0"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let snapshot = shown["snapshotId"].as_str().expect("an id");
    let check = |command: &[&str]| {
        let story = |stage: &Stage, policy: &Value| vec![Run::succeeds(stage.under(policy, command))];
        PreparedCase { stage: &stage, command, story: &story, optional: &[], unshown: &[] }.check();
    };
    check(&["snapshot", "archive", snapshot]);
    stage.must(&["snapshot", "archive", snapshot]);
    check(&["snapshot", "restore", snapshot, "--permanent"]);
}

#[test]
pub(super) fn the_policies_of_sharing_are_the_least() {
    let published = Published::new(&[]);
    let image = published.image.as_str();
    let of_keys = [unshown("kms:DescribeKey", "the snapshots are not encrypted")];
    published.check(&["share", image, "--with=111122223333"], &of_keys);
    published.check(&["share", image, "--with=111122223333", "--keep-snapshots"], &of_keys);
    let public = ["share", image, "--with=all", "--public-snapshots"];
    let story = |stage: &Stage, policy: &Value| {
        vec![Run::succeeds(stage.under(policy, &[&public[..], &["--yes"]].concat()))]
    };
    let stage = &published.stage;
    PreparedCase { stage, command: &public, story: &story, optional: &[], unshown: &[] }.check();
    published.stage.must(&["share", image, "--with=111122223333"]);
    published.check(&["unshare", image, "--everyone"], &[]);
    published.check(&["allowed-images", image], &[]);
}

#[test]
pub(super) fn the_policy_of_giving_a_permission_up_is_the_least() {
    let mut published = Published::new(&[]);
    published.stage.must(&["share", &published.image, "--with=111122223333"]);
    published.stage.set_account("111122223333");
    published.check(&["unshare", &published.image, "--me"], &[]);
}

#[test]
pub(super) fn the_policies_of_orphans_are_the_least() {
    let stage = Stage::new();
    bundle(&stage, "web", 1);
    stage.must(&["upload", "web-1", "--max-rate=0"]);
    super::published::check(&stage, &["orphans", "--older-than=0s"], &[], &[]);
    super::published::check(&stage, &["orphans", "--older-than=0s", "--regions=all"], &[], &[]);
    let orphans = ["orphans", "--older-than=0s", "--delete"];
    let story = |stage: &Stage, policy: &Value| {
        vec![Run::succeeds(stage.under(policy, &[&orphans[..], &["--yes"]].concat()))]
    };
    PreparedCase { stage: &stage, command: &orphans, story: &story, optional: &[], unshown: &[] }.check();
}
