//! Two publishes of one bundle at once: one AMI and one snapshot come of them, whoever is first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_emulator::{FaultScript, InjectedFault};
use amiforge_publish::ami::{AmiError, AmiOrigin};
use amiforge_publish::request::AmiOptions;
use amiforge_tests::error_chain;

use super::fixture::{AmiFixture, texts};

/// The bundle in another folder, as another host would have it.
fn elsewhere(fixture: &AmiFixture) -> PathBuf {
    let folder = fixture.folder.path().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    let copied = Command::new("cp").arg("-r").arg(&fixture.bundle).arg(&folder).status().unwrap();
    assert!(copied.success());
    folder.join(fixture.bundle.file_name().unwrap())
}

fn publish(fixture: &AmiFixture, bundle: &Path, wanted: &AmiOptions) -> amiforge_publish::ami::Published {
    let published = fixture.publish_bundle(bundle, wanted);
    published.unwrap_or_else(|error| panic!("{}: {}", bundle.display(), error_chain(&error)))
}

#[test]
fn the_loser_takes_over_the_equal_ami_and_leaves_no_snapshot() {
    let fixture = AmiFixture::new();
    let other = elsewhere(&fixture);
    let wanted = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    fixture.region.inject(FaultScript::times(
        u64::MAX,
        "RegisterImage",
        InjectedFault::ServerError { status: 500 },
    ));
    fixture.publish_bundle(&other, &wanted).unwrap_err();
    fixture.region.inject(FaultScript::default());
    let winner = fixture.must(&wanted);
    assert_eq!(fixture.snapshots("local").len(), 2, "both have uploaded");
    let loser = publish(&fixture, &other, &wanted);
    assert_eq!((&loser.image.id, loser.origin), (&winner.image.id, AmiOrigin::Adopted));
    for region in ["local", "local-2"] {
        fixture.assert_one(region);
    }
    // And once more, from both: all is found.
    fixture.region.request_log.clear();
    publish(&fixture, &other, &wanted);
    fixture.must(&wanted);
    assert_eq!(fixture.region.successes("StartSnapshot"), 0);
    fixture.assert_one("local");
}

#[test]
fn two_at_once_make_one_ami() {
    let fixture = AmiFixture::new();
    let other = elsewhere(&fixture);
    let wanted = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    fixture.region.inject(FaultScript::times(
        u64::MAX,
        "PutSnapshotBlock",
        InjectedFault::Slow { millis: 40 },
    ));
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| publish(&fixture, &fixture.bundle, &wanted));
        let second = scope.spawn(|| publish(&fixture, &other, &wanted));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(first.image.id, second.image.id);
    assert!(first.copies.iter().chain(&second.copies).all(|copy| copy.outcome.is_ok()));
    for region in ["local", "local-2"] {
        fixture.assert_one(region);
    }
}

#[test]
fn two_of_one_folder_take_turns() {
    let fixture = AmiFixture::new();
    fixture.region.inject(FaultScript::times(
        u64::MAX,
        "PutSnapshotBlock",
        InjectedFault::Slow { millis: 40 },
    ));
    let run = || publish(&fixture, &fixture.bundle, &AmiOptions::default());
    let (first, second) = std::thread::scope(|scope| {
        let (first, second) = (scope.spawn(run), scope.spawn(run));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(first.image.id, second.image.id);
    assert_eq!(fixture.region.successes("StartSnapshot"), 1);
    fixture.assert_one("local");
}

#[test]
fn an_ami_of_another_bundle_is_not_taken_over() {
    let fixture = AmiFixture::new();
    let other = super::fixture::build(fixture.folder.path(), "web", 2);
    fixture.must(&AmiOptions { name: Some("web".to_owned()), ..AmiOptions::default() });
    let refused =
        fixture.publish_bundle(&other, &AmiOptions { name: Some("web".to_owned()), ..AmiOptions::default() });
    assert!(matches!(refused, Err(AmiError::Differs { .. })));
    fixture.assert_one("local");
}
