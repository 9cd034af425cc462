//! Tests that need a manual clock or an account without an access key: EC2 without HTTP.

mod clean_up;
mod dry_run;
mod imports;
mod watermarks;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::iam::Principal;
use crate::state::ACCOUNT;
use crate::state::config::{Quotas, RegionConfig, Windows};
use crate::state::snapshot::{Snapshot, SnapshotOutcome, SnapshotShares};

const OTHER: &str = "210987654321";
const DAY: Duration = Duration::from_hours(24);

/// A region with a manual clock.
struct TestRegion {
    state: State,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

impl TestRegion {
    fn new(windows: Windows) -> Self {
        Self::with_quotas(windows, Quotas::default())
    }

    fn with_quotas(windows: Windows, quotas: Quotas) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-11-21T12:00:00Z").unwrap()));
        let mut config = RegionConfig::new(folder.path());
        config.windows = windows;
        config.quotas = quotas;
        config.clock = Arc::clone(&clock) as Arc<dyn crate::clock::Clock>;
        Self { state: State::open(config).unwrap(), clock, folder }
    }

    /// Sends a request as an account and returns the response text or the error.
    fn request_as(&self, account: &str, region: &str, text: &str) -> Result<String, Ec2Error> {
        let query = ParamNode::read(form_urlencoded::parse(text.as_bytes()))?;
        let action = query.params().text("Action").unwrap();
        let (_, call_of) = operation(action).unwrap();
        let region = self.state.region(region).unwrap();
        let now = self.state.now();
        let (host, fail_async) = ("h", false);
        let principal = Principal { account: account.to_owned(), key: String::new(), policy: None };
        let (principal, region, state, query) = (&principal, &*region, &self.state, &query);
        let call = Ec2Call { account, principal, region, state, now, query, host, fail_async };
        call_of(&call).map(|xml| Xml::document("R", "urn:x", |document| document.append(&xml)))
    }

    fn request(&self, text: &str) -> Result<String, Ec2Error> {
        self.request_as(ACCOUNT, "local", text)
    }

    fn code(&self, text: &str) -> String {
        self.request(text).map_or_else(|error| error.code, |_| "ok".to_owned())
    }

    /// Creates a completed snapshot.
    fn snapshot(&self, id: &str, kms_key: Option<&str>) -> String {
        let region = self.state.region("local").unwrap();
        let now = self.state.now();
        let snapshot = Snapshot {
            id: id.to_owned(),
            owner: ACCOUNT.to_owned(),
            description: String::new(),
            volume_size: 4,
            volume_id: "vol-ffffffff".to_owned(),
            parent: None,
            lineage: id.to_owned(),
            kms_key: kms_key.map(str::to_owned),
            start_time: now,
            timeout: 60,
            outcome: Some(SnapshotOutcome { at: now, failure: None, blocks: 0 }),
            start: None,
            tags: tags::Tags::new(),
            shared_with: SnapshotShares::default(),
        };
        region.snapshots.start(snapshot).unwrap();
        id.to_owned()
    }

    /// Creates an image of a new snapshot and returns its id.
    fn image(&self, name: &str) -> String {
        let snapshot = self.snapshot(&snapshot_id(name), None);
        let response = self.request(&register(name, &snapshot)).unwrap();
        between(&response, "imageId")
    }

    fn images(&self, account: &str, more: &str) -> usize {
        let response = self.request_as(account, "local", &format!("Action=DescribeImages{more}")).unwrap();
        response.matches("<imageId>").count()
    }
}

/// A snapshot id derived from a name.
fn snapshot_id(name: &str) -> String {
    format!("snap-{}", &crate::digest::Sha256Digest::of(name.as_bytes()).hex()[..17])
}

fn register(name: &str, snapshot: &str) -> String {
    format!(
        "Action=RegisterImage&Name={name}&Architecture=x86_64&VirtualizationType=hvm&RootDeviceName=/dev/xvda\
         &BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.SnapshotId={snapshot}"
    )
}

fn between(text: &str, tag: &str) -> String {
    let rest = text.split_once(&format!("<{tag}>")).map(|(_, rest)| rest).unwrap_or_default();
    rest.split_once('<').map(|(value, _)| value.to_owned()).unwrap_or_default()
}

#[test]
fn an_image_that_was_just_made_is_not_described_yet() {
    let windows = Windows { describe_after_creation: Duration::from_secs(2), ..Windows::default() };
    let test_region = TestRegion::new(windows);
    let snapshot = test_region.snapshot(&snapshot_id("late"), None);
    assert_eq!(test_region.code(&register("late", &snapshot)), "InvalidSnapshotID.NotFound");
    test_region.clock.advance(Duration::from_secs(2));
    let id = between(&test_region.request(&register("late", &snapshot)).unwrap(), "imageId");
    assert_eq!(test_region.code(&format!("Action=DescribeImages&ImageId.1={id}")), "InvalidAMIID.NotFound");
    assert_eq!(test_region.images(ACCOUNT, ""), 0);
    // The name is in use nevertheless.
    assert_eq!(test_region.code(&register("late", &snapshot)), "InvalidAMIName.Duplicate");
    test_region.clock.advance(Duration::from_secs(2));
    assert_eq!(test_region.images(ACCOUNT, &format!("&ImageId.1={id}")), 1);
}

