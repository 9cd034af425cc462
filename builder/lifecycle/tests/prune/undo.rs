//! Taking a clean-up back.

use amiforge_lifecycle::inventory::ImageError;
use amiforge_lifecycle::prune::{UndoneImage, undo_image, undoable};
use amiforge_publish::api::ec2::Grantee;

use super::fake::{Event, Fake, later};
use super::run::{Ended, must, prune, run, runtime};
use super::state::{DAY, NOW, State, time};

/// An account with a recycle bin, whose third image is due.
fn account() -> Fake {
    let mut state = State { now: NOW, recycles: true, ..State::default() };
    for (number, days) in [1, 2, 90].into_iter().enumerate() {
        state.add_image(&format!("ami-{number}"), "web", days);
    }
    state.add_snapshot("snap-data", Some("data"), 90);
    state.add_volume("ami-2", "snap-data");
    let account = Grantee::Account("210987654321".to_owned());
    state.grants.insert("ami-2".to_owned(), vec![account, Grantee::Everybody]);
    Fake::new(state)
}

fn undo(fake: &Fake, id: &str) -> Result<UndoneImage, ImageError> {
    match run(&runtime(), fake, async |region| undo_image(region, id).await) {
        Ended::Returned(undone) => undone,
        Ended::Killed => panic!("nothing kills it"),
    }
}

/// Cleans up until the third image has taken a number of steps.
fn after_steps(steps: usize) -> Fake {
    let (runtime, fake) = (runtime(), account());
    for _ in 0..steps {
        must(prune(&runtime, &fake));
        later(&fake, 8);
    }
    fake
}

#[test]
fn every_step_can_be_taken_back() {
    for steps in 1..=3 {
        let fake = after_steps(steps);
        let undone = undo(&fake, "ami-2").unwrap_or_else(|error| panic!("{}", error.line()));
        let state = fake.state();
        let image = &state.images["ami-2"];
        assert_eq!((image.state.as_str(), &image.deprecation_time), ("available", &None), "{steps}");
        assert_eq!(image.tags.len(), 1, "{steps}: {:?}", image.tags);
        assert_eq!(undone.restored, steps == 3);
        if steps >= 2 {
            assert_eq!(undone.shared_with, ["210987654321"]);
            assert!(undone.was_public && undone.enabled);
            assert_eq!(state.grants["ami-2"], [Grantee::Account("210987654321".to_owned())]);
        }
        let marked = state.snapshots.values().filter(|one| one.tags.contains_key("amiforge-prune:image"));
        assert_eq!(marked.count(), 0, "{steps}");
        state.check("undone");
    }
}

#[test]
fn a_deprecation_that_lay_ahead_is_set_back() {
    let fake = account();
    let ahead = time(NOW + 300 * DAY);
    fake.state().images.get_mut("ami-2").unwrap().deprecation_time = Some(ahead.clone());
    must(prune(&runtime(), &fake));
    assert_ne!(fake.state().images["ami-2"].deprecation_time.as_ref(), Some(&ahead));
    undo(&fake, "ami-2").unwrap();
    let set_back = fake.state().images["ami-2"].deprecation_time.clone();
    assert_eq!(set_back.map(|at| at.replace(".000", "")), Some(ahead.replace(".000", "")));
}

#[test]
fn an_undo_that_is_killed_is_completed_by_the_next_one() {
    let runtime = runtime();
    for effect in [false, true] {
        for call in 1..60 {
            let fake = after_steps(3);
            fake.set_events(&[(call, Event::Kill { effect })]);
            let ended = run(&runtime, &fake, async |region| undo_image(region, "ami-2").await);
            fake.set_events(&[]);
            undo(&fake, "ami-2").unwrap_or_else(|error| panic!("{call}: {}", error.line()));
            let state = fake.state();
            assert_eq!(state.images["ami-2"].state, "available", "{call}");
            assert!(state.snapshots.contains_key("snap-data") && state.snapshots.contains_key("snap-2"));
            if matches!(ended, Ended::Returned(_)) {
                break;
            }
        }
    }
}

#[test]
fn what_is_nowhere_cannot_be_restored() {
    let fake = after_steps(3);
    assert!(matches!(undo(&fake, "ami-9"), Err(ImageError::Missing { .. })));
    fake.state().snapshot_bin.clear();
    assert!(matches!(undo(&fake, "ami-2"), Err(ImageError::Call { .. })));
}

#[test]
fn what_can_be_taken_back_is_listed() {
    for (steps, expected) in [(1, (0, 0, 0, 1)), (2, (0, 0, 1, 0)), (3, (1, 2, 0, 0))] {
        let fake = after_steps(steps);
        let Ended::Returned(Ok(all)) = run(&runtime(), &fake, async |region| undoable(region).await) else {
            panic!("{steps}")
        };
        let counts = (all.images.len(), all.snapshots.len(), all.disabled.len(), all.deprecated.len());
        assert_eq!(counts, expected, "{steps}");
    }
}
