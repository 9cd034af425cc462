//! Two publishes of one bundle at once: one AMI and one snapshot come of them, whoever is first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_emulator::{FaultScript, InjectedFault};
use amiforge_publish::ami::{AmiError, AmiOrigin};
use amiforge_publish::request::AmiOptions;
use amiforge_tests::told::chain;

use super::world::{World, texts};

/// The bundle in another folder, as another host would have it.
fn elsewhere(world: &World) -> PathBuf {
    let folder = world.folder.path().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    let copied = Command::new("cp").arg("-r").arg(&world.bundle).arg(&folder).status().unwrap();
    assert!(copied.success());
    folder.join(world.bundle.file_name().unwrap())
}

fn publish(world: &World, bundle: &Path, wanted: &AmiOptions) -> amiforge_publish::ami::Published {
    let published = world.publish_bundle(bundle, wanted);
    published.unwrap_or_else(|error| panic!("{}: {}", bundle.display(), chain(&error)))
}

#[test]
fn the_loser_takes_over_the_equal_ami_and_leaves_no_snapshot() {
    let world = World::new();
    let other = elsewhere(&world);
    let wanted = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    world.region.play(FaultScript::times(
        u64::MAX,
        "RegisterImage",
        InjectedFault::ServerError { status: 500 },
    ));
    world.publish_bundle(&other, &wanted).unwrap_err();
    world.region.play(FaultScript::default());
    let winner = world.must(&wanted);
    assert_eq!(world.snapshots("local").len(), 2, "both have uploaded");
    let loser = publish(&world, &other, &wanted);
    assert_eq!((&loser.image.id, loser.origin), (&winner.image.id, AmiOrigin::Adopted));
    for region in ["local", "local-2"] {
        world.assert_one(region);
    }
    // And once more, from both: all is found.
    world.region.trail.clear();
    publish(&world, &other, &wanted);
    world.must(&wanted);
    assert_eq!(world.region.successes("StartSnapshot"), 0);
    world.assert_one("local");
}

#[test]
fn two_at_once_make_one_ami() {
    let world = World::new();
    let other = elsewhere(&world);
    let wanted = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    world.region.play(FaultScript::times(u64::MAX, "PutSnapshotBlock", InjectedFault::Slow { millis: 40 }));
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| publish(&world, &world.bundle, &wanted));
        let second = scope.spawn(|| publish(&world, &other, &wanted));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(first.image.id, second.image.id);
    assert!(first.copies.iter().chain(&second.copies).all(|copy| copy.outcome.is_ok()));
    for region in ["local", "local-2"] {
        world.assert_one(region);
    }
}

#[test]
fn two_of_one_folder_take_turns() {
    let world = World::new();
    world.region.play(FaultScript::times(u64::MAX, "PutSnapshotBlock", InjectedFault::Slow { millis: 40 }));
    let run = || publish(&world, &world.bundle, &AmiOptions::default());
    let (first, second) = std::thread::scope(|scope| {
        let (first, second) = (scope.spawn(run), scope.spawn(run));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(first.image.id, second.image.id);
    assert_eq!(world.region.successes("StartSnapshot"), 1);
    world.assert_one("local");
}

#[test]
fn an_ami_of_another_bundle_is_not_taken_over() {
    let world = World::new();
    let other = super::world::build(world.folder.path(), "web", 2);
    world.must(&AmiOptions { name: Some("web".to_owned()), ..AmiOptions::default() });
    let refused =
        world.publish_bundle(&other, &AmiOptions { name: Some("web".to_owned()), ..AmiOptions::default() });
    assert!(matches!(refused, Err(AmiError::Differs { .. })));
    world.assert_one("local");
}