#[test]
fn protection_with_a_cooldown_lasts_a_day_longer() {
    let test_region = TestRegion::new(Windows::default());
    let id = test_region.image("protected");
    let deregister = format!("Action=DeregisterImage&ImageId={id}");
    let protection = || {
        between(
            &test_region.request(&format!("Action=DescribeImages&ImageId.1={id}")).unwrap(),
            "deregistrationProtection",
        )
    };
    test_region
        .request(&format!("Action=EnableImageDeregistrationProtection&ImageId={id}&WithCooldown=true"))
        .unwrap();
    assert_eq!(protection(), "enabled-with-cooldown");
    test_region.clock.advance(DAY * 7);
    assert_eq!(test_region.code(&deregister), "OperationNotPermitted");
    test_region.request(&format!("Action=DisableImageDeregistrationProtection&ImageId={id}")).unwrap();
    assert_eq!(protection(), "disabled-with-cooldown");
    test_region.clock.advance(Duration::from_secs(24 * 3600 - 1));
    // Disabling the protection again does not restart the cooldown.
    test_region.request(&format!("Action=DisableImageDeregistrationProtection&ImageId={id}")).unwrap();
    assert_eq!(test_region.code(&deregister), "OperationNotPermitted");
    test_region.clock.advance(Duration::from_secs(1));
    assert_eq!(protection(), "disabled");
    assert_eq!(test_region.code(&deregister), "ok");
}

#[test]
fn a_deprecated_image_is_hidden_from_other_accounts_unless_requested() {
    let test_region = TestRegion::new(Windows::default());
    let id = test_region.image("old");
    test_region
        .request(&format!("Action=ModifyImageAttribute&ImageId={id}&LaunchPermission.Add.1.Group=all"))
        .unwrap();
    let at = "2026-12-01T00:00:29.9Z";
    test_region.request(&format!("Action=EnableImageDeprecation&ImageId={id}&DeprecateAt={at}")).unwrap();
    assert_eq!(test_region.images(OTHER, ""), 1);
    test_region.clock.advance(DAY * 11);
    assert_eq!(test_region.images(OTHER, ""), 0);
    assert_eq!(test_region.images(OTHER, "&IncludeDeprecated=true"), 1);
    assert_eq!(test_region.images(OTHER, &format!("&ImageId.1={id}")), 1);
    assert_eq!(test_region.images(ACCOUNT, ""), 1);
    let response = test_region.request("Action=DescribeImages").unwrap();
    assert_eq!(between(&response, "deprecationTime"), "2026-12-01T00:00:00.000Z");
}

#[test]
fn a_copy_is_pending_and_then_available() {
    let windows = Windows { copy: Duration::from_secs(5), ..Windows::default() };
    let test_region = TestRegion::new(windows);
    let id = test_region.image("source");
    let copy = format!("Action=CopyImage&Name=copied&SourceImageId={id}&SourceRegion=local");
    let in_second_region = |text: &str| test_region.request_as(ACCOUNT, "local-2", text).unwrap();
    let copied = between(&in_second_region(&copy), "imageId");
    let state =
        || between(&in_second_region(&format!("Action=DescribeImages&ImageId.1={copied}")), "imageState");
    let snapshot = || between(&in_second_region("Action=DescribeSnapshots&Owner.1=self"), "status");
    assert_eq!((state(), snapshot()), ("pending".to_owned(), "pending".to_owned()));
    let share = format!("Action=ModifyImageAttribute&ImageId={copied}&LaunchPermission.Add.1.UserId={OTHER}");
    assert_eq!(test_region.request_as(ACCOUNT, "local-2", &share).unwrap_err().code, "IncorrectState");
    test_region.clock.advance(Duration::from_secs(5));
    assert_eq!((state(), snapshot()), ("available".to_owned(), "completed".to_owned()));
    in_second_region(&share);
}

#[test]
fn encryption_of_copies_follows_the_matrix() {
    let test_region = TestRegion::new(Windows::default());
    let plain = test_region.snapshot(&snapshot_id("plain"), None);
    let own = test_region.snapshot(&snapshot_id("own"), Some("arn:aws:kms:local:123456789012:key/mine"));
    let own_key = crate::state::account_settings::default_ebs_key_arn("local", ACCOUNT);
    let named = "arn:aws:kms:local:123456789012:key/k-1";
    let default = "arn:aws:kms:local:123456789012:key/d-1";
    let key_of = |source: &str, more: &str| {
        let copy = format!("Action=CopySnapshot&SourceSnapshotId={source}&SourceRegion=local{more}");
        let id = between(&test_region.request(&copy).unwrap(), "snapshotId");
        between(
            &test_region.request(&format!("Action=DescribeSnapshots&SnapshotId.1={id}")).unwrap(),
            "kmsKeyId",
        )
    };
    for (source, more, key) in [
        (&plain, "", ""),
        (&plain, "&Encrypted=true", own_key.as_str()),
        (&plain, "&Encrypted=true&KmsKeyId=k-1", named),
        (&own, "", own_key.as_str()),
        // Encryption is permanent, whatever the request specifies.
        (&own, "&Encrypted=false", own_key.as_str()),
        (&own, "&Encrypted=true&KmsKeyId=k-1", named),
    ] {
        assert_eq!(key_of(source, more), key, "{source} {more}");
    }
    test_region.request("Action=EnableEbsEncryptionByDefault").unwrap();
    test_region.request("Action=ModifyEbsDefaultKmsKeyId&KmsKeyId=d-1").unwrap();
    for (source, more, key) in [
        (&plain, "", default),
        (&plain, "&Encrypted=false", default),
        (&own, "", default),
        (&plain, "&Encrypted=true&KmsKeyId=k-1", named),
    ] {
        assert_eq!(key_of(source, more), key, "by default: {source} {more}");
    }
}

