//! The policies of the commands that move channels, and of those that clean up behind them.

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_tests::policy::{PreparedCase, Run, Stage, Unshown};
use amiforge_tests::python;
use serde_json::Value;

use super::publish::bundle;

/// Where the ledgers are, which are no part of a region.
const STATE: &str = "--state=ledgers";

/// Needed only where a region failed after another one had moved.
const SETS_BACK: Unshown<'static> =
    Unshown { action: "ssm:DeleteParameter", because: "no region failed, so none is set back" };
/// Needed only where a parameter has as many versions as it can have.
const MAKES_ROOM: Unshown<'static> =
    Unshown { action: "ssm:UnlabelParameterVersion", because: "the parameter has few versions" };

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

/// Needed only where something begins to use an image while it is being deregistered.
const TAKEN_BACK: [&str; 6] = [
    "ec2:ListSnapshotsInRecycleBin",
    "ec2:ListImagesInRecycleBin",
    "ec2:DescribeTags",
    "ec2:RestoreSnapshotFromRecycleBin",
    "ec2:RestoreImageFromRecycleBin",
    "ec2:DisableImageDeprecation",
];
/// A report that is not there is not deleted, and one that cannot be deleted ends by itself.
const REPORT: &str = "ec2:DeleteImageUsageReport";

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

