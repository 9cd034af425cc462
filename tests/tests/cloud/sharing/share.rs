//! `share` and `unshare`: what the other account sees and may do, in every region.

use amiforge_publish::request::AmiOptions;
use serde_json::{Value, json};

use super::fixture::{Account, OTHER, SharingFixture, call};
use crate::register::fixture::texts;

const UNIT: &str = "arn:aws:organizations::123456789012:ou/o-abc1234567/ou-ab12-34567890";

fn copied() -> AmiOptions {
    AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() }
}

/// Whether the other account sees an image in a region, and may copy it.
fn access(fixture: &SharingFixture, region: &str, image: &str) -> (bool, bool) {
    let seen = fixture.call(Account::Other, region, "describe_images", json!({ "ImageIds": [image] }));
    let arguments = json!({ "Name": "mine", "SourceImageId": image, "SourceRegion": region, "DryRun": true });
    let copied = fixture.call(Account::Other, region, "copy_image", arguments);
    (seen.get("error").is_none(), copied["error"] == "DryRunOperation")
}

#[test]
fn an_ami_and_its_copies_are_shared_with_their_snapshots_and_taken_back() {
    let Some(fixture) = SharingFixture::new(&copied(), |_| {}) else { return };
    let copy = fixture.ami.images("local-2").remove(0).id;
    let with = format!("{OTHER},{UNIT}");
    let shared = fixture.must(&["share", &fixture.image, "--with", &with, "--regions", "all"]);
    let regions = shared["regions"].as_array().unwrap();
    assert_eq!(regions.len(), 2, "{shared}");
    for (region, image) in [("local", &fixture.image), ("local-2", &copy)] {
        let report = regions.iter().find(|one| one["region"] == *region).unwrap();
        assert_eq!(report["changed"], json!([OTHER, UNIT]), "{shared}");
        assert_eq!(report["snapshots"][0]["changed"], json!([OTHER]), "{shared}");
        assert_eq!(access(&fixture, region, image), (true, true), "{region}");
        let attribute = json!({ "ImageId": image, "Attribute": "launchPermission" });
        let launch = fixture.call(Account::Owner, region, "describe_image_attribute", attribute);
        let expected = json!([{ "UserId": OTHER }, { "OrganizationalUnitArn": UNIT }]);
        assert_eq!(launch["LaunchPermissions"], expected, "{region}");
    }
    fixture.ami.region.request_log.clear();
    let again = fixture.must(&["share", "--name", "web-1", "--with", &with, "--regions", "local-2"]);
    assert_eq!(again["regions"][1]["changed"], json!([]), "{again}");
    assert_eq!(fixture.ami.region.successes("ModifyImageAttribute"), 0, "nothing is set twice");
    let taken = fixture.must(&["unshare", &fixture.image, "--from", OTHER, "--regions", "local-2"]);
    assert_eq!(taken["regions"][1]["launch"], json!([UNIT]), "{taken}");
    for (region, image) in [("local", &fixture.image), ("local-2", &copy)] {
        assert_eq!(access(&fixture, region, image), (false, false), "{region}");
    }
    let taken = fixture.must(&["unshare", &fixture.image, "--everyone"]);
    assert_eq!(taken["regions"][0]["changed"], json!([UNIT]), "{taken}");
}

#[test]
fn an_ami_can_be_shared_for_launches_alone() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), |_| {}) else { return };
    fixture.must(&["share", &fixture.image, "--with", OTHER, "--keep-snapshots"]);
    assert_eq!(access(&fixture, "local", &fixture.image), (true, false));
    let missing = fixture.refused(1, &["share", &fixture.image, "--with", OTHER, "--regions", "local-3"]);
    assert!(missing.contains("no AMI `web-1` is listed in local-3"), "{missing}");
}

