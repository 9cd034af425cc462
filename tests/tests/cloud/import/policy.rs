//! The IAM policy of `publish --via import --dry-run` is the least one.

use amiforge_tests::archive::noise;
use amiforge_tests::policy::{Case, Run, Stage};
use serde_json::Value;

const COMMAND: [&str; 8] = [
    "publish",
    "disk.raw",
    "--name=appliance",
    "--arch=x86_64",
    "--boot-mode=uefi",
    "--tag=team=a",
    "--via=import",
    "--bucket=imports",
];
const ABANDON: [&str; 3] = ["publish", "disk.raw", "--abandon"];

/// A disk of two parts.
fn prepare(stage: &Stage) {
    stage.file("disk.raw", &noise(9 << 20, 1));
    stage.bucket("imports");
}

/// Runs that end at every step and are abandoned, and one that does not.
fn story(stage: &Stage, policy: &Value) -> Vec<Run> {
    let mut runs = Vec::new();
    // The upload is there; nothing can be sent into it, and it is aborted.
    let ended = stage.without(&["s3:ListMultipartUploadParts"], &COMMAND);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    runs.push(Run::succeeds(stage.under(policy, &ABANDON)));
    // The task is there and cannot be asked for: it is cancelled, or its snapshot deleted.
    let ended = stage.without(&["ec2:DescribeImportSnapshotTasks"], &COMMAND);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    runs.push(Run::succeeds(stage.under(policy, &ABANDON)));
    // The AMI is there.
    let ended =
        stage.without(&["ec2:EnableImageDeprecation"], &[&COMMAND[..], &["--deprecate=30d"]].concat());
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    runs.push(Run::succeeds(stage.under(policy, &ABANDON)));
    runs.push(Run::succeeds(stage.under(policy, &COMMAND)));
    runs
}

#[test]
pub(crate) fn the_policy_of_an_import_is_the_least() {
    // A snapshot that may not be read back is not proven, which is said.
    let optional = ["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"];
    Case { command: &COMMAND, prepare: &prepare, story: &story, optional: &optional, shown: &[] }.check();
}

#[test]
fn the_policy_of_an_encrypted_import_lets_it_be_read_back() {
    const KEY: &str = "--kms-key=arn:aws:kms:us-east-1:123456789012:key/11111111-1111-4111-8111-111111111111";
    let command = [&COMMAND[..], &[KEY]].concat();
    let story = |stage: &Stage, policy: &Value| vec![Run::succeeds(stage.under(policy, &command))];
    let shown = [
        "ebs:GetSnapshotBlock",
        "ebs:ListSnapshotBlocks",
        "ec2:CancelImportTask",
        "ec2:CreateTags",
        "ec2:DeleteSnapshot",
        "ec2:DeregisterImage",
        "ec2:DescribeImages",
        "ec2:DescribeImportSnapshotTasks",
        "ec2:DescribeSnapshots",
        "ec2:ImportSnapshot",
        "ec2:RegisterImage",
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    ];
    // At night every action is left out, and most of them are needed by the other case's runs only.
    if amiforge_tests::tier::night() {
        return;
    }
    Case { command: &command, prepare: &prepare, story: &story, optional: &["kms:Decrypt"], shown: &shown }
        .check();
}
