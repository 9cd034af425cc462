//! A snapshot as a guest sees it, and the checks of the state folder.

use amiforge_emulator::{Error, LocalRegion, RegionConfig, RegionServer, SnapshotVolume, UnwrittenView};
use serde_json::json;

use crate::client::{BLOCK_SIZE, TestRegion, block};

#[test]
fn blocks_that_were_never_written_are_zeros_or_garbage() {
    let region = TestRegion::new();
    let mut client = region.client();
    let plain = client.snapshot(None, &[(1, 7), (2, 0)]);
    let id = client.start(&json!({"VolumeSize": 1, "Encrypted": true}));
    client.put(&id, 1, &block(7));
    client.complete(&id, 1);
    let open = |id: &str, view| SnapshotVolume::open(region.folder.path(), "local", id, view).unwrap();
    for (id, view, garbage) in [
        (&plain, UnwrittenView::AsStored, false),
        (&plain, UnwrittenView::Encrypted, true),
        (&id, UnwrittenView::AsStored, true),
    ] {
        let volume = open(id, view);
        assert_eq!((volume.len(), volume.blocks()), (1 << 30, 2048));
        assert_eq!(volume.read(1).unwrap(), block(7));
        let unwritten = volume.read(3).unwrap();
        assert_eq!(unwritten.len(), BLOCK_SIZE);
        let zeros = unwritten.chunks(8).filter(|word| word.iter().all(|&byte| byte == 0)).count();
        assert!(if garbage { zeros <= 1 } else { zeros == BLOCK_SIZE / 8 }, "{zeros}");
        assert_eq!(open(id, view).read(3).unwrap(), unwritten, "the same each time");
    }
    assert_eq!(
        open(&plain, UnwrittenView::Encrypted).read(2).unwrap(),
        block(0),
        "a zero that was written is one"
    );
    let out = region.folder.path().parent().unwrap().join(format!("{plain}.raw"));
    assert_eq!(open(&plain, UnwrittenView::AsStored).export(&out).unwrap(), 1);
    assert_eq!(std::fs::metadata(&out).unwrap().len(), 1 << 30);
    std::fs::remove_file(&out).unwrap();
}

#[test]
fn a_volume_of_altered_or_pending_blocks_is_refused() {
    let region = TestRegion::new();
    let mut client = region.client();
    let pending = client.start(&json!({"VolumeSize": 1}));
    let open = |id: &str| SnapshotVolume::open(region.folder.path(), "local", id, UnwrittenView::AsStored);
    assert!(matches!(open(&pending), Err(Error::NotCompleted(_))));
    assert!(matches!(open("snap-1"), Err(Error::NoSnapshot(_))));
    let id = client.snapshot(None, &[(4, 7)]);
    let folders = std::fs::read_dir(region.folder.path().join("blocks")).unwrap();
    let folder = folders.map(|folder| folder.unwrap().path()).next().unwrap();
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, block(8)).unwrap();
    let error = open(&id).unwrap().read(4).unwrap_err().to_string();
    assert!(error.contains("block 4") && error.contains(&*file.to_string_lossy()), "{error}");
}

#[test]
fn a_folder_with_foreign_files_is_neither_used_nor_emptied() {
    let folder = crate::client::folder();
    std::fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    let error = RegionServer::start(RegionConfig::new(folder.path())).unwrap_err();
    assert!(matches!(&error, Error::ForeignEntry { entry, .. } if entry == "thesis.txt"), "{error}");
    assert!(LocalRegion::remove(folder.path()).is_err());
    assert!(folder.path().join("thesis.txt").exists());
}

#[test]
fn a_reset_removes_everything_but_the_accounts() {
    let region = TestRegion::new();
    region.client().snapshot(None, &[(0, 1)]);
    let folder = region.folder.path();
    assert!(matches!(LocalRegion::remove(folder), Err(Error::InUse { endpoint: Some(_), .. })));
    std::fs::write(folder.join("accounts.json"), "[]").unwrap();
    let TestRegion { running, folder, .. } = region;
    drop(running);
    assert!(LocalRegion::remove(folder.path()).unwrap());
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["accounts.json", "lock"]);
    assert!(!LocalRegion::remove(folder.path()).unwrap());
}
