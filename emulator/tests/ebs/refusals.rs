//! Every error: a request and its exact response in each row.

use amiforge_emulator::{ACCESS_KEY_ID, RegionConfig};
use serde_json::json;

use crate::client::{Answer, BLOCK_SIZE, Client, TestRegion, base64, block};

/// A request, given a pending snapshot and a completed one (with block 3), and its response.
struct Case {
    name: &'static str,
    ask: fn(&mut Client, &str, &str) -> Answer,
    status: u16,
    error: &'static str,
    reason: Option<&'static str>,
    message: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "another length",
        ask: |client, pending, _| put(client, pending, "0", &[("x-amz-data-length", "1")], &block(1)),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_BLOCK"),
        message: "Block data length 1 is not valid, expected 524288",
    },
    Case {
        name: "another algorithm",
        ask: |client, pending, _| {
            put(client, pending, "0", &[("x-amz-checksum-algorithm", "SHA1")], &block(1))
        },
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_PARAMETER_VALUE"),
        message: "Unsupported Checksum Algorithm 'SHA1', supported algorithms are SHA256",
    },
    Case {
        name: "a short body with the right length",
        ask: |client, pending, _| put(client, pending, "0", &[], &block(1)[1..]),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_PARAMETER_VALUE"),
        message: "Failed to read block data",
    },
    Case {
        name: "another checksum",
        ask: |client, pending, _| {
            let other = "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=";
            put(client, pending, "0", &[("x-amz-checksum", other)], &block(1))
        },
        status: 403,
        error: "InvalidSignatureException",
        reason: None,
        message: "The value passed in as x-amz-Checksum does not match the computed checksum. Computed checksum: \
                  M6FQvOsTwamSIx5ltPrRaBUhL8Bs20CJltMu6yzvnrs= expected checksum: \
                  B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=",
    },
    Case {
        name: "beyond the volume",
        ask: |client, pending, _| put(client, pending, "2048", &[], &block(1)),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_BLOCK"),
        message: "Block index 2048 is beyond the volume size extent",
    },
    Case {
        name: "a negative index",
        ask: |client, pending, _| put(client, pending, "-1", &[], &block(1)),
        status: 400,
        error: "ValidationException",
        reason: None,
        message: "1 validation error detected: Value '-1' at 'blockIndex' failed to satisfy constraint: Member must \
                  have value greater than or equal to 0",
    },
    Case {
        name: "progress out of range and no snapshot id",
        ask: |client, _, _| put(client, "vol-1", "0", &[("x-amz-progress", "101")], &block(1)),
        status: 400,
        error: "ValidationException",
        reason: None,
        message: "2 validation errors detected: Value 'vol-1' at 'snapshotId' failed to satisfy constraint: Member \
                  must satisfy regular expression pattern: ^snap-[0-9a-f]+$; Value '101' at 'progress' failed to \
                  satisfy constraint: Member must have value less than or equal to 100",
    },
    Case {
        name: "a snapshot that does not exist",
        ask: |client, _, _| put(client, "snap-0123456789abcdef0", "0", &[], &block(1)),
        status: 404,
        error: "ResourceNotFoundException",
        reason: Some("SNAPSHOT_NOT_FOUND"),
        message: "The snapshot 'snap-0123456789abcdef0' does not exist.",
    },
    Case {
        name: "a sealed snapshot",
        ask: |client, _, completed| put(client, completed, "0", &[], &block(1)),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_SNAPSHOT_ID"),
        message: "Snapshot is already completed",
    },
    Case {
        name: "completing without the checksum",
        ask: |client, pending, _| complete(client, pending, &["algorithm", "method"]),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_PARAMETER_VALUE"),
        message: "Invalid parameter combination. Snapshot checksum is missing.",
    },
    Case {
        name: "completing without the algorithm",
        ask: |client, pending, _| complete(client, pending, &["checksum", "method"]),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_PARAMETER_VALUE"),
        message: "Invalid parameter combination. Checksum algorithm is missing.",
    },
    Case {
        name: "completing without the method",
        ask: |client, pending, _| complete(client, pending, &["checksum", "algorithm"]),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_PARAMETER_VALUE"),
        message: "Invalid parameter combination. Checksum aggregation method is missing.",
    },
    Case {
        name: "completing without a count",
        ask: |client, pending, _| client.call("POST", &format!("/snapshots/completion/{pending}"), &[], b""),
        status: 400,
        error: "ValidationException",
        reason: None,
        message: "1 validation error detected: Value null at 'changedBlocksCount' failed to satisfy constraint: \
                  Member must not be null",
    },
    Case {
        name: "listing a pending snapshot",
        ask: |client, pending, _| client.list(pending, ""),
        status: 404,
        error: "ResourceNotFoundException",
        reason: Some("SNAPSHOT_NOT_FOUND"),
        message: "The snapshot 'PENDING' does not exist.",
    },
    Case {
        name: "pages that are too small",
        ask: |client, _, completed| client.list(completed, "?maxResults=99"),
        status: 400,
        error: "ValidationException",
        reason: None,
        message: "1 validation error detected: Value '99' at 'maxResults' failed to satisfy constraint: Member must \
                  have value greater than or equal to 100",
    },
    Case {
        name: "pages that are too large",
        ask: |client, _, completed| client.list(completed, "?maxResults=10001"),
        status: 400,
        error: "ValidationException",
        reason: None,
        message: "1 validation error detected: Value '10001' at 'maxResults' failed to satisfy constraint: Member \
                  must have value less than or equal to 10000",
    },
    Case {
        name: "an invalid page token",
        ask: |client, _, completed| client.list(completed, "?pageToken=nonsense"),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_PAGE_TOKEN"),
        message: "The pagination token nonsense is invalid.",
    },
    Case {
        name: "changes from nothing",
        ask: |client, _, completed| client.changes(completed, ""),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_SNAPSHOT_ID"),
        message: "First snapshot should not be empty or null",
    },
    Case {
        name: "changes between strangers",
        ask: |client, _, completed| {
            let other = client.snapshot(None, &[]);
            let answer = client.changes(completed, &format!("?firstSnapshotId={other}"));
            assert!(answer.message().contains("are not related"), "{answer:?}");
            answer
        },
        status: 400,
        error: "ValidationException",
        reason: Some("UNRELATED_SNAPSHOTS"),
        message: "",
    },
    Case {
        name: "an invalid block token",
        ask: |client, _, completed| get(client, completed, "3", "?blockToken=nonsense"),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_BLOCK_TOKEN"),
        message: "The block token nonsense is invalid.",
    },
    Case {
        name: "no block token",
        ask: |client, _, completed| get(client, completed, "3", ""),
        status: 400,
        error: "ValidationException",
        reason: None,
        message: "1 validation error detected: Value null at 'blockToken' failed to satisfy constraint: Member must \
                  not be null",
    },
    Case {
        name: "starting without a size",
        ask: |client, _, _| client.post("/snapshots", &json!({})),
        status: 400,
        error: "ValidationException",
        reason: None,
        message: "1 validation error detected: Value null at 'volumeSize' failed to satisfy constraint: Member must \
                  not be null",
    },
    Case {
        name: "a volume that is too large",
        ask: |client, _, _| client.post("/snapshots", &json!({"VolumeSize": 65_537})),
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_VOLUME_SIZE"),
        message: "Volume size 65537 is not valid, the maximum is 65536",
    },
    Case {
        name: "a child of a pending snapshot",
        ask: |client, pending, _| {
            client.post("/snapshots", &json!({"VolumeSize": 1, "ParentSnapshotId": pending}))
        },
        status: 400,
        error: "ValidationException",
        reason: Some("INVALID_SNAPSHOT_ID"),
        message: "Source snapshot (PENDING) is not complete.",
    },
    Case {
        name: "a number that is a word",
        ask: |client, _, _| client.post("/snapshots", &json!({"VolumeSize": "one"})),
        status: 400,
        error: "SerializationException",
        reason: None,
        message: "The value can not be converted to a Long",
    },
    Case {
        name: "no such operation",
        ask: |client, _, _| client.call("DELETE", "/snapshots", &[], b""),
        status: 404,
        error: "UnknownOperationException",
        reason: None,
        message: "The requested operation is not recognized by the service.",
    },
];

