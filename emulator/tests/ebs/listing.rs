//! `ListSnapshotBlocks` and `ListChangedBlocks`: pages, tokens, and the definition of a change.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, TestRegion, block};

/// All entries of all pages, and the number of entries in each page.
fn all(client: &mut Client, path: &str, query: &str, list: &str) -> (Vec<Value>, Vec<usize>) {
    let (mut entries, mut pages, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let answer = client.call("GET", &format!("{path}?{query}{token}"), &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        let page = json[list].as_array().unwrap();
        pages.push(page.len());
        entries.extend(page.iter().cloned());
        match &json["NextToken"] {
            Value::Null => return (entries, pages),
            next => token = format!("&pageToken={}", next.as_str().unwrap()),
        }
    }
}

fn indexes(entries: &[Value]) -> Vec<u64> {
    entries.iter().map(|entry| entry["BlockIndex"].as_u64().unwrap()).collect()
}

#[test]
fn pages_follow_each_other_in_ascending_order() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.start(&json!({"VolumeSize": 1}));
    let expected: Vec<u64> = (0..250).map(|number| number * 8).collect();
    for index in expected.iter().rev() {
        client.put(&id, *index as u32, &block(1));
    }
    client.complete(&id, 250);
    let path = format!("/snapshots/{id}/blocks");
    let (entries, pages) = all(&mut client, &path, "maxResults=100", "Blocks");
    assert_eq!((indexes(&entries), pages), (expected.clone(), vec![100, 100, 50]));
    let (entries, pages) = all(&mut client, &path, "maxResults=125", "Blocks");
    assert_eq!((indexes(&entries), pages), (expected.clone(), vec![125, 125]));
    let (entries, _) = all(&mut client, &path, "startingBlockIndex=1001", "Blocks");
    assert_eq!(indexes(&entries), expected[126..]);
    let past = client.list(&id, "?startingBlockIndex=2048");
    let text = String::from_utf8(past.body.clone()).unwrap();
    assert_eq!((past.status, &past.json()["Blocks"]), (200, &json!([])));
    assert!(text.contains("\"ExpiryTime\":1.7952624E9"), "now: {text}");
    assert!(text.contains("\"NextToken\":null"), "{text}");
}

#[test]
fn tokens_of_pages_and_blocks_expire() {
    let region = TestRegion::new();
    let mut client = region.client();
    let blocks: Vec<_> = (0..101).map(|index| (index, 1)).collect();
    let id = client.snapshot(None, &blocks);
    let page = client.list(&id, "?maxResults=100").json();
    let (next, block) =
        (page["NextToken"].as_str().unwrap(), page["Blocks"][0]["BlockToken"].as_str().unwrap());
    let mut status = |advance| {
        region.clock.advance(Duration::from_mins(advance));
        let listed = client.list(&id, &format!("?pageToken={next}"));
        let read = client.call("GET", &format!("/snapshots/{id}/blocks/0?blockToken={block}"), &[], b"");
        (listed.status, read.status)
    };
    assert_eq!(status(59), (200, 200));
    assert_eq!(status(1), (400, 200));
    assert_eq!(status(9750 - 61), (400, 200));
    assert_eq!(status(1), (400, 400));
}

#[test]
fn changes_have_a_token_for_each_side_that_has_the_block() {
    let region = TestRegion::new();
    let mut client = region.client();
    let first = client.snapshot(None, &[(0, 1), (1, 1), (2, 1)]);
    let second = client.snapshot(Some(&first), &[(1, 2), (2, 1), (3, 0)]);
    let forward = client.changes(&second, &format!("?firstSnapshotId={first}")).json();
    let entries = forward["ChangedBlocks"].as_array().unwrap();
    let sides: Vec<_> = entries
        .iter()
        .map(|entry| {
            let has = |name| entry.get(name).is_some();
            (entry["BlockIndex"].as_u64().unwrap(), has("FirstBlockToken"), has("SecondBlockToken"))
        })
        .collect();
    assert_eq!(sides, [(1, true, true), (2, true, true), (3, false, true)]);
    for (entry, side, id, byte) in [
        (0, "FirstBlockToken", &first, 1),
        (0, "SecondBlockToken", &second, 2),
        (2, "SecondBlockToken", &second, 0),
    ] {
        let (index, token) = (&entries[entry]["BlockIndex"], entries[entry][side].as_str().unwrap());
        let read =
            client.call("GET", &format!("/snapshots/{id}/blocks/{index}?blockToken={token}"), &[], b"");
        assert_eq!(read.body, block(byte));
    }
    let back = client.changes(&first, &format!("?firstSnapshotId={second}")).json();
    assert_eq!(indexes(back["ChangedBlocks"].as_array().unwrap()), [1, 3], "a sibling's bytes are compared");
    let same = client.changes(&first, &format!("?firstSnapshotId={first}")).json();
    assert_eq!(same["ChangedBlocks"], json!([]));
}

#[test]
fn a_page_of_changes_may_be_empty_and_still_have_a_next_one() {
    let region = TestRegion::new();
    let mut client = region.client();
    let blocks: Vec<_> = (0..250).map(|index| (index, 1)).collect();
    let first = client.snapshot(None, &blocks);
    let second = client.snapshot(Some(&first), &[(249, 2)]);
    let path = format!("/snapshots/{second}/changedblocks");
    let query = format!("firstSnapshotId={first}&maxResults=100");
    let (entries, pages) = all(&mut client, &path, &query, "ChangedBlocks");
    assert_eq!((indexes(&entries), pages), (vec![249], vec![0, 0, 1]));
}
