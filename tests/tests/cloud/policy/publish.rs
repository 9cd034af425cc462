//! The policy of `publish --dry-run`, by the options that change it. Every story ends one publish half-way, abandons it
//! and publishes again, because the policy is for all of that.

use amiforge_tests::archive::noise;
use amiforge_tests::policy::{Case, Run, Stage};
use serde_json::{Value, json};

/// The options that a raw file needs.
const RAW: [&str; 7] = [
    "publish",
    "disk.raw",
    "--name=web",
    "--arch=x86_64",
    "--boot-mode=uefi",
    "--tag=team=web",
    "--max-rate=0",
];
/// A key of the home region and one of the region that is copied to.
const KEY: &str = "--kms-key=arn:aws:kms:us-east-1:123456789012:key/11111111-1111-4111-8111-111111111111";
const COPY_KEY: &str =
    "--copy-kms=eu-west-1=arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-4222-8222-222222222222";

/// The actions of a plain publish, which every publish needs.
const PLAIN: [&str; 10] = [
    "ebs:CompleteSnapshot",
    "ebs:PutSnapshotBlock",
    "ebs:StartSnapshot",
    "ec2:CreateTags",
    "ec2:DeleteSnapshot",
    "ec2:DeregisterImage",
    "ec2:DescribeImages",
    "ec2:DescribeSnapshots",
    "ec2:GetEbsEncryptionByDefault",
    "ec2:RegisterImage",
];

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    command.iter().chain(more).copied().collect()
}

/// A disk of two blocks.
fn raw(stage: &Stage) {
    stage.file("disk.raw", &noise(1 << 20, 1));
}

/// A publish of `command` that ends after the AMI was registered, its abandonment, and the publish.
fn interrupted_then_whole(stage: &Stage, policy: &Value, command: &[&str]) -> Vec<Run> {
    let ended = stage.without(&["ec2:EnableImageDeprecation"], &with(command, &["--deprecate=30d"]));
    assert_eq!(ended.status.code(), Some(1), "it ends where the deprecation is not allowed: {ended:?}");
    let abandon = [command[0], command[1], "--abandon"];
    vec![Run::succeeds(stage.under(policy, &abandon)), Run::succeeds(stage.under(policy, command))]
}

fn check(command: &[&str], prepare: &dyn Fn(&Stage), optional: &[&str]) {
    let story = |stage: &Stage, policy: &Value| interrupted_then_whole(stage, policy, command);
    Case { command, prepare, story: &story, optional, shown: &PLAIN }.check();
}

#[test]
pub(super) fn the_policy_of_a_plain_publish_is_the_least() {
    let story = |stage: &Stage, policy: &Value| interrupted_then_whole(stage, policy, &RAW);
    Case { command: &RAW, prepare: &raw, story: &story, optional: &[], shown: &[] }.check();
}

#[test]
fn the_policy_of_a_publish_with_uefi_variables_is_the_least() {
    let command = with(&RAW, &["--uefi-data=vars"]);
    let prepare = |stage: &Stage| {
        raw(stage);
        // A blob without variables, with its checksum.
        stage.file("vars", b"AMZNUEFI\xc7\x4b\x67\x48\0\0\0\0");
    };
    check(&command, &prepare, &[]);
}

#[test]
fn the_policy_of_an_encrypted_publish_names_the_actions_on_its_keys() {
    check(&with(&RAW, &["--encrypt"]), &raw, &[]);
    // A publish that may list no regions does not check them, and says so.
    let command = with(&RAW, &[KEY, "--copy-to=eu-west-1", COPY_KEY]);
    check(&command, &raw, &["ec2:DescribeRegions"]);
}

#[test]
fn the_policy_of_a_publish_with_the_alias_of_a_key_is_the_least() {
    let prepare = |stage: &Stage| {
        raw(stage);
        stage.script("local_region/account.py", &["boto3"], &["key"]);
    };
    if !Stage::new().script("local_region/account.py", &["boto3"], &["key"]) {
        return;
    }
    check(&with(&RAW, &["--kms-key=alias/web"]), &prepare, &[]);
}

