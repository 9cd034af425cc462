//! Each call fails once, in every way: the publish succeeds all the same, and makes nothing twice.

use amiforge_emulator::{FaultRule, FaultScript, InjectedFault, When};

use super::fixture::{ImportFixture, PARTS};

/// The calls of an import.
const ACTIONS: [&str; 12] = [
    "HeadBucket",
    "ListMultipartUploads",
    "CreateMultipartUpload",
    "ListParts",
    "UploadPart",
    "CompleteMultipartUpload",
    "HeadObject",
    "ImportSnapshot",
    "DescribeImportSnapshotTasks",
    "ListSnapshotBlocks",
    "GetSnapshotBlock",
    "DeleteObject",
];

/// The first call of each action fails in this way.
fn once(what: &InjectedFault) -> FaultScript {
    let rule = |action: &&str| FaultRule {
        service: None,
        action: Some((*action).to_owned()),
        target: None,
        when: When::First(1),
        times: Some(1),
        what: what.clone(),
    };
    FaultScript { rules: ACTIONS.iter().map(rule).collect() }
}

#[test]
fn a_publish_survives_any_call_that_fails_once() {
    for fault in [
        InjectedFault::Throttle,
        InjectedFault::ServerError { status: 500 },
        InjectedFault::ServerError { status: 503 },
        InjectedFault::DropBefore,
        InjectedFault::DropAfter,
    ] {
        let fixture = ImportFixture::new();
        fixture.region.inject(once(&fault));
        fixture.must();
        fixture.assert_published();
        for action in ACTIONS {
            assert!(!fixture.region.requests(action).is_empty(), "{action}");
        }
        let sent = fixture.region.successes("UploadPart");
        assert!((PARTS - 1..=PARTS + 1).contains(&sent), "{fault:?}: {sent}");
        assert_eq!(fixture.region.successes("RegisterImage"), 1);
    }
}
