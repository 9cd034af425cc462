//! What cannot be promoted, each with what to do, and nothing changed.

use serde_json::Value;

use super::fixture::{ChannelFixture, PARAMETER, REGIONS};

#[test]
fn images_that_cannot_be_what_a_channel_holds_are_refused_in_every_region_at_once() {
    let Some(fixture) = ChannelFixture::new() else { return };
    fixture.promote(1);
    let promotion = fixture.promotion(2);
    let promotion: Vec<_> = promotion.iter().map(String::as_str).collect();
    let refused = |more: &[&str]| fixture.fails(1, &[&promotion[..], more].concat());
    fixture.act("local-2", &["disable", &fixture.images[1][1]]);
    fixture.act("local-3", &["deregister", &fixture.images[1][2]]);
    let err = refused(&[]);
    assert!(err.contains("2 reasons") && err.contains("is disabled; `aws ec2 enable-image"), "{err}");
    assert!(err.contains("local-3: there is no AMI of") && err.contains("--copy-to"), "{err}");
    assert!(err.contains("hint: nothing was changed"), "{err}");
    let two = ["--regions", "local,local-2"];
    fixture.act("local-2", &["enable", &fixture.images[1][1]]);
    let err = refused(&[&two[..], &["--shared-with", "111122223333"]].concat());
    assert!(err.contains("may not be launched by 111122223333; share it"), "{err}");
    for (region, image) in REGIONS.iter().zip(&fixture.images[1]).take(2) {
        fixture.act(region, &["share", image]);
    }
    fixture.assert_version(1);
    let err = refused(&[&two[..], &["--require-boot"]].concat());
    assert!(err.contains("there is no receipt") && err.contains("`amiforge boot"), "{err}");
    fixture.must(&[&promotion[..], &two[..], &["--shared-with", "111122223333"]].concat());
    assert_eq!(fixture.versions(), [2, 2, 1]);
    // The region that was left out is a difference that the listing names.
    assert_eq!(fixture.run(&["channels", "--regions", "local,local-3", "--check"]).status.code(), Some(3));
}

#[test]
fn parameters_that_are_no_channel_and_other_architectures_are_refused() {
    let Some(fixture) = ChannelFixture::new() else { return };
    fixture.act("local-2", &["text", PARAMETER]);
    let promotion = fixture.promotion(1);
    let promotion: Vec<_> = promotion.iter().map(String::as_str).collect();
    let err = fixture.fails(1, &promotion);
    assert!(err.contains("is a String of the data type `text`") && err.contains("another `--path`"), "{err}");
    let read = fixture.read_parameter("/amiforge/web/stable");
    assert!(read[0].is_null() && read[2].is_null(), "{read:?}");
    let edge = [&promotion[..2], &["--channel", "edge"]].concat();
    fixture.must(&edge);
    // An image of another architecture, without our tags.
    let snapshots = fixture.ami.snapshots("local");
    let other = fixture.act("local", &["register", "other", "arm64", &snapshots[0]]);
    let other_edge = ["promote", &other, "--channel", "edge", "--regions", "local"];
    let err = fixture.fails(1, &other_edge);
    assert!(err.contains("has no tag `amiforge:image`") && err.contains("--name"), "{err}");
    let err = fixture.fails(1, &[&other_edge[..], &["--name", "web"]].concat());
    assert!(err.contains("is for arm64") && err.contains("which is for x86_64"), "{err}");
    // A label of others on the oldest of a hundred versions.
    fixture.act("local", &["fill", "/amiforge/web/edge", &fixture.images[0][0], "99"]);
    fixture.act("local", &["label", "/amiforge/web/edge", "1", "golden"]);
    let err =
        fixture.fails(1, &[&["promote"], &[&*fixture.bundle(2).to_string_lossy()][..], &edge[2..]].concat());
    assert!(err.contains("has the label `golden`; move that label"), "{err}");
    // An image that was deregistered cannot be gone back to.
    fixture.must(&[&promotion[..2], &["--channel", "next"]].concat());
    let second = fixture.bundle(2).to_string_lossy().into_owned();
    fixture.must(&["promote", &second, "--channel", "next"]);
    fixture.act("local-3", &["deregister", &fixture.images[0][2]]);
    let err = fixture.fails(1, &["rollback", "--channel", "next", "--name", "web"]);
    assert!(err.contains("local-3: ") && err.contains("does not exist any more"), "{err}");
    let held = fixture.read_parameter("/amiforge/web/next");
    assert_eq!(held[0]["value"], Value::from(fixture.images[1][0].as_str()));
}

#[test]
fn mistakes_in_the_usage_are_reported_before_any_call() {
    let Some(fixture) = ChannelFixture::new() else { return };
    let image = &fixture.images[0][0];
    for (args, words) in [
        (vec!["promote", image, "--channel", "a b", "--name", "web"], "has a ` `"),
        (vec!["promote", image, "--channel", "x", "--path", "/a/{nam}/{channel}"], "there are {name}"),
        (vec!["promote", image, "--channel", "x", "--path", "/a/{name}"], "no `{channel}`"),
        (vec!["promote", image, "--channel", "x", "--shared-with", "bob"], "neither an account"),
        (vec!["promote", image, "--channel", "x", "--require-boot"], "is an AMI"),
        (vec!["promote", "ami-xyz", "--channel", "x"], "neither `snap-…`"),
        (vec!["promote", image, "--channel", "x", "--regions", "a/b"], "not the name of a region"),
        (vec!["rollback", "--channel", "x"], "name of the image is empty"),
    ] {
        let err = fixture.fails(2, &args);
        assert!(err.contains(words), "{args:?}: {err}");
    }
    let calls = fixture.ami.region.request_log.requests();
    assert!(calls.iter().all(|call| call.action != "PutParameter"), "{calls:?}");
}
