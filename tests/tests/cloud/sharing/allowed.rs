//! `allowed-images`: the criteria of the receiving account, which it prints, admit the AMI.

use amiforge_publish::request::AmiOptions;
use serde_json::{Value, json};

use super::fixture::{Account, OTHER, OWNER, SharingFixture};

/// Runs the command as the other account; returns its exit code and its JSON.
fn check(fixture: &SharingFixture, more: &[&str]) -> (Option<i32>, Value) {
    let args = [&["allowed-images", &fixture.image, "--json"], more].concat();
    let output = fixture.run(Account::Other, &args);
    let err = String::from_utf8_lossy(&output.stderr);
    let shown = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?}: {err}"));
    (output.status.code(), shown)
}

fn set(fixture: &SharingFixture, state: &str, criteria: &Value) {
    let other = |method, arguments| fixture.call(Account::Other, "local", method, arguments);
    let criteria = json!({ "ImageCriteria": criteria });
    let set = other("replace_image_criteria_in_allowed_images_settings", criteria);
    assert!(set.get("error").is_none(), "{set}");
    other("enable_allowed_images_settings", json!({ "AllowedImagesSettingsState": state }));
}

#[test]
fn audit_and_enabled_settings_differ_and_the_printed_criteria_admit_the_ami() {
    let Some(fixture) = SharingFixture::new(&AmiOptions::default(), |_| {}) else { return };
    fixture.must(&["share", &fixture.image, "--with", OTHER]);
    let (code, shown) = check(&fixture, &[]);
    assert_eq!((code, &shown["verdict"]), (Some(0), &json!("allowed")), "{shown}");
    let amazon = json!([{ "ImageProviders": ["amazon"] }]);
    set(&fixture, "audit-mode", &amazon);
    let (code, shown) = check(&fixture, &[]);
    assert_eq!((code, &shown["verdict"]), (Some(3), &json!("would-be-hidden")), "{shown}");
    assert!(shown["unmet"][0][0].as_str().unwrap().contains(OWNER), "{shown}");
    set(&fixture, "enabled", &amazon);
    let (code, shown) = check(&fixture, &[]);
    assert_eq!((code, &shown["verdict"]), (Some(3), &json!("unknown")), "{shown}");
    let known = ["--owner", OWNER, "--image-name", "web-1", "--names", "web-*"];
    let (code, shown) = check(&fixture, &known);
    assert_eq!((code, &shown["verdict"]), (Some(3), &json!("hidden")), "{shown}");
    let criteria = shown["criteria"].clone();
    assert_eq!(criteria[1], json!({ "ImageProviders": [OWNER], "ImageNames": ["web-*"] }));
    set(&fixture, "enabled", &criteria);
    let (code, shown) = check(&fixture, &[]);
    assert_eq!((code, &shown["verdict"]), (Some(0), &json!("allowed")), "{shown}");
    let seen =
        fixture.call(Account::Other, "local", "describe_images", json!({ "ImageIds": [fixture.image] }));
    assert_eq!(seen["Images"][0]["ImageAllowed"], json!(true), "{seen}");
    fixture.must(&["unshare", &fixture.image, "--everyone"]);
    let (code, shown) = check(&fixture, &known);
    assert_eq!((code, &shown["verdict"]), (Some(3), &json!("not-shared")), "{shown}");
}
