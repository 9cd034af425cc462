//! The state as a whole: reopening, removal of unused blocks, and regions.

use super::*;
use crate::digest::Sha256Digest;
use crate::state::snapshot::{Snapshot, SnapshotShares};
use crate::sync::lock;

fn snapshot(id: &str) -> Snapshot {
    Snapshot {
        id: id.to_owned(),
        owner: "123456789012".to_owned(),
        description: String::new(),
        volume_size: 1,
        volume_id: "vol-ffffffff".to_owned(),
        parent: None,
        lineage: id.to_owned(),
        kms_key: None,
        start_time: Timestamp(0),
        timeout: 60,
        outcome: None,
        start: None,
        tags: BTreeMap::new(),
        shared_with: SnapshotShares::default(),
    }
}

/// Adds a snapshot with these blocks.
fn put(state: &State, region: &str, id: &str, blocks: &[&[u8]]) {
    let region = state.region(region).unwrap();
    region.snapshots.start(snapshot(id)).unwrap();
    let map = region.snapshots.map(id).unwrap();
    for (index, bytes) in blocks.iter().enumerate() {
        state.blocks.store(Sha256Digest::of(bytes), bytes).unwrap();
        assert!(lock(&map).record(index as u32, Sha256Digest::of(bytes)).unwrap());
    }
}

#[test]
fn unused_blocks_are_removed_at_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let open = || State::open(RegionConfig::new(folder.path())).unwrap();
    let state = open();
    put(&state, "local", "snap-1", &[b"shared", b"own"]);
    put(&state, "local-2", "snap-2", &[b"shared"]);
    assert!(state.region("local").unwrap().snapshots.remove("snap-1").unwrap());
    state.mark_unused_blocks().unwrap();
    drop(state);
    let state = open();
    assert!(
        state.blocks.contains(Sha256Digest::of(b"shared"))
            && !state.blocks.contains(Sha256Digest::of(b"own"))
    );
    let path = state.blocks.path(Sha256Digest::of(b"shared"));
    assert_eq!(std::fs::read(path).unwrap(), b"shared");
    assert!(!folder.path().join(folder::UNUSED_BLOCKS_MARKER).exists());
}

#[test]
fn a_block_map_without_a_snapshot_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(RegionConfig::new(folder.path())).unwrap();
    put(&state, "local", "snap-1", &[b"x"]);
    drop(state);
    let orphan = folder.path().join("local/snapshots/snap-2.blocks");
    std::fs::write(&orphan, b"torn").unwrap();
    let state = State::open(RegionConfig::new(folder.path())).unwrap();
    assert!(!orphan.exists());
    assert!(state.region("local").unwrap().snapshots.find("snap-1").is_some());
}

#[test]
fn only_valid_names_are_regions() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(RegionConfig::new(folder.path())).unwrap();
    for name in ["local", "local-2", "us-east-1"] {
        assert_eq!(state.region(name).unwrap().name, name);
    }
    for name in ["", "..", "blocks", "Local", "a/b", "x", "2-local"] {
        assert!(matches!(state.region(name), Err(Error::RegionName(_))), "{name}");
    }
    assert!(!folder.path().join("local").exists(), "a region without records has no folder");
}
