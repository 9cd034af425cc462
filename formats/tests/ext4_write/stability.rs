//! A small change of a tree changes few blocks of its image.

use std::sync::Arc;

use amiforge_formats::ext4::write::plan;
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Name, NodeId, NodeKind, Origin, Segment, Tree};

use super::fixture::{MIB, add, dirty, empty, node, options, slice};

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
