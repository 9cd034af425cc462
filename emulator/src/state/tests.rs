//! The state as a whole: opened again, swept, and its regions.

use super::*;
use crate::digest::BlockDigest;
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
        start_time: Moment(0),
        timeout: 60,
        outcome: None,
        start: None,
        tags: BTreeMap::new(),
        shared_with: SnapshotShares::default(),
    }
}

/// A snapshot with these blocks.
fn put(world: &World, region: &str, id: &str, blocks: &[&[u8]]) {
    let region = world.region(region).unwrap();
    region.snapshots.start(snapshot(id)).unwrap();
    let map = region.snapshots.map(id).unwrap();
    for (index, bytes) in blocks.iter().enumerate() {
        world.blocks.keep(BlockDigest::of(bytes), bytes).unwrap();
        assert!(lock(&map).add(index as u32, BlockDigest::of(bytes)).unwrap());
    }
}

#[test]
fn blocks_go_with_the_last_snapshot_that_has_them_when_the_folder_is_next_opened() {
    let folder = tempfile::tempdir().unwrap();
    let open = || World::open(RegionConfig::new(folder.path())).unwrap();
    let world = open();
    put(&world, "local", "snap-1", &[b"shared", b"own"]);
    put(&world, "local-2", "snap-2", &[b"shared"]);
    assert!(world.region("local").unwrap().snapshots.remove("snap-1").unwrap());
    world.sweep_later().unwrap();
    drop(world);
    let world = open();
    assert!(world.blocks.knows(BlockDigest::of(b"shared")) && !world.blocks.knows(BlockDigest::of(b"own")));
    let path = world.blocks.path(BlockDigest::of(b"shared"));
    assert_eq!(std::fs::read(path).unwrap(), b"shared");
    assert!(!folder.path().join(folder::SWEEP).exists());
}

#[test]
fn blocks_of_a_snapshot_that_was_never_begun_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(RegionConfig::new(folder.path())).unwrap();
    put(&world, "local", "snap-1", &[b"x"]);
    drop(world);
    let orphan = folder.path().join("local/snapshots/snap-2.blocks");
    std::fs::write(&orphan, b"torn").unwrap();
    let world = World::open(RegionConfig::new(folder.path())).unwrap();
    assert!(!orphan.exists());
    assert!(world.region("local").unwrap().snapshots.find("snap-1").is_some());
}

#[test]
fn only_what_could_be_a_region_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(RegionConfig::new(folder.path())).unwrap();
    for name in ["local", "local-2", "us-east-1"] {
        assert_eq!(world.region(name).unwrap().name, name);
    }
    for name in ["", "..", "blocks", "Local", "a/b", "x", "2-local"] {
        assert!(matches!(world.region(name), Err(Error::RegionName(_))), "{name}");
    }
    assert!(!folder.path().join("local").exists(), "a region that only was asked has no folder");
}
