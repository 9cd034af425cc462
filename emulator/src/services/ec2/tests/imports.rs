//! Imports: what a request and a role must have, and the ends of a task.

use std::io::Write as _;

use super::*;
use crate::services::s3::ObjectWriter;
use crate::state::objects::Bucket;

/// Stores an object in the bucket `disks`.
pub(super) fn object(test_region: &TestRegion, key: &str, bytes: &[u8]) {
    let region = test_region.state.region("local").unwrap();
    let bucket = Bucket { owner: ACCOUNT.to_owned(), created: test_region.state.now() };
    region.object_store.buckets.put("disks", bucket).unwrap();
    let mut writer = ObjectWriter::new(&region.object_store).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish(&region.object_store, ("disks", key), test_region.state.now(), tags::Tags::new()).unwrap();
}

/// The parameters for an object of that bucket.
pub(super) fn disk(key: &str) -> String {
    format!(
        "&DiskContainer.Format=RAW&DiskContainer.UserBucket.S3Bucket=disks&DiskContainer.UserBucket.S3Key={key}"
    )
}

fn lagging() -> TestRegion {
    TestRegion::new(Windows { task: Duration::from_secs(10), ..Windows::default() })
}

fn begin(test_region: &TestRegion, more: &str) -> String {
    let response = test_region.request(&format!("Action=ImportSnapshot{}{more}", disk("disk"))).unwrap();
    between(&response, "importTaskId")
}

fn described(test_region: &TestRegion, task: &str) -> String {
    test_region.request(&format!("Action=DescribeImportSnapshotTasks&ImportTaskId.1={task}")).unwrap()
}

#[test]
fn a_task_is_active_and_ends_with_a_snapshot_of_the_whole_object() {
    let test_region = lagging();
    let mut bytes = vec![0; 3 << 19];
    bytes[..4].copy_from_slice(b"disk");
    bytes.truncate((2 << 19) + 7);
    object(&test_region, "disk", &bytes);
    let task = begin(&test_region, "&Encrypted=true&Description=a%20disk");
    test_region.clock.advance(Duration::from_secs(5));
    let active = described(&test_region, &task);
    assert_eq!(
        (between(&active, "status"), between(&active, "progress"), between(&active, "statusMessage")),
        ("active".to_owned(), "50".to_owned(), "downloading/converting".to_owned())
    );
    test_region.clock.advance(Duration::from_secs(5));
    let completed = described(&test_region, &task);
    assert_eq!(between(&completed, "status"), "completed", "{completed}");
    let id = between(&completed, "snapshotId");
    let region = test_region.state.region("local").unwrap();
    let snapshot = region.snapshots.find(&id).unwrap();
    assert!(snapshot.kms_key.is_some() && snapshot.volume_size == 1);
    let map = region.snapshots.map(&id).unwrap();
    assert_eq!(crate::sync::lock(&map).len(), 3, "zeros are written too");
    assert_eq!(between(&described(&test_region, &task), "snapshotId"), id, "it is made once");
    let by_state = "Action=DescribeImportSnapshotTasks&Filters.1.Name=task-state&Filters.1.Value.1=";
    assert!(test_region.request(&format!("{by_state}completed")).unwrap().contains(&task));
    assert!(!test_region.request(&format!("{by_state}active")).unwrap().contains(&task));
}

#[test]
fn a_task_whose_object_is_gone_or_in_another_format_is_deleted_and_says_why() {
    let test_region = lagging();
    object(&test_region, "disk", b"disk");
    let gone = begin(&test_region, "");
    let vmdk = disk("disk").replace("RAW", "VMDK");
    let response = test_region.request(&format!("Action=ImportSnapshot{vmdk}")).unwrap();
    let unsupported = between(&response, "importTaskId");
    test_region.state.region("local").unwrap().object_store.remove("disks", "disk").unwrap();
    test_region.clock.advance(Duration::from_secs(10));
    for (task, words) in [(gone, "403 Forbidden"), (unsupported, "Unsupported specified file format")] {
        let described = described(&test_region, &task);
        assert_eq!(between(&described, "status"), "deleted");
        assert!(between(&described, "statusMessage").contains(words), "{described}");
    }
}

