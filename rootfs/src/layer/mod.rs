//! Layers: trees that were made once, kept in the store with what they reference, and loaded again instead of being
//! made. A layer is named by a digest of all that it was made from, which is the caller's to take.
//!
//! A layer is one entry of the store, `layer-<key>`: contents that lie nowhere else in the store, an index (the tree,
//! the entries that it references, notes), and where the index lies, with its digest. The index is hashed before it
//! is used; the contents, and those of the entries that it references, are hashed while the build reads them, as
//! inputs are.
//!
//! A layer gets its name as the last of the checks that are outstanding, so one that was made from damaged bytes never
//! has one.

mod decode;
mod encode;

use std::os::unix::fs::FileExt;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Tree;

use self::encode::Encoder;
use crate::blobs::{Blobs, Stamp};
use crate::checks::{Outstanding, Task};
use crate::store::{Spool, Spooling, Store, StoreError};

/// What the name of a layer's entry begins with; its key follows.
const PREFIX: &str = "layer-";

/// What an index begins with.
const MAGIC: &[u8; 16] = b"amiforge layer 1";

/// Bytes after the index: where it begins, its length, its digest.
const TAIL: usize = 8 + 8 + 32;

/// Tags of nodes in an index.
mod tag {
    pub(super) const DIR: u8 = 0;
    pub(super) const FILE: u8 = 1;
    pub(super) const SYMLINK: u8 = 2;
    pub(super) const CHAR: u8 = 3;
    pub(super) const BLOCK: u8 = 4;
    pub(super) const FIFO: u8 = 5;
    pub(super) const SOCKET: u8 = 6;
    /// One more name of a node that came before.
    pub(super) const LINK: u8 = 7;
}

/// The layers of a store.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    store: &'a Store,
}

/// A layer that was loaded.
#[derive(Debug)]
pub struct Layer {
    /// The tree.
    pub tree: Tree,
    /// What was saved beside it.
    pub notes: Vec<u8>,
    /// Digests that are still to be taken of what the tree references.
    pub outstanding: Outstanding,
}

/// Why a layer could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A content of the tree cannot be read.
    #[error("reading what the layer holds")]
    Read(#[source] std::io::Error),
}

/// An entry of the store that a layer references.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reference {
    name: String,
    len: u64,
    digest: Digest,
}

impl<'a> Layers<'a> {
    /// Those of a store.
    pub fn of(store: &'a Store) -> Self {
        Self { store }
    }

    /// Saves a tree under a key, with notes for whoever loads it. Contents that lie in the store already are
    /// referenced; the rest is copied into the layer.
    ///
    /// The layer gets its name when what is returned is done. Append that to the checks of all that the tree was made
    /// from, so that it comes after them: checks stop at the first that fails.
    ///
    /// # Errors
    /// What the store or the sources say.
    pub fn save(
        &self,
        key: Digest,
        tree: &Tree,
        blobs: &Blobs,
        notes: &[u8],
    ) -> Result<Outstanding, LayerError> {
        let spooling = self.written(tree, blobs, notes)?;
        let (_, naming) = spooling.finish_as(&format!("{PREFIX}{key}"))?;
        Ok(Outstanding::new(vec![Task::Name(naming)]))
    }

    /// A digest of everything that a tree says, the bytes of its files included: those that lie in the store by the
    /// digests of their entries, others as they are read now.
    ///
    /// # Errors
    /// What the store or the sources say.
    pub fn fingerprint(&self, tree: &Tree, blobs: &Blobs) -> Result<Digest, LayerError> {
        let (spool, naming) = self.written(tree, blobs, b"")?.finish_as("fingerprint")?;
        drop(naming);
        Ok(spool.digest)
    }

    /// An entry that is complete but for its name.
    fn written(self, tree: &Tree, blobs: &Blobs, notes: &[u8]) -> Result<Spooling, LayerError> {
        let mut spooling = self.store.begin()?;
        let encoded = Encoder::new(self.store, blobs, &mut spooling).encode(tree, notes)?;
        let start = spooling.len();
        spooling.write(&encoded)?;
        let mut tail = Vec::with_capacity(TAIL);
        tail.extend_from_slice(&start.to_le_bytes());
        tail.extend_from_slice(&(encoded.len() as u64).to_le_bytes());
        tail.extend_from_slice(&Digest::of(&encoded).0);
        spooling.write(&tail)?;
        Ok(spooling)
    }

