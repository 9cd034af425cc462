//! Images of mke2fs are read back equal to the directory that they were made from, and found clean.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::read::open;
use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{Content, Node, NodeKind, Origin, Tree};
use amiforge_tests::{oracle, scratch};

use super::corpus;

const TOOLS: &[&str] = &["mke2fs", "e2fsck", "debugfs"];

/// The bytes of a file, its slices taken from `image`.
pub(crate) fn bytes_of(content: &Content, image: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        let to = &mut bytes[segment.offset as usize..(segment.offset + segment.len) as usize];
        match &segment.origin {
            Origin::Inline { bytes, at } => to.copy_from_slice(&bytes[*at..*at + to.len()]),
            Origin::Slice { at, .. } => image.read_exact_at(*at, to).unwrap(),
        }
    }
    bytes
}

/// Compares a node with the file that it was made from.
fn compare(path: &Path, node: &Node, image: &[u8]) {
    let meta = fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let word = if kind.is_dir() {
        "dir"
    } else if kind.is_file() {
        "file"
    } else if kind.is_symlink() {
        "symlink"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_char_device() {
        "char"
    } else {
        "block"
    };
    assert_eq!(node.kind.word(), word, "{}", path.display());
    assert_eq!(u32::from(node.meta.mode), meta.mode() & 0o7777, "{}", path.display());
    assert_eq!((node.meta.uid, node.meta.gid), (meta.uid(), meta.gid()), "{}", path.display());
    assert_eq!(node.meta.mtime.secs, meta.mtime(), "{}", path.display());
    match &node.kind {
        NodeKind::File(content) => {
            assert!(bytes_of(content, image) == fs::read(path).unwrap(), "{}", path.display());
        }
        NodeKind::Symlink(target) => {
            assert_eq!(&**target, fs::read_link(path).unwrap().as_os_str().as_bytes());
        }
        NodeKind::CharDevice { major, minor } => assert_eq!((*major, *minor), (1, 3)),
        NodeKind::BlockDevice { major, minor } => assert_eq!((*major, *minor), (259, 70000)),
        _ => {}
    }
}

fn compare_with_directory(tree: &Tree, root: &Path, image: &[u8]) {
    let mut found = BTreeMap::new();
    for entry in tree.walk().filter(|entry| !entry.path.starts_with(b"lost+found") && !entry.path.is_empty())
    {
        let path = root.join(std::ffi::OsStr::from_bytes(&entry.path));
        compare(&path, tree.node(entry.id), image);
        found.insert(entry.path, entry.id);
    }
    assert_eq!(found.get(&b"small"[..]), found.get(&b"usr/linked"[..]));
    let mut expected = 0;
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            expected += 1;
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            }
        }
    }
    assert_eq!(found.len(), expected);
}

#[test]
fn images_of_every_variant_are_read_back_and_found_clean() {
    if !oracle::ready(TOOLS, false) {
        return;
    }
    let scratch = scratch::folder();
    let root = scratch.path().join("root");
    fs::create_dir(&root).unwrap();
    corpus::fill(&root);
    let mut made = 0;
    for variant in corpus::VARIANTS {
        let Some(path) = corpus::make(variant, &root, scratch.path()) else { continue };
        made += 1;
        for indexed in [false, true] {
            if indexed {
                corpus::index_directories(&path);
            }
            let (clean, output) = corpus::e2fsck(&path);
            assert!(clean, "{}: {output}", variant.0);
            let image = fs::read(&path).unwrap();
            let file_system = open(&image).unwrap_or_else(|error| panic!("{}: {error}", variant.0));
            let tree = file_system.tree(SourceId(0));
            let tree = tree.unwrap_or_else(|error| panic!("{} {indexed}: {error}", variant.0));
            compare_with_directory(&tree, &root, &image);
            let report = check(&image).unwrap();
            // mke2fs leaves the zeroing of inode tables to the kernel, which the checker remarks.
            let findings = report.findings.iter().map(ToString::to_string);
            let findings: Vec<_> =
                findings.filter(|text| !text.ends_with("INODE_ZEROED is missing")).collect();
            assert!(findings.is_empty() && !report.has_errors(), "{} {indexed}: {findings:#?}", variant.0);
        }
        fs::remove_file(path).unwrap();
    }
    assert!(made > 20, "only {made} variants were made");
}
