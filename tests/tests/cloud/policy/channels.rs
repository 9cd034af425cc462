//! The policies of the commands that move channels, and of those that clean up behind them.

use amiforge_tests::policy::{PreparedCase, Run, Stage, Unshown};
use serde_json::Value;

use super::publish::bundle;

/// Where the ledgers are, which are no part of a region.
const STATE: &str = "--state=ledgers";

/// Needed only where a region failed after another one had moved.
const SETS_BACK: [Unshown<'static>; 2] = [
    Unshown { action: "ssm:DeleteParameter", because: "no region failed, so none is set back" },
    Unshown { action: "ssm:UnlabelParameterVersion", because: "no region failed, so none is set back" },
];

/// What EC2 calls for the caller while it looks for references; the local region looks by itself.
const WITHIN: [&str; 7] = [
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeLaunchTemplateVersions",
    "ssm:DescribeParameters",
    "ssm:GetParameters",
    "imagebuilder:ListImageRecipes",
    "imagebuilder:ListContainerRecipes",
];

/// Needed only where something began to use an image between the steps.
const TAKEN_BACK: [&str; 10] = [
    "ec2:DeleteTags",
    "ec2:EnableImage",
    "ec2:ModifyImageAttribute",
    "ec2:ListSnapshotsInRecycleBin",
    "ec2:ListImagesInRecycleBin",
    "ec2:DescribeTags",
    "ec2:RestoreSnapshotFromRecycleBin",
    "ec2:RestoreImageFromRecycleBin",
    "ec2:DisableImageDeprecation",
    "ec2:DeleteImageUsageReport",
];

/// Needed only for what is in the recycle bin, or was shared or deprecated before the clean-up.
const OF_THE_BIN: [&str; 7] = [
    "ec2:DescribeTags",
    "ec2:ListImagesInRecycleBin",
    "ec2:ListSnapshotsInRecycleBin",
    "ec2:RestoreSnapshotFromRecycleBin",
    "ec2:RestoreImageFromRecycleBin",
    "ec2:ModifyImageAttribute",
    "ec2:EnableImageDeprecation",
];

/// Versions of an image, published; their AMIs.
fn published(versions: std::ops::RangeInclusive<u32>) -> (Stage, Vec<String>) {
    let stage = Stage::new();
    let first = *versions.start();
    let image = |version: u32| {
        // EC2 has the time of an image in whole seconds: of two within one, none is the newer.
        if version > first {
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        bundle(&stage, "web", version);
        let name = format!("web-{version}");
        let shown = stage.must(&["--json", "publish", &name, "--max-rate=0"]);
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["imageId"].as_str().expect("an id").to_owned()
    };
    let images = versions.map(image).collect();
    (stage, images)
}

fn check(stage: &Stage, command: &[&str], more: &[&str], unshown: &[Unshown<'_>]) {
    let run = [command, more].concat();
    let story = |stage: &Stage, policy: &Value| vec![Run::succeeds(stage.under(policy, &run))];
    PreparedCase { stage, command, story: &story, optional: &[], unshown }.check();
}

#[test]
fn the_policies_of_promote_and_rollback_are_the_least() {
    let (stage, images) = published(1..=2);
    let promote = |image: usize| ["promote", &images[image], "--channel=stable", "--name=web", STATE];
    check(&stage, &promote(0), &[], &SETS_BACK);
    stage.must(&promote(0));
    check(&stage, &promote(1), &[], &SETS_BACK);
    stage.must(&promote(1));
    check(&stage, &["rollback", "--channel=stable", "--name=web", STATE], &[], &SETS_BACK[1..]);
}

#[test]
fn the_policies_of_prune_and_undo_are_the_least() {
    let (stage, images) = published(1..=2);
    let prune = ["prune", "--keep=1", "--older-than=0s", "--unused-for=0s", "--grace=0s"];
    let step = [&prune[..], &["--yes"]].concat();
    // Deprecated, disabled, deregistered.
    let story = |stage: &Stage, policy: &Value| {
        (0..3).map(|_| Run::succeeds(stage.under(policy, &step))).collect::<Vec<_>>()
    };
    let within = WITHIN.map(|action| Unshown { action, because: "DescribeImageReferences calls it within" });
    let back = TAKEN_BACK.map(|action| Unshown { action, because: "no step is taken back" });
    let unshown = [&within[..], &back].concat();
    PreparedCase { stage: &stage, command: &prune, story: &story, optional: &[], unshown: &unshown }.check();
    stage.must(&step);
    stage.must(&step);
    let binned =
        OF_THE_BIN.map(|action| Unshown { action, because: "the image is disabled, not in the bin" });
    check(&stage, &["undo", &images[0]], &[], &binned);
}