#[test]
fn too_many_copies_at_a_time_are_refused() {
    let windows = Windows { copy: Duration::from_secs(5), ..Windows::default() };
    let test_region = TestRegion::new(windows);
    let source = test_region.snapshot(&snapshot_id("source"), None);
    let copy = format!("Action=CopySnapshot&SourceSnapshotId={source}&SourceRegion=local");
    for _ in 0..20 {
        assert_eq!(test_region.code(&copy), "ok");
    }
    assert_eq!(test_region.code(&copy), "ResourceLimitExceeded");
    test_region.clock.advance(Duration::from_secs(5));
    assert_eq!(test_region.code(&copy), "ok");
}

#[test]
fn the_quota_of_public_images_is_enforced() {
    let quotas = Quotas { public_images: Some(2), ..Quotas::default() };
    let test_region = TestRegion::with_quotas(Windows::default(), quotas);
    let ids = ["one", "two", "three"].map(|name| test_region.image(name));
    let publish =
        |id: &str| format!("Action=ModifyImageAttribute&ImageId={id}&LaunchPermission.Add.1.Group=all");
    let codes: Vec<_> = ids.iter().map(|id| test_region.code(&publish(id))).collect();
    assert_eq!(codes, ["ok", "ok", "ResourceLimitExceeded"]);
    assert_eq!(test_region.code(&publish(&ids[0])), "ok");
    test_region.request(&format!("Action=DeregisterImage&ImageId={}", ids[0])).unwrap();
    assert_eq!(test_region.code(&publish(&ids[2])), "ok");
}

#[test]
fn public_snapshots_hide_where_all_sharing_is_blocked() {
    let test_region = TestRegion::new(Windows::default());
    let id = test_region.snapshot(&snapshot_id("public"), None);
    test_region
        .request(&format!("Action=ModifySnapshotAttribute&SnapshotId={id}&OperationType=add&UserGroup.1=all"))
        .unwrap();
    let is_visible =
        || test_region.request_as(OTHER, "local", "Action=DescribeSnapshots").unwrap().contains(&id);
    assert!(is_visible());
    test_region.request("Action=EnableSnapshotBlockPublicAccess&State=block-new-sharing").unwrap();
    assert!(is_visible());
    test_region.request("Action=EnableSnapshotBlockPublicAccess&State=block-all-sharing").unwrap();
    assert!(!is_visible());
}

#[test]
fn everything_is_there_after_opening_again() {
    let test_region = TestRegion::new(Windows::default());
    let id = test_region.image("lasting");
    test_region.request(&format!("Action=CreateTags&ResourceId.1={id}&Tag.1.Key=k&Tag.1.Value=v")).unwrap();
    let template = "Action=CreateLaunchTemplate&LaunchTemplateName=lasting&LaunchTemplateData.BlockDeviceMapping.1.\
                    Ebs.VolumeSize=8&LaunchTemplateData.SecurityGroupId.1=sg-1";
    test_region.request(template).unwrap();
    let requests = [
        "Action=DescribeImages",
        "Action=DescribeSnapshots",
        "Action=DescribeTags",
        "Action=DescribeLaunchTemplateVersions&LaunchTemplateVersion.1=$Latest",
    ];
    let before: Vec<_> = requests.iter().map(|text| test_region.request(text).unwrap()).collect();
    let TestRegion { state, clock, folder } = test_region;
    let config = state.config.clone();
    drop(state);
    let again = TestRegion { state: State::open(config).unwrap(), clock, folder };
    assert!(again.folder.path().is_dir());
    let after: Vec<_> = requests.iter().map(|text| again.request(text).unwrap()).collect();
    assert_eq!(after, before);
}

#[test]
fn one_of_many_concurrent_registrations_gets_the_name() {
    let test_region = TestRegion::new(Windows::default());
    let snapshot = test_region.snapshot(&snapshot_id("wanted"), None);
    let codes: Vec<String> = std::thread::scope(|scope| {
        let request = || test_region.code(&register("wanted", &snapshot));
        let all: Vec<_> = (0..8).map(|_| scope.spawn(request)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| *code == "ok").count(), 1, "{codes:?}");
    assert_eq!(test_region.images(ACCOUNT, ""), 1);
}
