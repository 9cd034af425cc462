//! Groups and instance refreshes on a manual clock, without HTTP.

mod fleet;

use std::time::Duration;

use crate::state::faults::{FaultScript, InjectedFault};
use crate::state::image::Life;
use fleet::{Fleet, WINDOW, between};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_group_launches_as_many_as_desired_and_replaces_what_is_lost() {
    let fleet = Fleet::new(|_| {});
    fleet.create(4, "&Tags.member.1.Key=team&Tags.member.1.Value=a&Tags.member.1.PropagateAtLaunch=true");
    assert_eq!(fleet.serving(), [4, 0]);
    let group = fleet.group();
    let zones: Vec<_> = group.members.iter().map(|member| member.zone.as_str()).collect();
    assert_eq!(zones, ["locala", "localb", "locala", "localb"]);
    let first = group.members[0].instance.clone();
    let text = fleet.ec2(&format!("Action=DescribeInstances&InstanceId.1={first}"));
    for part in ["aws:autoscaling:groupName", "aws:ec2launchtemplate:version", "<key>team</key>"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    fleet.ec2(&format!("Action=TerminateInstances&InstanceId.1={first}"));
    assert_eq!(fleet.group().members.iter().filter(|member| member.is_alive()).count(), 4);
    fleet.clock.advance(WINDOW);
    assert_eq!(fleet.serving(), [4, 0]);
    fleet.must("Action=SetDesiredCapacity&AutoScalingGroupName=web&DesiredCapacity=1");
    fleet.clock.advance(WINDOW);
    assert_eq!(fleet.serving(), [1, 0]);
    assert_eq!(fleet.refused("Action=DeleteAutoScalingGroup&AutoScalingGroupName=web"), "ResourceInUse");
    fleet.must("Action=DeleteAutoScalingGroup&AutoScalingGroupName=web&ForceDelete=true");
    fleet.clock.advance(WINDOW);
    assert_eq!(fleet.refused("Action=DescribeInstanceRefreshes&AutoScalingGroupName=web"), "ValidationError");
}

#[test]
fn a_refresh_replaces_all_within_the_percentages_and_then_updates_the_group() {
    for (preferences, least, most) in [
        ("", 9, 10),
        ("&Preferences.MinHealthyPercentage=50", 5, 10),
        ("&Preferences.MinHealthyPercentage=100", 10, 11),
        ("&Preferences.MinHealthyPercentage=100&Preferences.MaxHealthyPercentage=150", 10, 15),
        ("&Preferences.MinHealthyPercentage=100&Preferences.MaxHealthyPercentage=100", 10, 11),
        ("&Preferences.MinHealthyPercentage=80&Preferences.MaxHealthyPercentage=100", 8, 10),
    ] {
        let fleet = Fleet::new(|_| {});
        fleet.create(10, "");
        fleet.start(&format!("{preferences}&Preferences.InstanceWarmup=5")).unwrap();
        assert_eq!(
            fleet.refused("Action=StartInstanceRefresh&AutoScalingGroupName=web"),
            "InstanceRefreshInProgress"
        );
        assert_eq!(
            between(&fleet.must("Action=DescribeAutoScalingGroups"), "Version"),
            "1",
            "only at the end"
        );
        assert_eq!(fleet.run(HOUR), ("Successful".to_owned(), least, most), "{preferences}");
        assert_eq!(fleet.serving(), [0, 10], "{preferences}");
        assert_eq!(between(&fleet.must("Action=DescribeAutoScalingGroups"), "Version"), "2");
        assert_eq!(fleet.status().1, "100");
    }
}

#[test]
fn the_result_does_not_depend_on_how_often_it_is_described() {
    let ends = [1, 7, 600].map(|step| {
        let fleet = Fleet::new(|_| {});
        fleet.create(5, "");
        fleet
            .start(
                "&Preferences.MinHealthyPercentage=60&Preferences.CheckpointPercentages.member.1=40\
                     &Preferences.CheckpointPercentages.member.2=100&Preferences.CheckpointDelay=30",
            )
            .unwrap();
        for _ in 0..4200 / step {
            fleet.clock.advance(Duration::from_secs(step));
            fleet.group();
        }
        let group = fleet.group();
        group.refreshes[0].ended.unwrap()
    });
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0], ends[2]);
}

