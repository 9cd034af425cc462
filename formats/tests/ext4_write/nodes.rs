//! Every kind of node, attributes, large directories and sparse files.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiforge_formats::ext4::write::{Ext4WriteError, minimal_len, plan};
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Name, NodeKind, Origin, Segment};

use super::fixture::{MIB, add, clean, debugfs, empty, options, slice};

#[test]
fn every_kind_of_node_is_clean() {
    let mut tree = empty();
    let root = tree.root();
    let first = add(&mut tree, root, b"first", slice(0, 5000));
    tree.link(root, Name::new(b"second").unwrap(), first).unwrap();
    for (name, kind) in [
        (&b"fifo"[..], NodeKind::Fifo),
        (b"socket", NodeKind::Socket),
        (b"char", NodeKind::CharDevice { major: 259, minor: 70_000 }),
        (b"block", NodeKind::BlockDevice { major: 8, minor: 1 }),
        (b"dir", NodeKind::dir()),
        (b"\xff\xfe", slice(1, 1)),
        (&[b'n'; 255], slice(1, 0)),
    ] {
        add(&mut tree, root, name, kind);
    }
    for len in [1, 59, 60, 61, 4095] {
        add(&mut tree, root, format!("symlink{len}").as_bytes(), NodeKind::Symlink(vec![b's'; len].into()));
    }
    for len in [0, 1, 4095, 4096, 4097, 524_287, 524_288, 524_289, 3 * MIB + 5, 20 * MIB] {
        add(&mut tree, root, format!("size{len}").as_bytes(), slice(7, len));
    }
    for (i, secs) in
        [-2_147_483_648, -1, 0, 2_147_483_648, 4_294_967_296, 15_032_385_535].into_iter().enumerate()
    {
        let id = add(&mut tree, root, format!("time{i}").as_bytes(), slice(0, 10));
        tree.node_mut(id).meta.mtime = Time { secs, nanos: 999_999_999 };
        (tree.node_mut(id).meta.uid, tree.node_mut(id).meta.gid) = (70_000 + i as u32, u32::MAX - 1);
    }
    let len = minimal_len(&tree, &options(), 0).unwrap();
    for len in [len, 256 * MIB, 2048 * MIB] {
        let file = clean(&tree, &options(), len);
        let Some(text) = debugfs(&file, "stat /time5") else { return };
        assert!(text.contains("User: 70005   Group:    -2"), "{text}");
        assert!(text.contains("mtime: 0x7fffffff:ee6b27ff"), "{text}");
        let Some(text) = debugfs(&file, "stat /char") else { return };
        assert!(text.contains("259:70000"), "{text}");
    }
}

#[test]
fn attributes_stand_in_inodes_and_shared_blocks() {
    let mut tree = empty();
    let root = tree.root();
    let value = |len: usize| -> Box<[u8]> { (0..len).map(|i| i as u8).collect() };
    for i in 0..1100 {
        let id = add(&mut tree, root, format!("shared{i}").as_bytes(), slice(0, 0));
        tree.node_mut(id).meta.xattrs = Some(Box::new([(b"user.same"[..].into(), value(200))].into()));
    }
    for len in [0, 1, 40, 60, 61, 64, 68, 72, 3000, 4040] {
        let id = add(&mut tree, root, format!("xattr{len}").as_bytes(), slice(0, 0));
        let name = Box::<[u8]>::from(&b"trusted.some"[..]);
        tree.node_mut(id).meta.xattrs = Some(Box::new([(name, value(len))].into()));
    }
    let many: BTreeMap<Box<[u8]>, Box<[u8]>> =
        (0..40).map(|i| (format!("user.key{i}").into_bytes().into(), value(i))).collect();
    let id = add(&mut tree, root, b"many", slice(0, 9000));
    tree.node_mut(id).meta.xattrs = Some(Box::new(many));
    let file = clean(&tree, &options(), 64 * MIB);
    let Some(text) = debugfs(&file, "ea_list /many") else { return };
    assert_eq!(text.matches("user.key").count(), 40, "{text}");
    let Some(text) = debugfs(&file, "ea_list /xattr4040") else { return };
    assert!(text.contains("trusted.some (4040)"), "{text}");
    tree.node_mut(id).meta.xattrs = Some(Box::new([(b"user.big"[..].into(), value(4100))].into()));
    let refused = plan(&tree, &options(), 64 * MIB);
    assert!(
        matches!(&refused, Err(Ext4WriteError::XattrSpace { path, .. }) if path == b"/many"),
        "{refused:?}"
    );
}

#[test]
fn large_directories_and_sparse_files_are_clean() {
    let mut tree = empty();
    let root = tree.root();
    let many = add(&mut tree, root, b"many", NodeKind::dir());
    for i in 0..100_000 {
        add(&mut tree, many, format!("file_with_a_name_{i:06}").as_bytes(), slice(0, 0));
    }
    let sub = add(&mut tree, root, b"sub", NodeKind::dir());
    for i in 0..66_000 {
        add(&mut tree, sub, format!("s{i}").as_bytes(), NodeKind::dir());
    }
    let origin = |at| Origin::Slice { source: SourceId(1), at };
    let hole = |i: u64| Segment {
        offset: i * 128 * 1024 + i % 3 * 1000,
        len: 3000 + i % 5 * 4000,
        origin: origin(i),
    };
    let segments: Vec<Segment> = (0..5600).map(hole).collect();
    let content = Content::Sparse { len: 700 * MIB, segments: segments.into() };
    add(&mut tree, root, b"holes", NodeKind::File(content));
    add(
        &mut tree,
        root,
        b"only-a-hole",
        NodeKind::File(Content::Sparse { len: 1 << 40, segments: Arc::from([]) }),
    );
    let file = clean(&tree, &options(), 2048 * MIB);
    let Some(text) = debugfs(&file, "ex /holes") else { return };
    assert!(text.contains(" 2/ 2"), "the extents are not two levels deep");
    let Some(text) = debugfs(&file, "stat /sub") else { return };
    assert!(text.contains("Links: 1 "), "{text}");
    let Some(text) = debugfs(&file, "htree_dump /many") else { return };
    assert!(text.contains("Indirect levels: 1"), "{}", &text[..500]);
}
