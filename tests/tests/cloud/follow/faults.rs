//! Throttling, lost answers, a kill, and other operators.

use std::time::Duration;

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use serde_json::json;

use super::fixture::{FleetFixture, at, images, status};

fn rule(action: Option<&str>, when: When, what: InjectedFault) -> FaultRule {
    FaultRule { service: None, action: action.map(str::to_owned), target: None, when, times: None, what }
}

#[test]
fn throttling_and_lost_answers_change_nothing_about_the_result() {
    let Some(fixture) = FleetFixture::new(&json!({ "size": 3 })) else { return };
    fixture.region.inject(FaultScript {
        rules: vec![
            rule(Some("LaunchInstance"), When::Nth(1_000_000), InjectedFault::Throttle),
            rule(Some("StartInstanceRefresh"), When::Nth(1), InjectedFault::DropAfter),
            rule(Some("CreateLaunchTemplateVersion"), When::Nth(1), InjectedFault::DropAfter),
            rule(Some("ModifyLaunchTemplate"), When::Nth(1), InjectedFault::DropAfter),
            rule(Some("DescribeInstances"), When::First(1), InjectedFault::Throttle),
            rule(
                Some("DescribeAutoScalingGroups"),
                When::First(2),
                InjectedFault::ServerError { status: 503 },
            ),
        ],
    });
    fixture.must(&[&fixture.images[1], "--groups", "web", "--warmup", "0"]);
    fixture.region.inject(FaultScript::default());
    let after = fixture.read();
    assert_eq!(images(&after, "web"), [fixture.images[1].clone()]);
    assert_eq!(
        after["templates"]["web"]["Versions"].as_array().unwrap().len(),
        2,
        "one version for both calls"
    );
}

#[test]
fn a_run_that_is_killed_is_continued_by_the_same_command() {
    let slow = |config: &mut amiforge_emulator::RegionConfig| {
        config.windows.instances = Duration::from_millis(700);
    };
    let Some(fixture) = FleetFixture::with(&json!({ "size": 4, "version": "$Default" }), slow) else {
        return;
    };
    let args = [fixture.images[1].as_str(), "--groups", "web", "--warmup", "0"];
    for action in ["CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "StartInstanceRefresh"] {
        let mut child = fixture.command(&args).stdout(std::process::Stdio::null()).spawn().unwrap();
        for _ in 0..1000 {
            if fixture.region.successes(action) > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    fixture.must(&args);
    let after = fixture.read();
    assert_eq!(images(&after, "web"), [fixture.images[1].clone()]);
    assert_eq!(after["templates"]["web"]["Versions"].as_array().unwrap().len(), 2);
    assert_eq!(after["templates"]["web"]["DefaultVersionNumber"], 2);
    assert_eq!(fixture.region.successes("StartInstanceRefresh"), 1, "the running one was joined");
}

#[test]
fn the_refresh_of_another_operator_is_a_conflict() {
    let Some(fixture) = FleetFixture::new(&at("1")) else { return };
    let wait = json!({ "CheckpointPercentages": [10, 100], "CheckpointDelay": 1000, "InstanceWarmup": 0 });
    let start = json!({ "AutoScalingGroupName": "web", "Preferences": wait });
    fixture.call("autoscaling", "start_instance_refresh", &start);
    let before = fixture.read();
    let (_, err) = fixture.ends(1, &[&fixture.images[1], "--groups", "web"]);
    assert!(
        err.contains("another instance refresh of `web`") && err.contains("hint: wait for its end"),
        "{err}"
    );
    let after = fixture.read();
    assert_eq!(before["templates"], after["templates"]);
    assert_eq!(status(&after, "web"), "InProgress");
}

#[test]
fn a_refresh_that_is_only_started_is_finished_by_the_next_run() {
    let Some(fixture) = FleetFixture::new(&json!({ "size": 3 })) else { return };
    let args = [fixture.images[1].as_str(), "--groups", "web", "--warmup", "1"];
    let no_wait: Vec<_> = args.iter().copied().chain(["--no-wait"]).collect();
    let report = fixture.must(&no_wait);
    assert_eq!(report["groups"][0]["outcome"], "started");
    assert_eq!(fixture.read()["templates"]["web"]["DefaultVersionNumber"], 1);
    fixture.must(&args);
    let after = fixture.read();
    assert_eq!(after["templates"]["web"]["DefaultVersionNumber"], 2);
    assert_eq!(images(&after, "web"), [fixture.images[1].clone()]);
    assert_eq!(fixture.region.successes("StartInstanceRefresh"), 1);
}
