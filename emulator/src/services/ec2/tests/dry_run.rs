//! Every operation with a valid request: a dry run, an unknown parameter and an invalid `DryRun` change
//! nothing. A new operation with required parameters adds its valid request here.

use super::clean_up;
use super::imports;
use super::*;

/// The parameter that names a new instance.
fn launched_instance(test_region: &TestRegion, image: &str) -> String {
    let run = format!("Action=RunInstances&MinCount=1&MaxCount=1&ImageId={image}");
    format!("&InstanceId.1={}", between(&test_region.request(&run).unwrap(), "instanceId"))
}

/// For every operation the parameters of a request that would succeed.
#[expect(clippy::too_many_lines, reason = "one case after another")]
fn valid_requests(test_region: &TestRegion) -> Vec<(&'static str, String)> {
    let image = test_region.image("good");
    let snapshot = snapshot_id("good");
    test_region
        .request("Action=CreateLaunchTemplate&LaunchTemplateName=good&LaunchTemplateData.ImageId=ami-1")
        .unwrap();
    let region = test_region.state.region("local").unwrap();
    let bucket =
        crate::state::objects::Bucket { owner: ACCOUNT.to_owned(), created: test_region.state.now() };
    region.object_store.buckets.put("good", bucket).unwrap();
    test_region.request(&format!("Action=CreateStoreImageTask&ImageId={image}&Bucket=good")).unwrap();
    let of_image = format!("&ImageId={image}");
    let of_snapshot = format!("&SnapshotId={snapshot}");
    let of_tags = format!("&ResourceId.1={image}&Tag.1.Key=k");
    let template = "&LaunchTemplateName=good";
    let permission = "&Attribute=createVolumePermission";
    let mut requests = vec![
        ("AttachImageWatermark", format!("{of_image}&WatermarkName=team")),
        ("CopyImage", format!("&Name=copy&SourceImageId={image}&SourceRegion=local")),
        ("CopySnapshot", format!("&SourceSnapshotId={snapshot}&SourceRegion=local")),
        ("CreateImageUsageReport", format!("{of_image}&ResourceType.1.ResourceType=ec2:Instance")),
        ("CreateLaunchTemplate", "&LaunchTemplateName=other&LaunchTemplateData.ImageId=ami-1".to_owned()),
        ("CreateLaunchTemplateVersion", format!("{template}&LaunchTemplateData.ImageId=ami-1")),
        ("CreateRestoreImageTask", format!("&Bucket=good&ObjectKey={image}.bin&Name=restored")),
        ("CreateStoreImageTask", format!("{of_image}&Bucket=good")),
        ("CreateTags", format!("{of_tags}&Tag.1.Value=v")),
        ("DeleteLaunchTemplate", template.to_owned()),
        ("DeleteLaunchTemplateVersions", format!("{template}&LaunchTemplateVersion.1=1")),
        ("DeleteSnapshot", format!("&SnapshotId={}", test_region.snapshot(&snapshot_id("unused"), None))),
        ("DeleteTags", of_tags),
        ("DescribeImageAttribute", format!("{of_image}&Attribute=description")),
        ("DescribeImageReferences", format!("&ImageId.1={image}&IncludeAllResourceTypes=true")),
        ("DescribeLaunchTemplateVersions", template.to_owned()),
        ("DescribeSnapshotAttribute", format!("{of_snapshot}{permission}")),
        ("DetachImageWatermark", format!("{of_image}&WatermarkKey=123456789012:team")),
        ("EnableImageBlockPublicAccess", "&ImageBlockPublicAccessState=block-new-sharing".to_owned()),
        ("EnableImageDeprecation", format!("{of_image}&DeprecateAt=2027-01-01T00:00:00Z")),
        ("EnableSnapshotBlockPublicAccess", "&State=block-all-sharing".to_owned()),
        ("ModifyEbsDefaultKmsKeyId", "&KmsKeyId=k-1".to_owned()),
        ("ModifyImageAttribute", format!("{of_image}&LaunchPermission.Add.1.Group=all")),
        ("ModifyLaunchTemplate", format!("{template}&SetDefaultVersion=1")),
        ("ModifySnapshotAttribute", format!("{of_snapshot}&OperationType=add&UserGroup.1=all")),
        ("ResetImageAttribute", format!("{of_image}&Attribute=launchPermission")),
        ("ResetSnapshotAttribute", format!("{of_snapshot}{permission}")),
    ];
    let register = register("new", &snapshot);
    requests.push((
        "RegisterImage",
        register.strip_prefix("Action=RegisterImage").unwrap_or_default().to_owned(),
    ));
    requests.extend(sharing_requests(test_region, &snapshot));
    requests.extend(clean_up_requests(test_region, &image));
    requests.extend(launch_requests(test_region, &image));
    requests.extend(import_requests(test_region));
    let known: Vec<_> = requests.iter().map(|(name, _)| *name).collect();
    for (name, _) in OPERATIONS.iter().filter(|(name, _)| !known.contains(name)) {
        let of_one = ["DeregisterImage", "DisableImage", "EnableImageDeregistrationProtection"]
            .contains(name)
            || ["DisableImageDeprecation", "DisableImageDeregistrationProtection"].contains(name);
        requests.push((name, if of_one { of_image.clone() } else { String::new() }));
    }
    requests.retain(|(name, _)| *name != "EnableImage");
    requests
}