#[test]
fn checkpoints_and_bake_time_are_waited_for() {
    let fleet = Fleet::new(|_| {});
    fleet.create(10, "");
    fleet
        .start(
            "&Preferences.CheckpointPercentages.member.1=20&Preferences.CheckpointPercentages.member.2=100\
             &Preferences.CheckpointDelay=600&Preferences.BakeTime=300&Preferences.InstanceWarmup=0",
        )
        .unwrap();
    fleet.clock.advance(Duration::from_secs(45));
    assert_eq!((fleet.status().1.as_str(), fleet.serving()), ("20", [8, 2]));
    fleet.clock.advance(Duration::from_secs(590));
    assert_eq!(fleet.serving(), [8, 2], "still at the checkpoint");
    fleet.clock.advance(Duration::from_secs(200));
    assert_eq!((fleet.status().0.as_str(), fleet.serving()), ("Baking", [0, 10]));
    fleet.clock.advance(Duration::from_mins(5));
    assert_eq!(fleet.status().0, "Successful");
}

#[test]
fn a_last_checkpoint_below_a_hundred_ends_the_refresh_there() {
    let fleet = Fleet::new(|_| {});
    fleet.create(10, "");
    fleet.start("&Preferences.CheckpointPercentages.member.1=30&Preferences.CheckpointDelay=0").unwrap();
    assert_eq!(fleet.run(HOUR).0, "Successful");
    assert_eq!(fleet.serving(), [7, 3]);
}

#[test]
fn skip_matching_replaces_only_what_differs() {
    let fleet = Fleet::new(|_| {});
    fleet.create(3, "");
    fleet.start("").unwrap();
    fleet.run(HOUR);
    let before: Vec<_> = fleet.group().members.iter().map(|member| member.instance.clone()).collect();
    fleet.start("&Preferences.SkipMatching=true").unwrap();
    assert_eq!(fleet.status(), ("Successful".to_owned(), "100".to_owned()));
    let after: Vec<_> = fleet.group().members.iter().map(|member| member.instance.clone()).collect();
    assert_eq!(before, after);
}

#[test]
fn instances_that_fail_their_health_check_fail_the_refresh_and_roll_it_back() {
    let fails = |fleet: &Fleet| {
        let mut script = FaultScript::times(1000, "LaunchInstance", InjectedFault::FailLater);
        script.rules[0].target = Some(fleet.images[1].clone());
        fleet.state.faults.replace(script);
    };
    let fleet = Fleet::new(|_| {});
    fleet.create(10, "");
    fails(&fleet);
    fleet.start("&Preferences.AutoRollback=true").unwrap();
    let (status, least, _) = fleet.run(HOUR);
    assert_eq!((status.as_str(), least), ("RollbackSuccessful", 9));
    fleet.clock.advance(WINDOW);
    assert_eq!(fleet.serving(), [10, 0]);
    let text = fleet.must("Action=DescribeInstanceRefreshes&AutoScalingGroupName=web");
    assert!(text.contains("<RollbackReason>A new instance failed its health check."), "{text}");
    fleet.start("").unwrap();
    assert_eq!(fleet.run(HOUR).0, "Failed");
    fleet.clock.advance(WINDOW);
    assert_eq!(fleet.serving(), [10, 0], "the group still has its old version");
    assert_eq!(
        fleet.refused("Action=RollbackInstanceRefresh&AutoScalingGroupName=web"),
        "ActiveInstanceRefreshNotFound"
    );
}

#[test]
fn with_a_retry_window_a_refresh_tries_for_that_long() {
    let fleet = Fleet::new(|config| config.windows.refresh_retry = HOUR);
    fleet.create(2, "");
    let mut script = FaultScript::times(10_000, "LaunchInstance", InjectedFault::FailLater);
    script.rules[0].target = Some(fleet.images[1].clone());
    fleet.state.faults.replace(script);
    fleet.start("").unwrap();
    fleet.clock.advance(Duration::from_mins(50));
    assert_eq!(fleet.status().0, "InProgress");
    fleet.clock.advance(Duration::from_mins(20));
    assert_eq!(fleet.status().0, "Failed");
}

#[test]
fn an_image_that_is_disabled_meanwhile_fails_the_refresh() {
    let fleet = Fleet::new(|_| {});
    fleet.create(4, "");
    fleet.start("").unwrap();
    fleet.clock.advance(Duration::from_secs(25));
    fleet.ec2(&format!("Action=DisableImage&ImageId={}", fleet.images[1]));
    assert_eq!(fleet.run(HOUR).0, "Failed");
    let text = fleet.must("Action=DescribeScalingActivities&AutoScalingGroupName=web");
    assert!(text.contains("<StatusCode>Failed</StatusCode>"), "{text}");
    fleet.clock.advance(WINDOW);
    assert_eq!(fleet.serving().iter().sum::<usize>(), 4, "the group fills up from its own version");
}

