//! A tree with names of every kind, and its volume.

use std::collections::BTreeMap;

use amiforge_formats::fat::{check, read, write};
use amiforge_formats::plan::{Plan, SourceId};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, NodeKind, Origin, Tree};
use amiforge_formats::volume::FsKind;
use amiforge_tests::volume;

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn options() -> write::FatOptions {
    write::FatOptions {
        volume_id: 0xa1b2_c3d4,
        label: "ESP".to_owned(),
        time: Time::from_secs(1_700_000_000),
        hidden_sectors: 2048,
    }
}

/// Names of every kind that FAT distinguishes, a file of several clusters, an empty file, deep and long directories.
pub(crate) fn esp() -> Vec<(String, Vec<u8>)> {
    let long = format!("{}.txt", "long name ".repeat(24));
    let mut files: Vec<(String, Vec<u8>)> = [
        ("EFI/BOOT/BOOTX64.EFI", 300_000),
        ("EFI/Linux/amiforge-1.2.3+4.efi", 1_234_567),
        ("loader/loader.conf", 20),
        ("loader/entries/a.conf", 0),
        ("loader/entries/b.conf", 512),
        ("lower.txt", 513),
        ("UPPER.txt", 1),
        ("Übergröße.ini", 3),
        ("日本語/ファイル", 9),
        (".hidden", 4),
        ("no extension at all", 4096),
    ]
    .into_iter()
    .map(|(path, len)| (path.to_owned(), (0..len).map(|at| (at * 7 + len) as u8).collect()))
    .collect();
    files.push((long, vec![1; 10]));
    files.extend((0..40).map(|n| (format!("many/file number {n:03}.data"), vec![n as u8; n])));
    files.push(("d/".repeat(20) + "deep", vec![9; 2000]));
    files
}

pub(crate) fn tree_of(files: &[(String, Vec<u8>)]) -> Tree {
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    volume::tree(&files, 1_700_000_000)
}

/// Every path of a tree, with the bytes of files, whose slices are read from `image`.
pub(crate) fn contents(tree: &Tree, image: &dyn ReadAt) -> BTreeMap<String, Option<Vec<u8>>> {
    let of = |content: &Content| {
        let mut bytes = vec![0; content.len() as usize];
        for segment in content.segments() {
            let part = &mut bytes[segment.offset as usize..(segment.offset + segment.len) as usize];
            match segment.origin {
                Origin::Inline { bytes, at } => part.copy_from_slice(&bytes[at..at + part.len()]),
                Origin::Slice { at, .. } => image.read_exact_at(at, part).unwrap(),
            }
        }
        bytes
    };
    let entry = |entry: amiforge_formats::tree::WalkEntry| {
        let bytes = match &tree.node(entry.id).kind {
            NodeKind::File(content) => Some(of(content)),
            _ => None,
        };
        (String::from_utf8(entry.path).unwrap(), bytes)
    };
    tree.walk().map(entry).collect()
}

pub(crate) fn assert_same(tree: &Tree, image: &[u8]) {
    let (none, image) = (Vec::new(), &image);
    let read = read::read(image, SourceId(0), 0).unwrap();
    assert_eq!(contents(&read.tree, image), contents(tree, &none));
    for (a, b) in read.tree.walk().zip(tree.walk()).skip(1) {
        assert_eq!(read.tree.node(a.id).meta.mtime, tree.node(b.id).meta.mtime);
    }
    assert_eq!(check::check(image).unwrap(), []);
}

/// Asserts that nothing is below the tree of an image that was written over zeros.
pub(crate) fn assert_nothing_below(image: &[u8]) {
    assert_eq!(FsKind::Fat.format().residue(&image).unwrap(), []);
}

pub(crate) fn plan(tree: &Tree, len: u64) -> Plan {
    write::plan(tree, &options(), len).unwrap()
}
