//! Images of mkfs.erofs are read equal to the folder that they were made from and found clean, and what is compressed in them
//! is refused by name.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use amiforge_formats::erofs::check::check;
use amiforge_formats::erofs::read::{ErofsDefect, ErofsReadError, open};
use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{NodeKind, Tree};

use super::compare::bytes_of;
use super::fixtures::run;

/// Arguments of mkfs.erofs for images without compressed content.
const PLAIN: [&[&str]; 5] =
    [&[], &["-T1700000000"], &["-Enoinline_data"], &["-x1"], &["-Eforce-inode-compact", "-T1700000000"]];

/// A folder with files, links, attributes that several share, and a directory of many names.
fn fill(root: &Path) {
    let bytes = |len: usize| -> Vec<u8> { (0..len).map(|at| ((at * at) >> 7) as u8).collect() };
    for (name, len) in
        [("empty", 0), ("small", 100), ("block", 4096), ("tail", 5000), ("large", 700_000), ("zeros", 0)]
    {
        fs::write(root.join(name), bytes(len)).unwrap();
    }
    fs::File::options().write(true).open(root.join("zeros")).unwrap().set_len(200_000).unwrap();
    fs::set_permissions(root.join("small"), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::hard_link(root.join("small"), root.join("linked")).unwrap();
    symlink("small", root.join("symlink")).unwrap();
    symlink("x/".repeat(2000), root.join("long-symlink")).unwrap();
    fs::create_dir_all(root.join("many/deeper")).unwrap();
    for number in 0..500 {
        let path = root.join(format!("many/a-name-that-is-not-short-{number}"));
        fs::write(&path, format!("{number}\n")).unwrap();
        // User attributes need no privilege where the file system has them.
        let value = b"the same value of many files";
        let _ = rustix::fs::setxattr(&path, "user.shared", value, rustix::fs::XattrFlags::empty());
    }
}

fn compare(tree: &Tree, root: &Path, image: &[u8]) {
    let mut found = 0;
    for entry in tree.walk() {
        let path = root.join(std::str::from_utf8(&entry.path).unwrap());
        let (node, meta) = (tree.node(entry.id), fs::symlink_metadata(&path).unwrap());
        found += 1;
        let shown = path.display();
        if !matches!(node.kind, NodeKind::Symlink(_)) {
            assert_eq!(u32::from(node.meta.mode), meta.mode() & 0o7777, "{shown}");
        }
        assert_eq!((node.meta.uid, node.meta.gid), (meta.uid(), meta.gid()), "{shown}");
        match &node.kind {
            NodeKind::File(content) => {
                assert!(bytes_of(content, Some(image)) == fs::read(&path).unwrap(), "{shown}");
            }
            NodeKind::Symlink(target) => {
                assert_eq!(target.len() as u64, meta.len(), "{shown}");
            }
            _ => assert!(meta.is_dir(), "{shown}"),
        }
    }
    assert_eq!(found, 512, "paths");
    let of = |name: &[u8]| tree.lookup(name).unwrap();
    assert_eq!(of(b"small"), of(b"linked"));
}

#[test]
fn images_of_mkfs_erofs_are_read_and_found_clean() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let image = folder.path().join("image");
    let (to, from) = (image.to_str().unwrap(), root.to_str().unwrap());
    for args in PLAIN {
        let Some((ok, text)) = run("mkfs.erofs", &[args, &[to, from]].concat()) else { return };
        assert!(ok, "{args:?}: {text}");
        let bytes = fs::read(&image).unwrap();
        let system = open(&bytes).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        let tree = system.tree(SourceId(0)).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        compare(&tree, &root, &bytes);
        let with_attributes = tree.walk().filter(|entry| tree.node(entry.id).meta.xattrs.is_some()).count();
        let supported = rustix::fs::getxattr(
            root.join("many/a-name-that-is-not-short-1"),
            "user.shared",
            &mut [0; 64][..],
        )
        .is_ok();
        assert_eq!(with_attributes, if supported { 500 } else { 0 }, "{args:?}");
        let findings = check(&bytes).unwrap().findings;
        assert!(findings.is_empty(), "{args:?}: {findings:#?}");
    }
    let Some((ok, text)) = run("mkfs.erofs", &["-zlz4", to, from]) else { return };
    assert!(ok, "{text}");
    let bytes = fs::read(&image).unwrap();
    let error = open(&bytes).unwrap().tree(SourceId(0)).unwrap_err();
    let ErofsReadError::Corrupt(corruption) = &error else { panic!("{error}") };
    assert!(matches!(corruption.why, ErofsDefect::Compressed { .. }), "{error}");
    assert!(error.to_string().contains("compressed"), "{error}");
}
