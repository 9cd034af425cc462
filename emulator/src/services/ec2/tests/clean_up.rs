//! References, usage reports and the recycle bin.

use super::*;
use crate::state::recycle_bin::{RetainedResources, RetentionRule, RetentionRules};

/// Retains deleted images and snapshots of the account for this many days.
pub(super) fn retain(test_region: &TestRegion, days: u64) {
    let rule = |resources| RetentionRule {
        id: "rule".to_owned(),
        resources,
        days,
        description: None,
        tags: Vec::new(),
    };
    let rules = RetentionRules(vec![rule(RetainedResources::Images), rule(RetainedResources::Snapshots)]);
    test_region.state.region("local").unwrap().retention.put(ACCOUNT, rules).unwrap();
}

/// An image and a snapshot in the recycle bin. The snapshot of the image still exists.
pub(super) fn binned(test_region: &TestRegion) -> (String, String) {
    retain(test_region, 7);
    let image = test_region.image("binned");
    test_region.request(&format!("Action=DeregisterImage&ImageId={image}")).unwrap();
    let snapshot = test_region.snapshot(&snapshot_id("binned-alone"), None);
    test_region.request(&format!("Action=DeleteSnapshot&SnapshotId={snapshot}")).unwrap();
    (image, snapshot)
}

#[test]
fn a_deregistered_image_is_restored_with_its_state_and_its_snapshots() {
    let test_region = TestRegion::new(Windows::default());
    retain(&test_region, 7);
    let image = test_region.image("web");
    let snapshot = snapshot_id("web");
    test_region
        .request(&format!("Action=CreateTags&ResourceId.1={snapshot}&Tag.1.Key=of&Tag.1.Value={image}"))
        .unwrap();
    test_region.request(&format!("Action=DisableImage&ImageId={image}")).unwrap();
    test_region
        .request(&format!("Action=DeregisterImage&ImageId={image}&DeleteAssociatedSnapshots=true"))
        .unwrap();
    assert_eq!(
        test_region.code(&format!("Action=DescribeImages&ImageId.1={image}")),
        "InvalidAMIID.Unavailable"
    );
    let listed = test_region.request("Action=ListImagesInRecycleBin").unwrap();
    assert_eq!((between(&listed, "imageId"), between(&listed, "name")), (image.clone(), "web".to_owned()));
    assert_eq!(between(&listed, "recycleBinExitTime"), "2026-11-28T12:00:00.000Z");
    let tags =
        test_region.request(&format!("Action=DescribeTags&Filter.1.Name=value&Filter.1.Value.1={image}"));
    assert_eq!(between(&tags.unwrap(), "resourceId"), snapshot, "tags stay in the recycle bin");

    let restore = format!("Action=RestoreImageFromRecycleBin&ImageId={image}");
    assert_eq!(test_region.code(&restore), "InvalidSnapshot.NotFound");
    let restored = format!("Action=RestoreSnapshotFromRecycleBin&SnapshotId={snapshot}");
    assert_eq!(between(&test_region.request(&restored).unwrap(), "status"), "completed");
    assert_eq!(test_region.code(&restored), "InvalidSnapshot.NotFound");
    test_region.request(&restore).unwrap();
    let shown = test_region.request(&format!("Action=DescribeImages&ImageId.1={image}&IncludeDisabled=true"));
    assert_eq!(between(&shown.unwrap(), "imageState"), "disabled");
    assert_eq!(test_region.code(&restore), "InvalidAMIID.NotFound");
}

#[test]
fn what_is_not_restored_in_time_is_gone_and_a_name_may_be_taken_meanwhile() {
    let test_region = TestRegion::new(Windows::default());
    let (image, snapshot) = binned(&test_region);
    let restore = format!("Action=RestoreImageFromRecycleBin&ImageId={image}");
    test_region.request(&register("binned", &snapshot_id("binned"))).unwrap();
    assert_eq!(test_region.code(&restore), "InvalidAMIName.Duplicate");
    test_region.clock.advance(DAY * 7);
    assert_eq!(test_region.code(&restore), "InvalidAMIID.NotFound");
    let restore = format!("Action=RestoreSnapshotFromRecycleBin&SnapshotId={snapshot}");
    assert_eq!(test_region.code(&restore), "InvalidSnapshot.NotFound");
    let folder = test_region.folder.path().join("local/snapshots");
    assert!(!folder.join(format!("{snapshot}.blocks")).exists());
}

#[test]
fn the_blocks_of_a_snapshot_in_the_recycle_bin_survive_a_restart() {
    let test_region = TestRegion::new(Windows::default());
    let (_, snapshot) = binned(&test_region);
    let TestRegion { state, folder, .. } = test_region;
    drop(state);
    let mut config = RegionConfig::new(folder.path());
    config.clock = Arc::new(ManualClock::new(Timestamp::parse("2026-11-22T12:00:00Z").unwrap()));
    let state = State::open(config).unwrap();
    let region = state.region("local").unwrap();
    assert_eq!(region.snapshots.binned(state.now()).unwrap().len(), 1);
    assert!(region.snapshots.restore(&snapshot).unwrap().is_some());
    assert!(folder.path().join(format!("local/snapshots/{snapshot}.blocks")).exists());
}

