//! Random trees.

use std::sync::Arc;

use amiforge_formats::erofs::write::minimal_len;
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Name, NodeId, NodeKind, Origin, Segment, Tree};
use proptest::prelude::*;

use super::fixture::{empty, judge, node, options, slice};

/// A node to add: a directory's index, a name, a kind, a length, a number that the rest follows from, and attributes.
type Seed = (usize, Vec<u8>, u8, u64, u32, Vec<(u8, usize)>);

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let name = prop_oneof![
        8 => proptest::collection::vec(1_u8..=255, 1..12),
        1 => proptest::collection::vec(1_u8..=255, 200..=255),
    ];
    let len = prop_oneof![4 => 0_u64..10_000, 2 => 30_000_u64..50_000, 1 => 0_u64..3_000_000];
    let xattrs =
        prop_oneof![3 => Just(Vec::new()), 1 => proptest::collection::vec((0_u8..6, 0_usize..900), 0..4)];
    let seed = (any::<usize>(), name, 0_u8..12, len, any::<u32>(), xattrs);
    proptest::collection::vec(seed, 0..150)
}

fn kind((_, _, kind, len, number, _): &Seed) -> NodeKind {
    let (len, number) = (*len, *number);
    match kind {
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
            let bytes: Arc<[u8]> = (0..9200).map(|at| (at * 31 + number as usize) as u8).collect();
            let segments = (0..u64::from(number % 7)).map(|piece| Segment {
                offset: piece * 14_000 + u64::from(number % 50),
                len: 100 + u64::from(number % 9000),
                origin: if piece % 2 == 0 {
                    Origin::Inline { bytes: Arc::clone(&bytes), at: 3 }
                } else {
                    Origin::Slice { source: SourceId(2), at: piece }
                },
            });
            NodeKind::File(Content::Sparse { len: len + 100_000, segments: segments.collect() })
        }
        _ => slice(number.into(), len),
    }
}

fn tree(seeds: &[Seed]) -> Tree {
    let mut tree = empty();
    let mut dirs = vec![tree.root()];
    let mut files: Vec<NodeId> = Vec::new();
    for seed in seeds {
        let (dir, name, of, _, number, xattrs) = seed;
        let Ok(name) = Name::new(name) else { continue };
        let dir = dirs[dir % dirs.len()];
        if *of == 11 && !files.is_empty() {
            let _ = tree.link(dir, name, files[*number as usize % files.len()]);
            continue;
        }
        let mut new = node(kind(seed));
        new.meta.mode = (number % 0o10000) as u16;
        (new.meta.uid, new.meta.gid) = (number.rotate_left(7) >> 1, number.rotate_left(17) >> 1);
        new.meta.mtime = Time { secs: i64::from(*number) * 3 - 2_000_000_000, nanos: number % 1_000_000_000 };
        let is_dir = matches!(new.kind, NodeKind::Dir(_));
        // Linux has user attributes of files and directories alone.
        let user = is_dir || matches!(new.kind, NodeKind::File(_));
        for (which, len) in xattrs {
            let (name, value) = match which {
                0 => {
                    ("security.capability", vec![1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                }
                1 => ("trusted.overlay.opaque", b"y".to_vec()),
                2 if user => ("user.empty", Vec::new()),
                _ if user => ("user.value", vec![*len as u8; *len]),
                _ => ("trusted.value", vec![*len as u8; *len]),
            };
            new.meta.xattrs.get_or_insert_default().insert(name.as_bytes().into(), value.into());
        }
        if let Ok(id) = tree.add(dir, name, new) {
            if is_dir { dirs.push(id) } else { files.push(id) }
        }
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trees_come_back_from_every_reader(seeds in seeds(), room in 0_u64..3) {
        let tree = tree(&seeds);
        let least = minimal_len(&tree, &options(), 0).unwrap();
        judge(&tree, least << (room * 2));
    }
}
