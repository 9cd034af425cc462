//! A small change of a real root dirties few blocks of its file system: what an update would send is counted on plans,
//! without writing an image.

use amiforge_formats::ext4::write::{Ext4Options, JournalSize, plan};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Data, Plan, SourceId};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree};
use amiforge_store::blobs::Blobs;
use amiforge_tests::{scratch, source_tree, tier};

const MIB: u64 = 1 << 20;

/// A source that no archive is, for contents that are new.
const OTHER: SourceId = SourceId(1000);

fn tree_of(tar: &std::path::Path) -> Tree {
    let folder = scratch::folder();
    source_tree::from_tar(tar, folder.path(), &mut Blobs::new()).tree
}

/// Every directory and file of the tree, in the order of their paths.
fn nodes(tree: &Tree, of: impl Fn(&NodeKind) -> bool) -> Vec<(NodeId, Name, NodeId)> {
    let (mut found, mut stack) = (Vec::new(), vec![tree.root()]);
    while let Some(dir) = stack.pop() {
        for (name, id) in tree.entries(dir).into_iter().flatten() {
            if of(&tree.node(*id).kind) {
                found.push((dir, name.clone(), *id));
            }
            if matches!(tree.node(*id).kind, NodeKind::Dir(_)) {
                stack.push(*id);
            }
        }
    }
    found
}

fn file(at: u64, len: u64) -> NodeKind {
    NodeKind::File(Content::Slice { source: OTHER, at, len })
}

/// Blocks of 512 KiB that hold anything, and those of `after` that differ from `before`.
fn dirty(before: &Plan, after: &Plan) -> (usize, usize) {
    let parts = |plan: &Plan, block: u64| -> Vec<(u64, u64, Data)> {
        let bytes = |data: Data, len: u64| match data {
            Data::Bytes { bytes, at } => Data::Bytes { bytes: bytes[at..at + len as usize].into(), at: 0 },
            other => other,
        };
        let own = plan.range(block << 19, (block + 1) << 19).filter(|extent| extent.data != Data::Free);
        own.map(|extent| (extent.offset, extent.len, bytes(extent.data, extent.len))).collect()
    };
    let blocks = (0..after.len() >> 19).map(|block| (parts(before, block), parts(after, block)));
    blocks
        .filter(|(_, after)| !after.is_empty())
        .fold((0, 0), |(used, dirty), (before, after)| (used + 1, dirty + usize::from(before != after)))
}

fn is_file(kind: &NodeKind, lens: std::ops::Range<u64>) -> bool {
    matches!(kind, NodeKind::File(content) if lens.contains(&content.len()))
}

/// The tree with another content of the same length for a file of at least 1 MiB, the least there is.
fn one_replaced(tree: &Tree) -> (Tree, u64) {
    let files = nodes(tree, |kind| is_file(kind, MIB..2 * MIB));
    let len = |id: NodeId| match &tree.node(id).kind {
        NodeKind::File(content) => content.len(),
        _ => 0,
    };
    let (_, _, id) = files.into_iter().min_by_key(|(_, _, id)| len(*id)).unwrap();
    let mut changed = tree.clone();
    changed.node_mut(id).kind = file(0, len(id));
    changed.node_mut(id).meta.mtime = Time::from_secs(1_800_000_000);
    (changed, len(id))
}

/// The tree with a file grown by a tenth, and ten small files added and ten removed, each in a directory of its own.
fn some_changed(tree: &Tree) -> Tree {
    let mut changed = tree.clone();
    let large = nodes(tree, |kind| is_file(kind, 10 * MIB..20 * MIB));
    let (_, _, id) = large.into_iter().next().unwrap();
    if let NodeKind::File(content) = &tree.node(id).kind
        && let Content::Slice { source, at, len } = content
    {
        let old = Segment { offset: 0, len: *len, origin: Origin::Slice { source: *source, at: *at } };
        let new = Segment { offset: *len, len: len / 10, origin: Origin::Slice { source: OTHER, at: 0 } };
        changed.node_mut(id).kind =
            NodeKind::File(Content::Sparse { len: len + len / 10, segments: [old, new].into() });
    }
    let small = nodes(tree, |kind| is_file(kind, 100..20_000));
    for i in 0..10 {
        let (dir, ..) = &small[small.len() * (2 * i) / 20];
        let kind = file(1 << 40, 1000 + i as u64 * 700);
        let node = Node { meta: Meta::root_owned(0o644, Time::from_secs(1_800_000_000)), kind };
        changed.add(*dir, Name::new(format!("added{i}").as_bytes()).unwrap(), node).unwrap();
        let (dir, name, _) = &small[small.len() * (2 * i + 1) / 20];
        changed.unlink(*dir, name.as_bytes());
    }
    changed
}

#[test]
fn a_small_change_of_a_real_root_dirties_few_blocks() {
    let roots = [("min.tar", 2, 8), ("big.tar", 8, 5)];
    for (input, gib, most) in &roots[..if tier::night() { 2 } else { 1 }] {
        let Some(tar) = scratch::input(input) else { return };
        let tree = tree_of(&tar);
        let options = Ext4Options {
            uuid: Guid::derive("stable", "root"),
            hash_seed: Guid::derive("stable", "seed"),
            label: String::new(),
            time: Time::from_secs(1_750_000_000),
            journal: JournalSize::Auto,
            reserved: 0,
        };
        let planned = |tree: &Tree| plan(tree, &options, *gib << 30).unwrap();
        let before = planned(&tree);
        let (replaced, len) = one_replaced(&tree);
        let (used, blocks) = dirty(&before, &planned(&replaced));
        println!("{input}: a file of {len} bytes replaced: {blocks} of {used} blocks dirty");
        assert!(blocks <= 8, "{blocks}");
        let (used, blocks) = dirty(&before, &planned(&some_changed(&tree)));
        println!(
            "{input}: a file grown by a tenth, ten small ones added and ten removed: {blocks} of {used} blocks dirty"
        );
        // Twenty directories are touched; on a root of a few hundred blocks their number is what is seen.
        assert!(blocks * 100 <= used * most, "{blocks} of {used}");
    }
}
