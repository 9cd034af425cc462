//! Scripted faults: each has its specified effect on a request and no other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiforge_emulator::{FaultScript, InjectedFault, RequestLog};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::{TestRegion, base64, block};

#[test]
fn a_request_may_be_refused_before_it_has_any_effect() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.start(&json!({"VolumeSize": 1}));
    for (fault, status, error) in [
        (InjectedFault::Throttle, 400, "RequestThrottledException"),
        (InjectedFault::ThrottleInFront, 400, "ThrottlingException"),
        (InjectedFault::ServerError { status: 500 }, 500, "InternalServerException"),
        (InjectedFault::ServerError { status: 503 }, 503, "InternalServerException"),
        (InjectedFault::NotFound, 404, "ResourceNotFoundException"),
    ] {
        region.running.region().set_faults(FaultScript::times(1, "PutSnapshotBlock", fault));
        let answer = client.put(&id, 0, &block(1));
        assert_eq!((answer.status, answer.error()), (status, error));
    }
    client.complete(&id, 0);
    assert_eq!(client.complete(&id, 0).json()["Status"], "completed", "nothing was written");
}

#[test]
fn a_connection_may_break_before_or_after_the_effect() {
    for (fault, written) in [(InjectedFault::DropBefore, 0), (InjectedFault::DropAfter, 1)] {
        let region = TestRegion::new();
        let mut client = region.client();
        let id = client.start(&json!({"VolumeSize": 1}));
        region.running.region().set_faults(FaultScript::times(1, "PutSnapshotBlock", fault));
        client.try_put(&id, 0, &block(1)).unwrap_err();
        client.complete(&id, written);
        assert_eq!(client.complete(&id, 0).json()["Status"], "completed");
        assert_eq!(client.list(&id, "").json()["Blocks"].as_array().unwrap().len(), written);
    }
}

#[test]
fn a_response_may_be_altered_truncated_or_delayed() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.snapshot(None, &[(0, 1)]);
    region.running.region().set_faults(FaultScript::times(
        1,
        "GetSnapshotBlock",
        InjectedFault::FlipBit { bit: 8 * 100 + 3 },
    ));
    let answer = client.read(&id, 0);
    let mut expected = block(1);
    expected[100] ^= 8;
    assert_eq!(answer.body, expected);
    assert_eq!(answer.header("x-amz-checksum"), base64(&Sha256::digest(block(1))), "of the right bytes");
    region.running.region().set_faults(FaultScript::times(
        1,
        "GetSnapshotBlock",
        InjectedFault::ShortRead { bytes: 1000 },
    ));
    let token = client.list(&id, "").json()["Blocks"][0]["BlockToken"].as_str().unwrap().to_owned();
    let path = format!("/snapshots/{id}/blocks/0?blockToken={token}");
    client.attempt("GET", &path, &[], b"").unwrap_err();
    region.running.region().set_faults(FaultScript::times(
        1,
        "GetSnapshotBlock",
        InjectedFault::Slow { millis: 50 },
    ));
    let before = Instant::now();
    assert_eq!(client.call("GET", &path, &[], b"").body, block(1));
    assert!(before.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_stored_block_can_be_corrupted() {
    let region = TestRegion::new();
    let mut client = region.client();
    region.running.region().set_faults(FaultScript::times(
        1,
        "PutSnapshotBlock",
        InjectedFault::FlipStoredBit { bit: 7 },
    ));
    let id = client.snapshot(None, &[(0, 1), (1, 2)]);
    let mut rotten = block(1);
    rotten[0] ^= 0x80;
    assert_eq!((client.read(&id, 0).body, client.read(&id, 1).body), (rotten, block(2)));
}

#[test]
fn tokens_may_expire_early() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.snapshot(None, &[(0, 1)]);
    let token = client.list(&id, "").json()["Blocks"][0]["BlockToken"].as_str().unwrap().to_owned();
    let path = format!("/snapshots/{id}/blocks/0?blockToken={token}");
    assert_eq!(client.call("GET", &path, &[], b"").status, 200);
    region.running.region().set_faults(FaultScript::times(
        1,
        "GetSnapshotBlock",
        InjectedFault::ExpireTokens,
    ));
    let answer = client.call("GET", &path, &[], b"");
    assert_eq!((answer.status, &answer.json()["Reason"]), (400, &json!("INVALID_BLOCK_TOKEN")));
    assert_eq!(client.read(&id, 0).status, 200, "new tokens are valid");
}

#[test]
fn every_request_is_logged() {
    let request_log = Arc::new(RequestLog::new());
    let region = TestRegion::with(|config| config.request_log = Some(Arc::clone(&request_log)));
    let mut client = region.client();
    let id = client.snapshot(None, &[(0, 1)]);
    region.running.region().set_faults(FaultScript::times(1, "ListSnapshotBlocks", InjectedFault::DropAfter));
    client.attempt("GET", &format!("/snapshots/{id}/blocks"), &[], b"").unwrap_err();
    let notes: Vec<_> = request_log.requests().into_iter().map(|seen| (seen.action, seen.status)).collect();
    let expected = [
        ("StartSnapshot", 201),
        ("PutSnapshotBlock", 201),
        ("CompleteSnapshot", 202),
        ("ListSnapshotBlocks", 0),
    ];
    assert_eq!(notes, expected.map(|(action, status)| (action.to_owned(), status)));
    assert_eq!(request_log.requests()[1].target, format!("/snapshots/{id}/blocks/0"));
}
