//! Taking back what a publish that was not finished has made.

use amiforge_emulator::{FaultScript, InjectedFault};
use amiforge_publish::ami::AmiError;
use amiforge_publish::api::ec2::{Cooldown, Ec2 as _};
use amiforge_publish::request::AmiOptions;

use super::fixture::{AmiFixture, build, texts};

/// Publishes with an action that always fails.
fn stopped_at(fixture: &AmiFixture, wanted: &AmiOptions, action: &str) {
    fixture.region.inject(FaultScript::times(u64::MAX, action, InjectedFault::ServerError { status: 500 }));
    let published = fixture.publish(wanted);
    let failed =
        published.is_err() || published.is_ok_and(|all| all.copies.iter().any(|one| one.outcome.is_err()));
    assert!(failed, "{action} does not stop it");
    fixture.region.inject(FaultScript::default());
}

#[test]
fn nothing_is_left_wherever_a_publish_stopped() {
    for action in [
        "CompleteSnapshot",
        "RegisterImage",
        "EnableImageDeprecation",
        "EnableImageDeregistrationProtection",
        "ModifyImageAttribute",
        "CopyImage",
    ] {
        let fixture = AmiFixture::new();
        let further = build(fixture.folder.path(), "cache", 1);
        let wanted = AmiOptions {
            copy_to: texts(&["local-2", "local-3"]),
            share: texts(&["111122223333"]),
            deprecate: Some("2027-11-21".to_owned()),
            protection: Some(Cooldown::None),
            volumes: vec![format!("/dev/sdb=bundle:{}", further.display())],
            ..AmiOptions::default()
        };
        stopped_at(&fixture, &wanted, action);
        let deleted = fixture
            .abandon()
            .unwrap_or_else(|error| panic!("{action}: {}", amiforge_tests::error_chain(&error)));
        assert!(!deleted.is_empty(), "{action}: what was deleted is told");
        for region in ["local", "local-2", "local-3"] {
            assert_eq!(
                (fixture.images(region).len(), fixture.snapshots(region)),
                (0, vec![]),
                "{action} {region}"
            );
        }
        assert!(matches!(fixture.abandon(), Err(AmiError::NothingToAbandon { .. })), "{action}");
        // And what was taken back can be published anew.
        fixture.must(&AmiOptions { protection: None, ..wanted });
    }
}

#[test]
fn a_publish_that_is_done_is_not_taken_back() {
    let fixture = AmiFixture::new();
    let published = fixture.must(&AmiOptions::default());
    let refused = fixture.abandon().unwrap_err();
    let AmiError::NothingToAbandon { found } = &refused else { panic!("{refused}") };
    assert!(found.contains(&published.image.id), "{found}");
    fixture.assert_one("local");
}

#[test]
fn an_ami_that_was_there_before_is_not_taken_back() {
    let fixture = AmiFixture::new();
    let first = fixture.must(&AmiOptions::default());
    std::fs::remove_dir_all(fixture.bundle.with_file_name("web-1.publish")).unwrap();
    let wanted = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    stopped_at(&fixture, &wanted, "CopyImage");
    // Nothing was made, so there is nothing to delete, and nothing to be told.
    let _ = fixture.abandon();
    fixture.assert_one("local");
    assert_eq!(fixture.images("local")[0].id, first.image.id);
    let ec2 = fixture.ec2("local-2");
    assert!(fixture.region.block_on(ec2.describe_regions(&texts(&["local"]))).is_ok());
    assert_eq!(fixture.images("local-2").len(), 0);
}

#[test]
fn what_is_published_stays_when_a_later_run_fails_and_is_taken_back() {
    let fixture = AmiFixture::new();
    let first = fixture.must(&AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() });
    let more = AmiOptions {
        copy_to: texts(&["local-2", "local-3"]),
        share: texts(&["111122223333"]),
        deprecate: Some("2027-11-21".to_owned()),
        ..AmiOptions::default()
    };
    let before: Vec<_> = ["local", "local-2"].map(|region| fixture.snapshots(region)).into();
    for action in ["DescribeImages", "EnableImageDeprecation", "ModifyImageAttribute", "CopyImage"] {
        stopped_at(&fixture, &more, action);
        let left = amiforge_publish::ami::unfinished(&fixture.bundle, "local").unwrap();
        assert!(left.published, "{action}: what is published is said to be unfinished");
        let _ = fixture.abandon();
        let after: Vec<_> = ["local", "local-2"].map(|region| fixture.snapshots(region)).into();
        assert_eq!(after, before, "{action}");
        for region in ["local", "local-2"] {
            fixture.assert_one(region);
        }
        assert_eq!(fixture.images("local")[0].id, first.image.id, "{action}");
        assert_eq!((fixture.images("local-3").len(), fixture.snapshots("local-3").len()), (0, 0), "{action}");
    }
    fixture.must(&more);
    assert!(matches!(fixture.abandon(), Err(AmiError::NothingToAbandon { .. })));
    fixture.assert_one("local-3");
}

#[test]
fn a_copy_that_a_later_run_began_is_taken_back_alone() {
    let fixture = AmiFixture::new();
    fixture.must(&AmiOptions::default());
    fixture.region.inject(FaultScript::times(1, "CopyImage", InjectedFault::FailLater));
    let more = AmiOptions { copy_to: texts(&["local-2"]), ..AmiOptions::default() };
    assert!(fixture.publish(&more).unwrap().copies[0].outcome.is_err());
    assert_eq!(fixture.images("local-2").len(), 1, "a copy that failed is there");
    let deleted = fixture.abandon().unwrap();
    assert!(deleted.iter().all(|one| one.region == "local-2") && !deleted.is_empty(), "{deleted:?}");
    assert_eq!((fixture.images("local-2").len(), fixture.snapshots("local-2").len()), (0, 0));
    fixture.assert_one("local");
}

#[test]
fn another_name_for_what_is_published_is_taken_back_without_it() {
    let fixture = AmiFixture::new();
    let first = fixture.must(&AmiOptions::default());
    let renamed = AmiOptions { name: Some("another".to_owned()), ..AmiOptions::default() };
    stopped_at(&fixture, &renamed, "RegisterImage");
    let _ = fixture.abandon();
    fixture.assert_one("local");
    assert_eq!(fixture.images("local")[0].id, first.image.id);
}
