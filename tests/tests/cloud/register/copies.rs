//! Copies: one region that fails keeps no other from being done, and is the only one that is tried again.

use std::sync::Arc;
use std::time::Duration;

use amiforge_aws::Ec2Client;
use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When, Windows};
use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiError;
use amiforge_publish::api::SnapshotCalls as _;
use amiforge_publish::api::ec2::{Cooldown, DescribedImage, Ec2 as _, ImageQuery, NewImage};
use amiforge_publish::request::{AmiOptions, Arch, ImageFacts, KeyChoice, SnapshotSharing, check};
use amiforge_publish::services::Services;
use amiforge_publish::source::ImageSource;
use amiforge_publish::upload;
use amiforge_tests::error_chain;

use super::fixture::{AmiFixture, NOW, build, texts};

/// Takes a name in a region with another AMI.
pub(crate) fn occupy(fixture: &AmiFixture, ec2: &Ec2Client, region: &str, name: &str) -> String {
    let other = build(fixture.folder.path(), "other", 1);
    let config = fixture.region.config.in_region(region);
    let services = Services {
        ebs: Arc::new(config.ebs()),
        ec2: Arc::new(config.ec2()),
        timer: fixture.services().timer,
        region: region.to_owned(),
    };
    let options = upload::UploadOptions { rate: 0, ..upload::UploadOptions::default() };
    let work = upload::upload(&services, &other, &options, Monitor::none());
    let snapshot = fixture.region.block_on(work).unwrap().snapshot.id;
    let subject = ImageFacts {
        name: Some(name.to_owned()),
        architecture: Arch::by_name("arm64"),
        ..ImageFacts::default()
    };
    let request = check(&AmiOptions::default(), &subject, region, NOW).unwrap();
    let image: NewImage = request.new_image(&snapshot, &[]);
    fixture.region.block_on(ec2.register_image(&image)).unwrap()
}

fn by_name(fixture: &AmiFixture, ec2: &Ec2Client, name: &str) -> Option<DescribedImage> {
    fixture.region.block_on(ec2.describe_images(&ImageQuery::by_name(name))).unwrap().pop()
}

#[test]
fn a_region_that_fails_is_named_and_the_only_one_that_is_tried_again() {
    let fixture = AmiFixture::new();
    let ec2 = fixture.ec2("local-3");
    let occupant = occupy(&fixture, &ec2, "local-3", "web-1");
    let wanted = AmiOptions { copy_to: texts(&["local-2", "local-3", "local-4"]), ..AmiOptions::default() };
    let published = fixture.publish(&wanted).unwrap();
    let failed: Vec<_> = published
        .copies
        .iter()
        .filter(|copy| copy.outcome.is_err())
        .map(|copy| copy.region.as_str())
        .collect();
    assert_eq!(failed, ["local-3"]);
    let error = published.copies[1].outcome.as_ref().unwrap_err();
    assert!(matches!(error, AmiError::Differs { image, .. } if *image == occupant), "{error}");
    let before: Vec<_> = published.copied().map(|copied| copied.image_id.clone()).collect();
    assert_eq!(fixture.region.successes("CopyImage"), 2);
    fixture.region.block_on(ec2.deregister_image(&occupant)).unwrap();
    fixture.region.request_log.clear();
    let again = fixture.must(&wanted);
    assert_eq!(fixture.region.successes("CopyImage"), 1, "only the one that is missing is copied");
    let after: Vec<_> = again.copied().map(|copied| copied.image_id.clone()).collect();
    assert_eq!(before, [after[0].clone(), after[2].clone()]);
    for region in ["local", "local-2", "local-4"] {
        fixture.assert_one(region);
    }
}

#[test]
fn a_copy_that_failed_makes_way_for_another() {
    let fixture = AmiFixture::new();
    fixture.region.inject(FaultScript::times(1, "CopyImage", InjectedFault::FailLater));
    let wanted = AmiOptions { copy_to: texts(&["local-2", "local-3"]), ..AmiOptions::default() };
    let published = fixture.publish(&wanted).unwrap();
    let failed: Vec<_> = published.copies.iter().filter(|copy| copy.outcome.is_err()).collect();
    let [failed] = failed[..] else { panic!("{} copies failed", failed.len()) };
    let error = failed.outcome.as_ref().unwrap_err();
    assert!(matches!(error, AmiError::Failed { state, .. } if state == "failed"), "{error}");
    let ec2 = fixture.ec2(&failed.region);
    let before = by_name(&fixture, &ec2, "web-1").unwrap();
    assert_eq!(before.state, "failed");
    fixture.region.request_log.clear();
    let again = fixture.must(&wanted);
    assert_eq!(fixture.region.successes("CopyImage"), 1, "only the one that failed is copied");
    assert_eq!(again.copied().count(), 2);
    let after = by_name(&fixture, &ec2, "web-1").unwrap();
    assert_eq!(after.state, "available");
    assert_ne!(after.id, before.id);
    for region in ["local", "local-2", "local-3"] {
        fixture.assert_one(region);
    }
}

/// What a publish leaves that ended between deregistering a copy that failed and deleting its snapshots.
fn half_removed() -> (AmiFixture, AmiOptions, Vec<String>) {
    let fixture = AmiFixture::new();
    let wanted = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    fixture.region.inject(FaultScript::times(1, "CopyImage", InjectedFault::FailLater));
    assert!(fixture.publish(&wanted).unwrap().copies[0].outcome.is_err());
    let left = fixture.snapshots("local-2");
    assert!(!left.is_empty(), "a copy that failed has a snapshot");
    fixture.region.inject(FaultScript::times(
        u64::MAX,
        "DeleteSnapshot",
        InjectedFault::ServerError { status: 500 },
    ));
    assert!(fixture.publish(&wanted).unwrap().copies[0].outcome.is_err());
    assert_eq!(fixture.images("local-2").len(), 0, "it was deregistered");
    assert_eq!(fixture.snapshots("local-2"), left);
    fixture.region.inject(FaultScript::default());
    (fixture, wanted, left)
}

