//! `snapshot`: locks, tiers and fast restores, as boto3 sees them.

use std::time::Duration;

use amiforge_emulator::{FaultScript, InjectedFault, Windows};
use amiforge_publish::request::AmiOptions;
use serde_json::{Value, json};

use crate::sharing::fixture::{Account, SharingFixture};

fn fixture() -> Option<SharingFixture> {
    let windows = Windows { task: Duration::from_millis(500), ..Windows::default() };
    SharingFixture::new(&AmiOptions::default(), |config| config.windows = windows)
}

fn owner(fixture: &SharingFixture, method: &str, arguments: Value) -> Value {
    fixture.call(Account::Owner, "local", method, arguments)
}

#[test]
fn a_locked_snapshot_cannot_be_deleted_until_it_is_unlocked() {
    let Some(fixture) = fixture() else { return };
    let id = fixture.snapshot();
    owner(&fixture, "deregister_image", json!({ "ImageId": fixture.image }));
    let region = &fixture.ami.region;
    region.inject(FaultScript::times(1, "LockSnapshot", InjectedFault::DropAfter));
    let locked = fixture.must(&["snapshot", "lock", &id, "--for", "3d"]);
    assert_eq!(locked["snapshots"][0]["lock"]["state"], json!("governance"), "{locked}");
    let shown = owner(&fixture, "describe_locked_snapshots", json!({ "SnapshotIds": [id] }));
    assert_eq!(shown["Snapshots"][0]["LockDuration"], json!(3), "{shown}");
    let refused = owner(&fixture, "delete_snapshot", json!({ "SnapshotId": id }));
    assert_eq!(refused["error"], json!("OperationNotPermitted"), "{refused}");
    region.inject(FaultScript::times(1, "UnlockSnapshot", InjectedFault::DropAfter));
    fixture.must(&["snapshot", "unlock", &id]);
    let again = fixture.must(&["snapshot", "unlock", &id]);
    assert_eq!(again["snapshots"][0]["changed"], json!(false), "{again}");
    let compliance = ["snapshot", "lock", id.as_str(), "--for", "3d", "--compliance"];
    let refused = fixture.refused(2, &compliance);
    assert!(refused.contains("--yes"), "{refused}");
    fixture.must(&[&compliance[..], &["--yes"]].concat());
    let refused = fixture.refused(1, &["snapshot", "unlock", &id]);
    assert!(refused.contains("locked in compliance mode until"), "{refused}");
}

#[test]
fn snapshots_go_into_the_archive_and_back() {
    let Some(fixture) = fixture() else { return };
    let image = fixture.image.clone();
    let archive = ["snapshot", "archive", image.as_str(), "--wait"];
    let refused = fixture.refused(1, &archive);
    assert!(refused.contains(&format!("is used by {image}")), "{refused}");
    owner(&fixture, "disable_image", json!({ "ImageId": image }));
    let region = &fixture.ami.region;
    region.inject(FaultScript::times(1, "ModifySnapshotTier", InjectedFault::DropAfter));
    let archived = fixture.must(&archive);
    assert_eq!(archived["snapshots"][0]["tier"]["tier"], json!("archive"), "{archived}");
    let again = fixture.must(&archive);
    assert_eq!(again["snapshots"][0]["changed"], json!(false), "{again}");
    let tiers = owner(&fixture, "describe_snapshot_tier_status", json!({}));
    assert_eq!(tiers["SnapshotTierStatuses"][0]["StorageTier"], json!("archive"), "{tiers}");
    let id = fixture.snapshot();
    let days = fixture.must(&["snapshot", "restore", &id, "--days", "7", "--wait"]);
    assert!(days["snapshots"][0]["tier"]["restoredUntil"].is_string(), "{days}");
    region.inject(FaultScript::times(1, "RestoreSnapshotTier", InjectedFault::DropAfter));
    let back = fixture.must(&["snapshot", "restore", &id, "--permanent", "--wait"]);
    assert_eq!(back["snapshots"][0]["tier"]["tier"], json!("standard"), "{back}");
    owner(&fixture, "enable_image", json!({ "ImageId": image }));
    region.inject(FaultScript::times(1, "ModifySnapshotTier", InjectedFault::FailLater));
    owner(&fixture, "disable_image", json!({ "ImageId": image }));
    let failed = fixture.refused(1, &archive);
    assert!(failed.contains("archival-failed") && failed.contains("failed on purpose"), "{failed}");
}

#[test]
fn fast_restores_show_their_price_and_need_a_yes() {
    let Some(fixture) = fixture() else { return };
    let enable = ["snapshot", "fast-restore", fixture.image.as_str(), "--zones", "locala,localb"];
    let refused = fixture.refused(2, &enable);
    assert!(refused.contains("1.50 an hour") && refused.contains("--yes"), "{refused}");
    let zone =
        fixture.refused(1, &["snapshot", "fast-restore", &fixture.image, "--zones", "elsewhere", "--yes"]);
    assert!(zone.contains("`elsewhere` is not an availability zone of local"), "{zone}");
    assert_eq!(fixture.ami.region.successes("EnableFastSnapshotRestores"), 0);
    fixture.ami.region.inject(FaultScript::times(1, "EnableFastSnapshotRestores", InjectedFault::DropAfter));
    let enabled = fixture.must(&[&enable[..], &["--yes"]].concat());
    assert_eq!(enabled["snapshots"][0]["fastRestores"].as_array().unwrap().len(), 2, "{enabled}");
    let shown = owner(&fixture, "describe_fast_snapshot_restores", json!({}));
    assert_eq!(shown["FastSnapshotRestores"].as_array().unwrap().len(), 2, "{shown}");
    let off = fixture.must(&["snapshot", "fast-restore", &fixture.image, "--zones", "locala", "--off"]);
    assert_eq!(off["snapshots"][0]["fastRestores"][0]["state"], json!("disabling"), "{off}");
    let again = fixture.must(&[&enable[..], &["--yes"]].concat());
    assert_eq!(again["snapshots"][0]["changed"], json!(true), "{again}");
}
