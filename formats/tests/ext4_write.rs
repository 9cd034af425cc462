//! The ext4 writer judged by e2fsprogs: trees of every shape are planned, written to a file and checked.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests stand outside test functions"
)]

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::Arc;

use amiforge_formats::ext4::write::{Ext4Options, Ext4WriteError, JournalSize, minimal_len, plan};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Data, Plan, SourceId, Sources};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree};

/// Bytes that tell their place, for any source.
struct Pattern;

impl Sources for Pattern {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte = (at + i as u64)
                .to_le_bytes()
                .iter()
                .fold(source.0 as u8 | 1, |sum, b| sum.wrapping_mul(31) ^ b);
        }
        Ok(())
    }
}

fn options() -> Ext4Options {
    Ext4Options {
        uuid: Guid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555),
        hash_seed: Guid::from_u128(0x9999_9999_2222_3333_4444_5555_5555_5555),
        label: "root".into(),
        time: Time::from_secs(1_700_000_000),
        journal: JournalSize::Auto,
        reserved: 500,
    }
}

fn empty() -> Tree {
    Tree::new(Meta::root_owned(0o755, Time::from_secs(1_600_000_000)))
}

fn node(kind: NodeKind) -> Node {
    Node { meta: Meta::root_owned(0o755, Time { secs: 1_650_000_000, nanos: 123_456_789 }), kind }
}

fn add(tree: &mut Tree, dir: NodeId, name: &[u8], kind: NodeKind) -> NodeId {
    tree.add(dir, Name::new(name).unwrap(), node(kind)).unwrap()
}

fn slice(at: u64, len: u64) -> NodeKind {
    NodeKind::File(if len == 0 { Content::empty() } else { Content::Slice { source: SourceId(1), at, len } })
}

/// Runs a tool; `None`, with a word, when it is not there.
fn run(program: &str, args: &[&str]) -> Option<(bool, String)> {
    match Command::new(program).args(args).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "{program}: {error}");
            println!("SKIP: {program}: {error}");
            None
        }
    }
}

fn write(plan: &Plan) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(plan.len()).unwrap();
    let mut buf = vec![0; 1 << 20];
    for extent in plan.extents().iter().filter(|e| !matches!(e.data, Data::Zero | Data::Free)) {
        let mut at = extent.offset;
        while at < extent.end() {
            let len = (extent.end() - at).min(1 << 20) as usize;
            plan.read_exact_at(&Pattern, at, &mut buf[..len]).unwrap();
            file.as_file().write_all_at(&buf[..len], at).unwrap();
            at += len as u64;
        }
    }
    file
}

/// Plans, writes and checks.
fn clean(tree: &Tree, options: &Ext4Options, len: u64) -> tempfile::NamedTempFile {
    let file = write(&plan(tree, options, len).unwrap());
    if let Some((ok, text)) = run("e2fsck", &["-fn", file.path().to_str().unwrap()]) {
        assert!(ok, "{len} bytes: {text}");
    }
    file
}

fn debugfs(file: &tempfile::NamedTempFile, command: &str) -> Option<String> {
    run("debugfs", &["-R", command, file.path().to_str().unwrap()]).map(|(_, text)| text)
}

const MIB: u64 = 1 << 20;

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

#[test]
fn sizes_from_the_least_to_a_tebibyte_have_a_plan() {
    let mut tree = empty();
    let root = tree.root();
    add(&mut tree, root, b"hello", slice(0, 6));
    let least = minimal_len(&tree, &options(), 0).unwrap();
    assert!(least <= 2 * MIB, "{least}");
    for len in [least, 3 * MIB, 8 * MIB, 100 * MIB, 129 * MIB, 300 * MIB, 2049 * MIB, 5000 * MIB, 17 << 30] {
        clean(&tree, &options(), len);
    }
    let large = plan(&tree, &options(), 1 << 40).unwrap();
    assert_eq!(large.len(), 1 << 40);
    let wanted = Ext4Options { journal: JournalSize::Bytes(900 * MIB), ..options() };
    let file = clean(&tree, &wanted, 4096 * MIB);
    let Some((_, text)) = run("dumpe2fs", &["-h", file.path().to_str().unwrap()]) else { return };
    assert!(text.contains("Total journal size:       900M"), "{text}");
    clean(&tree, &Ext4Options { journal: JournalSize::None, ..options() }, 64 * MIB);
}