#[test]
fn an_active_task_is_cancelled_and_an_ended_one_is_not() {
    let test_region = lagging();
    object(&test_region, "disk", b"disk");
    let task = begin(&test_region, "");
    let cancel = format!("Action=CancelImportTask&ImportTaskId={task}");
    assert_eq!(between(&test_region.request(&cancel).unwrap(), "state"), "deleting");
    assert_eq!(between(&described(&test_region, &task), "status"), "deleted");
    assert_eq!(test_region.code(&cancel), "InvalidParameter");
    let other = "Action=CancelImportTask&ImportTaskId=import-snap-1";
    assert_eq!(test_region.code(other), "InvalidConversionTaskId");
}

#[test]
fn a_token_begins_one_task() {
    let test_region = lagging();
    object(&test_region, "disk", b"disk");
    let task = begin(&test_region, "&ClientToken=t");
    assert_eq!(begin(&test_region, "&ClientToken=t"), task);
    let changed = format!("Action=ImportSnapshot{}&ClientToken=t&Encrypted=true", disk("disk"));
    assert_eq!(test_region.code(&changed), "IdempotentParameterMismatch");
}

#[test]
fn a_disk_that_cannot_be_read_is_refused() {
    let test_region = lagging();
    object(&test_region, "disk", b"disk");
    for (request, code, words) in [
        (String::new(), "MissingParameter", "DiskContainer"),
        (disk("disk").replace("RAW", "QCOW2"), "InvalidParameterValue", "QCOW2"),
        (disk("none"), "InvalidParameter", "object does not exist"),
        (disk("disk").replace("disks", "other"), "InvalidParameter", "bucket does not exist"),
        (format!("{}&KmsKeyId=k", disk("disk")), "InvalidParameterDependency", "Encrypted"),
    ] {
        let error = test_region.request(&format!("Action=ImportSnapshot{request}")).unwrap_err();
        assert_eq!(error.code, code, "{request}: {error}");
        assert!(error.message.contains(words), "{error}");
    }
    let elsewhere =
        test_region.request_as(ACCOUNT, "local-2", &format!("Action=ImportSnapshot{}", disk("disk")));
    let error = elsewhere.unwrap_err();
    assert!(error.message.contains("must be located in local-2"), "{error}");
}

/// A region with a role.
fn with_role(trust_id: &str, s3: &str) -> TestRegion {
    let test_region = lagging();
    let roles = serde_json::json!([{
        "account": ACCOUNT, "name": "vmimport",
        "trust": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "vmie.amazonaws.com"}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:Externalid": trust_id}},
        }]},
        "policy": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetBucketLocation", s3, "s3:ListBucket"],
             "Resource": ["arn:aws:s3:::disks", "arn:aws:s3:::disks/*"]},
            {"Effect": "Allow", "Resource": "*", "Action":
             ["ec2:ModifySnapshotAttribute", "ec2:CopySnapshot", "ec2:RegisterImage", "ec2:Describe*"]},
        ]},
    }]);
    std::fs::write(test_region.folder.path().join("roles.json"), roles.to_string()).unwrap();
    let TestRegion { state, clock, folder } = test_region;
    let config = state.config.clone();
    drop(state);
    let test_region = TestRegion { state: State::open(config).unwrap(), clock, folder };
    object(&test_region, "disk", b"disk");
    test_region
}

#[test]
fn a_role_needs_its_trust_and_its_permissions() {
    let import = format!("Action=ImportSnapshot{}", disk("disk"));
    let own_key = format!("{import}&Encrypted=true&KmsKeyId=11111111-1111-4111-8111-111111111111");
    let good = with_role("vmimport", "s3:GetObject");
    assert_eq!(good.code(&import), "ok");
    assert_eq!(good.code(&format!("{import}&Encrypted=true")), "ok");
    for (test_region, request) in [
        (with_role("other", "s3:GetObject"), import.clone()),
        (with_role("vmimport", "s3:PutObject"), import.clone()),
        (with_role("vmimport", "s3:GetObject"), format!("{import}&RoleName=other")),
        (good, own_key),
    ] {
        let error = test_region.request(&request).unwrap_err();
        assert_eq!(error.code, "InvalidParameter");
        assert!(error.message.contains("does not exist or does not have sufficient permissions"), "{error}");
    }
    assert_eq!(
        lagging().code(&format!("Action=ImportSnapshot{}&RoleName=x&DryRun=true", disk("d"))),
        "DryRunOperation"
    );
}