#[test]
fn a_manual_rollback_returns_and_a_cancelled_refresh_stays_as_it_is() {
    let fleet = Fleet::new(|_| {});
    fleet.create(6, "");
    fleet.start("").unwrap();
    fleet.clock.advance(Duration::from_secs(65));
    assert_eq!(fleet.serving()[1], 3);
    fleet.must("Action=RollbackInstanceRefresh&AutoScalingGroupName=web");
    assert_eq!(fleet.run(HOUR).0, "RollbackSuccessful");
    fleet.clock.advance(WINDOW);
    assert_eq!(fleet.serving(), [6, 0]);
    fleet.start("").unwrap();
    fleet.clock.advance(Duration::from_secs(65));
    fleet.must("Action=CancelInstanceRefresh&AutoScalingGroupName=web");
    assert_eq!(fleet.run(HOUR).0, "Cancelled");
    assert!(fleet.serving()[1] >= 3, "{:?}", fleet.serving());
}

#[test]
fn what_cannot_be_rolled_back_is_refused() {
    let fleet = Fleet::new(|_| {});
    fleet.create(2, "");
    let code =
        |text: &str| fleet.refused(&format!("Action=StartInstanceRefresh&AutoScalingGroupName=web{text}"));
    assert_eq!(code("&Preferences.AutoRollback=true"), "ValidationError");
    assert_eq!(code("&Preferences.MaxHealthyPercentage=150"), "ValidationError");
    assert_eq!(
        code("&Preferences.MinHealthyPercentage=0&Preferences.MaxHealthyPercentage=150"),
        "ValidationError"
    );
    assert_eq!(code("&Preferences.CheckpointDelay=1"), "ValidationError");
    assert_eq!(
        code("&Preferences.CheckpointPercentages.member.1=50&Preferences.CheckpointPercentages.member.2=50"),
        "ValidationError"
    );
    assert_eq!(code("&DesiredConfiguration.LaunchTemplate.LaunchTemplateName=none"), "ValidationError");
    assert_eq!(code("&Preferences.Colour=red"), "ValidationError");
    assert_eq!(code(""), "ok");
    assert_eq!(
        fleet.refused("Action=RollbackInstanceRefresh&AutoScalingGroupName=web"),
        "IrreversibleInstanceRefresh"
    );
    fleet.run(HOUR);
    fleet.must("Action=UpdateAutoScalingGroup&AutoScalingGroupName=web&LaunchTemplate.LaunchTemplateName=web&LaunchTemplate.Version=$Latest");
    let desired = "&DesiredConfiguration.LaunchTemplate.LaunchTemplateName=web&DesiredConfiguration.LaunchTemplate.Version=1";
    assert_eq!(code(&format!("{desired}&Preferences.AutoRollback=true")), "ValidationError");
    assert_eq!(code(desired), "ok");
    let update = "Action=UpdateAutoScalingGroup&AutoScalingGroupName=web&LaunchTemplate.LaunchTemplateName=web&LaunchTemplate.Version=2";
    assert_eq!(fleet.refused(update), "ValidationError", "the refresh owns the configuration");
}

#[test]
fn an_alarm_fails_a_refresh_and_a_bake() {
    let fleet = Fleet::new(|_| {});
    fleet.create(2, "");
    let mut script = FaultScript::times(1000, "DescribeAlarms", InjectedFault::FailLater);
    script.rules[0].target = Some("errors".to_owned());
    let alarms = "&Preferences.AlarmSpecification.Alarms.member.1=errors&Preferences.BakeTime=600";
    fleet.start(alarms).unwrap();
    fleet.clock.advance(Duration::from_mins(2));
    assert_eq!(fleet.status().0, "Baking");
    fleet.state.faults.replace(script);
    fleet.clock.advance(Duration::from_secs(1));
    assert_eq!(fleet.status().0, "Failed");
}

#[test]
fn protected_instances_are_waited_for_an_hour() {
    let fleet = Fleet::new(|_| {});
    fleet.create(2, "&NewInstancesProtectedFromScaleIn=true");
    fleet.start("").unwrap();
    fleet.clock.advance(Duration::from_mins(59));
    assert_eq!(fleet.status(), ("InProgress".to_owned(), "0".to_owned()));
    fleet.clock.advance(Duration::from_mins(2));
    assert_eq!(fleet.status().0, "Failed");
    fleet.start("&Preferences.ScaleInProtectedInstances=Refresh").unwrap();
    assert_eq!(fleet.run(HOUR).0, "Successful");
}

