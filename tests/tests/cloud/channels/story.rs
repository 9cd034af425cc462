//! A channel through its life: promoted, promoted again, rolled back, listed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixture::{ChannelFixture, PARAMETER, REGIONS};

fn regions(outcome: &Value) -> BTreeSet<String> {
    let moved = outcome["moved"].as_array().unwrap().iter();
    moved.map(|moved| moved["region"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_channel_moves_and_goes_back_in_all_regions() {
    let Some(fixture) = ChannelFixture::new() else { return };
    // By the bundle: the ledger of its publish names the regions.
    let first = fixture.promote(1);
    assert_eq!(regions(&first), REGIONS.map(str::to_owned).into());
    assert!(first["moved"].as_array().unwrap().iter().all(|moved| moved["before"].is_null()), "{first}");
    fixture.assert_version(1);
    // By an AMI of the home region: its tags name the copies, and the channel its regions.
    let image = &fixture.images[1][0];
    let second = fixture.must(&["promote", image, "--channel", "stable"]);
    assert_eq!(regions(&second), REGIONS.map(str::to_owned).into());
    assert_eq!(second["moved"][0]["before"]["image"], Value::from(fixture.images[0][0].as_str()));
    fixture.assert_version(2);
    for held in fixture.read() {
        let history = held["history"].as_array().unwrap();
        assert_eq!(history.len(), 2, "{held}");
        let labels = history[1]["labels"].to_string();
        assert!(labels.contains("version-2") && labels.contains("manifest-"), "{held}");
        let note = history[1]["description"].as_str().unwrap();
        assert_eq!(note, "amiforge action=promote image=web version=2 regions=local,local-2,local-3");
    }
    // Again: nothing is set, nothing is added.
    let again = fixture.promote(2);
    assert!(again["moved"].as_array().unwrap().iter().all(|moved| moved["unchanged"] == true), "{again}");
    assert_eq!(fixture.read()[1]["history"].as_array().unwrap().len(), 2);
    let back = fixture.must(&["rollback", "--channel", "stable", "--name", "web"]);
    assert_eq!(regions(&back), REGIONS.map(str::to_owned).into());
    fixture.assert_version(1);
    // There was nothing before the first version, and the bad one is not gone back to.
    let err = fixture.fails(1, &["rollback", "--channel", "stable", "--name", "web"]);
    assert!(err.contains("held nothing before") && err.contains("3 reasons"), "{err}");
    fixture.assert_version(1);
    for to in ["2", "version-2"] {
        fixture.must(&["rollback", "--channel", "stable", "--name", "web", "--to", to]);
        fixture.assert_version(2);
        fixture.must(&["rollback", "--channel", "stable", "--name", "web", "--to", "1"]);
        fixture.assert_version(1);
    }
}

#[test]
fn a_listing_names_regions_that_differ_and_images_that_are_gone() {
    let Some(fixture) = ChannelFixture::new() else { return };
    fixture.promote(1);
    let list = |more: &[&str]| fixture.must(&[&["channels"], more].concat());
    let listed = list(&[]);
    let channel = &listed["channels"][0];
    assert_eq!((&channel["name"], &channel["channel"]), (&json!("web"), &json!("stable")), "{listed}");
    assert_eq!(channel["agreement"], "same", "{listed}");
    let held = channel["regions"].as_array().unwrap();
    assert_eq!(held.iter().map(|one| one["region"].as_str().unwrap()).collect::<Vec<_>>(), REGIONS);
    assert!(held.iter().all(|one| one["version"] == "1" && one["problem"].is_null()), "{listed}");
    assert!(held.iter().all(|one| one["setBy"].as_str().unwrap().starts_with("arn:")), "{listed}");
    assert_eq!(fixture.run(&["channels", "--check"]).status.code(), Some(0));
    // Another operator moves one region alone.
    fixture.act("local-2", &["put", PARAMETER, &fixture.images[1][1]]);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(list(&[])["channels"][0]["agreement"], "drift");
    let output = fixture.run(&["channels", "--check"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(shown.contains("web stable  regions differ"), "{shown}");
    // The next promotion brings them together, and an image that is gone is named.
    fixture.promote(2);
    assert_eq!(fixture.run(&["channels", "--check"]).status.code(), Some(0));
    fixture.act("local-3", &["deregister", &fixture.images[1][2]]);
    let listed = list(&["--name", "web", "--channel", "stable"]);
    let gone = &listed["channels"][0]["regions"][2];
    assert!(gone["problem"].as_str().unwrap().contains("does not exist"), "{listed}");
    assert_eq!(fixture.run(&["channels", "--check"]).status.code(), Some(3));
    assert_eq!(list(&["--name", "other"])["channels"], json!([]));
}

#[test]
fn paths_of_other_templates_and_public_ones_hold_the_same() {
    let Some(fixture) = ChannelFixture::new() else { return };
    let mut args = fixture.promotion(1);
    let more = ["--path", "/golden/{arch}/{name}/{channel}", "--public-prefix", "/public/images"];
    args.extend(more.map(str::to_owned));
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let err = fixture.fails(1, &args);
    assert!(err.contains("is not public") && err.contains("3 reasons"), "{err}");
    for (region, image) in REGIONS.iter().zip(&fixture.images[0]) {
        fixture.act(region, &["publish", image]);
    }
    let outcome = fixture.must(&args);
    assert_eq!(outcome["moved"].as_array().unwrap().len(), 6, "{outcome}");
    for parameter in ["/golden/x86_64/web/stable", "/public/images/x86_64/web/stable"] {
        for (index, held) in fixture.read_parameter(parameter).iter().enumerate() {
            assert_eq!(held["value"], Value::from(fixture.images[0][index].as_str()), "{parameter}: {held}");
        }
    }
    let listed = fixture.must(&["channels", "--path", "/golden/{arch}/{name}/{channel}"]);
    assert_eq!(listed["channels"][0]["arch"], "x86_64", "{listed}");
}