fn check(stage: &Stage, command: &[&str], unshown: &[Unshown<'_>]) {
    let story = |stage: &Stage, policy: &Value| vec![Run::succeeds(stage.under(policy, command))];
    PreparedCase { stage, command, story: &story, optional: &[], unshown }.check();
}

#[test]
pub(super) fn the_policies_of_promote_and_rollback_are_the_least() {
    let (stage, images) = published(1..=2);
    let promote = |image: usize| ["promote", &images[image], "--channel=stable", "--name=web", STATE];
    let unneeded = [SETS_BACK, MAKES_ROOM];
    check(&stage, &promote(0), &unneeded);
    stage.must(&promote(0));
    check(&stage, &promote(1), &unneeded);
    stage.must(&promote(1));
    check(&stage, &["rollback", "--channel=stable", "--name=web", STATE], &unneeded[1..]);
    check(&stage, &["rollback", "--channel=stable", "--name=web", "--to=1", STATE], &unneeded[1..]);
    stage.must(&["share", &images[1], "--with=111122223333"]);
    let tested =
        ["promote", &images[1], "--channel=tested", "--name=web", STATE, "--shared-with=111122223333"];
    check(&stage, &tested, &unneeded);
}

/// A channel in two regions of which one fails: the other, which had no such channel, is set back.
#[test]
pub(super) fn the_policy_of_a_promotion_lets_a_region_be_set_back() {
    let (stage, images) = published(1..=1);
    stage.must(&["copy", &images[0], "--to=eu-west-1"]);
    let regions = "--regions=us-east-1,eu-west-1";
    let promote = ["promote", &images[0], "--channel=stable", "--name=web", regions, STATE];
    let story = |stage: &Stage, policy: &Value| {
        let rule = FaultRule {
            service: Some("ssm".to_owned()),
            action: Some("PutParameter".to_owned()),
            target: Some("eu-west-1".to_owned()),
            when: When::Always,
            times: None,
            what: InjectedFault::NotFound,
        };
        let failing = FaultScript { rules: vec![rule] };
        let failed = Run::ends(stage.under_faults(policy, failing, &promote), 1);
        vec![failed, Run::succeeds(stage.under(policy, &promote))]
    };
    let unshown = [MAKES_ROOM];
    PreparedCase { stage: &stage, command: &promote, story: &story, optional: &[], unshown: &unshown }
        .check();
}

/// A channel whose parameter has as many versions as it can have.
#[test]
pub(super) fn the_policies_of_a_long_history_are_the_least() {
    let (stage, images) = published(1..=2);
    if !stage.script("local_region/account.py", &["boto3"], &["versions", &images[0]]) {
        return;
    }
    check(&stage, &["promote", &images[1], "--channel=old", "--name=web", STATE], &[SETS_BACK]);
}

#[test]
pub(super) fn the_policies_of_prune_are_the_least() {
    if python::with(&["boto3"]).is_none() {
        return;
    }
    let (stage, images) = published(1..=3);
    stage.must(&["share", &images[1], "--with=111122223333"]);
    stage.must(&["promote", &images[2], "--channel=stable", "--name=web", STATE]);
    let prune = ["prune", "--keep=1", "--older-than=0s", "--unused-for=0s", "--grace=0s"];
    let within = WITHIN.map(|action| Unshown { action, because: "DescribeImageReferences calls it within" });
    let back =
        TAKEN_BACK.map(|action| Unshown { action, because: "nothing begins to use an image that goes" });
    let report =
        Unshown { action: REPORT, because: "an image goes all the same if its report cannot be deleted" };
    let unshown = [&within[..], &back, &[report]].concat();
    // Other accounts may also not be asked, so that no report is made of them.
    for (more, unshown) in
        [(&[][..], &unshown[..]), (&["--ignore-other-accounts"], &unshown[..unshown.len() - 1])]
    {
        let command = [&prune[..], more].concat();
        let step = [&command[..], &["--yes"]].concat();
        // Deprecated, disabled, deregistered; the second image is named before it goes, and enabled again.
        let story = |stage: &Stage, policy: &Value| {
            let mut runs: Vec<_> = (0..2).map(|_| Run::succeeds(stage.under(policy, &step))).collect();
            stage.script("local_region/account.py", &["boto3"], &["template", &images[1]]);
            runs.push(Run::succeeds(stage.under(policy, &step)));
            runs
        };
        PreparedCase { stage: &stage, command: &command, story: &story, optional: &[], unshown }.check();
    }
}

/// An image that was deregistered and is in the recycle bin, and one that is disabled; the first one was shared, and would have
/// been deprecated later. After both, everything that `undo` can need was needed.
#[test]
pub(super) fn the_policies_of_undo_are_the_least() {
    let (stage, mut images) = published(1..=1);
    if !stage.script("prune/retain.py", &["boto3"], &["us-east-1"]) {
        return;
    }
    let prune = ["prune", "--keep=1", "--older-than=0s", "--unused-for=0s", "--grace=0s", "--yes"];
    let publish = |version: u32, options: &[&str]| {
        std::thread::sleep(std::time::Duration::from_millis(1100));
        bundle(&stage, "web", version);
        let name = format!("web-{version}");
        let shown = stage.must(&[&["--json", "publish", &name, "--max-rate=0"], options].concat());
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        (
            shown["imageId"].as_str().expect("an id").to_owned(),
            shown["snapshotId"].as_str().expect("an id").to_owned(),
        )
    };
    let (second, snapshot) = publish(2, &["--share=111122223333", "--deprecate=400d"]);
    let (third, _) = publish(3, &[]);
    // The first and the second go all the way, the third is disabled.
    for _ in 0..3 {
        stage.must(&prune);
    }
    publish(4, &[]);
    for _ in 0..2 {
        stage.must(&prune);
    }
    images.extend([second, third]);
    let undo = ["undo", &images[2]];
    let story = |stage: &Stage, policy: &Value| {
        images.iter().map(|image| Run::succeeds(stage.under(policy, &["undo", image]))).collect()
    };
    PreparedCase { stage: &stage, command: &undo, story: &story, optional: &[], unshown: &[] }.check();
    // Once it is there again, that is looked up.
    let undo = ["undo", &snapshot];
    let story = |stage: &Stage, policy: &Value| {
        (0..2).map(|_| Run::succeeds(stage.under(policy, &undo))).collect::<Vec<_>>()
    };
    PreparedCase { stage: &stage, command: &undo, story: &story, optional: &[], unshown: &[] }.check();
}
