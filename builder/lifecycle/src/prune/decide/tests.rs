use std::time::Duration;

use amiforge_publish::tags;

use super::*;
use crate::api::images::{ChannelImage, ImageReference, UsageEntry};
use crate::inventory::moment::{DAY, show};

const NOW: i64 = 1_795_240_800;

fn options() -> PruneOptions {
    PruneOptions {
        name: None,
        keep: 2,
        older_than: 30 * DAY,
        unused_for: 14 * DAY,
        grace: 7 * DAY,
        channels: vec!["stable".to_owned()],
        channels_below: "/amiforge/".to_owned(),
        other_accounts: true,
        report_wait: Duration::ZERO,
        now: NOW,
    }
}

/// An image that is `days` old and that nothing keeps.
fn image(id: &str, days: i64) -> DescribedImage {
    DescribedImage {
        id: id.to_owned(),
        state: "available".to_owned(),
        created: Some(show(NOW - days * DAY)),
        deregistration_protection: Some("disabled".to_owned()),
        tags: [(tags::IMAGE.to_owned(), "web".to_owned())].into(),
        ..DescribedImage::default()
    }
}

fn verdict(image: &DescribedImage) -> Verdict {
    decide(image, Some(9), &Uses::default(), &Usage::NotAsked, &options())
}

