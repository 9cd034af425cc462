//! Faults of every call of `share` and `unshare`: throttling, lost responses, a region that does not answer.

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};
use amiforge_publish::request::AmiOptions;
use serde_json::json;

use super::fixture::{Account, OTHER, SharingFixture};
use crate::register::fixture::texts;

const CALLS: [&str; 7] = [
    "DescribeImages",
    "DescribeSnapshots",
    "DescribeImageAttribute",
    "ModifyImageAttribute",
    "DescribeSnapshotAttribute",
    "ModifySnapshotAttribute",
    "GetImageBlockPublicAccessState",
];

#[test]
fn calls_whose_response_is_lost_or_that_are_throttled_are_made_again() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), |_| {}) else { return };
    for (action, fault) in CALLS
        .iter()
        .flat_map(|action| [(action, InjectedFault::DropAfter), (action, InjectedFault::Throttle)])
    {
        fixture.ami.region.inject(FaultScript::times(1, action, fault.clone()));
        let with = format!("{OTHER},all");
        let shared = fixture.must(&["share", &fixture.image, "--with", &with, "--public-snapshots", "--yes"]);
        assert_eq!(shared["regions"][0]["launch"], json!(["all", OTHER]), "{action}: {shared}");
        fixture.ami.region.inject(FaultScript::times(1, action, fault));
        let taken = fixture.must(&["unshare", &fixture.image, "--everyone"]);
        assert_eq!(taken["regions"][0]["launch"], json!([]), "{action}: {taken}");
    }
    fixture.must(&["share", &fixture.image, "--with", OTHER]);
    fixture.ami.region.inject(FaultScript::times(1, "CancelImageLaunchPermission", InjectedFault::DropAfter));
    let output = fixture.run(Account::Other, &["unshare", &fixture.image, "--me"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen =
        fixture.call(Account::Other, "local", "describe_images", json!({ "ImageIds": [fixture.image] }));
    assert_eq!(seen["error"], json!("InvalidAMIID.NotFound"), "{seen}");
}

#[test]
fn a_region_that_fails_is_named_and_completed_by_the_same_command() {
    let options = AmiOptions { copy_to: texts(&["local-2", "local-3"]), ..AmiOptions::default() };
    let Some(fixture) = SharingFixture::new(&options, |_| {}) else { return };
    let down = FaultRule {
        service: Some("ec2".to_owned()),
        action: Some("ModifySnapshotAttribute".to_owned()),
        target: Some("local-3 ".to_owned()),
        when: When::Always,
        times: None,
        what: InjectedFault::NotFound,
    };
    fixture
        .ami
        .region
        .inject(FaultScript { rules: vec![FaultRule { what: InjectedFault::FlipBit { bit: 0 }, ..down }] });
    let share = ["share", fixture.image.as_str(), "--with", OTHER, "--regions", "local-2,local-3"];
    let failed = fixture.refused(1, &share);
    assert!(failed.contains("in 1 of 3 regions: local-3"), "{failed}");
    fixture.ami.region.inject(FaultScript::default());
    let shared = fixture.must(&share);
    let changed: Vec<_> = shared["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["snapshots"][0]["changed"].clone())
        .collect();
    assert_eq!(changed[..2], [json!([]), json!([])], "{shared}");
}
