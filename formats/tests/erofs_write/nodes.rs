//! Every kind of node, attributes, large directories and sparse files.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiforge_formats::erofs::write::{minimal_len, plan};
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Name, NodeKind, Origin, Segment};

use super::fixture::{MIB, Mounted, add, empty, is_root, judge, options, slice, sparse_image};

#[test]
fn every_kind_of_node_is_there() {
    let mut tree = empty();
    let root = tree.root();
    let first = add(&mut tree, root, b"first", slice(0, 5000));
    tree.link(root, Name::new(b"second").unwrap(), first).unwrap();
    for (name, kind) in [
        (&b"fifo"[..], NodeKind::Fifo),
        (b"socket", NodeKind::Socket),
        (b"char", NodeKind::CharDevice { major: 259, minor: 70_000 }),
        (b"block", NodeKind::BlockDevice { major: 8, minor: 1 }),
        (b"most", NodeKind::CharDevice { major: 4095, minor: (1 << 20) - 1 }),
        (b"dir", NodeKind::dir()),
        // Names that sort before, between and after `.` and `..`.
        (b"!", slice(3, 1)),
        (b"-", slice(3, 2)),
        (b".-", slice(3, 3)),
        (b"..a", slice(3, 4)),
        (b"\xff\xfe", slice(1, 1)),
        (&[b'n'; 255], slice(1, 0)),
    ] {
        add(&mut tree, root, name, kind);
    }
    for len in [1, 59, 60, 4031, 4032, 4033, 4095] {
        add(&mut tree, root, format!("symlink{len}").as_bytes(), NodeKind::Symlink(vec![b's'; len].into()));
    }
    let block = 4096;
    let sizes =
        [0, 1, 4031, 4032, 4033, 4095, 4096, 4097, 8 * block, 8 * block + 1, 9 * block - 1, 9 * block];
    let large = [9 * block + 1, 524_287, 524_288, 524_289, 3 * MIB + 5, 20 * MIB, 65 * MIB + 3];
    for len in sizes.into_iter().chain(large) {
        add(&mut tree, root, format!("size{len}").as_bytes(), slice(7, len));
    }
    for (i, secs) in
        [i64::from(i32::MIN) + 1, -1, 0, 2_147_483_648, 4_294_967_296, 15_032_385_535].into_iter().enumerate()
    {
        let id = add(&mut tree, root, format!("time{i}").as_bytes(), slice(0, 10));
        tree.node_mut(id).meta.mtime = Time { secs, nanos: 999_999_999 };
        (tree.node_mut(id).meta.uid, tree.node_mut(id).meta.gid) = (70_000 + i as u32, u32::MAX - 1);
    }
    let least = minimal_len(&tree, &options(), 0).unwrap();
    for len in [least, 256 * MIB] {
        judge(&tree, len);
    }
}

#[test]
fn attributes_of_every_kind_and_length_are_kept() {
    let mut tree = empty();
    let root = tree.root();
    let value = |len: usize| -> Box<[u8]> { (0..len).map(|i| i as u8).collect() };
    for len in [0, 1, 40, 200, 3000, 4000, 4040, 9000, 60_000] {
        let id = add(&mut tree, root, format!("xattr{len}").as_bytes(), slice(0, len as u64));
        let name = Box::<[u8]>::from(&b"trusted.some"[..]);
        tree.node_mut(id).meta.xattrs = Some(Box::new([(name, value(len))].into()));
    }
    let acl: Vec<u8> =
        [2u32, 0x0006_0001, u32::MAX, 0x0005_0002, 1000, 0x0005_0004, u32::MAX, 0x0007_0010, u32::MAX]
            .into_iter()
            .chain([0x0004_0020, u32::MAX])
            .flat_map(u32::to_le_bytes)
            .collect();
    let many: BTreeMap<Box<[u8]>, Box<[u8]>> = (0..40)
        .map(|i| (format!("user.key{i}").into_bytes().into(), value(i)))
        .chain([
            (
                b"security.capability"[..].into(),
                [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].into(),
            ),
            (b"system.posix_acl_access"[..].into(), acl.as_slice().into()),
        ])
        .collect();
    let id = add(&mut tree, root, b"many", slice(0, 9000));
    tree.node_mut(id).meta.xattrs = Some(Box::new(many));
    // The kernel derives the group's bits of the mode from the mask.
    tree.node_mut(id).meta.mode = 0o674;
    let dir = add(&mut tree, root, b"dir", NodeKind::dir());
    let default = [(b"system.posix_acl_default"[..].into(), acl.as_slice().into())];
    tree.node_mut(dir).meta.xattrs = Some(Box::new(default.into()));
    let link = add(&mut tree, root, b"link", NodeKind::Symlink(b"many"[..].into()));
    tree.node_mut(link).meta.xattrs = Some(Box::new([(b"trusted.link"[..].into(), value(3))].into()));
    // So long that the tail of a short file has no room behind the inode.
    let root_xattrs = [(b"user.root"[..].into(), value(5000))];
    tree.node_mut(root).meta.xattrs = Some(Box::new(root_xattrs.into()));
    judge(&tree, 16 * MIB);
    judge(&tree, minimal_len(&tree, &options(), 0).unwrap());
}

