//! `StartSnapshot`: response, tokens, parents and quotas.

use std::time::Duration;

use amiforge_emulator::Quotas;
use serde_json::json;

use crate::client::{TestRegion, block};

#[test]
fn the_answer_has_every_member_even_those_without_a_value() {
    let region = TestRegion::new();
    let request = json!({
        "VolumeSize": 8, "Description": "web", "Tags": [{"Key": "a", "Value": "b"}], "ClientToken": "t"
    });
    let answer = region.client().post("/snapshots", &request);
    assert_eq!(answer.status, 201);
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert!(text.contains("\"StartTime\":1.7952624E9,"), "{text}");
    let mut error = answer.json();
    let id = error["SnapshotId"].take();
    assert!(id.as_str().unwrap().starts_with("snap-0") && id.as_str().unwrap().len() == 22);
    error["StartTime"].take();
    let expected = json!({
        "BlockSize": 524_288, "Description": "web", "KmsKeyArn": null, "OwnerId": "123456789012",
        "ParentSnapshotId": null, "SnapshotId": null, "SseType": null, "StartTime": null, "Status": "pending",
        "Tags": [{"Key": "a", "Value": "b"}], "VolumeSize": 8
    });
    assert_eq!(error, expected);
}

#[test]
fn the_same_request_with_the_same_token_gets_the_same_answer_for_ever() {
    let region = TestRegion::new();
    let mut client = region.client();
    let request = json!({"VolumeSize": 1, "ClientToken": "once", "Description": "d"});
    let first = client.post("/snapshots", &request);
    let id = first.json()["SnapshotId"].as_str().unwrap().to_owned();
    client.complete(&id, 0);
    region.clock.advance(Duration::from_mins(1));
    let again = client.post("/snapshots", &request);
    assert_eq!((again.status, &again.body), (201, &first.body), "even the status stays pending");
    for other in [
        json!({"VolumeSize": 2, "ClientToken": "once", "Description": "d"}),
        json!({"VolumeSize": 1, "ClientToken": "once"}),
        json!({"VolumeSize": 1, "ClientToken": "once", "Description": "d", "Timeout": 60}),
    ] {
        let answer = client.post("/snapshots", &other);
        assert_eq!((answer.status, answer.error()), (409, "ConflictException"));
        assert_eq!(answer.message(), "Current request does not match request stored with this token.");
    }
    let elsewhere = region.client().region("local-2").post("/snapshots", &request);
    assert_ne!(elsewhere.json()["SnapshotId"], first.json()["SnapshotId"]);
    let without = json!({"VolumeSize": 1});
    assert_ne!(client.start(&without), client.start(&without));
}

