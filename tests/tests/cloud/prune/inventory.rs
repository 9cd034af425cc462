//! `images` and `whois`.

use std::fs;

use amiforge_publish::request::AmiOptions;
use serde_json::Value;

use super::super::register::fixture::{AmiFixture, build};
use super::account::Account;

#[test]
fn images_are_listed_with_their_use_and_cost() {
    let Some(account) = Account::new() else { return };
    let shown = account.json(&["images"]);
    let images = shown["images"].as_array().unwrap();
    assert_eq!(images.len(), 12, "those of amiforge alone: {shown:#}");
    let one =
        |kind: &str| -> &Value { images.iter().find(|image| image["imageId"] == account.id(kind)).unwrap() };
    assert_eq!(one("channel")["channels"], serde_json::json!(["stable"]));
    assert_eq!(one("channel before")["channelsBefore"], serde_json::json!(["stable"]));
    assert_eq!(one("shared")["shared"]["with"], serde_json::json!(["210987654321"]));
    assert_eq!(one("protected")["protected"], true);
    let arn = one("template")["referencedBy"][0]["arn"].as_str().unwrap();
    assert!(arn.contains(":launch-template/lt-"), "{arn}");
    assert_eq!(one("two volumes")["fullBytes"], 2 * 524_288);
    // A few hundred KiB cost less than the least amount that is shown.
    assert_eq!(one("two volumes")["month"]["usd"].as_f64(), one("plain")["month"]["usd"].as_f64());
    assert_eq!(one("plain")["month"]["atMost"], true);
    assert!(shown["prices"].as_str().unwrap().contains("us-east-1"));

    let text = account.exits(0, &["images"]);
    assert!(text.lines().count() == 13 && text.contains(account.id("plain")), "{text}");
    let csv = account.exits(0, &["images", "--csv"]);
    assert_eq!(csv.lines().count(), 13);
    assert!(csv.starts_with("region,image_id,image,version,state,"), "{csv}");
    let page = account.folder.path().join("images.html");
    account.exits(0, &["images", "--html", page.to_str().unwrap()]);
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains(account.id("plain")) && html.contains("default-src 'none'"), "{html}");
    for outside in ["<script", "http://", "https://", "<link", "<img"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let all = account.json(&["images", "--regions", "all", "--name", "web"]);
    assert_eq!(all["images"].as_array().unwrap().len(), 12);
    assert_eq!(account.json(&["images", "--name", "other"])["images"].as_array().unwrap().len(), 0);
}

#[test]
fn an_image_is_known_by_its_tags_its_bundle_and_its_blocks() {
    let fixture = AmiFixture::new();
    let published = fixture.must(&AmiOptions::default());
    let (id, endpoint) = (published.image.id.clone(), fixture.region.running.endpoint());
    let second = build(fixture.folder.path(), "web", 2);
    let run = |code: i32, more: &[&str]| {
        let args = ["whois", &id, "--region", "local", "--endpoint-url", &endpoint, "--json"];
        let output = amiforge_tests::program::run(&args.iter().chain(more).copied().collect::<Vec<_>>());
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {err}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let manifest: Value =
        serde_json::from_slice(&fs::read(fixture.bundle.join("manifest.json")).unwrap()).unwrap();
    let shown = run(0, &[]);
    assert_eq!((&shown["image"], &shown["version"]), (&"web".into(), &"1".into()));
    assert_eq!(shown["merkleRoot"], manifest["merkle_root"]);
    assert_eq!(shown["recipe"], manifest["recipe_sha256"]);
    assert!(shown["verified"].is_null());
    let bundle = fixture.bundle.to_string_lossy().into_owned();
    let shown = run(0, &["--bundle", &bundle, "--verify"]);
    assert_eq!(shown["verified"][0]["differences"], serde_json::json!([]));
    assert!(shown["verified"][0]["read"].as_u64().unwrap() > 0);
    assert_eq!(shown["bundle"]["inputs"][0]["kind"], "dir");
    let shown = run(3, &["--bundle", &second.to_string_lossy()]);
    let differences: Vec<_> =
        shown["differences"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert!(
        differences.iter().any(|one| one.starts_with("amiforge:version: 1 in the tags, 2 in the bundle")),
        "{differences:?}"
    );
}

#[test]
fn sizes_are_what_a_version_adds_to_the_one_before() {
    let fixture = AmiFixture::new();
    fixture.must(&AmiOptions::default());
    let endpoint = fixture.region.running.endpoint();
    let second = build(fixture.folder.path(), "web", 2);
    // Registration times are whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let out = amiforge_tests::program::must(&[
        "publish",
        &second.to_string_lossy(),
        "--parent",
        "auto",
        "--region",
        "local",
        "--endpoint-url",
        &endpoint,
        "--json",
    ]);
    let published: Value = serde_json::from_str(&out).unwrap();
    let out = amiforge_tests::program::must(&[
        "images",
        "--sizes",
        "--region",
        "local",
        "--endpoint-url",
        &endpoint,
        "--json",
    ]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    let images = shown["images"].as_array().unwrap();
    let (new, old) = (&images[0], &images[1]);
    assert_eq!(new["imageId"], published["imageId"]);
    assert_eq!(new["previous"], old["imageId"]);
    assert_eq!(new["changedBytes"], published["bytesSent"]);
    assert_eq!(old["changedBytes"], old["fullBytes"]);
    assert!(new["fullBytes"].as_u64().unwrap() >= new["changedBytes"].as_u64().unwrap());
    assert_eq!(new["month"]["atMost"], false);
}