#[test]
fn directories_of_many_names_are_searched_by_the_kernel() {
    let mut tree = empty();
    let root = tree.root();
    for (dir, count, long) in [("few", 90, 20), ("many", 3000, 200), ("huge", 9000, 60)] {
        let id = add(&mut tree, root, dir.as_bytes(), NodeKind::dir());
        for number in 0..count {
            let name = format!("{:05}{}", number * 7919 % count, "long".repeat(long / 4));
            add(
                &mut tree,
                id,
                name.as_bytes(),
                if number % 9 == 0 { NodeKind::dir() } else { slice(number, 3) },
            );
        }
    }
    for number in 0..400 {
        add(&mut tree, root, format!("in-the-root-{number}").as_bytes(), slice(number, 100));
    }
    judge(&tree, minimal_len(&tree, &options(), 0).unwrap());
    judge(&tree, 64 * MIB);
}

#[test]
fn holes_take_no_blocks() {
    let mut tree = empty();
    let root = tree.root();
    let segment =
        |offset, len| Segment { offset, len, origin: Origin::Slice { source: SourceId(3), at: offset } };
    let sparse =
        |len, segments: &[Segment]| NodeKind::File(Content::Sparse { len, segments: segments.into() });
    let inline =
        Segment { offset: 7, len: 5, origin: Origin::Inline { bytes: Arc::from(*b"..hello."), at: 2 } };
    for (name, kind) in [
        ("only-a-hole", sparse(10 * MIB, &[])),
        ("short-hole", sparse(20_000, &[])),
        ("ends-in-a-hole", sparse(10 * MIB + 77, &[segment(0, 10)])),
        ("begins-with-one", sparse(10 * MIB + 77, &[segment(10 * MIB, 77)])),
        (
            "scattered",
            sparse(
                9 * MIB,
                &[segment(100, 9), segment(40_000, 5000), segment(5 * MIB - 3, MIB), segment(7 * MIB, 1)],
            ),
        ),
        ("inline", sparse(3000, &[inline])),
    ] {
        add(&mut tree, root, name.as_bytes(), kind);
    }
    judge(&tree, minimal_len(&tree, &options(), 0).unwrap());
    let mut lastlog = empty();
    let root = lastlog.root();
    add(&mut lastlog, root, b"lastlog", sparse(292 * MIB, &[segment(0, 292), segment(292 * MIB - 292, 292)]));
    assert!(minimal_len(&lastlog, &options(), 0).unwrap() <= 2 * MIB);
}

#[test]
fn a_file_of_more_than_four_gibibytes_is_whole() {
    let mut tree = empty();
    let root = tree.root();
    let len = (5 << 30) + 12_345;
    let segment =
        |offset, len| Segment { offset, len, origin: Origin::Slice { source: SourceId(3), at: offset } };
    let segments = [segment(0, MIB), segment((4 << 30) - 5, 10), segment(len - 1000, 1000)];
    add(&mut tree, root, b"sparse", NodeKind::File(Content::Sparse { len, segments: segments.into() }));
    let file = sparse_image(&plan(&tree, &options(), 64 * MIB).unwrap());
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mounted = Mounted::new(file.path(), folder.path());
    let path = folder.path().join("sparse");
    let read = |at: u64, len: usize| {
        let mut found = vec![0; len];
        std::os::unix::fs::FileExt::read_exact_at(&std::fs::File::open(&path).unwrap(), &mut found, at)
            .unwrap();
        found
    };
    let pattern = |at: u64, len: usize| {
        let mut expected = vec![0; len];
        amiforge_formats::plan::Sources::read_exact_at(
            &super::fixtures::Pattern,
            SourceId(3),
            at,
            &mut expected,
        )
        .unwrap();
        expected
    };
    assert_eq!(std::fs::metadata(&path).unwrap().len(), len);
    assert_eq!(read((4 << 30) - 5, 10), pattern((4 << 30) - 5, 10));
    assert_eq!(read((4 << 30) + 5, 10), [0; 10]);
    assert_eq!(read(len - 1000, 1000), pattern(len - 1000, 1000));
    drop(mounted);
    // One that is there as a whole is only planned.
    let mut whole = empty();
    let root = whole.root();
    add(&mut whole, root, b"whole", slice(0, len));
    let least = minimal_len(&whole, &options(), 0).unwrap();
    assert!((len..len + len / 20).contains(&least), "{least}");
    assert_eq!(plan(&whole, &options(), least).unwrap().len(), least);
}