/// The requests for instances.
fn launch_requests(test_region: &TestRegion, image: &str) -> Vec<(&'static str, String)> {
    let of_instance = launched_instance(test_region, image);
    let of_image = format!("&ImageId={image}");
    vec![
        ("RunInstances", format!("{of_image}&MinCount=1&MaxCount=1&InstanceType=t3.micro")),
        ("StartInstances", of_instance.clone()),
        ("StopInstances", of_instance.clone()),
        ("TerminateInstances", of_instance),
    ]
}

/// The requests for imports.
fn import_requests(test_region: &TestRegion) -> Vec<(&'static str, String)> {
    imports::object(test_region, "good-disk", &[0; 512]);
    let disk = imports::disk("good-disk");
    let task = test_region.request(&format!("Action=ImportSnapshot{disk}")).unwrap();
    vec![
        ("CancelImportTask", format!("&ImportTaskId={}", between(&task, "importTaskId"))),
        ("ImportSnapshot", disk),
    ]
}

/// The requests for usage reports and the recycle bin.
fn clean_up_requests(test_region: &TestRegion, image: &str) -> Vec<(&'static str, String)> {
    let (binned, binned_snapshot) = clean_up::binned(test_region);
    let kind = "&ResourceType.1.ResourceType=ec2:LaunchTemplate";
    let report =
        test_region.request(&format!("Action=CreateImageUsageReport&ImageId={image}{kind}")).unwrap();
    let report = between(&report, "reportId");
    vec![
        ("DeleteImageUsageReport", format!("&ReportId={report}")),
        ("RestoreImageFromRecycleBin", format!("&ImageId={binned}")),
        ("RestoreSnapshotFromRecycleBin", format!("&SnapshotId={binned_snapshot}")),
    ]
}

/// The requests for sharing, tiers, locks and fast restores.
fn sharing_requests(test_region: &TestRegion, snapshot: &str) -> Vec<(&'static str, String)> {
    let of_snapshot = format!("&SnapshotId={snapshot}");
    let [unused, archived, locked] =
        ["not-archived", "archived", "locked"].map(|name| test_region.snapshot(&snapshot_id(name), None));
    let (zones, source) = ("&AvailabilityZone.1=locala", format!("&SourceSnapshotId.1={snapshot}"));
    for request in [
        format!("Action=ModifySnapshotTier&SnapshotId={archived}&StorageTier=archive"),
        format!("Action=LockSnapshot&SnapshotId={locked}&LockMode=governance&LockDuration=1"),
        format!("Action=EnableFastSnapshotRestores{zones}{source}"),
    ] {
        test_region.request(&request).unwrap();
    }
    vec![
        ("CancelImageLaunchPermission", format!("&ImageId={}", shared_by_other(test_region))),
        ("DisableFastSnapshotRestores", format!("{zones}{source}")),
        ("EnableAllowedImagesSettings", "&AllowedImagesSettingsState=audit-mode".to_owned()),
        ("EnableFastSnapshotRestores", format!("{zones}{source}")),
        ("LockSnapshot", format!("{of_snapshot}&LockMode=governance&LockDuration=1")),
        ("ModifySnapshotTier", format!("&SnapshotId={unused}&StorageTier=archive")),
        ("ReplaceImageCriteriaInAllowedImagesSettings", "&ImageCriterion.1.ImageProvider.1=none".to_owned()),
        ("RestoreSnapshotTier", format!("&SnapshotId={archived}&PermanentRestore=true")),
        ("UnlockSnapshot", format!("&SnapshotId={locked}")),
    ]
}

/// An image of another account that is shared with the account.
fn shared_by_other(test_region: &TestRegion) -> String {
    let id = test_region.image("of-other");
    let region = test_region.state.region("local").unwrap();
    let share = |image: &mut crate::state::image::ImageRecord| {
        image.owner = OTHER.to_owned();
        image.grants.0.insert(crate::state::sharing::SharedWith::Account(ACCOUNT.to_owned()));
        Ok::<_, Ec2Error>(())
    };
    region.images.edit(&id, share).unwrap().unwrap();
    id
}

#[test]
fn every_operation_knows_its_parameters_and_dry_runs() {
    let test_region = TestRegion::new(Windows::default());
    let requests = valid_requests(&test_region);
    assert_eq!(requests.len() + 1, OPERATIONS.len());
    let all = || {
        let region = test_region.state.region("local").unwrap();
        let snapshots: Vec<_> = region.snapshots.all().iter().map(|one| format!("{one:?}")).collect();
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {snapshots:?}",
            region.images.all(),
            region.instances.all(),
            region.templates.all(),
            region.sharing.all(),
            (region.tiers.all(), region.locks.all(), region.import_tasks.all()),
            region.fast_restores.all(),
            region.allowed_images.all(),
        )
    };
    let before = all();
    for (name, more) in &requests {
        assert_eq!(
            test_region.code(&format!("Action={name}{more}&DryRun=true")),
            "DryRunOperation",
            "{name}"
        );
        assert_eq!(
            test_region.code(&format!("Action={name}{more}&Colour.1.Shade=red")),
            "UnknownParameter",
            "{name}"
        );
        assert_eq!(
            test_region.code(&format!("Action={name}{more}&DryRun=perhaps")),
            "InvalidParameterValue",
            "{name}"
        );
    }
    assert_eq!(all(), before);
}