#[test]
fn overrides_have_their_own_types_templates_and_images() {
    let fleet = Fleet::new(|_| {});
    let arm = fleet.register(7, "arm64");
    fleet
        .ec2(&format!("Action=CreateLaunchTemplate&LaunchTemplateName=arm&LaunchTemplateData.ImageId={arm}"));
    let policy = "MixedInstancesPolicy.LaunchTemplate";
    let create = format!(
        "Action=CreateAutoScalingGroup&AutoScalingGroupName=web&MinSize=0&MaxSize=9&DesiredCapacity=3\
         &AvailabilityZones.member.1=locala&{policy}.LaunchTemplateSpecification.LaunchTemplateName=web\
         &{policy}.LaunchTemplateSpecification.Version=1&{policy}.Overrides.member.1.InstanceType=m5.large\
         &{policy}.Overrides.member.2.InstanceType=m6g.large\
         &{policy}.Overrides.member.2.LaunchTemplateSpecification.LaunchTemplateName=arm\
         &{policy}.Overrides.member.3.InstanceType=c5.large&{policy}.Overrides.member.3.ImageId={}",
        fleet.images[1]
    );
    fleet.must(&create);
    fleet.clock.advance(WINDOW);
    let group = fleet.group();
    let types: Vec<_> = group.members.iter().map(|member| member.instance_type.as_str()).collect();
    assert_eq!(types, ["m5.large", "m6g.large", "c5.large"]);
    assert_eq!(group.members[2].image_override.as_ref(), Some(&fleet.images[1]));
    let text = fleet.must("Action=DescribeAutoScalingGroups");
    assert!(text.contains("<Overrides><member><InstanceType>m5.large</InstanceType></member>"), "{text}");
    assert_eq!(
        fleet.refused(&create.replace("InstanceType=c5.large", "Colour=red").replace("=web&", "=other&")),
        "ValidationError"
    );
}

#[test]
fn instances_are_launched_from_parameters_and_templates_and_their_images_remember_it() {
    let fleet = Fleet::new(|_| {});
    let [one, _] = &fleet.images;
    let code = |text: &str| fleet.try_ec2(text).map_or_else(|code| code, |_| "ok".to_owned());
    let run = "Action=RunInstances&MinCount=1&MaxCount=2";
    let text = fleet.ec2(&format!("{run}&ImageId={one}&InstanceType=t3.micro&ClientToken=t&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b"));
    assert_eq!(text.matches("<instanceId>").count(), 2);
    let again = fleet.ec2(&format!("{run}&ImageId={one}&InstanceType=t3.micro&ClientToken=t&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b"));
    assert_eq!(between(&text, "reservationId"), between(&again, "reservationId"));
    assert_eq!(
        code(&format!("{run}&ImageId={one}&InstanceType=t3.small&ClientToken=t")),
        "IdempotentParameterMismatch"
    );
    assert_eq!(code(&format!("{run}&ImageId={one}&InstanceType=t4g.micro")), "InvalidParameterValue");
    assert_eq!(code(&format!("{run}&ImageId={one}&InstanceType=t3.micro&Colour=red")), "UnknownParameter");
    assert_eq!(code(&format!("{run}&InstanceType=t3.micro")), "MissingParameter");
    assert_eq!(code(&format!("{run}&LaunchTemplate.LaunchTemplateName=web&LaunchTemplate.Version=2")), "ok");
    let attribute =
        fleet.ec2(&format!("Action=DescribeImageAttribute&Attribute=lastLaunchedTime&ImageId={one}"));
    assert!(attribute.contains("2026-11-21T12:00:00.000Z"), "{attribute}");
    let id = between(&text, "instanceId");
    let state =
        |id: &str| between(&fleet.ec2(&format!("Action=DescribeInstances&InstanceId.1={id}")), "name");
    assert_eq!(state(&id), "pending");
    fleet.clock.advance(WINDOW);
    assert_eq!(state(&id), "running");
    fleet.ec2(&format!("Action=StopInstances&InstanceId.1={id}"));
    assert_eq!(code(&format!("Action=StartInstances&InstanceId.1={id}")), "IncorrectInstanceState");
    fleet.clock.advance(WINDOW);
    assert_eq!(state(&id), "stopped");
    fleet.ec2(&format!("Action=TerminateInstances&InstanceId.1={id}"));
    fleet.clock.advance(Duration::from_mins(61));
    assert_eq!(code(&format!("Action=DescribeInstances&InstanceId.1={id}")), "InvalidInstanceID.NotFound");
    let region = fleet.state.region("local").unwrap();
    region
        .images
        .edit(one, |image| {
            image.life = Life::Disabled;
            Ok::<_, crate::error::Error>(())
        })
        .unwrap();
    assert_eq!(code(&format!("{run}&ImageId={one}&InstanceType=t3.micro")), "InvalidAMIID.Unavailable");
}