fn kept(verdict: Verdict) -> Vec<&'static str> {
    match verdict {
        Verdict::Keep { because } => because.iter().map(KeepReason::kind).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_steps_follow_each_other_with_the_grace_time_between() {
    let mut one = image("ami-1", 60);
    assert_eq!(verdict(&one), Verdict::Go { step: Step::Deprecate });
    one.deprecation_time = Some(show(NOW + 90 * DAY));
    assert_eq!(verdict(&one), Verdict::Go { step: Step::Deprecate }, "a time ahead is no deprecation yet");
    // The time that the clean-up sets is ahead by up to two minutes.
    let mark = DeprecationMark { since: NOW, at: moment::next_minute(NOW), instead_of: None };
    one.deprecation_time = Some(show(mark.at));
    one.tags.insert(marks::DEPRECATED.to_owned(), mark.value());
    assert_eq!(verdict(&one), Verdict::Wait { step: Step::Disable, until: show(NOW + 7 * DAY) });
    one.tags.remove(marks::DEPRECATED);
    one.deprecation_time = Some(show(NOW - 7 * DAY + 1));
    assert!(matches!(verdict(&one), Verdict::Wait { step: Step::Disable, .. }));
    one.deprecation_time = Some(show(NOW - 7 * DAY));
    assert_eq!(verdict(&one), Verdict::Go { step: Step::Disable });
    one.state = "disabled".to_owned();
    assert_eq!(verdict(&one), Verdict::Go { step: Step::MarkDisabled }, "disabled by another operator");
    one.tags.insert(marks::DISABLED.to_owned(), show(NOW - 6 * DAY));
    assert!(matches!(verdict(&one), Verdict::Wait { step: Step::Deregister, .. }));
    one.tags.insert(marks::DISABLED.to_owned(), show(NOW - 7 * DAY));
    assert_eq!(verdict(&one), Verdict::Go { step: Step::Deregister });
}

#[test]
fn every_reason_keeps_an_image() {
    let one = image("ami-1", 60);
    let no_uses = Uses::default();
    let decide = |image: &DescribedImage, place, uses: &Uses, usage: &Usage| {
        decide(image, place, uses, usage, &options())
    };
    assert_eq!(kept(decide(&one, Some(2), &no_uses, &Usage::NotAsked)), ["newest"]);
    assert_eq!(kept(verdict(&image("ami-1", 29))), ["young"]);
    assert_eq!(kept(verdict(&DescribedImage { created: None, ..one.clone() })), ["young"]);
    let pending = DescribedImage { state: "pending".to_owned(), ..one.clone() };
    assert_eq!(kept(verdict(&pending)), ["state"]);
    for state in ["enabled-with-cooldown", "enabled-without-cooldown", "disabled-with-cooldown"] {
        let protected = DescribedImage { deregistration_protection: Some(state.to_owned()), ..one.clone() };
        assert_eq!(kept(verdict(&protected)), ["protected"], "{state}");
    }
    let reference = ImageReference {
        image: one.id.clone(),
        kind: "ec2:Instance".to_owned(),
        arn: "arn:aws:ec2:local:1:instance/i-1".to_owned(),
    };
    let uses = Uses { references: [(one.id.clone(), vec![reference])].into(), ..Uses::default() };
    assert_eq!(kept(decide(&one, None, &uses, &Usage::NotAsked)), ["reference"]);
    for (at, expected) in [(13, true), (14, false)] {
        let launched = [(one.id.clone(), Some(show(NOW - at * DAY)))].into();
        let uses = Uses { launched, ..Uses::default() };
        assert_eq!(matches!(decide(&one, None, &uses, &Usage::NotAsked), Verdict::Keep { .. }), expected);
    }
    let unread = Uses { launched: [(one.id.clone(), Some("soon".to_owned()))].into(), ..Uses::default() };
    assert_eq!(kept(decide(&one, None, &unread, &Usage::NotAsked)), ["launched"]);
    let entry = UsageEntry { account: "2".to_owned(), kind: "ec2:Instance".to_owned(), count: 1 };
    assert_eq!(kept(decide(&one, None, &no_uses, &Usage::Known { entries: vec![entry] })), ["other-account"]);
    let pending = Usage::Pending { report: "r-1".to_owned() };
    assert_eq!(kept(decide(&one, None, &no_uses, &pending)), ["usage-unknown"]);
}

#[test]
fn a_channel_keeps_what_it_holds_and_what_a_rollback_leads_to() {
    let one = image("ami-1", 60);
    for (parameter, held, expected) in [
        ("/amiforge/web/testing", Held::Now, true),
        ("/amiforge/web/testing", Held::Before, true),
        ("/amiforge/web/testing", Held::Earlier, false),
        ("/amiforge/web/stable", Held::Earlier, true),
    ] {
        let channel = ChannelImage { parameter: parameter.to_owned(), image: one.id.clone(), held };
        let uses = Uses { channels: [(one.id.clone(), vec![channel])].into(), ..Uses::default() };
        let verdict = decide(&one, None, &uses, &Usage::NotAsked, &options());
        assert_eq!(matches!(verdict, Verdict::Keep { .. }), expected, "{parameter} {held:?}");
    }
}

#[test]
fn an_image_that_the_clean_up_disabled_and_something_names_is_enabled_again() {
    let mut one = image("ami-1", 60);
    one.state = "disabled".to_owned();
    let reference =
        ImageReference { image: one.id.clone(), kind: "ssm:Parameter".to_owned(), arn: "arn".to_owned() };
    let uses = Uses { references: [(one.id.clone(), vec![reference])].into(), ..Uses::default() };
    assert_eq!(kept(decide(&one, None, &uses, &Usage::NotAsked, &options())), ["reference"]);
    one.tags.insert(marks::DISABLED.to_owned(), show(NOW));
    let verdict = decide(&one, None, &uses, &Usage::NotAsked, &options());
    assert_eq!(verdict, Verdict::Go { step: Step::Enable });
}

#[test]
fn places_count_the_images_that_can_be_launched_for_each_name() {
    let mut all: Vec<_> = (1..=4).map(|n| image(&format!("ami-{n}"), n)).collect();
    all[1].state = "disabled".to_owned();
    let mut other = image("ami-9", 9);
    other.tags.insert(tags::IMAGE.to_owned(), "db".to_owned());
    all.push(other);
    let places = places(&all);
    let expected = [("ami-1", 1), ("ami-3", 2), ("ami-4", 3), ("ami-9", 1)];
    assert_eq!(places, expected.map(|(id, place)| (id.to_owned(), place)).into());
}
