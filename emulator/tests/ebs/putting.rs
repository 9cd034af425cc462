//! `PutSnapshotBlock`: blocks are stored once, and the last write of an index is valid.

use std::time::Duration;

use amiforge_emulator::Windows;
use serde_json::json;

use crate::client::{TestRegion, base64, block};

#[test]
fn the_answer_repeats_the_checksum() {
    use sha2::Digest as _;
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.start(&json!({"VolumeSize": 1}));
    let answer = client.put(&id, 0, &block(5));
    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"{}"[..]));
    assert_eq!(answer.header("x-amz-checksum"), base64(&sha2::Sha256::digest(block(5))));
    assert_eq!(answer.header("x-amz-checksum-algorithm"), "SHA256");
}

#[test]
fn the_last_write_of_an_index_counts_and_it_counts_once() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.snapshot(None, &[]);
    assert_eq!(client.list(&id, "").json()["Blocks"], json!([]));
    let id = client.start(&json!({"VolumeSize": 1}));
    for byte in [1, 2, 3] {
        assert_eq!(client.put(&id, 9, &block(byte)).status, 201);
    }
    client.complete(&id, 1);
    assert_eq!(client.read(&id, 9).body, block(3));
}

#[test]
fn equal_blocks_are_one_file() {
    let region = TestRegion::new();
    let mut client = region.client();
    client.snapshot(None, &[(0, 1), (1, 1), (2, 2)]);
    client.region("local-2").snapshot(None, &[(0, 1), (7, 2)]);
    let folders = std::fs::read_dir(region.folder.path().join("blocks")).unwrap();
    let files: usize = folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum();
    assert_eq!(files, 2);
}

#[test]
fn a_fresh_snapshot_is_not_found_until_its_window_is_over() {
    let window = Duration::from_secs(3);
    let region =
        TestRegion::with(|config| config.windows = Windows { put_after_start: window, ..Windows::default() });
    let mut client = region.client();
    let id = client.start(&json!({"VolumeSize": 1}));
    let early = client.put(&id, 0, &block(1));
    assert_eq!((early.status, early.error()), (404, "ResourceNotFoundException"));
    region.clock.advance(window);
    assert_eq!(client.put(&id, 0, &block(1)).status, 201);
}

#[test]
fn an_idle_snapshot_is_cancelled_after_its_timeout() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.start(&json!({"VolumeSize": 1, "Timeout": 10}));
    for _ in 0..3 {
        region.clock.advance(Duration::from_secs(599));
        assert_eq!(client.put(&id, 0, &block(1)).status, 201);
    }
    region.clock.advance(Duration::from_mins(10));
    let late = client.put(&id, 1, &block(1));
    assert_eq!((late.status, &late.json()["Reason"]), (400, &json!("INVALID_SNAPSHOT_ID")));
    assert_eq!(client.complete(&id, 1).json()["Status"], "error");
}

#[test]
fn blocks_may_come_through_many_connections_at_once() {
    let region = TestRegion::new();
    let id = region.client().start(&json!({"VolumeSize": 1}));
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let (region, id) = (&region, &id);
            scope.spawn(move || {
                let mut client = region.client();
                for number in 0..8_u8 {
                    let index = u32::from(thread) * 8 + u32::from(number);
                    assert_eq!(client.put(id, index, &block(thread * 8 + number)).status, 201);
                }
            });
        }
    });
    let mut client = region.client();
    client.complete(&id, 64);
    for index in 0..64 {
        assert_eq!(client.read(&id, index).body, block(index as u8));
    }
}