#[test]
fn one_token_starts_one_snapshot_for_concurrent_requests() {
    let region = TestRegion::new();
    let request = json!({"VolumeSize": 1, "ClientToken": "crowd"});
    let ids: Vec<_> = std::thread::scope(|scope| {
        let ask = || region.client().start(&request);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn tokens_are_as_long_as_the_service_takes_them() {
    let region = TestRegion::new();
    let ask = |len| {
        region.client().post("/snapshots", &json!({"VolumeSize": 1, "ClientToken": "x".repeat(len)})).status
    };
    assert_eq!((ask(255), ask(256)), (201, 400));
}

#[test]
fn every_member_has_the_limits_of_the_model() {
    let region = TestRegion::new();
    let mut client = region.client();
    let tags = |count: usize| -> Vec<_> {
        (0..count).map(|number| json!({"Key": format!("k{number}"), "Value": ""})).collect()
    };
    let long = |len: usize| "x".repeat(len);
    for (request, status) in [
        (json!({"VolumeSize": 65_536}), 201),
        (json!({"VolumeSize": 0}), 400),
        (json!({"VolumeSize": 1, "Timeout": 10}), 201),
        (json!({"VolumeSize": 1, "Timeout": 9}), 400),
        (json!({"VolumeSize": 1, "Timeout": 4320}), 201),
        (json!({"VolumeSize": 1, "Timeout": 4321}), 400),
        (json!({"VolumeSize": 1, "Description": long(255)}), 201),
        (json!({"VolumeSize": 1, "Description": long(256)}), 400),
        (json!({"VolumeSize": 1, "Description": ""}), 400),
        (json!({"VolumeSize": 1, "ClientToken": "a b"}), 400),
        (json!({"VolumeSize": 1, "Tags": tags(50)}), 201),
        (json!({"VolumeSize": 1, "Tags": tags(51)}), 400),
        (json!({"VolumeSize": 1, "Tags": [{"Key": long(127), "Value": long(255)}]}), 201),
        (json!({"VolumeSize": 1, "Tags": [{"Key": long(128), "Value": ""}]}), 400),
        (json!({"VolumeSize": 1, "Tags": [{"Key": "k", "Value": long(256)}]}), 400),
        (json!({"VolumeSize": 1, "Tags": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}), 400),
        (json!({"VolumeSize": 1, "Tags": [{"Key": "aws:k", "Value": "1"}]}), 400),
        (json!({"VolumeSize": 1, "ParentSnapshotId": "snap-XYZ"}), 400),
        (json!({"VolumeSize": 1, "ParentSnapshotId": "snap-0123456789abcdef0"}), 404),
        (json!({"VolumeSize": 1, "Encrypted": true, "KmsKeyArn": "alias/mine"}), 400),
    ] {
        let answer = client.post("/snapshots", &request);
        assert_eq!(answer.status, status, "{request}: {answer:?}");
    }
}

#[test]
fn a_child_is_at_least_as_large_as_its_parent_and_begins_with_its_blocks() {
    let region = TestRegion::new();
    let mut client = region.client();
    let parent = client.start(&json!({"VolumeSize": 2}));
    assert_eq!(client.put(&parent, 4095, &block(7)).status, 201);
    client.complete(&parent, 1);
    let small = client.post("/snapshots", &json!({"VolumeSize": 1, "ParentSnapshotId": parent}));
    assert_eq!((small.status, &small.json()["Reason"]), (400, &json!("INVALID_VOLUME_SIZE")));
    let child = client.start(&json!({"VolumeSize": 3, "ParentSnapshotId": parent}));
    assert_eq!(client.put(&child, 4096, &block(8)).status, 201);
    assert_eq!(client.complete(&child, 1).status, 202, "inherited blocks do not count");
    let list = client.list(&child, "").json();
    let indexes: Vec<_> =
        list["Blocks"].as_array().unwrap().iter().map(|one| one["BlockIndex"].clone()).collect();
    assert_eq!((indexes, &list["VolumeSize"]), (vec![json!(4095), json!(4096)], &json!(3)));
    assert_eq!(client.read(&child, 4095).body, block(7));
}

#[test]
fn quotas_are_kept_when_they_are_on() {
    let region = TestRegion::with(|config| {
        config.quotas = Quotas { starts: Some(200), pending: Some(3), ..Quotas::real() }
    });
    let mut client = region.client();
    let start = json!({"VolumeSize": 1});
    let first = client.start(&start);
    client.start(&start);
    client.start(&start);
    let fourth = client.post("/snapshots", &start);
    assert_eq!((fourth.status, fourth.error()), (400, "ConcurrentLimitExceededException"));
    client.complete(&first, 0);
    client.start(&start);
    for _ in 0..50 {
        assert_eq!(client.list(&first, "").status, 200);
    }
    let throttled = client.list(&first, "");
    assert_eq!((throttled.status, throttled.error()), (400, "RequestThrottledException"));
    assert_eq!(throttled.json()["Reason"], "ACCOUNT_THROTTLED");
    region.clock.advance(Duration::from_millis(20));
    assert_eq!(client.list(&first, "").status, 200);
}
