//! Channels under faults, by seeds: each run has faults and a moment of death at random, and is repeated or abandoned
//! afterwards. A channel never loses its image, all regions move together or are set back, and regions that differ are
//! never left without an error that says so.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

#[path = "../chance/mod.rs"]
mod chance;
mod operator;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amiforge_lifecycle::channel::{
    ChannelAudience, ChannelError, ChannelOptions, ChannelServices, Outcome, PathTemplate, PromoteOptions,
    PromotedImage, RefusalReason, abandon, promote, rollback,
};
use amiforge_progress::Monitor;
use amiforge_publish::api::ec2::Grantee;
use amiforge_publish::timer::Timer;

use chance::Rng;
use operator::{Faults, Operator, WorldClock};
use world::{CHANNEL, Event, REGIONS, Shared, World, image_id};

/// A command of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Promote(char),
    Rollback(Option<&'static str>),
    Abandon,
}

/// The world and the folders of operators' machines.
struct Fixture {
    shared: Shared,
    machines: tempfile::TempDir,
}

impl Fixture {
    /// Every region holds these images, oldest first.
    fn new(held: &str) -> Self {
        let shared = Shared::default();
        *shared.lock() = World::new();
        for region in REGIONS {
            for letter in held.chars() {
                shared.lock().seed(region, &image_id(letter, region));
            }
        }
        // Records are synced: in memory that costs nothing.
        let memory = Path::new("/dev/shm");
        let machines =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        Self { shared, machines }
    }

    fn options(&self, machine: &str) -> ChannelOptions {
        ChannelOptions {
            home: REGIONS[0].to_owned(),
            regions: REGIONS.map(str::to_owned).into(),
            channel: "stable".to_owned(),
            name: Some("web".to_owned()),
            arch: None,
            templates: vec![PathTemplate::default()],
            folder: self.machines.path().join(machine),
            wait: Duration::from_mins(1),
            now: 1_795_240_800,
        }
    }

    /// Runs a command; `None` if the operator died.
    async fn run(
        &self,
        machine: &'static str,
        command: Command,
        seed: u64,
        faults: Faults,
    ) -> Option<Result<Outcome, ChannelError>> {
        let operator = Operator::new(machine, &self.shared, seed, faults);
        let timer = Timer::new(Arc::new(WorldClock(self.shared.clone())), seed);
        let services = ChannelServices { regions: &operator, timer: &timer, monitor: Monitor::none() };
        let channel = self.options(machine);
        let work = async {
            match command {
                Command::Promote(letter) => {
                    let subject = PromotedImage::Image(image_id(letter, REGIONS[0]));
                    let options = PromoteOptions { channel, subject, audience: ChannelAudience::default() };
                    promote(services, &options).await
                }
                Command::Rollback(to) => rollback(services, &channel, to).await,
                Command::Abandon => abandon(services, &channel, None).await,
            }
        };
        operator.live(work).await
    }

    /// Runs a command without faults.
    async fn must(&self, machine: &'static str, command: Command) -> Outcome {
        match self.run(machine, command, 1, Faults::default()).await.unwrap() {
            Ok(outcome) => outcome,
            Err(error) => panic!("{command:?}: {}; {}", text(&error), self.shared.lock().held()),
        }
    }

    fn held(&self) -> String {
        let mut world = self.shared.lock();
        // Everything that SSM still checks is through.
        world.advance(Duration::from_hours(1));
        world.held()
    }

    fn check(&self, seed: u64) {
        let world = self.shared.lock();
        assert!(world.violations.is_empty(), "seed {seed}: {:?}", world.violations);
    }
}

