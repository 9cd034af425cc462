//! `GetSnapshotBlock`, with altered and missing blocks.

use amiforge_emulator::{Error, RegionConfig, RegionServer};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::{Client, TestRegion, base64, block, hex};

/// The file of a block that repeats one byte.
fn file(region: &TestRegion, byte: u8) -> std::path::PathBuf {
    let name = hex(&Sha256::digest(block(byte)));
    region.folder.path().join("blocks").join(&name[..2]).join(name)
}

#[test]
fn a_block_comes_with_its_length_and_checksum() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.snapshot(None, &[(3, 9)]);
    let answer = client.read(&id, 3);
    assert_eq!((answer.status, &answer.body), (200, &block(9)));
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("x-amz-data-length"), "524288");
    assert_eq!(answer.header("x-amz-checksum"), base64(&Sha256::digest(block(9))));
    assert_eq!(answer.header("x-amz-checksum-algorithm"), "SHA256");
}

#[test]
fn an_altered_block_is_served_with_the_checksum_of_the_served_bytes() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.snapshot(None, &[(0, 9)]);
    let mut altered = block(9);
    altered[77] ^= 4;
    std::fs::write(file(&region, 9), &altered).unwrap();
    let answer = client.read(&id, 0);
    assert_eq!((answer.status, &answer.body), (200, &altered));
    assert_eq!(answer.header("x-amz-checksum"), base64(&Sha256::digest(&altered)));
}

#[test]
fn a_block_whose_file_is_short_or_gone_fails_and_is_named() {
    let region = TestRegion::new();
    let mut client = region.client();
    let id = client.snapshot(None, &[(0, 9)]);
    let file = file(&region, 9);
    std::fs::write(&file, &block(9)[1..]).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    for _ in 0..2 {
        let answer = client.read(&id, 0);
        assert_eq!((answer.status, answer.error()), (500, "InternalServerException"));
        assert!(answer.message().contains(&name), "{}", answer.message());
        let _ = std::fs::remove_file(&file);
    }
}

#[test]
fn everything_is_there_after_a_restart() {
    let region = TestRegion::new();
    let mut client = region.client();
    let done = client.snapshot(None, &[(0, 1), (5, 2)]);
    let pending = client.start(&json!({"VolumeSize": 1, "ClientToken": "t"}));
    client.put(&pending, 1, &block(3));
    let TestRegion { running, clock, folder } = region;
    drop(running);
    let config = RegionConfig { clock: clock.clone(), ..RegionConfig::new(folder.path()) };
    let running = RegionServer::start(config).unwrap();
    let mut client = Client::new(&running.endpoint()).clock(&clock);
    assert_eq!(client.read(&done, 5).body, block(2));
    assert_eq!(client.start(&json!({"VolumeSize": 1, "ClientToken": "t"})), pending);
    assert_eq!(client.put(&pending, 2, &block(4)).status, 201);
    client.complete(&pending, 2);
    assert_eq!((client.read(&pending, 1).body, client.read(&pending, 2).body), (block(3), block(4)));
    let second = RegionServer::start(RegionConfig::new(folder.path())).unwrap_err();
    assert!(matches!(second, Error::InUse { endpoint: Some(at), .. } if at == running.endpoint()));
}

#[test]
fn a_damaged_state_is_named_when_it_is_opened() {
    let region = TestRegion::new();
    let id = region.client().snapshot(None, &[(0, 1)]);
    let TestRegion { running, folder, .. } = region;
    drop(running);
    let record = folder.path().join(format!("local/snapshots/{id}.json"));
    let text = std::fs::read(&record).unwrap();
    std::fs::write(&record, &text[..text.len() / 2]).unwrap();
    let error = RegionServer::start(RegionConfig::new(folder.path())).unwrap_err().to_string();
    assert!(error.contains(&format!("{id}.json` is damaged")), "{error}");
}
