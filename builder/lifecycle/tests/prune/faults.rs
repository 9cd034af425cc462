//! Deterministic fault runs: a kill, faults and another operator at any call, then runs without any of them.

use std::collections::BTreeMap;

use amiforge_lifecycle::api::images::{ChannelImage, Held, UsageEntry};
use amiforge_lifecycle::inventory::ImageError;
use amiforge_lifecycle::prune::PruneReport;
use amiforge_publish::api::ec2::{DescribedImage, Grantee};
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_publish::tags;
use tokio::runtime::Runtime;

use super::fake::{Event, Fake, later};
use super::operator::ACTIONS;
use super::run::{Ended, must, plan, prune, runtime};
use super::state::{DAY, NOW, State, time};

/// Seeds of a run of the suite; `PRUNE_SEEDS` asks for more.
const SEEDS: u64 = 3000;

/// `SplitMix64`.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// An account of up to sixteen images with uses of every kind.
fn account(rng: &mut Rng) -> State {
    let mut state = State { now: NOW, recycles: rng.one_in(2), ..State::default() };
    for name in ["web", "db"] {
        for number in 0..3 + rng.below(5) {
            let (id, days) = (format!("ami-{name}-{number}"), 1 + rng.below(120) as i64);
            state.add_image(&id, name, days);
            use_image(&mut state, &id, rng);
        }
    }
    state.add_image("ami-elsewhere", "elsewhere", 400).tags.clear();
    if rng.one_in(2) {
        let shared = state.images["ami-web-0"].snapshots();
        state.add_volume("ami-web-1", &shared[0]);
    }
    state
}

fn use_image(state: &mut State, id: &str, rng: &mut Rng) {
    let now = state.now;
    match rng.below(12) {
        0 => state.name(id, "ec2:Instance"),
        1 => state.name(id, "ssm:Parameter"),
        2 => {
            let held = *rng.pick(&[Held::Now, Held::Before, Held::Earlier]);
            let parameter = format!("/amiforge/x/{id}");
            state.channels.push(ChannelImage { parameter, image: id.to_owned(), held });
        }
        3 => drop(state.launched.insert(id.to_owned(), now - rng.below(30) as i64 * DAY)),
        4 => {
            let entry =
                UsageEntry { account: "210987654321".to_owned(), kind: "ec2:Instance".to_owned(), count: 1 };
            state.others.insert(id.to_owned(), vec![entry]);
        }
        _ => {}
    }
    let image = state.images.get_mut(id).unwrap();
    match rng.below(8) {
        0 => image.deprecation_time = Some(time(now - 30 * DAY)),
        1 => image.deprecation_time = Some(time(now + 300 * DAY)),
        2 => image.state = "disabled".to_owned(),
        3 => image.deregistration_protection = Some("enabled-without-cooldown".to_owned()),
        _ => {}
    }
    if rng.one_in(3) {
        state.grants.insert(id.to_owned(), vec![Grantee::Account("210987654321".to_owned())]);
    }
    if rng.one_in(4) {
        let second = format!("snap-second-{id}");
        state.add_snapshot(&second, if rng.one_in(2) { Some("data") } else { None }, 50);
        state.add_volume(id, &second);
    }
}

const FAULTS: [(ServiceErrorKind, bool); 7] = [
    (ServiceErrorKind::Throttled, false),
    (ServiceErrorKind::Service, false),
    (ServiceErrorKind::Service, true),
    (ServiceErrorKind::Transport, true),
    (ServiceErrorKind::TimedOut, true),
    (ServiceErrorKind::Denied, false),
    (ServiceErrorKind::Signature, false),
];

/// What happens during a run: at most a kill, some faults, some deeds of another operator.
fn events(state: &State, calls: u64, rng: &mut Rng) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    let ids: Vec<String> = state.images.keys().filter(|id| *id != "ami-elsewhere").cloned().collect();
    for _ in 0..rng.below(4) {
        let (kind, effect) = *rng.pick(&FAULTS);
        events.push((1 + rng.below(calls), Event::Fault { kind, effect }));
    }
    for _ in 0..rng.below(3) {
        let (action, image) = (*rng.pick(&ACTIONS), rng.pick(&ids).clone());
        events.push((1 + rng.below(calls), Event::Operator { action, image }));
    }
    if rng.one_in(2) {
        events.push((1 + rng.below(calls), Event::Kill { effect: rng.one_in(2) }));
    }
    events
}

/// How far an image is on its way out.
fn stage(state: &State, id: &str) -> u8 {
    match state.images.get(id) {
        None => 3,
        Some(image) if image.state == "disabled" => 2,
        Some(image)
            if image.deprecation_time.as_deref().is_some_and(|at| at < time(state.now + DAY).as_str()) =>
        {
            1
        }
        Some(_) => 0,
    }
}

/// Checks that no image was moved by more than a step, unless another operator moved it.
fn check_steps(before: &State, after: &State, operated: bool, what: &str) {
    if operated {
        return;
    }
    for id in before.images.keys() {
        let (was, is) = (stage(before, id), stage(after, id));
        assert!(is <= was + 1, "{what}: {id} went from {was} to {is}");
    }
}