#[test]
fn snapshots_of_a_copy_that_failed_are_deleted_by_the_next_publish() {
    let (fixture, wanted, left) = half_removed();
    fixture.must(&wanted);
    fixture.assert_one("local-2");
    assert!(fixture.snapshots("local-2").iter().all(|id| !left.contains(id)));
}

#[test]
fn snapshots_of_a_copy_that_failed_are_deleted_with_what_is_abandoned() {
    let (fixture, _, left) = half_removed();
    let deleted = fixture.abandon().unwrap();
    assert!(left.iter().all(|id| deleted.iter().any(|deleted| deleted.id == *id)), "{deleted:?}");
    for region in ["local", "local-2"] {
        assert_eq!((fixture.images(region).len(), fixture.snapshots(region).len()), (0, 0), "{region}");
    }
}

#[test]
fn a_copy_has_everything_that_the_service_does_not_copy() {
    let windows = Windows { copy: Duration::from_millis(300), ..Windows::default() };
    let fixture = AmiFixture::with(|config| config.windows = windows);
    let wanted = AmiOptions {
        copy_to: texts(&["local-2"]),
        tags: texts(&["team=a"]),
        deprecate: Some("2027-11-21".to_owned()),
        share: texts(&["111122223333"]),
        snapshots: SnapshotSharing::Shared,
        protection: Some(Cooldown::None),
        ..AmiOptions::default()
    };
    let published = fixture.must(&wanted);
    let ec2 = fixture.ec2("local-2");
    let copy = by_name(&fixture, &ec2, "web-1").unwrap();
    assert_eq!(copy.source_image.as_deref(), Some(published.image.id.as_str()));
    assert_eq!(copy.tags, published.image.tags);
    assert!(copy.deprecation_time.unwrap().starts_with("2027-11-21T00:00"));
    let copied = published.copied().next().unwrap();
    let who = fixture.region.block_on(ec2.launch_permissions(&copy.id)).unwrap();
    assert_eq!(who.len(), 1);
    let accounts = fixture.region.block_on(ec2.snapshot_accounts(&copied.snapshot_ids[0])).unwrap();
    assert_eq!(accounts, ["111122223333"]);
    let image = by_name(&fixture, &ec2, "web-1").unwrap();
    let protection = image.deregistration_protection.unwrap();
    assert!(protection.starts_with("enabled"), "{protection}");
    let snapshot = fixture.region.block_on(ec2.describe_snapshot(&copied.snapshot_ids[0])).unwrap();
    assert_eq!(snapshot.tags["amiforge:manifest"], copy.tags["amiforge:manifest"]);
    fixture.assert_one("local-2");
}

#[test]
fn an_encrypted_copy_is_of_a_snapshot_whose_zeros_were_written() {
    let fixture = AmiFixture::new();
    let wanted = AmiOptions {
        copy_to: texts(&["local-2"]),
        encrypt_copies: KeyChoice::Default,
        ..AmiOptions::default()
    };
    let published = fixture.must(&wanted);
    let source = ImageSource::open(&fixture.bundle).unwrap();
    let manifest = source.manifest().unwrap();
    assert_eq!(published.uploads[0].written, manifest.without_free.blocks);
    assert!(manifest.without_free.blocks > manifest.without_zero.blocks, "the image has blocks of zeros");
    let copied = published.copied().next().unwrap();
    let snapshot =
        fixture.region.block_on(fixture.ec2("local-2").describe_snapshot(&copied.snapshot_ids[0])).unwrap();
    assert!(snapshot.encrypted);
}

#[test]
fn a_region_that_the_account_does_not_have_is_refused_before_a_block_is_sent() {
    let fixture = AmiFixture::new();
    let wanted = AmiOptions { copy_to: texts(&["nowhere-1"]), ..AmiOptions::default() };
    let refused = fixture.publish(&wanted).unwrap_err();
    assert!(matches!(&refused, AmiError::NoSuchRegion { region } if region == "nowhere-1"), "{refused}");
    assert_eq!(fixture.region.successes("StartSnapshot"), 0);
}

#[test]
fn a_region_that_does_not_answer_stops_no_other() {
    let fixture = AmiFixture::new();
    let down = FaultRule {
        service: Some("ec2".to_owned()),
        action: None,
        target: Some("local-3 ".to_owned()),
        when: When::Always,
        times: None,
        what: InjectedFault::ServerError { status: 503 },
    };
    fixture.region.inject(FaultScript { rules: vec![down] });
    let wanted = AmiOptions { copy_to: texts(&["local-2", "local-3", "local-4"]), ..AmiOptions::default() };
    let published = fixture.publish(&wanted).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
    let failed: Vec<_> = published.copies.iter().filter(|copy| copy.outcome.is_err()).collect();
    assert_eq!(failed.iter().map(|copy| copy.region.as_str()).collect::<Vec<_>>(), ["local-3"]);
    for region in ["local", "local-2", "local-4"] {
        fixture.assert_one(region);
    }
    fixture.region.inject(FaultScript::default());
    fixture.must(&wanted);
    assert_eq!(fixture.region.successes("StartSnapshot"), 1, "nothing is sent again");
    fixture.assert_one("local-3");
}
