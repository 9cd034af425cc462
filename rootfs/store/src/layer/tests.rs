//! Layers that are saved, loaded, referenced and damaged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use amiforge_formats::path::bytes_of;
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment};

use super::*;

const KEY: Digest = Digest([7; 32]);

/// A store with one input among the blobs, and a file outside the store.
struct Case {
    folder: tempfile::TempDir,
    store: Store,
    blobs: Blobs,
    input: SourceId,
    pack: SourceId,
}

fn case() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(&folder.path().join("store"));
    let mut writer = store.create_entry().unwrap();
    writer.write(b"spooled bytes").unwrap();
    let (entry, rename) = writer.finish(Digest::of(b"in"), 2).unwrap();
    rename.commit().unwrap();
    let mut blobs = Blobs::new();
    let input = blobs.add(entry.file, &entry.path);
    let path = folder.path().join("pack");
    std::fs::write(&path, b"packed").unwrap();
    let pack = blobs.add(std::fs::File::open(&path).unwrap(), &path);
    Case { folder, store, blobs, input, pack }
}

fn add(tree: &mut Tree, dir: NodeId, name: &str, kind: NodeKind) -> NodeId {
    let mut meta = Meta::root_owned(0o4755, Time { secs: -5, nanos: 7 });
    meta.uid = 70_000;
    let xattrs = BTreeMap::from([(b"user.k".as_slice().into(), b"v".as_slice().into())]);
    meta.xattrs = Some(Box::new(xattrs)).filter(|_| name == "slice");
    tree.add(dir, Name::new(name.as_bytes()).unwrap(), Node { meta, kind }).unwrap()
}

/// One of everything.
fn tree(case: &Case) -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::from_secs(9)));
    let root = tree.root();
    let dir = add(&mut tree, root, "dir", NodeKind::dir());
    add(&mut tree, root, "z", NodeKind::dir());
    let slice = Content::Slice { source: case.input, at: 3, len: 5 };
    let file = add(&mut tree, dir, "slice", NodeKind::File(slice));
    tree.link(root, Name::new(b"again").unwrap(), file).unwrap();
    add(&mut tree, dir, "packed", NodeKind::File(Content::Slice { source: case.pack, at: 1, len: 4 }));
    add(&mut tree, dir, "inline", NodeKind::File(Content::Inline(Arc::from(&b"inline"[..]))));
    add(&mut tree, dir, "empty", NodeKind::File(Content::empty()));
    let segment = |offset, len, origin| Segment { offset, len, origin };
    let segments = [
        segment(2, 3, Origin::Slice { source: case.pack, at: 0 }),
        segment(9, 1, Origin::Inline { bytes: Arc::from(&b"abc"[..]), at: 2 }),
    ];
    add(&mut tree, dir, "sparse", NodeKind::File(Content::Sparse { len: 20, segments: Arc::new(segments) }));
    add(&mut tree, dir, "link", NodeKind::Symlink(b"../z"[..].into()));
    add(&mut tree, dir, "char", NodeKind::CharDevice { major: 5, minor: 1 });
    add(&mut tree, dir, "block", NodeKind::BlockDevice { major: 259, minor: 70_000 });
    add(&mut tree, dir, "fifo", NodeKind::Fifo);
    add(&mut tree, dir, "socket", NodeKind::Socket);
    tree
}

/// All that a tree describes, contents read.
fn described(tree: &Tree, blobs: &Blobs) -> Vec<(Vec<u8>, usize, Meta, String)> {
    tree.walk()
        .map(|entry| {
            let node = tree.node(entry.id);
            let kind = match &node.kind {
                NodeKind::File(content) => format!("{:?}", bytes_of(content, blobs).unwrap()),
                NodeKind::Dir(entries) => format!("{}", entries.len()),
                other => format!("{other:?}"),
            };
            let links = tree.link_counts()[entry.id.index()];
            (entry.path, links as usize, node.meta.clone(), kind)
        })
        .collect()
}

fn saved(case: &mut Case) -> PathBuf {
    let tree = tree(case);
    let saved = Layers::of(&case.store).save(KEY, &tree, &mut case.blobs, b"notes").unwrap();
    assert!(Layers::of(&case.store).load(KEY, &mut Blobs::new()).unwrap().is_none());
    assert_eq!(described(&saved.tree, &case.blobs), described(&tree, &case.blobs));
    saved.deferred.join().unwrap();
    case.store.folder().join(format!("{PREFIX}{KEY}"))
}