/// A `PutSnapshotBlock` with some headers replaced.
fn put(client: &mut Client, id: &str, index: &str, headers: &[(&str, &str)], bytes: &[u8]) -> Answer {
    use sha2::Digest as _;
    let checksum = base64(&sha2::Sha256::digest(bytes));
    let length = BLOCK_SIZE.to_string();
    let mut all = vec![
        ("x-amz-checksum", checksum.as_str()),
        ("x-amz-checksum-algorithm", "SHA256"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-data-length", &length),
    ];
    all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
    all.extend(headers);
    client.call("PUT", &format!("/snapshots/{id}/blocks/{index}"), &all, bytes)
}

fn get(client: &mut Client, id: &str, index: &str, query: &str) -> Answer {
    client.call("GET", &format!("/snapshots/{id}/blocks/{index}{query}"), &[], b"")
}

fn complete(client: &mut Client, id: &str, with: &[&str]) -> Answer {
    let all = [
        ("checksum", "x-amz-checksum", "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE="),
        ("algorithm", "x-amz-checksum-algorithm", "SHA256"),
        ("method", "x-amz-checksum-aggregation-method", "LINEAR"),
    ];
    let mut headers = vec![("x-amz-changedblockscount", "0")];
    headers
        .extend(all.iter().filter(|(word, ..)| with.contains(word)).map(|(_, name, value)| (*name, *value)));
    client.call("POST", &format!("/snapshots/completion/{id}"), &headers, b"")
}

#[test]
fn every_error_has_the_message_of_the_service() {
    let region = TestRegion::new();
    let mut client = region.client();
    let completed = client.snapshot(None, &[(3, 1)]);
    let pending = client.start(&json!({"VolumeSize": 1}));
    for case in CASES {
        let answer = (case.ask)(&mut client, &pending, &completed);
        let name = case.name;
        assert_eq!((answer.status, answer.error()), (case.status, case.error), "{name}: {answer:?}");
        let json = answer.json();
        assert_eq!(json.get("Reason").and_then(|reason| reason.as_str()), case.reason, "{name}");
        let message = case.message.replace("PENDING", &pending);
        assert!(message.is_empty() || answer.message() == message, "{name}: {}", answer.message());
        let (service, framework) = (json.get("Message").is_some(), json.get("message").is_some());
        assert_eq!((service, framework), (case.reason.is_some(), case.reason.is_none()), "{name}");
        assert_eq!(answer.header("connection") == "close", case.status == 400, "{name}");
        assert!(!answer.header("x-amzn-requestid").is_empty(), "{name}");
    }
}

#[test]
fn a_token_for_another_block_or_snapshot_is_refused() {
    let region = TestRegion::new();
    let mut client = region.client();
    let first = client.snapshot(None, &[(0, 1), (1, 1)]);
    let second = client.snapshot(None, &[(0, 1)]);
    let list = client.list(&first, "").json();
    let token = list["Blocks"][0]["BlockToken"].as_str().unwrap();
    for (id, index, status) in [(&first, "0", 200), (&first, "1", 400), (&second, "0", 400)] {
        let answer = get(&mut client, id, index, &format!("?blockToken={token}"));
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 400 {
            assert_eq!(answer.json()["Reason"], "INVALID_BLOCK_TOKEN");
        }
    }
}

#[test]
fn a_request_that_is_not_well_signed_is_refused_for_its_own_reason() {
    let region = TestRegion::new();
    let wrong = region.client().key(ACCESS_KEY_ID, "guess").post("/snapshots", &json!({"VolumeSize": 1}));
    assert_eq!((wrong.status, wrong.error()), (403, "InvalidSignatureException"));
    let nobody = region.client().key("AKIANOBODY", "x").post("/snapshots", &json!({"VolumeSize": 1}));
    assert_eq!((nobody.status, nobody.error()), (403, "UnrecognizedClientException"));
    let head = "POST /snapshots HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    let unsigned = region.client().send(head, b"").unwrap();
    assert_eq!((unsigned.status, unsigned.error()), (403, "MissingAuthenticationTokenException"));
    let late = region.client().sign("GET", "/snapshots/snap-1/blocks", &[], b"");
    region.clock.advance(std::time::Duration::from_secs(301));
    let late = region.client().send(&late, b"").unwrap();
    assert_eq!((late.status, late.error()), (403, "InvalidSignatureException"));
    assert_eq!(
        late.message(),
        "Signature expired: 20261121T120000Z is now earlier than 20261121T120501Z (5 min.)"
    );
}

#[test]
fn other_accounts_and_other_regions_do_not_see_a_snapshot() {
    let region = TestRegion::with(|config: &mut RegionConfig| {
        let other =
            json!([{"account": "222222222222", "access_key_id": "OTHER", "secret_access_key": "other"}]);
        std::fs::write(config.folder.join("accounts.json"), other.to_string()).unwrap();
    });
    let id = region.client().snapshot(None, &[(0, 1)]);
    for mut client in [region.client().region("local-2"), region.client().key("OTHER", "other")] {
        let answer = client.list(&id, "");
        assert_eq!((answer.status, answer.error()), (404, "ResourceNotFoundException"), "{answer:?}");
    }
    assert_eq!(region.client().list(&id, "").status, 200);
}
