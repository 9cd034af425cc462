//! `CompleteSnapshot`: accepted immediately, verified later, repeatable.

use std::time::Duration;

use amiforge_emulator::Windows;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::{Answer, Client, TestRegion, base64, block};

fn completed(client: &mut Client, id: &str, count: usize, checksum: &[u8]) -> Answer {
    let (count, checksum) = (count.to_string(), base64(checksum));
    let headers = [
        ("x-amz-changedblockscount", count.as_str()),
        ("x-amz-checksum", &checksum),
        ("x-amz-checksum-aggregation-method", "LINEAR"),
        ("x-amz-checksum-algorithm", "SHA256"),
    ];
    client.call("POST", &format!("/snapshots/completion/{id}"), &headers, b"")
}

fn digests(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| Sha256::digest(block(*byte)).to_vec()).collect()
}

#[test]
fn the_checksum_is_over_the_raw_digests_in_the_order_of_the_indexes() {
    let region = TestRegion::new();
    let mut client = region.client();
    let right = Sha256::digest(digests(&[1, 2, 3]));
    let in_order_of_upload = Sha256::digest(digests(&[3, 1, 2]));
    let of_text = Sha256::digest([1, 2, 3].map(|byte| base64(&Sha256::digest(block(byte)))).concat());
    for (checksum, count, then) in [
        (&right, 3, "completed"),
        (&in_order_of_upload, 3, "error"),
        (&of_text, 3, "error"),
        (&right, 4, "error"),
    ] {
        let id = client.start(&json!({"VolumeSize": 1}));
        for (index, byte) in [(70, 3), (5, 1), (6, 2)] {
            client.put(&id, index, &block(byte));
        }
        let answer = completed(&mut client, &id, count, checksum);
        assert_eq!((answer.status, answer.json()), (202, json!({"Status": "pending"})));
        let again = completed(&mut client, &id, 77, &right);
        assert_eq!((again.status, again.json()), (202, json!({"Status": then})), "for any count");
        assert_eq!(client.list(&id, "").status, if then == "error" { 404 } else { 200 });
    }
}

#[test]
fn an_empty_snapshot_can_be_completed() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.start(&json!({"VolumeSize": 1}));
    assert_eq!(completed(&mut client, &id, 0, &Sha256::digest(b"")).status, 202);
    assert_eq!(client.complete(&id, 0).json()["Status"], "completed");
}

#[test]
fn it_stays_pending_and_unlisted_for_as_long_as_the_windows_say() {
    let windows = Windows {
        completion: Duration::from_secs(2),
        list_after_completion: Duration::from_secs(52),
        ..Windows::default()
    };
    let region = TestRegion::with(|config| config.windows = windows);
    let mut client = region.client();
    let id = client.snapshot(None, &[(0, 1)]);
    assert_eq!(client.complete(&id, 1).json()["Status"], "pending");
    region.clock.advance(Duration::from_secs(2));
    assert_eq!(client.complete(&id, 1).json()["Status"], "completed");
    for (advance, status) in [(0, 404), (51, 404), (1, 200)] {
        region.clock.advance(Duration::from_secs(advance));
        assert_eq!(client.list(&id, "").status, status);
    }
}
