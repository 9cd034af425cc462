//! Refreshes that pause, fail, ring an alarm or hang.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_lifecycle::api::groups::RefreshPreferences;
use amiforge_lifecycle::follow::{
    FollowError, FollowRegion, FollowRequest, ImageTarget, Selection, WaitPolicy, follow,
};
use amiforge_progress::Monitor;
use serde_json::json;

use super::fixture::{FleetFixture, at, images, status};

#[test]
fn checkpoints_are_waited_at_and_shown() {
    let Some(fixture) = FleetFixture::new(&at("1")) else { return };
    let begun = Instant::now();
    let (_, err) = fixture.ends(
        0,
        &[
            &fixture.images[1],
            "--groups",
            "web",
            "--checkpoints",
            "20,100",
            "--checkpoint-delay",
            "3",
            "--warmup",
            "0",
        ],
    );
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(
        err.contains("web: InProgress 20 %, 8 instances left: Waiting 3 seconds at the checkpoint"),
        "{err}"
    );
    assert_eq!(images(&fixture.read(), "web"), [fixture.images[1].clone()]);
}

#[test]
fn a_last_checkpoint_below_a_hundred_leaves_the_rest_and_says_so() {
    let Some(fixture) = FleetFixture::new(&at("1")) else { return };
    let args = [
        fixture.images[1].as_str(),
        "--groups",
        "web",
        "--checkpoints",
        "30",
        "--checkpoint-delay",
        "0",
        "--warmup",
        "0",
    ];
    let report = fixture.must(&args);
    assert_eq!(report["groups"][0]["outdated"], 7);
    let (_, out) = fixture.ends(3, &["--status", &fixture.images[1], "--groups", "web"]);
    assert!(out.is_empty(), "{out}");
    fixture.must(&[&fixture.images[1], "--groups", "web", "--warmup", "0"]);
    assert_eq!(images(&fixture.read(), "web"), [fixture.images[1].clone()]);
}

#[test]
fn instances_that_fail_are_taken_back_in_every_kind_of_group() {
    for (specification, more) in [
        (at("1"), &[][..]),
        (at("1"), &["--auto-rollback"][..]),
        (at("$Default"), &[]),
        (at("$Latest"), &[]),
        (json!({ "mixed": true, "size": 8 }), &["--auto-rollback"]),
    ] {
        let Some(fixture) = FleetFixture::new(&specification) else { return };
        let before = fixture.read();
        fixture.new_image_fails();
        let args: Vec<_> = [fixture.images[1].as_str(), "--groups", "web", "--warmup", "0"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let (_, err) = fixture.ends(1, &args);
        assert!(err.contains("everything that this run changed was taken back"), "{specification}: {err}");
        assert!(err.contains("failed its health check"), "{specification}: {err}");
        let after = fixture.read();
        assert!(!images(&after, "web").contains(&fixture.images[1]), "{specification}");
        assert_eq!(images(&after, "web"), images(&before, "web"));
        assert_eq!(
            after["templates"]["web"]["DefaultVersionNumber"],
            before["templates"]["web"]["DefaultVersionNumber"]
        );
        for key in ["LaunchTemplate", "MixedInstancesPolicy"] {
            assert_eq!(after["groups"]["web"][key], before["groups"]["web"][key], "{specification}");
        }
        let latest = &after["templates"]["web"]["Versions"][0]["LaunchTemplateData"]["ImageId"];
        let expected =
            if specification["version"] == "$Latest" { &fixture.images[0] } else { &fixture.images[1] };
        assert_eq!(latest, expected, "{specification}");
        assert_ne!(status(&after, "web"), "InProgress");
    }
}

#[test]
fn an_alarm_that_rings_while_it_bakes_takes_the_group_back() {
    let Some(fixture) = FleetFixture::new(&json!({ "size": 3 })) else { return };
    let rule = FaultRule {
        service: Some("cloudwatch".to_owned()),
        action: Some("DescribeAlarms".to_owned()),
        target: Some("errors".to_owned()),
        when: When::Always,
        times: None,
        what: InjectedFault::FailLater,
    };
    fixture.region.inject(FaultScript { rules: vec![rule] });
    let args = [
        fixture.images[1].as_str(),
        "--groups",
        "web",
        "--alarms",
        "errors",
        "--bake",
        "60",
        "--warmup",
        "0",
    ];
    let (_, err) = fixture.ends(1, &args);
    assert!(
        err.contains("The alarm errors went into the ALARM state") && err.contains("taken back"),
        "{err}"
    );
    assert_eq!(images(&fixture.read(), "web"), [fixture.images[0].clone()]);
}

#[test]
fn a_refresh_that_hangs_is_taken_back_after_the_limit() {
    let Some(fixture) = FleetFixture::new(&json!({ "size": 3, "protected": true })) else { return };
    let services = fixture.region.services();
    let (groups, templates) = (fixture.region.config.auto_scaling(), Arc::new(fixture.region.config.ec2()));
    let region = FollowRegion {
        name: "local",
        groups: &groups,
        templates: &*templates,
        timer: &services.timer,
        monitor: Monitor::none(),
    };
    let request = FollowRequest {
        target: ImageTarget { image: fixture.images[1].clone(), parameter: None },
        selection: Selection { groups: vec!["web".to_owned()], ..Selection::default() },
        preferences: RefreshPreferences { warmup: Some(0), ..RefreshPreferences::default() },
        wait: WaitPolicy::UntilDone { stall: Duration::from_mins(2) },
    };
    let error = fixture.region.block_on(follow(&region, &request)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, FollowError::TakenBack { .. }), "{text}");
    assert!(
        text.contains("made no progress for 2 minutes: it is `InProgress` at 0 % with 3 instances left"),
        "{text}"
    );
    assert!(text.contains("protected from scale-in"), "{text}");
    let after = fixture.read();
    assert_eq!((status(&after, "web").as_str(), images(&after, "web").len()), ("RollbackSuccessful", 1));
}