/// Everything that is set on an AMI and its copies. The first publish ends where one of two regions may not be copied
/// to, when the copy in the other is protected.
#[test]
pub(super) fn the_policy_of_copies_with_all_attributes_is_the_least() {
    let options =
        ["--copy-to=eu-west-1,eu-central-1", "--share=111122223333", "--share-snapshots", "--protect"];
    let command = with(&with(&RAW, &options), &["--deprecate=30d", "--watermark=team"]);
    if !Stage::new().script("local_region/account.py", &["boto3"], &["encrypt"]) {
        return;
    }
    let story = |stage: &Stage, policy: &Value| {
        let everything_but = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "ec2:CopyImage", "Resource": "*",
             "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}},
        ]});
        let ended = stage.under(&everything_but, &command);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let abandoned = Run::succeeds(stage.under(policy, &["publish", "disk.raw", "--abandon"]));
        let whole = Run::succeeds(stage.under(policy, &command));
        // An account that encrypts by default, with a key that cannot be shared: the publish is refused, once it
        // knows which key that is.
        stage.script("local_region/account.py", &["boto3"], &["encrypt"]);
        stage.file("disk.raw", &noise(1 << 20, 2));
        let _ = std::fs::remove_dir_all(stage.path("disk.raw.publish"));
        let encrypted = Run::ends(stage.under(policy, &command), 1);
        vec![abandoned, whole, encrypted]
    };
    Case {
        command: &command,
        prepare: &raw,
        story: &story,
        optional: &["ec2:DescribeRegions"],
        shown: &PLAIN,
    }
    .check();
}

#[test]
fn the_policy_of_a_public_ami_is_the_least() {
    let command = with(&RAW, &["--public", "--yes"]);
    if !Stage::new().script("local_region/account.py", &["boto3"], &["encrypt"]) {
        return;
    }
    let story = |stage: &Stage, policy: &Value| {
        let mut runs = interrupted_then_whole(stage, policy, &command);
        stage.script("local_region/account.py", &["boto3"], &["encrypt"]);
        stage.file("other.raw", &noise(1 << 20, 2));
        let other: Vec<&str> =
            command.iter().map(|arg| if *arg == "disk.raw" { "other.raw" } else { *arg }).collect();
        runs.push(Run::ends(stage.under(policy, &other), 1));
        runs
    };
    Case { command: &command, prepare: &raw, story: &story, optional: &[], shown: &PLAIN }.check();
}

/// Builds a bundle.
pub(super) fn bundle(stage: &Stage, name: &str, version: u32) {
    let tree = format!("{name}-{version}.tree");
    // An operating system, so that the recipe goes into the image.
    for folder in ["etc", "usr/lib"] {
        std::fs::create_dir_all(stage.path(&format!("{tree}/{folder}"))).expect("a folder");
    }
    stage.file(&format!("{tree}/etc/os-release"), b"ID=test\n");
    stage.file(&format!("{tree}/noise"), &noise(1 << 20, version));
    let recipe = format!(
        "[image]\nname = \"{name}\"\nversion = \"{version}\"\narch = \"x86_64\"\nepoch = 1700000000\n\n\
         [disk]\nsize = \"64 MiB\"\n\n[[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n\n\
         [[partition]]\nrole = \"root\"\n\n[[source]]\nkind = \"dir\"\npath = \"{tree}\"\n"
    );
    let file = format!("{name}-{version}.toml");
    stage.file(&file, recipe.as_bytes());
    stage.must(&["build", &file, "-o", &format!("{name}-{version}")]);
}

#[test]
pub(super) fn the_policy_of_a_publish_onto_a_parent_is_the_least() {
    let command = ["publish", "web-2", "--parent=auto", "--max-rate=0"];
    let prepare = |stage: &Stage| {
        bundle(stage, "web", 1);
        bundle(stage, "web", 2);
        stage.must(&["publish", "web-1", "--max-rate=0"]);
        // Without the manifest of the parent its blocks have to be read.
        let _ = std::fs::remove_dir_all(stage.path("web-1.publish"));
    };
    check(&command, &prepare, &[]);
}

#[test]
fn the_policy_of_a_publish_with_a_further_bundle_lets_both_snapshots_be_deleted() {
    let command = ["publish", "web-1", "--volume=/dev/sdb=bundle:data-1", "--max-rate=0"];
    let prepare = |stage: &Stage| {
        bundle(stage, "web", 1);
        bundle(stage, "data", 1);
    };
    check(&command, &prepare, &[]);
}
