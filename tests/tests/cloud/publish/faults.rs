//! Every scripted fault: the upload finishes, or fails with the service's reason within its budget, and then the same
//! call finishes it. One snapshot comes of it, never two.

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When, Windows};
use amiforge_publish::error::PublishError;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_tests::region::Region;
use amiforge_tests::{error_chain, find_cause, scratch};

use super::bundles::{assert_holds, build, send, snapshots};

fn rule(action: &str, when: When, what: InjectedFault) -> FaultScript {
    let action = Some(action.to_owned());
    FaultScript { rules: vec![FaultRule { service: None, action, target: None, when, times: None, what }] }
}

const CALLS: [&str; 5] = [
    "StartSnapshot",
    "PutSnapshotBlock",
    "CompleteSnapshot",
    "DescribeSnapshots",
    "GetEbsEncryptionByDefault",
];

#[test]
fn what_passes_is_sat_out_at_every_call() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let passing = [
        InjectedFault::Throttle,
        InjectedFault::ServerError { status: 500 },
        InjectedFault::ServerError { status: 503 },
        InjectedFault::DropBefore,
        InjectedFault::DropAfter,
        InjectedFault::Slow { millis: 30 },
        InjectedFault::ShortRead { bytes: 1 },
    ];
    for call in CALLS {
        for fault in &passing {
            let name = format!("{call} {fault:?}");
            let region = Region::start(&folder.path().join("region"));
            region.inject(rule(call, When::First(3), fault.clone()));
            let uploaded =
                send(&region, &bundle).unwrap_or_else(|error| panic!("{name}: {}", error_chain(&error)));
            assert_eq!(snapshots(&region), [uploaded.snapshot.id.as_str()], "{name}");
            assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
            drop(region);
            clear(folder.path());
        }
    }
}

#[test]
fn a_storm_of_every_fault_at_once_is_weathered() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 12);
    let some = |p, seed, what| rule("PutSnapshotBlock", When::Probability { p, seed }, what);
    let storm = some(0.1, 1, InjectedFault::Throttle)
        .and(some(0.1, 2, InjectedFault::ServerError { status: 500 }))
        .and(some(0.05, 3, InjectedFault::DropBefore))
        .and(some(0.05, 4, InjectedFault::DropAfter))
        .and(some(0.05, 5, InjectedFault::NotFound))
        .and(some(0.05, 6, InjectedFault::Slow { millis: 50 }));
    let region = Region::start(&folder.path().join("region"));
    region.inject(storm);
    let uploaded = send(&region, &bundle).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
    assert!(uploaded.throttled > 0);
    region.inject(FaultScript::default());
    assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
}

#[test]
fn what_does_not_pass_ends_with_the_services_reason_and_the_same_call_finishes_later() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    for (call, fault, kind) in [
        ("PutSnapshotBlock", InjectedFault::Throttle, ServiceErrorKind::Throttled),
        ("PutSnapshotBlock", InjectedFault::ServerError { status: 503 }, ServiceErrorKind::Service),
        ("PutSnapshotBlock", InjectedFault::NotFound, ServiceErrorKind::NotFound),
        ("CompleteSnapshot", InjectedFault::ServerError { status: 500 }, ServiceErrorKind::Service),
        ("StartSnapshot", InjectedFault::DropAfter, ServiceErrorKind::Transport),
        ("DescribeSnapshots", InjectedFault::Throttle, ServiceErrorKind::Throttled),
    ] {
        let name = format!("{call} {fault:?}");
        let region = Region::start(&folder.path().join("region"));
        region.inject(rule(call, When::Always, fault));
        let failed = send(&region, &bundle).unwrap_err();
        let is_put = matches!(failed, PublishError::Put { .. });
        assert_eq!(is_put, call == "PutSnapshotBlock", "{name}: {failed:?}");
        let found = find_cause::<ServiceError>(&failed).map(|error| error.kind);
        assert_eq!(found, Some(kind), "{name}: {failed:?}");
        region.inject(FaultScript::default());
        let uploaded =
            send(&region, &bundle).unwrap_or_else(|error| panic!("{name}: {}", error_chain(&error)));
        assert_eq!(snapshots(&region), [uploaded.snapshot.id.as_str()], "{name}: an orphan is left");
        assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
        drop(region);
        clear(folder.path());
    }
}

#[test]
fn windows_of_eventual_consistency_are_waited_out() {
    use std::time::Duration;
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    let region = Region::with(&folder.path().join("region"), |config| {
        config.windows = Windows {
            completion: Duration::from_millis(300),
            put_after_start: Duration::from_millis(500),
            list_after_completion: Duration::from_millis(700),
            describe_after_creation: Duration::from_millis(200),
            ..Windows::default()
        };
    });
    let uploaded = send(&region, &bundle).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
    let refused = region.requests("PutSnapshotBlock").iter().filter(|seen| seen.status == 404).count();
    assert!(refused > 0, "the window was never met");
    assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
    assert!(region.requests("ListSnapshotBlocks").iter().any(|seen| seen.status == 404));
}

#[test]
fn quotas_slow_an_upload_down_and_do_not_stop_it() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 12);
    let region = Region::with(&folder.path().join("region"), |config| {
        config.quotas.puts_of_snapshot = Some(15);
    });
    let uploaded = send(&region, &bundle).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
    assert!(uploaded.throttled > 0, "the quota was never met");
    assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
}

#[test]
fn requests_that_hang_are_made_again_within_the_budget() {
    use std::time::{Duration, Instant};
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    for call in CALLS {
        let region = Region::with_attempt_timeout(
            &folder.path().join("region"),
            Some(Duration::from_millis(300)),
            |_| {},
        );
        region.inject(rule(call, When::First(2), InjectedFault::Slow { millis: 60_000 }));
        let begun = Instant::now();
        let uploaded =
            send(&region, &bundle).unwrap_or_else(|error| panic!("{call}: {}", error_chain(&error)));
        assert!(begun.elapsed() < Duration::from_secs(20), "{call}: {:?}", begun.elapsed());
        region.inject(FaultScript::default());
        assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
        drop(region);
        clear(folder.path());
    }
}

/// A clock an hour ahead of the machine's, or behind it.
#[derive(Debug)]
struct Off(i64);

impl amiforge_emulator::Clock for Off {
    fn now(&self) -> amiforge_emulator::Timestamp {
        let now = amiforge_emulator::SystemClock.now();
        amiforge_emulator::Timestamp(now.0.saturating_add_signed(self.0))
    }
}

#[test]
fn a_clock_that_is_off_is_corrected_for_every_request() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 4);
    for off in [3_600_000, -3_600_000] {
        let region = Region::with(&folder.path().join("region"), |config| {
            config.clock = std::sync::Arc::new(Off(off));
        });
        let uploaded =
            send(&region, &bundle).unwrap_or_else(|error| panic!("{off}: {}", error_chain(&error)));
        assert_holds(&region, &uploaded.snapshot.id, &bundle, folder.path());
        drop(region);
        clear(folder.path());
    }
}

/// Forgets the region and the journal.
fn clear(folder: &std::path::Path) {
    std::fs::remove_dir_all(folder.join("region")).unwrap();
    std::fs::remove_dir_all(folder.join("web-1.publish")).unwrap();
}
