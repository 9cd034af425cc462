//! Layers: trees that were made once, kept in the store with what they reference, and loaded again instead of being
//! made. A layer is named by a digest of all that it was made from, which is the caller's to take.
//!
//! A layer is one entry of the store, `layer-<key>`: contents that lie nowhere else in the store, an index (the tree
//! with the digests of its files, the entries that it references, notes), and where the index lies, with its digest. The index is hashed before it
//! is used; the contents, and those of the entries that it references, are hashed while the build reads them, as
//! inputs are.
//!
//! A layer gets its name as the last of the checks that are outstanding, so one that was made from damaged bytes never
//! has one.

mod decode;
mod encode;

use std::os::unix::fs::FileExt;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Tree};

use self::encode::Encoder;
use crate::blobs::{Blobs, FileStamp};
use crate::checks::{DeferredTask, Outstanding};
use crate::digests;
use crate::{Spool, Spooling, Store, StoreError};

/// What the name of a layer's entry begins with; its key follows.
const PREFIX: &str = "layer-";

/// What an index begins with.
const MAGIC: &[u8; 16] = b"amiforge layer 2";

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

/// A layer that was loaded or saved.
#[derive(Debug)]
pub struct Layer {
    /// The tree.
    pub tree: Tree,
    /// What was saved beside it.
    pub notes: Vec<u8>,
    /// Digests that are still to be taken of what the tree references, or the name that it still has to get.
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

/// An entry that is complete but for its name, its index, and the sources that the entries it references are, in order.
struct WrittenLayer {
    spooling: Spooling,
    index: Vec<u8>,
    sources: Vec<SourceId>,
}

/// Whether an index has the digests of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digests {
    /// They are kept for whoever loads it.
    Kept,
    /// Nobody loads it.
    Left,
}

/// An entry of the store that a layer references.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reference {
    name: String,
    len: u64,
    digest: Digest,
}

impl decode::LayerIndex {
    /// The layer, whose files' digests are known from now on.
    fn known(self, blobs: &mut Blobs, outstanding: Outstanding) -> Layer {
        for (piece, digests) in self.digests {
            blobs.know(piece, digests);
        }
        Layer { tree: self.tree, notes: self.notes, outstanding }
    }
}

impl<'a> Layers<'a> {
    /// Those of a store.
    pub fn of(store: &'a Store) -> Self {
        Self { store }
    }

    /// Saves a tree under a key, with notes for whoever loads it. Contents that lie in the store already are
    /// referenced; the rest is copied into the layer. The digests that are taken for it are known afterwards.
    ///
    /// The tree of what is returned refers to the layer, as it will when it is loaded. The layer gets its name when the
    /// checks of what is returned are done. Append those to the checks of all that the tree was made from, so that they
    /// come after them: checks stop at the first that fails.
    ///
    /// # Errors
    /// What the store or the sources say.
    pub fn save(
        &self,
        key: Digest,
        tree: &Tree,
        blobs: &mut Blobs,
        notes: &[u8],
    ) -> Result<Layer, LayerError> {
        digests::take(tree, blobs).map_err(LayerError::Read)?;
        let WrittenLayer { spooling, index, mut sources } =
            self.written(tree, blobs, notes, Digests::Kept)?;
        let (spool, naming) = spooling.finish_as(&format!("{PREFIX}{key}"))?;
        sources.insert(0, blobs.add_entry(spool.file, &spool.path));
        let outstanding = Outstanding::new(vec![DeferredTask::Name(naming)]);
        let read = decode::references(&index).and_then(|(_, rest)| decode::tree(rest, &sources));
        let read = read.ok_or_else(|| LayerError::Read(std::io::ErrorKind::InvalidData.into()))?;
        Ok(read.known(blobs, outstanding))
    }

    /// Keeps a few bytes under a key: a layer with no tree.
    ///
    /// # Errors
    /// What the store says.
    pub fn remember(&self, key: Digest, bytes: &[u8]) -> Result<(), LayerError> {
        let nothing = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let spooling = self.written(&nothing, &Blobs::new(), bytes, Digests::Left)?.spooling;
        let (_, naming) = spooling.finish_as(&format!("{PREFIX}{key}"))?;
        Ok(naming.finish()?)
    }

    /// What was kept under a key with [`Layers::remember`]. Damaged bytes count as forgotten.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn recall(&self, key: Digest) -> Result<Option<Vec<u8>>, LayerError> {
        match self.load(key, &mut Blobs::new()) {
            Ok(layer) => Ok(layer.map(|layer| layer.notes)),
            Err(LayerError::Store(StoreError::Damaged { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A digest of everything that a tree says, the bytes of its files included: by their digests where those are known,
    /// by those of the store's entries that they lie in, or as they are read now.
    ///
    /// # Errors
    /// What the store or the sources say.
    pub fn fingerprint(&self, tree: &Tree, blobs: &Blobs) -> Result<Digest, LayerError> {
        let (spool, naming) =
            self.written(tree, blobs, b"", Digests::Left)?.spooling.finish_as("fingerprint")?;
        drop(naming);
        Ok(spool.digest)
    }

    /// An entry that is complete but for its name.
    fn written(
        self,
        tree: &Tree,
        blobs: &Blobs,
        notes: &[u8],
        digests: Digests,
    ) -> Result<WrittenLayer, LayerError> {
        let mut spooling = self.store.begin()?;
        let encoder = Encoder::new(self.store, blobs, &mut spooling, digests);
        let (index, sources) = encoder.encode(tree, notes)?;
        let start = spooling.len();
        spooling.write(&index)?;
        let mut tail = Vec::with_capacity(TAIL);
        tail.extend_from_slice(&start.to_le_bytes());
        tail.extend_from_slice(&(index.len() as u64).to_le_bytes());
        tail.extend_from_slice(&Digest::of(&index).0);
        spooling.write(&tail)?;
        Ok(WrittenLayer { spooling, index, sources })
    }

    /// Loads a tree; `None` when there is no such layer, or what it references is gone (it goes too, then).
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is there and broken; it has been removed then.
    pub fn load(&self, key: Digest, blobs: &mut Blobs) -> Result<Option<Layer>, LayerError> {
        let Some(spool) = self.store.open(&format!("{PREFIX}{key}"))? else { return Ok(None) };
        let index = index(&spool)?;
        if is_foreign(&index) {
            let _ = std::fs::remove_file(&spool.path);
            return Ok(None);
        }
        let (references, rest) = decode::references(&index).ok_or_else(|| damaged_index(&spool))?;
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
            sources.push(blobs.add_closed(path.clone(), FileStamp::of_entry(&found)));
            tasks.push(DeferredTask::Entry { path: path.clone(), len: *len, digest: *digest });
        }
        let index = decode::tree(rest, &sources).ok_or_else(|| damaged_index(&spool))?;
        Ok(Some(index.known(blobs, Outstanding::new(tasks))))
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
        if is_foreign(&index) {
            return Ok(Vec::new());
        }
        let references = decode::references(&index).ok_or_else(|| damaged_index(&spool))?;
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

/// Whether another version of this program wrote an index.
fn is_foreign(index: &[u8]) -> bool {
    !index.starts_with(MAGIC)
}

fn damaged_index(spool: &Spool) -> StoreError {
    damaged(spool, "nonsense", "an index")
}

/// Removes a layer that makes no sense and says so.
fn damaged(spool: &Spool, found: &str, expected: &str) -> StoreError {
    let _ = std::fs::remove_file(&spool.path);
    StoreError::Damaged { path: spool.path.clone(), found: found.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests;