#[test]
fn a_public_ami_needs_a_confirmation_and_an_account_that_allows_it() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), |_| {}) else { return };
    let share = ["share", fixture.image.as_str(), "--with", "all"];
    let unconfirmed = fixture.refused(2, &share);
    assert!(unconfirmed.contains("--yes"), "{unconfirmed}");
    let yes = [&share[..], &["--yes"]].concat();
    let quota = fixture.refused(1, &[&yes[..], &["--public-quota", "0"]].concat());
    assert!(quota.contains("0 public AMIs") && quota.contains("quota is 0"), "{quota}");
    let block = json!({ "ImageBlockPublicAccessState": "block-new-sharing" });
    fixture.call(Account::Owner, "local", "enable_image_block_public_access", block);
    let blocked = fixture.refused(1, &yes);
    assert!(blocked.contains("blocks public AMIs in local"), "{blocked}");
    assert_eq!(fixture.ami.region.successes("ModifyImageAttribute"), 0);
    fixture.call(Account::Owner, "local", "disable_image_block_public_access", json!({}));
    let shared = fixture.must(&yes);
    assert_eq!(shared["regions"][0]["launch"], json!(["all"]), "{shared}");
    // The snapshots stay private unless they are named.
    assert_eq!(access(&fixture, "local", &fixture.image), (true, false));
    fixture.must(&[&yes[..], &["--public-snapshots"]].concat());
    assert_eq!(access(&fixture, "local", &fixture.image), (true, true));
    let taken = fixture.must(&["unshare", &fixture.image, "--from", "all"]);
    assert_eq!(taken["regions"][0]["launch"], json!([]), "{taken}");
    assert_eq!(access(&fixture, "local", &fixture.image), (false, false));
}

#[test]
fn the_key_of_aws_cannot_be_shared_and_a_key_of_the_account_can() {
    let encrypt = |key: Option<&'static str>| {
        move |python: &std::path::PathBuf, endpoint: &str| {
            let of = |method| ("local", "ec2", method);
            call(python, endpoint, Account::Owner, of("enable_ebs_encryption_by_default"), json!({}));
            if let Some(key) = key {
                let arguments = json!({ "KmsKeyId": key });
                call(python, endpoint, Account::Owner, of("modify_ebs_default_kms_key_id"), arguments);
            }
        }
    };
    let options = AmiOptions::default();
    let Some(managed) = SharingFixture::prepared(&options, |_| {}, encrypt(None)) else { return };
    let refused = managed.refused(1, &["share", &managed.image, "--with", OTHER]);
    assert!(refused.contains("AWS managed key") && refused.contains("amiforge copy"), "{refused}");
    let public = managed.refused(1, &["share", &managed.image, "--with", "all", "--yes"]);
    assert!(public.contains("an encrypted AMI cannot be public"), "{public}");
    assert_eq!(managed.ami.region.successes("ModifyImageAttribute"), 0);
    let own = encrypt(Some("1234abcd-12ab-34cd-56ef-1234567890ab"));
    let Some(fixture) = SharingFixture::prepared(&options, |_| {}, own) else { return };
    let shared = fixture.must(&["share", &fixture.image, "--with", OTHER]);
    let note = shared["regions"][0]["notes"][0].as_str().unwrap();
    assert!(note.contains("1234abcd") && note.contains("kms:CreateGrant"), "{note}");
    assert_eq!(access(&fixture, "local", &fixture.image), (true, true));
}

#[test]
fn an_account_gives_its_own_permission_up() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), |_| {}) else { return };
    fixture.must(&["share", &fixture.image, "--with", OTHER]);
    let me = ["unshare", fixture.image.as_str(), "--me", "--json"];
    let output = fixture.run(Account::Other, &me);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["cancelled"], &shown["stillVisible"]), (&json!(true), &json!(false)), "{shown}");
    assert!(!access(&fixture, "local", &fixture.image).0);
    let again: Value = serde_json::from_slice(&fixture.run(Account::Other, &me).stdout).unwrap();
    assert_eq!(again["cancelled"], json!(false), "{again}");
    let own = fixture.refused(1, &["unshare", &fixture.image, "--me"]);
    assert!(own.contains("is owned by this account"), "{own}");
}