fn text(error: &ChannelError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

fn faults(rng: &mut Rng) -> Faults {
    Faults {
        transient: [0, 0, 10, 30][rng.below(4) as usize],
        outage: rng.chance(25).then(|| (REGIONS[rng.below(3) as usize].to_owned(), rng.below(30))),
        denied: rng.chance(8).then(|| ["put", "label", "history", "parameter"][rng.below(4) as usize]),
        kill_at: rng.chance(60).then(|| rng.below(90)),
    }
}

/// Number of seeds of each run: `CHANNEL_SEEDS`, or 600.
fn seeds() -> u64 {
    std::env::var("CHANNEL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(600)
}

#[test]
fn a_change_that_fails_or_is_killed_is_completed_or_set_back_as_a_whole() {
    let (mut completed, mut set_back, mut killed) = (0, 0, 0);
    for seed in 0..seeds() {
        let mut rng = Rng(seed);
        // History, command, and what the regions hold when it is complete.
        let (history, command, done) = [
            ("a", Command::Promote('b'), "bbb"),
            ("", Command::Promote('b'), "bbb"),
            ("ab", Command::Rollback(None), "aaa"),
            ("acb", Command::Rollback(Some("a")), "aaa"),
        ][rng.below(4) as usize];
        let fixture = Fixture::new(history);
        let begun = fixture.held();
        let faults = faults(&mut rng);
        let end = format!("seed {seed}, {command:?} with {faults:?}");
        block_on(async {
            match fixture.run("one", command, seed, faults.clone()).await {
                Some(Ok(outcome)) => {
                    assert_eq!(fixture.held(), done, "{end}");
                    assert_eq!(outcome.moved.len(), REGIONS.len(), "{end}");
                    completed += 1;
                }
                Some(Err(ChannelError::SetBack { kept, .. })) => {
                    assert!(kept.is_empty(), "{end}: {kept:?}");
                    assert_eq!(fixture.held(), begun, "{end}");
                    set_back += 1;
                }
                Some(Err(_)) => {}
                None => killed += 1,
            }
            // The next run, without faults, brings it to one end or the other.
            if rng.chance(50) {
                fixture.must("one", command).await;
                assert_eq!(fixture.held(), done, "{end}: repeated");
            } else {
                let before = fixture.held();
                match fixture.run("one", Command::Abandon, seed, Faults::default()).await.unwrap() {
                    Ok(_) => assert_eq!(fixture.held(), begun, "{end}: abandoned"),
                    Err(ChannelError::NothingToAbandon { .. }) => assert_eq!(fixture.held(), before, "{end}"),
                    Err(error) => panic!("{end}: {}", text(&error)),
                }
                let held = fixture.held();
                assert!(held == begun || held == done, "{end}: {held} after abandoning");
            }
        });
        fixture.check(seed);
    }
    assert!(completed > 50 && set_back > 15 && killed > 50, "{completed} {set_back} {killed}");
}

#[test]
fn two_operators_at_once_leave_no_difference_without_an_error() {
    let (mut both, mut conflicts) = (0, 0);
    for seed in 0..seeds() {
        let mut rng = Rng(seed ^ 0xabcd_ef01_2345);
        let fixture = Fixture::new("a");
        let mut kinds = [Faults::default(), Faults::default()];
        if rng.chance(50) {
            kinds = [faults(&mut rng), faults(&mut rng)];
            for kind in &mut kinds {
                kind.outage = None;
                kind.denied = None;
            }
        }
        let [first, second] = kinds;
        block_on(async {
            let (one, two) = tokio::join!(
                fixture.run("one", Command::Promote('b'), seed * 2 + 1, first.clone()),
                fixture.run("two", Command::Promote('c'), seed * 2 + 2, second.clone()),
            );
            let held = fixture.held();
            assert!(fixture.shared.lock().all_available(), "seed {seed}: {held}");
            let died = one.is_none() || two.is_none();
            let (ok, err) = match (&one, &two) {
                (Some(Ok(_)), Some(Ok(_))) => (2, 0),
                (Some(Err(_)), Some(Err(_))) => (0, 2),
                _ => (1, 1),
            };
            let uniform = held.chars().all(|letter| held.starts_with(letter));
            let outcome = || {
                let shown = |run: &Option<Result<Outcome, ChannelError>>| match run {
                    None => "died".to_owned(),
                    Some(Ok(_)) => "ok".to_owned(),
                    Some(Err(error)) => text(error),
                };
                format!("seed {seed}: {held}: one {}, two {}; {first:?} {second:?}", shown(&one), shown(&two))
            };
            assert!(uniform || died || err > 0, "{}", outcome());
            assert!(ok < 2 || died || held == "bbb" || held == "ccc", "{}", outcome());
            both += u64::from(ok == 2);
            let conflict = |run: &Option<Result<Outcome, ChannelError>>| matches!(run, Some(Err(error)) if matches!(error.cause(), ChannelError::Conflict { .. }));
            conflicts += u64::from(conflict(&one) || conflict(&two));
            // Each brings what it left to an end, and then the last word counts.
            let _ = fixture.run("one", Command::Abandon, seed, Faults::default()).await;
            let _ = fixture.run("two", Command::Abandon, seed, Faults::default()).await;
            assert!(fixture.shared.lock().all_available(), "seed {seed}: {}", fixture.held());
            fixture.must("two", Command::Promote('c')).await;
            assert_eq!(fixture.held(), "ccc", "seed {seed}");
        });
        fixture.check(seed);
    }
    assert!(conflicts > 100, "{conflicts} conflicts, {both} times both");
}

#[test]
fn what_others_change_meanwhile_is_kept_and_reported() {
    for seed in 0..seeds() {
        let mut rng = Rng(seed ^ 0x5151_5151);
        let fixture = Fixture::new("a");
        let at = rng.below(60);
        let region = REGIONS[rng.below(3) as usize].to_owned();
        let event = match rng.below(4) {
            0 | 1 => Event::Put { image: image_id('c', &region), region: region.clone() },
            2 => Event::Deregister { image: image_id('b', &region), region: region.clone() },
            _ => Event::Delete { region: region.clone() },
        };
        fixture.shared.lock().events.push((at, event.clone()));
        let mut some = faults(&mut rng);
        some.denied = None;
        let end = format!("seed {seed}, {event:?} before call {at} with {some:?}");
        block_on(async {
            let run = fixture.run("one", Command::Promote('b'), seed, some).await;
            let happened = fixture.shared.lock().calls >= at;
            let held = fixture.held();
            let uniform = held.chars().all(|letter| held.starts_with(letter));
            let ok = matches!(run, Some(Ok(_)));
            match event {
                // What others set stays where the change is over without success: it was gone back to, or is newer.
                Event::Put { .. } if happened => {
                    let letter = held.chars().nth(REGIONS.iter().position(|one| *one == region).unwrap());
                    let over = matches!(
                        run,
                        Some(Err(ChannelError::SetBack { .. } | ChannelError::Overtaken { .. }))
                    );
                    assert!(!over || letter == Some('c'), "{end}: {held}");
                }
                _ => {}
            }
            assert!(!ok || uniform || happened, "{end}: {held}");
            fixture.shared.lock().events.clear();
            let _ = fixture.run("one", Command::Abandon, seed, Faults::default()).await;
            let last = fixture.run("one", Command::Promote('c'), seed, Faults::default()).await.unwrap();
            assert!(last.is_ok(), "{end}: {}", last.err().map(|error| text(&error)).unwrap_or_default());
            assert_eq!(fixture.held(), "ccc", "{end}");
        });
        fixture.check(seed);
    }
}

fn refused(error: &ChannelError) -> Vec<RefusalReason> {
    match error {
        ChannelError::Refused(refusals) => refusals.iter().map(|refusal| refusal.reason).collect(),
        error => panic!("{}", text(error)),
    }
}

#[test]
fn images_that_cannot_be_launched_are_refused_before_anything_is_set() {
    block_on(async {
        let fixture = Fixture::new("a");
        fixture.shared.lock().set_image_state("r-2", &image_id('b', "r-2"), "disabled");
        fixture.shared.lock().set_image_state("r-3", &image_id('b', "r-3"), "pending");
        let run = fixture.run("one", Command::Promote('b'), 1, Faults::default()).await.unwrap();
        let reasons = refused(&run.unwrap_err());
        assert_eq!(reasons, [RefusalReason::Disabled, RefusalReason::NotAvailable]);
        assert_eq!(fixture.held(), "aaa");
        fixture.shared.lock().set_image_state("r-2", &image_id('b', "r-2"), "available");
        fixture.shared.lock().set_image_state("r-3", &image_id('b', "r-3"), "available");
        fixture.must("one", Command::Promote('b')).await;
        // An image that is gone cannot be gone back to.
        let gone = Event::Deregister { region: "r-1".to_owned(), image: image_id('a', "r-1") };
        let calls = fixture.shared.lock().calls;
        fixture.shared.lock().events.push((calls + 1, gone));
        let run = fixture.run("one", Command::Rollback(None), 1, Faults::default()).await.unwrap();
        assert_eq!(refused(&run.unwrap_err()), [RefusalReason::Missing]);
        assert_eq!(fixture.held(), "bbb");
    });
}

#[test]
fn those_who_must_use_the_image_have_to_be_allowed() {
    block_on(async {
        let fixture = Fixture::new("a");
        let operator = Operator::new("one", &fixture.shared, 1, Faults::default());
        let timer = Timer::new(Arc::new(WorldClock(fixture.shared.clone())), 1);
        let services = ChannelServices { regions: &operator, timer: &timer, monitor: Monitor::none() };
        let options = |account: &str, everybody| PromoteOptions {
            channel: fixture.options("one"),
            subject: PromotedImage::Image(image_id('b', REGIONS[0])),
            audience: ChannelAudience { with: vec![Grantee::Account(account.to_owned())], everybody },
        };
        let error = promote(services, &options("999999999999", false)).await.unwrap_err();
        assert_eq!(refused(&error), [RefusalReason::NotShared; 3]);
        let error = promote(services, &options("111122223333", true)).await.unwrap_err();
        assert_eq!(refused(&error), [RefusalReason::NotShared; 3]);
        promote(services, &options("111122223333", false)).await.unwrap();
        assert_eq!(fixture.held(), "bbb");
    });
}

#[test]
fn rolling_back_twice_goes_back_twice_and_a_repetition_after_a_kill_does_not() {
    block_on(async {
        let fixture = Fixture::new("ab");
        fixture.must("one", Command::Promote('c')).await;
        // Killed after its last step, before the user saw the outcome.
        let outcome = fixture.must("one", Command::Rollback(None)).await;
        assert_eq!(fixture.held(), "bbb");
        fixture.must("one", Command::Rollback(None)).await;
        assert_eq!(fixture.held(), "bbb", "the repetition says what was done");
        outcome.record_shown().unwrap();
        fixture.must("one", Command::Rollback(None)).await;
        assert_eq!(fixture.held(), "aaa");
        let run = fixture.run("two", Command::Rollback(None), 1, Faults::default()).await.unwrap();
        assert_eq!(refused(&run.unwrap_err()), [RefusalReason::NoVersion; 3]);
        fixture.must("two", Command::Rollback(Some("c"))).await;
        assert_eq!(fixture.held(), "ccc");
    });
}

#[test]
fn a_full_history_makes_room_by_our_labels_and_not_by_those_of_others() {
    block_on(async {
        let fixture = Fixture::new("");
        for round in 0..110 {
            let letter = if round % 2 == 0 { 'a' } else { 'b' };
            fixture.must("one", Command::Promote(letter)).await;
        }
        assert_eq!(fixture.held(), "bbb");
        let versions = fixture.shared.lock().history("r-1", CHANNEL).unwrap();
        assert_eq!(versions.len(), 100);
        let oldest = versions[0].number;
        fixture.shared.lock().label("r-1", CHANNEL, oldest, &["golden".to_owned()]).unwrap();
        let run = fixture.run("one", Command::Promote('c'), 1, Faults::default()).await.unwrap();
        assert_eq!(refused(&run.unwrap_err()), [RefusalReason::HistoryFull]);
        fixture.shared.lock().unlabel("r-1", CHANNEL, oldest, &["golden".to_owned()]);
        fixture.shared.lock().label("r-1", CHANNEL, oldest, &["version-0".to_owned()]).unwrap();
        fixture.must("one", Command::Promote('c')).await;
        assert_eq!(fixture.held(), "ccc");
    });
}
