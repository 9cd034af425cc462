//! Random trees come back from the writer as they went in, by our reader and by two that others wrote, and are found
//! clean by our checker and by e2fsck.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use amiforge_formats::dump;
use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::read::open;
use amiforge_formats::ext4::write::{Ext4Options, JournalSize, minimal_len, plan};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{NoSources, SourceId};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree};
use amiforge_tests::{oracle, scratch};
use proptest::prelude::*;

use super::corpus;
use super::images::bytes_of;

/// A node to be added: which directory, its name, what it is, and the numbers that its metadata is made from.
#[derive(Debug, Clone)]
struct Seed {
    dir: usize,
    name: Vec<u8>,
    kind: u8,
    len: u32,
    number: u32,
    xattrs: Vec<(u8, u16)>,
}

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let name = prop_oneof![
        8 => proptest::collection::vec(1_u8..=255, 1..12),
        1 => proptest::collection::vec(1_u8..=255, 200..=255),
    ];
    let xattrs = proptest::collection::vec((0_u8..8, 0_u16..900), 0..4);
    let len = prop_oneof![4 => 0_u32..10_000, 1 => 0_u32..3_000_000];
    let seed =
        (any::<usize>(), name, 0_u8..12, len, any::<u32>(), prop_oneof![3 => Just(Vec::new()), 1 => xattrs]);
    let seed =
        seed.prop_map(|(dir, name, kind, len, number, xattrs)| Seed { dir, name, kind, len, number, xattrs });
    proptest::collection::vec(seed, 0..150)
}

fn bytes(len: usize, number: u32) -> Arc<[u8]> {
    (0..len).map(|at| (at as u32).wrapping_mul(2_654_435_761).wrapping_add(number) as u8).collect()
}

fn meta(seed: &Seed) -> Meta {
    let number = u64::from(seed.number);
    let secs = (number * 3) as i64 - 2_000_000_000;
    let mut meta = Meta {
        mode: (seed.number % 0o10000) as u16,
        uid: seed.number.rotate_left(7),
        gid: seed.number.rotate_left(17),
        mtime: Time { secs, nanos: seed.number % 1_000_000_000 },
        xattrs: None,
    };
    let acl = [
        2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 5, 0, 0xe8, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255,
    ];
    let acl = [&acl[..], &[16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255]].concat();
    for (which, len) in &seed.xattrs {
        let (name, value) = match which {
            0 => ("security.capability", vec![1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            1 => ("system.posix_acl_access", acl.clone()),
            2 => ("trusted.overlay.opaque", b"y".to_vec()),
            3 => ("user.empty", Vec::new()),
            _ => ("user.value", bytes(usize::from(*len), seed.number).to_vec()),
        };
        let xattrs = meta.xattrs.get_or_insert_default();
        xattrs.insert(name.as_bytes().into(), value.into());
    }
    meta
}

fn kind(seed: &Seed) -> NodeKind {
    let number = seed.number;
    match seed.kind {
        0..=2 => NodeKind::dir(),
        3 => NodeKind::Symlink(vec![b'l'; 1 + number as usize % 70].into()),
        4 => NodeKind::Symlink(
            (0..=number % 4095).map(|at| if at % 100 == 99 { b'/' } else { b'L' }).collect(),
        ),
        5 => NodeKind::CharDevice { major: number % 4096, minor: number >> 12 },
        6 => NodeKind::BlockDevice { major: number % 4096, minor: number >> 12 },
        7 => NodeKind::Fifo,
        8 => NodeKind::Socket,
        9 => {
            let len = u64::from(seed.len) + 100_000;
            let pieces = (0..u64::from(number % 7)).map(|piece| Segment {
                offset: piece * 14_000 + u64::from(number % 50),
                len: 100 + u64::from(number % 9000),
                origin: Origin::Inline { bytes: bytes(9200, number), at: 3 },
            });
            NodeKind::File(Content::Sparse { len, segments: pieces.collect() })
        }
        _ => NodeKind::File(Content::Inline(bytes(seed.len as usize, number))),
    }
}

/// The tree; `early` keeps its times within 1970 to 2038.
fn tree(seeds: &[Seed], early: bool) -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::from_secs(1_700_000_000)));
    let mut dirs = vec![tree.root()];
    let mut files: Vec<NodeId> = Vec::new();
    for seed in seeds {
        let Ok(name) = Name::new(&seed.name) else { continue };
        let dir = dirs[seed.dir % dirs.len()];
        if seed.kind == 11 && !files.is_empty() {
            let _ = tree.link(dir, name, files[seed.number as usize % files.len()]);
            continue;
        }
        let mut node = Node { meta: meta(seed), kind: kind(seed) };
        if early {
            node.meta.mtime.secs = node.meta.mtime.secs.rem_euclid(1 << 31);
        }
        let is_dir = matches!(node.kind, NodeKind::Dir(_));
        if let Ok(id) = tree.add(dir, name, node) {
            if is_dir { dirs.push(id) } else { files.push(id) }
        }
    }
    tree
}

fn options(journal: JournalSize) -> Ext4Options {
    Ext4Options {
        uuid: Guid::derive("round", "uuid"),
        hash_seed: Guid::derive("round", "hash"),
        label: "round".to_owned(),
        time: Time::from_secs(1_700_000_000),
        journal,
        reserved: 500,
    }
}

fn image(tree: &Tree, journal: JournalSize) -> Vec<u8> {
    let options = options(journal);
    let len = minimal_len(tree, &options, 0).unwrap();
    let plan = plan(tree, &options, len).unwrap();
    let mut image = vec![0; plan.len() as usize];
    plan.read_exact_at(&NoSources, 0, &mut image).unwrap();
    image
}