/// Checks that every image that was named at the last moment is back, or that the run says it.
fn check_late(state: &State, ended: &Ended<PruneReport>, what: &str) {
    let Ended::Returned(Ok(report)) = ended else { return };
    let reported = |id: &str| {
        report.images.iter().any(|one| {
            one.image_id == id
                && matches!(one.outcome, Err(ImageError::NamedSince { .. } | ImageError::Call { .. }))
        })
    };
    for id in &state.named_late {
        let usable = state.images.get(id).is_some_and(|image| image.state == "available");
        assert!(usable || reported(id) || !state.is_named(id), "{what}: {id} is named, and gone or disabled");
    }
}

/// Runs without faults until nothing more is due; what is left is then what must be left.
fn settle(runtime: &Runtime, fake: &Fake, what: &str) {
    for _ in 0..6 {
        must(prune(runtime, fake));
        fake.state().check(what);
        later(fake, 8);
    }
    let rest = plan(runtime, fake);
    let due: Vec<_> = rest.images.iter().filter(|image| image.step().is_some()).collect();
    // Images grow old while the rest goes, so the last run may find some that are due now; none is overdue.
    for image in due {
        let described = fake.state().images[&image.image_id].clone();
        let aged = described.tags.len() <= 2;
        assert!(aged || fake.state().is_named(&image.image_id), "{what}: {image:?}");
    }
    let state = fake.state();
    let own = |image: &&DescribedImage| image.tags.contains_key(tags::IMAGE);
    for image in state.images.values().filter(own) {
        let disabled_by_us = image.state == "disabled" && image.tags.contains_key("amiforge-prune:disabled");
        assert!(
            !(disabled_by_us && state.named.iter().any(|one| one.reference.image == image.id)),
            "{what}: {} is named and stays disabled",
            image.id
        );
    }
    for snapshot in state.snapshots.values() {
        if let Some(image) = snapshot.tags.get("amiforge-prune:image") {
            let kept = state.images.contains_key(image) || !state.users(&snapshot.id).is_empty();
            assert!(kept, "{what}: {} of {image}, which is gone, is left", snapshot.id);
        }
    }
}

fn one_seed(runtime: &Runtime, seed: u64, counts: &mut BTreeMap<&'static str, u64>) {
    let mut rng = Rng(seed);
    let state = account(&mut rng);
    let foreign = state.images["ami-elsewhere"].clone();
    let fake = Fake::new(state);
    for round in 0..4 {
        let what = format!("seed {seed}, round {round}");
        let before = fake.state().clone();
        let happening = events(&before, 60, &mut rng);
        let operated = happening.iter().any(|(_, event)| matches!(event, Event::Operator { .. }));
        fake.set_events(&happening);
        fake.state().named_late.clear();
        let ended = prune(runtime, &fake);
        fake.set_events(&[]);
        *counts
            .entry(match &ended {
                Ended::Killed => "killed",
                Ended::Returned(Ok(report)) if report.images.iter().any(|one| one.outcome.is_err()) => {
                    "in part"
                }
                Ended::Returned(Ok(_)) => "returned",
                Ended::Returned(Err(_)) => "failed",
            })
            .or_default() += 1;
        let after = fake.state().clone();
        after.check(&what);
        check_steps(&before, &after, operated, &what);
        check_late(&after, &ended, &what);
        assert_eq!(after.images.get("ami-elsewhere"), Some(&foreign), "{what}");
        later(&fake, rng.below(10) as i64);
    }
    settle(runtime, &fake, &format!("seed {seed}, without faults"));
}

#[test]
fn nothing_that_is_named_goes_whatever_is_killed_fails_or_is_done_meanwhile() {
    let seeds = std::env::var("PRUNE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let (runtime, mut counts) = (runtime(), BTreeMap::new());
    for seed in 0..seeds {
        one_seed(&runtime, seed, &mut counts);
    }
    for outcome in ["killed", "in part", "returned", "failed"] {
        assert!(counts.get(outcome).is_some_and(|count| *count > seeds / 50), "{outcome}: {counts:?}");
    }
}

/// The calls of one run, killed at each of them in turn: the next runs complete what was begun.
#[test]
fn a_run_that_is_killed_at_any_call_is_completed_by_the_next_ones() {
    let runtime = runtime();
    for effect in [false, true] {
        for call in 1..400 {
            let mut state = State { now: NOW, ..State::default() };
            for number in 0..5 {
                state.add_image(&format!("ami-{number}"), "web", 40 + number);
            }
            state.images.get_mut("ami-3").unwrap().deprecation_time = Some(time(NOW - 30 * DAY));
            let gone = state.images.get_mut("ami-4").unwrap();
            gone.state = "disabled".to_owned();
            gone.tags.insert("amiforge-prune:disabled".to_owned(), time(NOW - 30 * DAY));
            let fake = Fake::new(state);
            fake.set_events(&[(call, Event::Kill { effect })]);
            let ended = prune(&runtime, &fake);
            fake.set_events(&[]);
            fake.state().check(&format!("killed at call {call}"));
            for _ in 0..5 {
                must(prune(&runtime, &fake));
                later(&fake, 8);
            }
            let state = fake.state();
            assert_eq!(state.images.keys().collect::<Vec<_>>(), ["ami-0", "ami-1"], "killed at call {call}");
            assert_eq!(
                state.snapshots.keys().collect::<Vec<_>>(),
                ["snap-0", "snap-1"],
                "killed at call {call}"
            );
            if matches!(ended, Ended::Returned(_)) {
                assert!(call > 40, "a run makes only {call} calls");
                break;
            }
            assert!(call < 399, "a run never ends");
        }
    }
}
