//! Every call of a publish disturbed, one at a time: it finishes, with one AMI and one snapshot in each region.

use std::time::{Duration, Instant};

use amiforge_emulator::{FaultScript, InjectedFault, Windows};
use amiforge_progress::CancelToken;
use amiforge_publish::ami::AmiError;
use amiforge_publish::api::ec2::Cooldown;
use amiforge_publish::error::PublishError;
use amiforge_publish::request::{AmiOptions, SnapshotSharing};

use super::fixture::{AmiFixture, texts};

/// Every call of EC2 that [`wanted`] makes.
const CALLS: [&str; 16] = [
    "RegisterImage",
    "CopyImage",
    "DescribeImages",
    "DescribeSnapshots",
    "DescribeRegions",
    "DescribeImageAttribute",
    "ModifyImageAttribute",
    "DescribeSnapshotAttribute",
    "ModifySnapshotAttribute",
    "EnableImageDeprecation",
    "EnableImageDeregistrationProtection",
    "GetEbsEncryptionByDefault",
    "StartSnapshot",
    "PutSnapshotBlock",
    "CompleteSnapshot",
    "CreateTags",
];

fn wanted() -> AmiOptions {
    AmiOptions {
        copy_to: texts(&["local-2"]),
        share: texts(&["111122223333"]),
        snapshots: SnapshotSharing::Shared,
        deprecate: Some("2027-11-21".to_owned()),
        protection: Some(Cooldown::None),
        ..AmiOptions::default()
    }
}

fn finishes(action: &str, fault: &InjectedFault, times: u64) {
    let fixture = AmiFixture::new();
    if action == "CreateTags" {
        // Tags are set with what they are of; only one that comes later has to be set by itself.
        fixture.must(&wanted());
    }
    fixture.region.inject(FaultScript::times(times, action, fault.clone()));
    let tagged =
        AmiOptions { tags: texts(if action == "CreateTags" { &["late=1"] } else { &[] }), ..wanted() };
    let published = fixture.must(&tagged);
    fixture.region.inject(FaultScript::default());
    assert!(!fixture.region.requests(action).is_empty(), "{action} was not called");
    for region in ["local", "local-2"] {
        fixture.assert_one(region);
        let tags = fixture.images(region).remove(0).tags;
        assert_eq!(tags.contains_key("late"), action == "CreateTags", "{region}: {tags:?}");
    }
    assert_eq!(fixture.images("local")[0].id, published.image.id);
}

#[test]
fn an_answer_that_is_lost_after_its_effect_costs_nothing() {
    for action in CALLS {
        finishes(action, &InjectedFault::DropAfter, 1);
    }
}

#[test]
fn calls_that_fail_before_their_effect_are_made_again() {
    for action in CALLS {
        finishes(action, &InjectedFault::DropBefore, 1);
        finishes(action, &InjectedFault::Throttle, 2);
    }
    for action in ["RegisterImage", "CopyImage", "DescribeImages"] {
        finishes(action, &InjectedFault::ServerError { status: 503 }, 3);
    }
    for action in ["RegisterImage", "CopyImage", "DescribeSnapshots"] {
        finishes(action, &InjectedFault::NotFound, 2);
    }
}

#[test]
fn what_the_service_learns_late_is_waited_for() {
    let windows = Windows {
        completion: Duration::from_millis(200),
        put_after_start: Duration::from_millis(300),
        describe_after_creation: Duration::from_millis(300),
        copy: Duration::from_millis(400),
        ..Windows::default()
    };
    let fixture = AmiFixture::with(|config| config.windows = windows);
    fixture.must(&wanted());
    std::thread::sleep(windows.describe_after_creation);
    fixture.assert_one("local");
    fixture.assert_one("local-2");
}

#[test]
fn a_call_that_stays_refused_is_given_up_with_the_services_words_and_goes_on_later() {
    let fixture = AmiFixture::new();
    fixture.region.inject(FaultScript::times(
        u64::MAX,
        "RegisterImage",
        InjectedFault::ServerError { status: 503 },
    ));
    let error = fixture.publish(&wanted()).unwrap_err();
    // A publish that fails is read by people: the message says what was being done, and how often it was tried.
    let message = amiforge_tests::error_chain(&error);
    assert!(message.starts_with("registering `web-1` in local: giving up after "), "{message}");
    fixture.region.inject(FaultScript::default());
    let sent = fixture.region.successes("PutSnapshotBlock");
    fixture.must(&wanted());
    assert_eq!(fixture.region.successes("PutSnapshotBlock"), sent, "no block is sent again");
    fixture.assert_one("local");
}

#[test]
fn an_interrupt_ends_a_publish_wherever_it_is_and_what_is_left_is_known() {
    let hang = InjectedFault::Slow { millis: 60_000 };
    for (action, fault) in [
        ("DescribeImages", InjectedFault::Throttle),
        ("DescribeImages", hang.clone()),
        ("GetEbsEncryptionByDefault", hang.clone()),
        ("PutSnapshotBlock", InjectedFault::Throttle),
        ("PutSnapshotBlock", hang.clone()),
        ("CompleteSnapshot", hang.clone()),
        ("RegisterImage", hang.clone()),
        ("CopyImage", hang.clone()),
    ] {
        let fixture = AmiFixture::new();
        fixture.region.inject(FaultScript::times(u64::MAX, action, fault.clone()));
        let cancel = CancelToken::new();
        let token = cancel.clone();
        let raised = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(700));
            token.cancel();
            Instant::now()
        });
        let outcome = fixture.publish_until(&wanted(), &cancel);
        let took = raised.join().unwrap().elapsed();
        assert!(took < Duration::from_secs(2), "{action} {fault:?}: {took:?}");
        match outcome {
            Err(AmiError::Interrupted | AmiError::Upload { source: PublishError::Interrupted, .. }) => {}
            Ok(published) if action == "CopyImage" => {
                let copy = published.copies[0].outcome.as_ref().unwrap_err();
                assert!(matches!(copy, AmiError::Interrupted), "{copy}");
            }
            other => panic!("{action} {fault:?}: {other:?}"),
        }
        let left = amiforge_publish::ami::unfinished(&fixture.bundle, "local").unwrap();
        let begun = !fixture.snapshots("local").is_empty();
        assert_eq!(!left.made.is_empty(), begun, "{action}: {left:?}");
        fixture.region.inject(FaultScript::default());
        fixture.must(&wanted());
        fixture.assert_one("local");
    }
}
