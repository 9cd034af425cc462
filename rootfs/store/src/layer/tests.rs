use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use amiforge_formats::path::bytes_of;
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment};

use super::*;

const KEY: Digest = Digest([7; 32]);

/// A store with one spool among the blobs, and a file that is none of the store's.
struct Case {
    folder: tempfile::TempDir,
    store: Store,
    blobs: Blobs,
    spool: SourceId,
    pack: SourceId,
}

fn case() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(&folder.path().join("store"));
    let mut spooling = store.begin().unwrap();
    spooling.write(b"spooled bytes").unwrap();
    let (spool, naming) = spooling.finish(Digest::of(b"in"), 2).unwrap();
    naming.finish().unwrap();
    let mut blobs = Blobs::new();
    let spool = blobs.add(spool.file, &spool.path);
    let path = folder.path().join("pack");
    std::fs::write(&path, b"packed").unwrap();
    let pack = blobs.add(std::fs::File::open(&path).unwrap(), &path);
    Case { folder, store, blobs, spool, pack }
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
    let slice = Content::Slice { source: case.spool, at: 3, len: 5 };
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

/// What a tree says, contents read.
fn told(tree: &Tree, blobs: &Blobs) -> Vec<(Vec<u8>, usize, Meta, String)> {
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
    assert_eq!(told(&saved.tree, &case.blobs), told(&tree, &case.blobs));
    saved.outstanding.start().wait().unwrap();
    case.store.folder().join(format!("{PREFIX}{KEY}"))
}

#[test]
fn a_loaded_tree_is_the_saved_one_and_references_what_the_store_has() {
    let mut case = case();
    let path = saved(&mut case);
    let mut blobs = Blobs::new();
    let layer = Layers::of(&case.store).load(KEY, &mut blobs).unwrap().unwrap();
    assert_eq!(told(&layer.tree, &blobs), told(&tree(&case), &case.blobs));
    assert_eq!(layer.notes, b"notes");
    layer.outstanding.start().wait().unwrap();
    let spool = format!("{}-2", Digest::of(b"in"));
    let name = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(Layers::of(&case.store).references(name).unwrap(), [spool]);
    let bytes = std::fs::read(path).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"spooled"), "copied what the store has");
    drop(case.folder);
}

#[test]
fn a_fingerprint_is_the_same_before_and_after_a_layer_has_its_name() {
    let mut case = case();
    let first = tree(&case);
    let layers = Layers::of(&case.store);
    let made = layers.save(KEY, &first, &mut case.blobs, b"").unwrap();
    let before = layers.fingerprint(&made.tree, &case.blobs).unwrap();
    made.outstanding.start().wait().unwrap();
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
    layers.save(key, &below.tree, &mut blobs, b"").unwrap().outstanding.start().wait().unwrap();
    let names = layers.references(&format!("{PREFIX}{key}")).unwrap();
    assert!(names.contains(&format!("{PREFIX}{KEY}")), "{names:?}");
    let mut blobs = Blobs::new();
    let above = layers.load(key, &mut blobs).unwrap().unwrap();
    assert_eq!(told(&above.tree, &blobs), told(&tree(&case), &case.blobs));
}

#[test]
fn a_layer_whose_reference_is_gone_goes_too() {
    let mut case = case();
    let path = saved(&mut case);
    std::fs::remove_file(case.store.folder().join(format!("{}-2", Digest::of(b"in")))).unwrap();
    assert!(Layers::of(&case.store).load(KEY, &mut Blobs::new()).unwrap().is_none());
    assert!(!path.exists());
}

#[test]
fn every_changed_byte_is_noticed() {
    let mut case = case();
    let path = saved(&mut case);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] = !bad[at];
        std::fs::write(&path, bad).unwrap();
        let loaded = Layers::of(&case.store).load(KEY, &mut Blobs::new());
        let noticed = match loaded {
            Err(LayerError::Store(StoreError::Damaged { .. })) => true,
            Ok(Some(layer)) => layer.outstanding.start().wait().is_err(),
            other => panic!("byte {at}: {other:?}"),
        };
        assert!(noticed && !path.exists(), "byte {at}");
    }
}

#[test]
fn a_layer_made_from_damaged_bytes_never_has_a_name() {
    let mut case = case();
    let wrong = DeferredTask::Entry {
        path: case.store.folder().join(format!("{}-2", Digest::of(b"in"))),
        len: 13,
        digest: Digest([0; 32]),
    };
    let mut outstanding = Outstanding::new(vec![wrong]);
    let layers = Layers::of(&case.store);
    let tree = tree(&case);
    outstanding.append(layers.save(KEY, &tree, &mut case.blobs, b"").unwrap().outstanding);
    assert!(outstanding.start().wait().is_err());
    let left: Vec<_> = std::fs::read_dir(case.store.folder()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_index_of_nonsense_is_refused() {
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
        // Many bytes may be anything; none may make the reader fall over.
        let _ = read(&bad);
    }
}