#[test]
fn templates_in_depth_and_current_parameters_name_images() {
    let test_region = TestRegion::new(Windows::default());
    let (old, new) = (test_region.image("old"), test_region.image("new"));
    let template = "&LaunchTemplateName=web";
    test_region
        .request(&format!("Action=CreateLaunchTemplate{template}&LaunchTemplateData.ImageId={old}"))
        .unwrap();
    test_region
        .request(&format!("Action=CreateLaunchTemplateVersion{template}&LaunchTemplateData.ImageId={new}"))
        .unwrap();
    let references = |more: &str| {
        let text =
            test_region.request(&format!("Action=DescribeImageReferences&ImageId.1={old}{more}")).unwrap();
        text.matches("<arn>").count()
    };
    assert_eq!(references("&IncludeAllResourceTypes=true"), 1);
    let kind = "&ResourceType.1.ResourceType=ec2:LaunchTemplate&ResourceType.1.ResourceTypeOption.1";
    assert_eq!(
        references(&format!(
            "{kind}.OptionName=version-depth{}",
            "&ResourceType.1.ResourceTypeOption.1.OptionValue.1=1"
        )),
        0
    );
    assert_eq!(references("&ResourceType.1.ResourceType=ssm:Parameter"), 0);
    for (more, code) in [
        ("", "MissingParameter"),
        ("&ResourceType.1.ResourceType=ec2:Volume", "InvalidParameterValue"),
        ("&IncludeAllResourceTypes=true&MaxResults=4", "InvalidParameterValue"),
    ] {
        assert_eq!(test_region.code(&format!("Action=DescribeImageReferences&ImageId.1={old}{more}")), code);
    }
    assert_eq!(
        test_region.code("Action=DescribeImageReferences&IncludeAllResourceTypes=true"),
        "MissingParameter"
    );
    let other = format!("Action=DescribeImageReferences&ImageId.1={old}&IncludeAllResourceTypes=true");
    assert_eq!(test_region.request_as(OTHER, "local", &other).unwrap().matches("<arn>").count(), 0);
}

#[test]
fn a_usage_report_counts_the_templates_of_other_accounts_once_each() {
    let windows = Windows { task: Duration::from_mins(1), ..Windows::default() };
    let test_region = TestRegion::new(windows);
    let image = test_region.image("shared");
    for number in 0..2 {
        let template = format!("&LaunchTemplateName=t-{number}&LaunchTemplateData.ImageId={image}");
        test_region.request_as(OTHER, "local", &format!("Action=CreateLaunchTemplate{template}")).unwrap();
        test_region
            .request_as(OTHER, "local", &format!("Action=CreateLaunchTemplateVersion{template}"))
            .unwrap();
    }
    let create = format!(
        "Action=CreateImageUsageReport&ImageId={image}&ResourceType.1.ResourceType=ec2:LaunchTemplate&ClientToken=t"
    );
    let report = between(&test_region.request(&create).unwrap(), "reportId");
    assert_eq!(between(&test_region.request(&create).unwrap(), "reportId"), report);
    let other = create.replace("ec2:LaunchTemplate", "ec2:Instance");
    assert_eq!(test_region.code(&other), "IdempotentParameterMismatch");
    let state = || {
        let text =
            test_region.request(&format!("Action=DescribeImageUsageReports&ImageId.1={image}")).unwrap();
        between(&text, "state")
    };
    let entries = || {
        let of = format!("Action=DescribeImageUsageReportEntries&ReportId.1={report}");
        test_region.request(&of).unwrap()
    };
    assert_eq!((state().as_str(), entries().matches("<usageCount>").count()), ("pending", 0));
    test_region.clock.advance(Duration::from_mins(1));
    assert_eq!(state(), "available");
    assert_eq!(
        (between(&entries(), "usageCount"), between(&entries(), "accountId")),
        ("2".to_owned(), OTHER.to_owned())
    );
    assert_eq!(
        test_region.request_as(OTHER, "local", &create).unwrap_err().code,
        "InvalidAMIID.NotFound",
        "only the owner may ask"
    );
    test_region.clock.advance(DAY * 30);
    assert_eq!(
        test_region.code(&format!("Action=DeleteImageUsageReport&ReportId={report}")),
        "InvalidImageUsageReportId.NotFound"
    );
}

#[test]
fn an_instance_names_its_image_and_tells_of_it_when_the_image_is_gone() {
    let test_region = TestRegion::new(Windows::default());
    let image = test_region.image("web");
    let run = format!("Action=RunInstances&MinCount=1&MaxCount=1&ImageId={image}");
    let instance = between(&test_region.request(&run).unwrap(), "instanceId");
    let references = |more: &str| {
        let all = format!("Action=DescribeImageReferences&ImageId.1={image}{more}");
        test_region.request(&all).unwrap().matches(&format!("instance/{instance}")).count()
    };
    assert_eq!(references("&IncludeAllResourceTypes=true"), 1);
    let option = "ResourceType.1.ResourceTypeOption.1";
    let stopped = format!("&{option}.OptionName=state-name&{option}.OptionValue.1=stopped");
    assert_eq!(references(&format!("&ResourceType.1.ResourceType=ec2:Instance{stopped}")), 0);
    test_region.request(&format!("Action=DeregisterImage&ImageId={image}")).unwrap();
    let shown = test_region
        .request(&format!("Action=DescribeInstanceImageMetadata&InstanceId.1={instance}"))
        .unwrap();
    assert_eq!(
        (between(&shown, "imageId"), between(&shown, "imageState")),
        (image, "deregistered".to_owned())
    );
}
