//! The policy of `follow`: launch templates and Auto Scaling groups that boto3 made.

use std::path::Path;

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_tests::policy::{PreparedCase, REGION, Run, Stage, Unshown};
use amiforge_tests::python;
use serde_json::{Value, json};

/// Times that a fleet is read until its instances are in service.
const READS: usize = 200;

/// A region with a fleet, and the image that it is to follow; `None` without boto3.
fn fleet(specification: &Value) -> Option<(Stage, String)> {
    let python = python::with(&["boto3"])?;
    let stage = Stage::new();
    let image = stage.served(|endpoint| {
        let made = script(&python, &["make", endpoint, &specification.to_string()]);
        let in_service = || {
            let fleet = script(&python, &["read", endpoint]);
            let instances = fleet["groups"]["web"]["Instances"].as_array().expect("instances");
            instances.len() as u64 == specification["size"].as_u64().expect("a size")
                && instances.iter().all(|one| one["LifecycleState"] == "InService")
        };
        assert!((0..READS).any(|_| in_service()), "the group does not come into service");
        made["images"][1].as_str().expect("an image").to_owned()
    });
    Some((stage, image))
}

fn script(python: &Path, args: &[&str]) -> Value {
    let output = python::script(python, "follow/fleet.py")
        .args(args)
        .env("AWS_REGION", REGION)
        .output()
        .expect("python starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn check(stage: &Stage, command: &[&str], unshown: &[Unshown<'_>]) {
    let story = |stage: &Stage, policy: &Value| vec![Run::succeeds(stage.under(policy, command))];
    PreparedCase { stage, command, story: &story, optional: &[], unshown }.check();
}

/// What takes a refresh back. The second is for groups that cannot be rolled back.
const ROLLS_BACK: &str = "autoscaling:RollbackInstanceRefresh";
const CANCELS: &str = "autoscaling:CancelInstanceRefresh";
/// The last change, which comes when every refresh has ended well.
const SETS_DEFAULT: Unshown<'static> =
    Unshown { action: "ec2:ModifyLaunchTemplate", because: "no refresh has ended well" };

#[test]
pub(super) fn the_policies_of_follow_are_the_least() {
    let specification = json!({
        "version": "1", "size": 2, "parameter": "/amiforge/web/stable",
        "tags": { "amiforge:follow": "web/stable" },
    });
    let Some((stage, image)) = fleet(&specification) else { return };
    let back = [ROLLS_BACK, CANCELS].map(|action| Unshown { action, because: "no refresh fails" });
    check(&stage, &["follow", &image, "--groups=web", "--warmup=0"], &back);
    let channel = ["follow", "--channel=web/stable", "--groups=web", "--warmup=0"];
    check(&stage, &channel, &back);
    check(&stage, &[&channel[..], &["--no-wait"]].concat(), &[SETS_DEFAULT]);
    for named in [&["--groups=web"][..], &["--groups=web", "--channel=web/stable"], &["--groups=web", &image]]
    {
        // Channels that the tags of groups name are left out, with a message, where they may not be read.
        let optional = ["ssm:GetParameter"];
        let optional = if named.len() == 1 { &optional[..] } else { &[] };
        super::published::check(&stage, &[&["follow", "--status"], named].concat(), optional, &[]);
    }
}

/// An alarm rings while the new instances are watched: what the run changed is taken back.
#[test]
pub(super) fn the_policies_of_follow_let_a_fleet_be_taken_back() {
    // A refresh that hangs is stopped by these; one that fails has ended.
    let back = [CANCELS, ROLLS_BACK].map(|action| Unshown { action, because: "the refresh does not hang" });
    let back = [SETS_DEFAULT, back[0], back[1]];
    for (version, unshown) in [("1", &back[..]), ("$Latest", &back[..2])] {
        let Some((stage, image)) = fleet(&json!({ "version": version, "size": 2 })) else { return };
        let command = ["follow", &image, "--groups=web", "--warmup=0", "--alarms=errors", "--bake=60"];
        let story = |stage: &Stage, policy: &Value| {
            let rule = FaultRule {
                service: Some("cloudwatch".to_owned()),
                action: Some("DescribeAlarms".to_owned()),
                target: Some("errors".to_owned()),
                when: When::Always,
                times: None,
                what: InjectedFault::FailLater,
            };
            let ringing = FaultScript { rules: vec![rule] };
            vec![Run::ends(stage.under_faults(policy, ringing, &command), 1)]
        };
        PreparedCase { stage: &stage, command: &command, story: &story, optional: &[], unshown }.check();
    }
}