    /// Loads a tree; `None` when there is no such layer, or what it references is gone (it goes too, then).
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is there and broken; it has been removed then.
    pub fn load(&self, key: Digest, blobs: &mut Blobs) -> Result<Option<Layer>, LayerError> {
        let Some(spool) = self.store.open(&format!("{PREFIX}{key}"))? else { return Ok(None) };
        let index = index(&spool)?;
        let wrong = |found: &str| damaged(&spool, found, "an index");
        let (references, rest) = decode::references(&index).ok_or_else(|| wrong("no references"))?;
        let mut entries = Vec::with_capacity(references.len());
        for reference in references {
            match self.store.open(&reference.name)? {
                Some(entry) if (entry.len, entry.digest) == (reference.len, reference.digest) => {
                    entries.push(entry);
                }
                _ => {
                    let _ = std::fs::remove_file(&spool.path);
                    return Ok(None);
                }
            }
        }
        let (mut sources, mut tasks) = (Vec::new(), Vec::new());
        for Spool { file, path, len, digest } in [&spool].into_iter().chain(&entries) {
            let found = file.metadata();
            let found = found.map_err(|source| StoreError::Read { path: path.clone(), source })?;
            sources.push(blobs.add_closed(path.clone(), Stamp::of_entry(&found)));
            tasks.push(Task::Entry { path: path.clone(), len: *len, digest: *digest });
        }
        let (tree, notes) = decode::tree(rest, &sources).ok_or_else(|| wrong("no tree"))?;
        Ok(Some(Layer { tree, notes, outstanding: Outstanding::new(tasks) }))
    }

    /// The names of the entries of the store that an entry references: none unless it is a layer. Whoever removes one
    /// of those makes the layer useless.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] as for [`Layers::load`].
    pub fn references(&self, entry: &str) -> Result<Vec<String>, LayerError> {
        if !entry.starts_with(PREFIX) {
            return Ok(Vec::new());
        }
        let Some(spool) = self.store.open(entry)? else { return Ok(Vec::new()) };
        let index = index(&spool)?;
        let references =
            decode::references(&index).ok_or_else(|| damaged(&spool, "no references", "an index"))?;
        Ok(references.0.into_iter().map(|reference| reference.name).collect())
    }
}

/// The index of a layer, if its digest is right.
fn index(spool: &Spool) -> Result<Vec<u8>, StoreError> {
    let reading = |source| StoreError::Read { path: spool.path.clone(), source };
    let mut tail = [0; TAIL];
    let Some(end) = spool.len.checked_sub(TAIL as u64) else {
        return Err(damaged(spool, &format!("{} bytes", spool.len), "an index"));
    };
    spool.file.read_exact_at(&mut tail, end).map_err(reading)?;
    let (place, digest) = tail.split_at(16);
    let [start, len] = [place.first_chunk(), place.last_chunk()]
        .map(|half: Option<&[u8; 8]>| u64::from_le_bytes(half.copied().unwrap_or_default()));
    if start.checked_add(len) != Some(end) {
        return Err(damaged(
            spool,
            &format!("an index at byte {start} of {len} bytes"),
            &format!("its end at {end}"),
        ));
    }
    let mut index = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    spool.file.read_exact_at(&mut index, start).map_err(reading)?;
    let found = Digest::of(&index);
    if found.0 != digest {
        let expected = Digest(digest.try_into().unwrap_or_default());
        return Err(damaged(spool, &format!("sha256 {found} of the index"), &expected.to_string()));
    }
    Ok(index)
}