/// The content of every file of a tree, by path.
fn contents(tree: &Tree, image: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let files = tree.walk().filter_map(|entry| match &tree.node(entry.id).kind {
        NodeKind::File(content) => Some((entry.path, bytes_of(content, image))),
        _ => None,
    });
    files.collect()
}

/// Reads an image back and compares; then asks everybody whether it is sound.
fn judge(tree: &Tree, image: &[u8], scratch: &Path) {
    let image = image.to_vec();
    let file_system = open(&image).unwrap_or_else(|error| panic!("{error}"));
    let mut back = file_system.tree(SourceId(0)).unwrap_or_else(|error| panic!("{error}"));
    if tree.lookup(b"lost+found").is_none() {
        let root = back.root();
        back.unlink(root, b"lost+found").unwrap();
    }
    assert!(
        dump::to_string(tree) == dump::to_string(&back),
        "{}\n{}",
        dump::to_string(tree),
        dump::to_string(&back)
    );
    assert!(contents(tree, &image) == contents(&back, &image), "contents differ");
    let report = check(&image).unwrap();
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{findings:#?}");
    if oracle::find("e2fsck").is_some() {
        let path = scratch.join("round.img");
        fs::write(&path, &image).unwrap();
        let (clean, text) = corpus::e2fsck(&path);
        assert!(clean, "{text}");
    }
    by_mkext4(tree, &image);
    by_ext4_view(tree, &image);
}

/// The reader of the crate mkext4 reads the same names and contents. Its `verify` knows only its own layout, whose
/// descriptors have 32 bytes, and is not asked.
fn by_mkext4(tree: &Tree, image: &[u8]) {
    let file_system = mkext4::reader::Fs::open(image).unwrap();
    let mut pending = vec![(tree.root(), 2)];
    while let Some((dir, number)) = pending.pop() {
        for entry in file_system.read_dir(number).unwrap() {
            let Some(id) = tree.child(dir, &entry.name) else {
                assert!(matches!(&entry.name[..], b"." | b".." | b"lost+found"), "{:?}", entry.name);
                continue;
            };
            match &tree.node(id).kind {
                NodeKind::Dir(_) => pending.push((id, entry.inode)),
                // It refuses a file with holes that is longer than the file system.
                NodeKind::File(content) if content.len() <= image.len() as u64 => {
                    assert!(file_system.read_file(entry.inode).unwrap() == bytes_of(content, image));
                }
                NodeKind::Symlink(target) => {
                    assert_eq!(file_system.symlink_target(entry.inode).unwrap(), &**target);
                }
                _ => {}
            }
            let xattrs = file_system.xattrs(entry.inode).unwrap().len();
            assert_eq!(xattrs, tree.node(id).meta.xattrs.as_ref().map_or(0, |xattrs| xattrs.len()));
        }
    }
}

/// The crate ext4-view reads the same. Version 1.0.0 takes a time whose lower half has its highest bit set, as any
/// before 1970 and many after 2038, for corrupt; trees with such times it is not shown.
fn by_ext4_view(tree: &Tree, image: &[u8]) {
    if tree.walk().any(|entry| tree.node(entry.id).meta.mtime.secs & 1 << 31 != 0) {
        return;
    }
    let file_system = ext4_view::Ext4::load(Box::new(image.to_vec())).unwrap();
    for entry in tree.walk() {
        let path = [b"/", &entry.path[..]].concat();
        // It follows Linux: no path is longer than 4096 bytes.
        if path.len() > 4000 {
            continue;
        }
        let path = ext4_view::Path::try_from(&path[..]).unwrap();
        let node = tree.node(entry.id);
        let metadata = file_system.symlink_metadata(path).unwrap();
        let found = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid(), metadata.modified().seconds());
        assert_eq!(found, (node.meta.mode, node.meta.uid, node.meta.gid, node.meta.mtime.secs), "{path:?}");
        match &node.kind {
            NodeKind::File(content) => {
                assert!(file_system.read(path).unwrap() == bytes_of(content, image), "{path:?}");
            }
            NodeKind::Symlink(target) => {
                assert_eq!(file_system.read_link(path).unwrap().as_ref(), &**target, "{path:?}");
            }
            NodeKind::Dir(entries) => {
                let found = file_system.read_dir(path).unwrap().count();
                let extra = 2 + usize::from(entry.path.is_empty() && tree.lookup(b"lost+found").is_none());
                assert_eq!(found, entries.len() + extra, "{path:?}");
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_trees_come_back_equal_and_clean(seeds in seeds(), journal in any::<bool>(), early in any::<bool>()) {
        let scratch = scratch::folder();
        let tree = tree(&seeds, early);
        let journal = if journal { JournalSize::Bytes(4 << 20) } else { JournalSize::None };
        judge(&tree, &image(&tree, journal), scratch.path());
    }
}

#[test]
fn a_directory_of_many_names_is_indexed_in_levels_and_comes_back() {
    let scratch = scratch::folder();
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    let dir = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
    let root = tree.root();
    let many = tree.add(root, Name::new(b"many").unwrap(), dir.clone()).unwrap();
    let file = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind: NodeKind::File(Content::empty()) };
    for number in 0..3000 {
        let name = format!("{number:05}{}", "long".repeat(60));
        tree.add(many, Name::new(name.as_bytes()).unwrap(), file.clone()).unwrap();
    }
    let wide = tree.add(root, Name::new(b"wide").unwrap(), dir.clone()).unwrap();
    for number in 0..300 {
        tree.add(wide, Name::new(format!("d{number}").as_bytes()).unwrap(), dir.clone()).unwrap();
    }
    judge(&tree, &image(&tree, JournalSize::None), scratch.path());
}