#[test]
fn a_loaded_tree_is_the_saved_one_and_references_entries_of_the_store() {
    let mut case = case();
    let path = saved(&mut case);
    let mut blobs = Blobs::new();
    let layer = Layers::of(&case.store).load(KEY, &mut blobs).unwrap().unwrap();
    assert_eq!(described(&layer.tree, &blobs), described(&tree(&case), &case.blobs));
    assert_eq!(layer.notes, b"notes");
    layer.deferred.join().unwrap();
    let input = format!("{}-2", Digest::of(b"in"));
    let name = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(Layers::of(&case.store).references(name).unwrap(), [input]);
    let bytes = std::fs::read(path).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"spooled"), "an entry of the store was copied");
    drop(case.folder);
}

#[test]
fn a_fingerprint_is_the_same_before_and_after_a_layer_has_its_name() {
    let mut case = case();
    let first = tree(&case);
    let layers = Layers::of(&case.store);
    let made = layers.save(KEY, &first, &mut case.blobs, b"").unwrap();
    let before = layers.fingerprint(&made.tree, &case.blobs).unwrap();
    made.deferred.join().unwrap();
    let mut blobs = Blobs::new();
    let mut loaded = layers.load(KEY, &mut blobs).unwrap().unwrap();
    assert_eq!(layers.fingerprint(&loaded.tree, &blobs).unwrap(), before);
    let dir = loaded.tree.lookup(b"dir").unwrap();
    loaded.tree.unlink(dir, b"packed").unwrap();
    assert_ne!(layers.fingerprint(&loaded.tree, &blobs).unwrap(), before);
}

#[test]
fn a_layer_on_a_layer_references_it() {
    let mut case = case();
    saved(&mut case);
    let mut blobs = Blobs::new();
    let layers = Layers::of(&case.store);
    let below = layers.load(KEY, &mut blobs).unwrap().unwrap();
    let key = Digest([8; 32]);
    layers.save(key, &below.tree, &mut blobs, b"").unwrap().deferred.join().unwrap();
    let names = layers.references(&format!("{PREFIX}{key}")).unwrap();
    assert!(names.contains(&format!("{PREFIX}{KEY}")), "{names:?}");
    let mut blobs = Blobs::new();
    let above = layers.load(key, &mut blobs).unwrap().unwrap();
    assert_eq!(described(&above.tree, &blobs), described(&tree(&case), &case.blobs));
}

#[test]
fn a_layer_whose_reference_is_missing_is_removed() {
    let mut case = case();
    let path = saved(&mut case);
    std::fs::remove_file(case.store.folder().join(format!("{}-2", Digest::of(b"in")))).unwrap();
    assert!(Layers::of(&case.store).load(KEY, &mut Blobs::new()).unwrap().is_none());
    assert!(!path.exists());
}

#[test]
fn every_changed_byte_is_detected() {
    let mut case = case();
    let path = saved(&mut case);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] = !bad[at];
        std::fs::write(&path, bad).unwrap();
        let loaded = Layers::of(&case.store).load(KEY, &mut Blobs::new());
        let detected = match loaded {
            Err(LayerError::Store(StoreError::Damaged { .. })) => true,
            Ok(Some(layer)) => layer.deferred.join().is_err(),
            other => panic!("byte {at}: {other:?}"),
        };
        assert!(detected && !path.exists(), "byte {at}");
    }
}

#[test]
fn a_layer_made_from_damaged_bytes_never_has_a_name() {
    let mut case = case();
    let mut deferred = Deferred::new();
    let input = case.store.folder().join(format!("{}-2", Digest::of(b"in")));
    deferred.check_entry(&input, 13, Digest([0; 32]));
    let layers = Layers::of(&case.store);
    let tree = tree(&case);
    deferred.append(layers.save(KEY, &tree, &mut case.blobs, b"").unwrap().deferred);
    assert!(deferred.join().is_err());
    let left: Vec<_> = std::fs::read_dir(case.store.folder()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_malformed_index_is_refused() {
    let good = {
        let mut case = case();
        let path = saved(&mut case);
        index(&case.store.open(path.file_name().unwrap().to_str().unwrap()).unwrap().unwrap()).unwrap()
    };
    let sources = [SourceId(0), SourceId(1)];
    let read = |index: &[u8]| {
        let (_, rest) = decode::references(index)?;
        decode::tree(rest, &sources)
    };
    assert!(read(&good).is_some());
    for end in 0..good.len() {
        assert!(read(&good[..end]).is_none(), "cut at {end}");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] = 0xff;
        // Many bytes may be anything; none may make the decoder panic.
        let _ = read(&bad);
    }
}