#[test]
fn the_least_length_is_enough_and_what_is_missing_is_said() {
    let mut tree = empty();
    let root = tree.root();
    for i in 0..300 {
        add(&mut tree, root, format!("file{i}").as_bytes(), slice(i, i * 1500));
    }
    let len = minimal_len(&tree, &options(), 10 * MIB).unwrap();
    clean(&tree, &options(), len);
    // Far less than the stable way wants: everything is packed.
    let mut tight = len - 10 * MIB;
    while plan(&tree, &options(), tight).is_ok() {
        tight -= MIB / 2;
    }
    clean(&tree, &options(), tight + MIB / 2);
    match plan(&tree, &options(), tight) {
        Err(Ext4WriteError::NoSpace { needed, available }) => {
            assert!(needed > available && needed - available < MIB);
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_repair_from_a_backup_finds_everything() {
    let mut tree = empty();
    let root = tree.root();
    for i in 0..500 {
        add(&mut tree, root, format!("file{i}").as_bytes(), slice(i, 10_000));
    }
    let file = clean(&tree, &options(), 400 * MIB);
    let path = file.path().to_str().unwrap();
    file.as_file().write_all_at(&vec![0; 8192], 0).unwrap();
    let Some((_, text)) = run("e2fsck", &["-fy", "-b", "32768", "-B", "4096", path]) else { return };
    let Some((ok, after)) = run("e2fsck", &["-fn", path]) else { return };
    assert!(ok, "{text}\n{after}");
    assert!(after.contains("511/"), "{after}");
}

#[test]
fn the_geometry_is_that_of_mke2fs() {
    let mut tree = empty();
    let root = tree.root();
    add(&mut tree, root, b"hello", slice(0, 6));
    for len in [2u64 << 30, 4 << 30, 8 << 30] {
        let ours = clean(&tree, &options(), len);
        let theirs = tempfile::NamedTempFile::new().unwrap();
        theirs.as_file().set_len(len).unwrap();
        if run("mke2fs", &["-q", "-F", "-t", "ext4", theirs.path().to_str().unwrap()]).is_none() {
            return;
        }
        let fields = |file: &tempfile::NamedTempFile| -> Vec<String> {
            let Some((_, text)) = run("dumpe2fs", &["-h", file.path().to_str().unwrap()]) else {
                return Vec::new();
            };
            let wanted = [
                "Filesystem features",
                "Filesystem flags",
                "Default mount options",
                "Inode count",
                "Block count",
                "Reserved block count",
                "Overhead clusters",
                "Reserved GDT blocks",
                "Inodes per group",
                "Flex block group size",
                "Default directory hash",
                "Journal inode",
                "Total journal size",
            ];
            text.lines().filter(|line| wanted.iter().any(|w| line.starts_with(w))).map(String::from).collect()
        };
        assert_eq!(fields(&ours), fields(&theirs));
        let blocks = |file| {
            debugfs(file, "stat <7>")
                .map(|text| text.lines().filter(|l| l.starts_with("TOTAL")).collect::<String>())
        };
        assert_eq!(blocks(&ours), blocks(&theirs));
    }
}

/// A tree like a small Debian root: a few hundred directories, thousands of small files, some large.
fn root_like() -> (Tree, Vec<NodeId>) {
    let mut tree = empty();
    let mut dirs = vec![tree.root()];
    let mut state = 1u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for i in 0..1500 {
        let parent = dirs[next(dirs.len() as u64) as usize];
        dirs.push(add(&mut tree, parent, format!("dir{i}").as_bytes(), NodeKind::dir()));
    }
    for i in 0..20_000u64 {
        let parent = dirs[next(dirs.len() as u64) as usize];
        let len = match next(100) {
            0 => 500_000 + next(3_000_000),
            1..=9 => 30_000 + next(300_000),
            10..=49 => 4000 + next(16_000),
            _ => next(4000),
        };
        add(&mut tree, parent, format!("file{i}").as_bytes(), slice(i << 32, len));
    }
    add(&mut tree, dirs[0], b"one-mebibyte", slice(1 << 60, MIB));
    add(&mut tree, dirs[0], b"large", slice(1 << 61, 15 * MIB));
    (tree, dirs)
}

/// Blocks of 512 KiB that hold anything, and those of `after` that differ from `before`.
fn dirty(before: &Plan, after: &Plan) -> (usize, usize) {
    let parts = |plan: &Plan, block: u64| -> Vec<(u64, u64, Data)> {
        let bytes = |data: Data, len: u64| match data {
            Data::Bytes { bytes, at } => Data::Bytes { bytes: bytes[at..at + len as usize].into(), at: 0 },
            other => other,
        };
        let own = plan.range(block << 19, (block + 1) << 19).filter(|e| e.data != Data::Free);
        own.map(|e| (e.offset, e.len, bytes(e.data, e.len))).collect()
    };
    let blocks: Vec<_> =
        (0..after.len() >> 19).map(|block| (parts(before, block), parts(after, block))).collect();
    let used = blocks.iter().filter(|(_, after)| !after.is_empty()).count();
    (used, blocks.iter().filter(|(before, after)| !after.is_empty() && before != after).count())
}

#[test]
fn a_small_change_of_the_tree_dirties_few_blocks() {
    let (tree, dirs) = root_like();
    let len = 2048 * MIB;
    let before = plan(&tree, &options(), len).unwrap();
    let mut replaced = tree.clone();
    let id = replaced.lookup(b"one-mebibyte").unwrap();
    *replaced.node_mut(id) = node(slice(1 << 62, MIB));
    replaced.node_mut(id).meta.mtime = Time::from_secs(1_800_000_000);
    let (used, blocks) = dirty(&before, &plan(&replaced, &options(), len).unwrap());
    println!("one file of 1 MiB replaced: {blocks} of {used} blocks dirty");
    assert!(blocks <= 8, "{blocks}");

    let mut changed = tree.clone();
    let id = changed.lookup(b"large").unwrap();
    let segment =
        |offset, len, at| Segment { offset, len, origin: Origin::Slice { source: SourceId(1), at } };
    let (old, more) = (15 * MIB, 3 * MIB / 2);
    let segments = Arc::from([segment(0, old, 1 << 61), segment(old, more, 5)]);
    changed.node_mut(id).kind = NodeKind::File(Content::Sparse { len: old + more, segments });
    let (used, blocks) = dirty(&before, &plan(&changed, &options(), len).unwrap());
    println!("one file of 15 MiB grown by a tenth: {blocks} of {used} blocks dirty");
    for i in 0..10 {
        let dir = dirs[100 + i * 130];
        add(&mut changed, dir, format!("new{i}").as_bytes(), slice(77, 1000 + i as u64 * 700));
        let small = |(_, id): &(&Name, &NodeId)| matches!(&tree.node(**id).kind, NodeKind::File(c) if c.len() < 20_000);
        let dir =
            dirs[150 + i * 130..].iter().find(|dir| tree.entries(**dir).unwrap().iter().any(|e| small(&e)));
        let (name, _) = tree.entries(*dir.unwrap()).unwrap().iter().find(small).unwrap();
        changed.unlink(*dir.unwrap(), name.as_bytes());
    }
    let (used, blocks) = dirty(&before, &plan(&changed, &options(), len).unwrap());
    println!(
        "and ten small files added, ten removed, in twenty directories: {blocks} of {used} blocks dirty"
    );
    assert!(blocks * 100 <= used * 5, "{blocks} of {used}");
}

#[test]
fn what_ext4_cannot_hold_is_refused_by_its_path() {
    let refused = |name: &[u8], change: &dyn Fn(&mut Node)| {
        let mut tree = empty();
        let root = tree.root();
        let dir = add(&mut tree, root, b"dir", NodeKind::dir());
        let id = add(&mut tree, dir, name, slice(0, 1));
        change(tree.node_mut(id));
        plan(&tree, &options(), 64 * MIB).unwrap_err()
    };
    let path = || b"/dir/f".to_vec();
    let time = Time { secs: 15_032_385_536, nanos: 0 };
    assert_eq!(refused(b"f", &|node| node.meta.mtime = time), Ext4WriteError::Time { path: path(), time });
    assert_eq!(
        refused(b"f", &|node| node.kind = NodeKind::Symlink([].into())),
        Ext4WriteError::Symlink { path: path(), len: 0 }
    );
    assert_eq!(
        refused(b"f", &|node| node.meta.mode = 0o10_000),
        Ext4WriteError::Mode { path: path(), mode: 0o10_000 }
    );
    assert_eq!(
        refused(b"f", &|node| node.kind = NodeKind::CharDevice { major: 4096, minor: 0 }),
        Ext4WriteError::Device { path: path(), major: 4096, minor: 0 }
    );
    let xattr = |name: &[u8]| Some(Box::new([(name.into(), b"v"[..].into())].into()));
    assert_eq!(
        refused(b"f", &|node| node.meta.xattrs = xattr(b"system.richacl")),
        Ext4WriteError::XattrName { path: path(), name: b"system.richacl".to_vec() }
    );
    let acl = b"system.posix_acl_access";
    assert_eq!(
        refused(b"f", &|node| node.meta.xattrs = xattr(acl)),
        Ext4WriteError::Acl { path: path(), name: acl.to_vec() }
    );
    let len = 1 << 44;
    assert_eq!(
        refused(b"f", &|node| node.kind = slice(0, len)),
        Ext4WriteError::FileTooLarge { path: path(), len, most: len - 4096 }
    );
    let label = Ext4Options { label: "more than sixteen".into(), ..options() };
    assert!(matches!(plan(&empty(), &label, 64 * MIB), Err(Ext4WriteError::Label { .. })));
    let reserved = Ext4Options { reserved: 5001, ..options() };
    assert!(matches!(plan(&empty(), &reserved, 64 * MIB), Err(Ext4WriteError::Reserved { .. })));
    let mut tree = empty();
    let root = tree.root();
    add(&mut tree, root, b"lost+found", slice(0, 1));
    assert!(matches!(plan(&tree, &options(), 64 * MIB), Err(Ext4WriteError::LostFound { .. })));
}

mod random {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn trees_are_clean(
            names in proptest::collection::vec(("[a-z\\PC]{1,60}", 0u8..12, 0u64..3_000_000, 0usize..300), 1..200),
            slack in 0u64..300,
        ) {
            let mut tree = empty();
            let mut dirs = vec![tree.root()];
            for (i, (name, kind, len, xattr)) in names.into_iter().enumerate() {
                let parent = dirs[i * 7919 % dirs.len()];
                let name: Vec<u8> = name.bytes().filter(|b| *b != b'/' && *b != 0).take(250).collect();
                let Ok(name) = Name::new(&name) else { continue };
                let kind = match kind {
                    0..=2 => NodeKind::dir(),
                    3 => NodeKind::Symlink(vec![b'x'; (len % 4095) as usize + 1].into()),
                    4 => NodeKind::Fifo,
                    5 => slice(0, len),
                    _ => slice(0, len % 20_000),
                };
                let is_dir = matches!(kind, NodeKind::Dir(_));
                let mut new = node(kind);
                if xattr < 100 {
                    new.meta.xattrs = Some(Box::new([(b"user.k"[..].into(), vec![1; xattr * 3].into())].into()));
                }
                if let Ok(id) = tree.add(parent, name, new) {
                    dirs.extend(is_dir.then_some(id));
                }
            }
            let len = minimal_len(&tree, &options(), slack << 16).unwrap();
            clean(&tree, &options(), len);
        }
    }
}