/// Removes a layer that makes no sense and says so.
fn damaged(spool: &Spool, found: &str, expected: &str) -> StoreError {
    let _ = std::fs::remove_file(&spool.path);
    StoreError::Damaged { path: spool.path.clone(), found: found.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::Arc;

    use amiforge_formats::plan::SourceId;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Kind, Meta, Name, Node, NodeId, Origin, Segment};

    use super::*;
    use crate::steps::resolve::bytes_of;

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

    fn add(tree: &mut Tree, dir: NodeId, name: &str, kind: Kind) -> NodeId {
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
        let dir = add(&mut tree, root, "dir", Kind::dir());
        add(&mut tree, root, "z", Kind::dir());
        let slice = Content::Slice { source: case.spool, at: 3, len: 5 };
        let file = add(&mut tree, dir, "slice", Kind::File(slice));
        tree.link(root, Name::new(b"again").unwrap(), file).unwrap();
        add(&mut tree, dir, "packed", Kind::File(Content::Slice { source: case.pack, at: 1, len: 4 }));
        add(&mut tree, dir, "inline", Kind::File(Content::Inline(Arc::from(&b"inline"[..]))));
        add(&mut tree, dir, "empty", Kind::File(Content::empty()));
        let segment = |offset, len, origin| Segment { offset, len, origin };
        let segments = [
            segment(2, 3, Origin::Slice { source: case.pack, at: 0 }),
            segment(9, 1, Origin::Inline { bytes: Arc::from(&b"abc"[..]), at: 2 }),
        ];
        add(&mut tree, dir, "sparse", Kind::File(Content::Sparse { len: 20, segments: Arc::new(segments) }));
        add(&mut tree, dir, "link", Kind::Symlink(b"../z"[..].into()));
        add(&mut tree, dir, "char", Kind::CharDevice { major: 5, minor: 1 });
        add(&mut tree, dir, "block", Kind::BlockDevice { major: 259, minor: 70_000 });
        add(&mut tree, dir, "fifo", Kind::Fifo);
        add(&mut tree, dir, "socket", Kind::Socket);
        tree
    }

    /// What a tree says, contents read.
    fn told(tree: &Tree, blobs: &Blobs) -> Vec<(Vec<u8>, usize, Meta, String)> {
        tree.walk()
            .map(|entry| {
                let node = tree.node(entry.id);
                let kind = match &node.kind {
                    Kind::File(content) => format!("{:?}", bytes_of(content, blobs).unwrap()),
                    Kind::Dir(entries) => format!("{}", entries.len()),
                    other => format!("{other:?}"),
                };
                let links = tree.link_counts()[entry.id.index()];
                (entry.path, links as usize, node.meta.clone(), kind)
            })
            .collect()
    }

    fn saved(case: &Case) -> PathBuf {
        let tree = tree(case);
        let naming = Layers::of(&case.store).save(KEY, &tree, &case.blobs, b"notes").unwrap();
        assert!(Layers::of(&case.store).load(KEY, &mut Blobs::new()).unwrap().is_none());
        naming.start().wait().unwrap();
        case.store.folder().join(format!("{PREFIX}{KEY}"))
    }

    #[test]
    fn a_loaded_tree_is_the_saved_one_and_references_what_the_store_has() {
        let case = case();
        let path = saved(&case);
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
    fn a_layer_on_a_layer_references_it() {
        let case = case();
        saved(&case);
        let mut blobs = Blobs::new();
        let layers = Layers::of(&case.store);
        let below = layers.load(KEY, &mut blobs).unwrap().unwrap();
        let key = Digest([8; 32]);
        layers.save(key, &below.tree, &blobs, b"").unwrap().start().wait().unwrap();
        let names = layers.references(&format!("{PREFIX}{key}")).unwrap();
        assert!(names.contains(&format!("{PREFIX}{KEY}")), "{names:?}");
        let mut blobs = Blobs::new();
        let above = layers.load(key, &mut blobs).unwrap().unwrap();
        assert_eq!(told(&above.tree, &blobs), told(&tree(&case), &case.blobs));
    }

    #[test]
    fn a_layer_whose_reference_is_gone_goes_too() {
        let case = case();
        let path = saved(&case);
        std::fs::remove_file(case.store.folder().join(format!("{}-2", Digest::of(b"in")))).unwrap();
        assert!(Layers::of(&case.store).load(KEY, &mut Blobs::new()).unwrap().is_none());
        assert!(!path.exists());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let case = case();
        let path = saved(&case);
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
        let case = case();
        let wrong = Task::Entry {
            path: case.store.folder().join(format!("{}-2", Digest::of(b"in"))),
            len: 13,
            digest: Digest([0; 32]),
        };
        let mut outstanding = Outstanding::new(vec![wrong]);
        let layers = Layers::of(&case.store);
        outstanding.append(layers.save(KEY, &tree(&case), &case.blobs, b"").unwrap());
        assert!(outstanding.start().wait().is_err());
        let left: Vec<_> = std::fs::read_dir(case.store.folder()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn an_index_of_nonsense_is_refused() {
        let good = {
            let case = case();
            index(&case.store.open(saved(&case).file_name().unwrap().to_str().unwrap()).unwrap().unwrap())
                .unwrap()
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
}
