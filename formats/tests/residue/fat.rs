//! FAT of every width.

use std::fs;

use amiforge_formats::fat::read::read;
use amiforge_formats::fat::write::{FatOptions, plan};
use amiforge_formats::plan::SourceId;
use amiforge_formats::volume::FsKind;

use super::fixture::{Found, MIB, TIME, bytes, run, survey, text, tree};

fn ours() -> Vec<u8> {
    let options = FatOptions { volume_id: 1, label: "ESP".to_owned(), time: TIME, hidden_sectors: 2048 };
    bytes(&plan(&tree(), &options, 40 * MIB as u64 + 300).unwrap())
}

#[test]
fn planted_bytes_are_found_where_they_are() {
    let mut volume = ours();
    assert_eq!(survey(FsKind::Fat, &volume), []);
    let read = read(&volume, SourceId(0), 0).unwrap();
    let shape = read.shape;
    let allocation = |path: &str| read.allocations.iter().find(|one| one.path == path.as_bytes()).unwrap();
    let start = |path: &str| shape.offset(allocation(path).clusters[0].first) as usize;
    let free = shape.offset(shape.last()) as usize;
    let end = (shape.data_at + u64::from(shape.clusters) * shape.cluster) as usize;
    let dir = start("dir");
    let plants = [
        (200, "boot-area", "boot sector"),
        (55, "superblock-field", "boot sector"),
        (512 + 100, "superblock-field", "FSInfo"),
        (6 * 512 + 300, "boot-area", "boot sector"),
        (10 * 512, "reserved", "reserved sectors"),
        ((shape.table(0) + shape.table_len - 1) as usize, "table-gap", "table 0"),
        (start("dir/file-1") + 1, "file-slack", "/dir/file-1"),
        (dir + 20 * 32 + 11, "directory-gap", "/dir"),
        (free + 100, "free-space", ""),
        (end + 1, "volume-tail", "after the last cluster"),
    ];
    let mut expected: Found = Vec::new();
    for (at, kind, owner) in plants {
        volume[at] = b'S';
        expected.push((kind, at as u64, owner.to_owned()));
    }
    expected.sort_by_key(|(_, at, _)| *at);
    assert_eq!(survey(FsKind::Fat, &volume), expected);
}

#[test]
fn what_mtools_deletes_is_found_in_every_width() {
    for (width, len) in [("12", 2), ("16", 20), ("32", 40)] {
        let folder = tempfile::tempdir().unwrap();
        let (image, secret) = (folder.path().join("image"), folder.path().join("secret"));
        fs::File::create(&image).unwrap().set_len(len << 20).unwrap();
        fs::write(&secret, b"the secret of a deleted file".repeat(300)).unwrap();
        let image = text(&image);
        if run("mkfs.fat", &["-F", width, image]).is_none() {
            return;
        }
        let fresh = survey(FsKind::Fat, &fs::read(image).unwrap());
        // The message of its boot code.
        assert!(fresh.iter().all(|one| one.0 == "boot-area"), "FAT{width}: {fresh:?}");
        if run("mcopy", &["-i", image, text(&secret), "::a long name.txt"]).is_none() {
            return;
        }
        run("mdel", &["-i", image, "::a long name.txt"]).unwrap();
        let found = survey(FsKind::Fat, &fs::read(image).unwrap());
        for (kind, owner) in [("free-space", ""), ("deleted-entry", "/")] {
            assert!(found.iter().any(|one| one.0 == kind && one.2 == owner), "FAT{width}: {found:?}");
        }
    }
}
