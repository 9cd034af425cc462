//! Snapshots that no image uses.

use amiforge_lifecycle::prune::{OrphanOptions, OrphanPlan, delete_orphans, orphans};

use super::fake::{Event, Fake};
use super::operator::OperatorAction;
use super::run::{Ended, run, runtime};
use super::state::{DAY, NOW, State};

fn account() -> Fake {
    let mut state = State { now: NOW, ..State::default() };
    state.add_image("ami-1", "web", 90);
    state.add_image("ami-2", "web", 90).state = "disabled".to_owned();
    for (id, name, days) in [
        ("snap-orphan", Some("web"), 90),
        ("snap-other-name", Some("db"), 90),
        ("snap-foreign", None, 90),
        ("snap-young", Some("web"), 0),
        ("snap-locked", Some("web"), 90),
        ("snap-pending", Some("web"), 90),
    ] {
        state.add_snapshot(id, name, days);
    }
    state.locked.insert("snap-locked".to_owned());
    state.snapshots.get_mut("snap-pending").unwrap().state = "pending".to_owned();
    Fake::new(state)
}

fn look(fake: &Fake, name: Option<&str>) -> OrphanPlan {
    let options = OrphanOptions { name: name.map(str::to_owned), older_than: DAY, now: NOW };
    match run(&runtime(), fake, async |region| orphans(region, fake, &options).await) {
        Ended::Returned(plan) => plan.unwrap_or_else(|error| panic!("{}", error.line())),
        Ended::Killed => panic!("nothing kills it"),
    }
}

fn free(plan: &OrphanPlan) -> Vec<&str> {
    let free = plan.orphans.iter().filter(|orphan| orphan.kept.is_none());
    free.map(|orphan| orphan.snapshot_id.as_str()).collect()
}

fn delete(fake: &Fake, plan: &OrphanPlan) -> Vec<String> {
    let deleted = match run(&runtime(), fake, async |region| delete_orphans(region, fake, plan).await) {
        Ended::Returned(outcomes) => outcomes.unwrap_or_else(|error| panic!("{}", error.line())),
        Ended::Killed => return Vec::new(),
    };
    deleted.into_iter().filter(|(_, outcome)| matches!(outcome, Ok(true))).map(|(id, _)| id).collect()
}

#[test]
fn orphans_are_our_snapshots_that_no_image_of_any_state_uses() {
    let fake = account();
    let plan = look(&fake, None);
    assert_eq!(free(&plan), ["snap-orphan", "snap-other-name"]);
    assert_eq!(plan.orphans.len(), 5, "those that are kept are shown, too: {plan:?}");
    assert_eq!(free(&look(&fake, Some("db"))), ["snap-other-name"]);
    assert_eq!(delete(&fake, &plan), ["snap-orphan", "snap-other-name"]);
    assert!(fake.state().snapshots.contains_key("snap-foreign"));
    fake.state().check("orphans");
}

#[test]
fn the_store_task_of_an_image_that_is_gone_keeps_its_snapshots() {
    let fake = account();
    fake.state().being_stored.push("ami-gone".to_owned());
    let mark = ("amiforge-prune:image".to_owned(), "ami-another".to_owned());
    fake.state().snapshots.get_mut("snap-orphan").unwrap().tags.extend([mark]);
    assert_eq!(free(&look(&fake, None)), ["snap-orphan"], "the others may be of the image that is gone");
}

#[test]
fn an_orphan_that_an_image_uses_meanwhile_is_kept() {
    for call in 1..8 {
        let fake = account();
        let plan = look(&fake, None);
        // An image of the orphan is registered between two calls of the deletion.
        fake.state().add_volume("ami-1", "snap-orphan");
        fake.set_events(&[(
            call,
            Event::Operator { action: OperatorAction::RegisterOfSameSnapshots, image: "ami-1".to_owned() },
        )]);
        delete(&fake, &plan);
        fake.state().check(&format!("call {call}"));
        assert!(fake.state().snapshots.contains_key("snap-orphan"));
    }
}
