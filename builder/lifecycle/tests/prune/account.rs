//! An account of 500 images with every kind of reference: exactly the right ones go, with exactly their snapshots.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_lifecycle::api::images::{ChannelImage, Held, ImageReference, UsageEntry};
use amiforge_lifecycle::prune::PruneOptions;
use amiforge_publish::api::ec2::Grantee;

use super::fake::Fake;
use super::run::{must, options, plan, prune_with, runtime, verdicts};
use super::state::{ACCOUNT, DAY, NOW, State, time};

/// Names of images, and images of each name.
const NAMES: usize = 10;
const EACH: usize = 50;
/// The images of a name that are younger than 30 days: one is registered every other day.
const YOUNG: usize = 15;

/// What is special about an image that is old enough, and the expected word of its plan.
const KINDS: [(&str, &str); 20] = [
    ("running instance", "reference"),
    ("stopped instance", "reference"),
    ("template", "reference"),
    ("parameter", "reference"),
    ("recipe of image builder", "reference"),
    ("override of a group", "reference"),
    ("held by a channel", "channel"),
    ("held by a channel before", "channel"),
    ("held by a channel long ago", "deprecate"),
    ("launched lately", "launched"),
    ("launched long ago", "deprecate"),
    ("used by another account", "other-account"),
    ("protected", "protected"),
    ("protection in its cooldown", "protected"),
    ("pending", "state"),
    ("shared", "deprecate"),
    ("two volumes", "deprecate"),
    ("a volume of others", "deprecate"),
    ("a snapshot that another image uses", "deprecate"),
    ("nothing", "deprecate"),
];

fn id(name: usize, number: usize) -> String {
    format!("ami-{name:02}{number:04}")
}

fn kind(name: usize, number: usize) -> &'static str {
    KINDS[(number + name) % KINDS.len()].0
}

/// Makes an image what its kind says.
fn shape(state: &mut State, image: &str, kind: &str) {
    let channel =
        |held| ChannelImage { parameter: format!("/amiforge/x/{image}"), image: image.to_owned(), held };
    let entry = UsageEntry { account: "210987654321".to_owned(), kind: "ec2:Instance".to_owned(), count: 2 };
    let now = state.now;
    let protect = |state: &mut State, word: &str| {
        state.images.get_mut(image).unwrap().deregistration_protection = Some(word.to_owned());
    };
    match kind {
        "running instance" | "stopped instance" => state.name(image, "ec2:Instance"),
        "template" => state.name(image, "ec2:LaunchTemplate"),
        "parameter" => state.name(image, "ssm:Parameter"),
        "recipe of image builder" => state.name(image, "imagebuilder:ImageRecipe"),
        "override of a group" => state.groups.push(ImageReference {
            image: image.to_owned(),
            kind: "autoscaling:AutoScalingGroup".to_owned(),
            arn: format!("arn:aws:autoscaling:local:{ACCOUNT}:group-{image}"),
        }),
        "held by a channel" => state.channels.push(channel(Held::Now)),
        "held by a channel before" => state.channels.push(channel(Held::Before)),
        "held by a channel long ago" => state.channels.push(channel(Held::Earlier)),
        "launched lately" => drop(state.launched.insert(image.to_owned(), now - 3 * DAY)),
        "launched long ago" => drop(state.launched.insert(image.to_owned(), now - 20 * DAY)),
        "used by another account" => drop(state.others.insert(image.to_owned(), vec![entry])),
        "protected" => protect(state, "enabled-without-cooldown"),
        "protection in its cooldown" => protect(state, "disabled-with-cooldown"),
        "pending" => state.images.get_mut(image).unwrap().state = "pending".to_owned(),
        "shared" => {
            let who = vec![Grantee::Everybody, Grantee::Account("210987654321".to_owned())];
            state.grants.insert(image.to_owned(), who);
        }
        "two volumes" => {
            state.add_snapshot(&format!("snap-second-{image}"), Some("data"), 50);
            state.add_volume(image, &format!("snap-second-{image}"));
        }
        "a volume of others" => {
            state.add_snapshot(&format!("snap-foreign-{image}"), None, 50);
            state.add_volume(image, &format!("snap-foreign-{image}"));
        }
        "a snapshot that another image uses" => {
            let foreign = format!("ami-foreign-{image}");
            state.add_image(&foreign, "other", 50).tags.clear();
            let shared = state.images[image].snapshots();
            state.add_volume(&foreign, &shared[0]);
            state.images.get_mut(&foreign).unwrap().state = "disabled".to_owned();
        }
        _ => {}
    }
}