#[test]
fn mistakes_are_refused_before_any_call() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), |_| {}) else { return };
    let cn = "arn:aws-cn:organizations::123456789012:organization/o-abc1234567";
    for (args, words) in [
        (vec!["share", "ami-1", "--with", "123"], "neither an account"),
        (vec!["share", "ami-1", "--with", cn], "is of another partition"),
        (vec!["share", "snap-1", "--with", OTHER], "not `ami-…`"),
        (vec!["share", "--with", OTHER], "required"),
        (vec!["unshare", "ami-1"], "required"),
        (vec!["unshare", "ami-1", "--me", "--everyone"], "cannot be used with"),
    ] {
        let refused = fixture.refused(2, &args);
        assert!(refused.contains(words), "{args:?}: {refused}");
    }
    assert!(fixture.ami.region.request_log.requests().is_empty());
}

#[test]
fn dry_runs_print_calls_and_policy_and_make_no_call() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), |_| {}) else { return };
    for (args, action) in [
        (vec!["share", "ami-1", "--with", OTHER], "ec2:ModifySnapshotAttribute"),
        (vec!["share", "ami-1", "--with", "all"], "ec2:GetImageBlockPublicAccessState"),
        (vec!["unshare", "ami-1", "--everyone"], "ec2:ModifyImageAttribute"),
        (vec!["unshare", "ami-1", "--me"], "ec2:CancelImageLaunchPermission"),
        (vec!["allowed-images", "ami-1"], "ec2:GetAllowedImagesSettings"),
        (vec!["backup", "ami-1", "--bucket", "backups"], "ec2:CreateStoreImageTask"),
        (
            vec!["restore-image", "--bucket", "backups", "--key", "k", "--name", "web"],
            "ec2:CreateRestoreImageTask",
        ),
        (vec!["copy", "ami-1", "--to", "local-2"], "ec2:CopyImage"),
        (vec!["snapshot", "lock", "snap-1", "--for", "3d"], "ec2:LockSnapshot"),
        (vec!["snapshot", "fast-restore", "snap-1"], "ec2:EnableFastSnapshotRestores"),
    ] {
        let plan = fixture.must(&[&args[..], &["--dry-run"]].concat());
        let policy = plan["policy"].to_string();
        assert!(policy.contains(action), "{args:?}: {policy}");
        for call in plan["calls"].as_array().unwrap() {
            assert!(policy.contains(call["action"].as_str().unwrap()), "{call}: {policy}");
        }
    }
    assert!(fixture.ami.region.request_log.requests().is_empty());
}

#[test]
fn the_scanner_of_the_marketplace_gets_image_and_snapshots() {
    const MARKETPLACE: &str = "679593333241";
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), |_| {}) else { return };
    let shared = fixture.must(&["share", &fixture.image, "--marketplace"]);
    let report = &shared["regions"][0];
    assert_eq!(report["changed"], json!([MARKETPLACE]), "{shared}");
    assert_eq!(report["snapshots"][0]["changed"], json!([MARKETPLACE]), "{shared}");
    fixture.refused(2, &["share", &fixture.image, "--marketplace", "--keep-snapshots"]);
    // An AMI of another region than that of the Marketplace is warned of; all else is as `publish` makes it.
    let output = fixture.run(Account::Owner, &["marketplace", "check", &fixture.image, "--json"]);
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{checked}");
    let checks: Vec<_> = checked["findings"].as_array().unwrap().iter().map(|one| &one["check"]).collect();
    assert_eq!(checks, ["region"], "{checked}");
    let bundle = fixture.ami.bundle.to_string_lossy().into_owned();
    let args = ["marketplace", "check", &fixture.image, "--bundle", &bundle];
    let refused = fixture.run(Account::Owner, &args);
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stdout));
}