/// The account, and the expected word for each of its images.
fn account() -> (State, BTreeMap<String, String>) {
    let mut state = State { now: NOW, ..State::default() };
    let mut expected = BTreeMap::new();
    for name in 0..NAMES {
        // The newest images that can be launched: pending ones take no place.
        let mut kept = 0;
        for number in 0..EACH {
            let image = id(name, number);
            state.add_image(&image, &format!("name-{name}"), 2 * number as i64);
            if number < YOUNG {
                kept += 1;
                let word = if kept <= 2 { "newest young" } else { "young" };
                expected.insert(image, word.to_owned());
                continue;
            }
            let kind = kind(name, number);
            shape(&mut state, &image, kind);
            let word = KINDS.iter().find(|(one, _)| *one == kind).unwrap().1;
            expected.insert(image, word.to_owned());
        }
    }
    // Images and snapshots without tags of this program, as old as any.
    for number in 0..20 {
        state.add_image(&format!("ami-elsewhere-{number}"), "elsewhere", 400).tags.clear();
        state.add_snapshot(&format!("snap-elsewhere-{number}"), None, 400);
    }
    (state, expected)
}

/// Options without a grace time, so that an account ages by hours only.
fn at_once(fake: &Fake) -> PruneOptions {
    PruneOptions { grace: 0, ..options(fake) }
}

#[test]
fn exactly_the_right_images_of_500_go_with_exactly_their_snapshots() {
    let runtime = runtime();
    let (state, mut expected) = account();
    let tagged = state.images.values().filter(|image| !image.tags.is_empty()).count();
    assert_eq!(tagged, NAMES * EACH);
    let (before, fake) = (state.clone(), Fake::new(state));
    // Other accounts are asked only before an image is taken from them.
    let of_others: BTreeSet<String> = before.others.keys().cloned().collect();
    for image in &of_others {
        expected.insert(image.clone(), "deprecate".to_owned());
    }
    assert_eq!(verdicts(&plan(&runtime, &fake)), expected);
    assert_eq!(fake.state().images, before.images, "a plan changes nothing");

    // Reports on other accounts take longer than one run waits, so it takes more runs than steps.
    for _ in 0..12 {
        must(prune_with(&runtime, &fake, at_once(&fake)));
        fake.state().now += 3600;
        fake.state().check("500 images");
    }
    let goes: BTreeSet<&String> = expected
        .iter()
        .filter(|(image, word)| *word == "deprecate" && !of_others.contains(*image))
        .map(|(image, _)| image)
        .collect();
    let state = fake.state();
    let gone: BTreeSet<&String> =
        before.images.keys().filter(|image| !state.images.contains_key(*image)).collect();
    assert_eq!(gone, goes);
    assert!(gone.len() > 100, "{}", gone.len());

    let mut snapshots_gone = BTreeSet::new();
    for image in goes {
        let (kind, snapshots) = (kind_of(image), before.images[image].snapshots());
        snapshots_gone.extend(snapshots.into_iter().filter(|snapshot| {
            !(kind == "a volume of others" && snapshot.starts_with("snap-foreign"))
                && kind != "a snapshot that another image uses"
        }));
    }
    let missing: BTreeSet<String> =
        before.snapshots.keys().filter(|id| !state.snapshots.contains_key(*id)).cloned().collect();
    assert_eq!(missing, snapshots_gone);
    for image in before.images.values().filter(|image| image.tags.is_empty()) {
        assert_eq!(state.images.get(&image.id), Some(image), "an image of others is as it was");
    }
}

fn kind_of(image: &str) -> &'static str {
    let digits = image.trim_start_matches("ami-");
    kind(digits[..2].parse().unwrap(), digits[2..].parse().unwrap())
}

#[test]
fn a_run_moves_each_image_by_one_step_and_waits_for_the_grace_time() {
    let runtime = runtime();
    let mut state = State { now: NOW, ..State::default() };
    for (number, days) in [1, 2, 60].into_iter().enumerate() {
        state.add_image(&format!("ami-{number}"), "web", days);
    }
    let fake = Fake::new(state);
    let word = || verdicts(&plan(&runtime, &fake))["ami-2"].clone();
    assert_eq!(word(), "deprecate");
    for (next, step) in [("wait to disable", "disable"), ("wait to deregister", "deregister")] {
        must(prune_with(&runtime, &fake, options(&fake)));
        assert_eq!(word(), next);
        fake.state().now += 6 * DAY;
        assert!(must(prune_with(&runtime, &fake, options(&fake))).is_empty(), "the grace time is not over");
        assert_eq!(word(), next);
        fake.state().now += DAY;
        assert_eq!(word(), step);
    }
    must(prune_with(&runtime, &fake, options(&fake)));
    assert!(!fake.state().images.contains_key("ami-2"));
    assert!(fake.state().reports.is_empty(), "its usage report is deleted");
}

#[test]
fn the_newest_are_kept_even_if_nothing_is_to_be_kept() {
    let runtime = runtime();
    let mut state = State { now: NOW, ..State::default() };
    state.add_image("ami-1", "web", 400);
    state.add_image("ami-2", "web", 300).deprecation_time = Some(time(NOW - 90 * DAY));
    let fake = Fake::new(state);
    for _ in 0..6 {
        must(prune_with(&runtime, &fake, PruneOptions { keep: 0, ..at_once(&fake) }));
        fake.state().now += 3600;
    }
    assert_eq!(fake.state().images.keys().collect::<Vec<_>>(), ["ami-2"]);
}
