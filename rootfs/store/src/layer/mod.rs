//! Layers: trees that were made once, stored with the entries that they reference, and loaded instead of being made
//! again. A layer is named by a digest of all its inputs, which the caller takes.
//!
//! A layer is one entry of the store, `layer-<key>`: contents that are in no other entry, an index (the tree with the
//! digests of its files, the entries that it references, notes), and the offset, length and digest of the index. The
//! index is hashed before it is used; the contents, and those of the entries that it references, are hashed while the
//! build reads them, as inputs are.
//!
//! A layer gets its name after all deferred checks have passed, so one that was made from damaged bytes never has one.

mod decode;
mod encode;
mod index;

use std::os::unix::fs::FileExt;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Tree};

use self::encode::Encoder;
pub use self::index::LayerError;
use self::index::{MAGIC, Purpose};
use crate::blobs::{Blobs, FileStamp};
use crate::deferred::Deferred;
use crate::digests;
use crate::entry::{EntryWriter, OpenEntry};
use crate::error::StoreError;
use crate::store::Store;

/// Prefix of the name of a layer's entry; its key follows.
const PREFIX: &str = "layer-";

/// Bytes after the index: its offset, its length, its digest.
const TAIL: usize = 8 + 8 + 32;

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
    /// The bytes that were saved with it.
    pub notes: Vec<u8>,
    /// Of a loaded layer, the checks of the entries that the tree references; of a saved one, its name.
    pub deferred: Deferred,
}

/// An entry that lacks only trailer and name, its index, and the sources of the entries that it references, in order.
struct WrittenLayer {
    writer: EntryWriter,
    index: Vec<u8>,
    sources: Vec<SourceId>,
}

impl decode::LayerIndex {
    /// The layer; the digests of its files are recorded in `blobs`.
    fn into_layer(self, blobs: &mut Blobs, deferred: Deferred) -> Layer {
        for (piece, digests) in self.digests {
            blobs.set_digests(piece, digests);
        }
        Layer { tree: self.tree, notes: self.notes, deferred }
    }
}

impl<'a> Layers<'a> {
    /// The layers of a store.
    pub fn of(store: &'a Store) -> Self {
        Self { store }
    }

    /// Saves a tree under a key, with notes. Contents that are in the store already are referenced, the others are
    /// copied into the layer. The digests that are taken for it are recorded in `blobs`.
    ///
    /// The returned tree refers to the layer, as it will when it is loaded. The layer gets its name when the returned
    /// [`Deferred`] is joined: append it to that with the checks of all that the tree was made from.
    ///
    /// # Errors
    /// When a content cannot be read or the store cannot be written.
    pub fn save(
        &self,
        key: Digest,
        tree: &Tree,
        blobs: &mut Blobs,
        notes: &[u8],
    ) -> Result<Layer, LayerError> {
        digests::take(tree, blobs).map_err(LayerError::Read)?;
        let WrittenLayer { writer, index, mut sources } = self.write(tree, blobs, notes, Purpose::Layer)?;
        let (entry, rename) = writer.finish_as(&format!("{PREFIX}{key}"))?;
        sources.insert(0, blobs.add_entry(entry.file, &entry.path));
        let mut deferred = Deferred::new();
        deferred.rename_layer(rename);
        let read = decode::references(&index).and_then(|(_, rest)| decode::tree(rest, &sources));
        let read = read.ok_or_else(|| LayerError::Read(std::io::ErrorKind::InvalidData.into()))?;
        Ok(read.into_layer(blobs, deferred))
    }

    /// Saves notes under a key: a layer with an empty tree. It gets its name at once.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn save_notes(&self, key: Digest, notes: &[u8]) -> Result<(), LayerError> {
        let empty = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let written = self.write(&empty, &Blobs::new(), notes, Purpose::Fingerprint)?;
        let (_, rename) = written.writer.finish_as(&format!("{PREFIX}{key}"))?;
        Ok(rename.commit()?)
    }

    /// The notes that [`Layers::save_notes`] saved under a key; none if they are damaged.
    ///
    /// # Errors
    /// When they exist and cannot be read.
    pub fn load_notes(&self, key: Digest) -> Result<Option<Vec<u8>>, LayerError> {
        match self.load(key, &mut Blobs::new()) {
            Ok(layer) => Ok(layer.map(|layer| layer.notes)),
            Err(LayerError::Store(StoreError::Damaged { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A digest of a whole tree with the contents of its files: by the digests of the files where those are known, by
    /// the digests of the store's entries that contain them, or else by their bytes, which are read now.
    ///
    /// # Errors
    /// When a content cannot be read or the store cannot be written.
    pub fn fingerprint(&self, tree: &Tree, blobs: &Blobs) -> Result<Digest, LayerError> {
        let written = self.write(tree, blobs, b"", Purpose::Fingerprint)?;
        let (entry, rename) = written.writer.finish_as("fingerprint")?;
        drop(rename);
        Ok(entry.digest)
    }

    /// Writes contents, index and the position of the index.
    fn write(
        self,
        tree: &Tree,
        blobs: &Blobs,
        notes: &[u8],
        purpose: Purpose,
    ) -> Result<WrittenLayer, LayerError> {
        let mut writer = self.store.create_entry()?;
        let encoder = Encoder::new(self.store, blobs, &mut writer, purpose);
        let (index, sources) = encoder.encode(tree, notes)?;
        let start = writer.len();
        writer.write(&index)?;
        let mut tail = Vec::with_capacity(TAIL);
        tail.extend_from_slice(&start.to_le_bytes());
        tail.extend_from_slice(&(index.len() as u64).to_le_bytes());
        tail.extend_from_slice(&Digest::of(&index).0);
        writer.write(&tail)?;
        Ok(WrittenLayer { writer, index, sources })
    }

    /// Loads a tree; none when there is no such layer, or an entry that it references is missing (it is removed then).
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its index is damaged; it has been removed then.
    pub fn load(&self, key: Digest, blobs: &mut Blobs) -> Result<Option<Layer>, LayerError> {
        let Some(layer) = self.store.open(&format!("{PREFIX}{key}"))? else { return Ok(None) };
        let index = index(&layer)?;
        if is_foreign(&index) {
            let _ = std::fs::remove_file(&layer.path);
            return Ok(None);
        }
        let (references, rest) = decode::references(&index).ok_or_else(|| damaged_index(&layer))?;
        let mut entries = Vec::with_capacity(references.len());
        for reference in references {
            match self.store.open(&reference.name)? {
                Some(entry) if (entry.len, entry.digest) == (reference.len, reference.digest) => {
                    entries.push(entry);
                }
                _ => {
                    let _ = std::fs::remove_file(&layer.path);
                    return Ok(None);
                }
            }
        }
        let (mut sources, mut deferred) = (Vec::new(), Deferred::new());
        for OpenEntry { file, path, len, digest } in [&layer].into_iter().chain(&entries) {
            let metadata = file.metadata();
            let metadata = metadata.map_err(|source| StoreError::Read { path: path.clone(), source })?;
            sources.push(blobs.add_closed(path.clone(), FileStamp::of_entry(&metadata)));
            deferred.check_entry(path, *len, *digest);
        }
        let index = decode::tree(rest, &sources).ok_or_else(|| damaged_index(&layer))?;
        Ok(Some(index.into_layer(blobs, deferred)))
    }

    /// The names of the entries of the store that an entry references: none unless it is a layer. Without one of them
    /// the layer cannot be loaded.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] as for [`Layers::load`].
    pub fn references(&self, entry: &str) -> Result<Vec<String>, LayerError> {
        if !entry.starts_with(PREFIX) {
            return Ok(Vec::new());
        }
        let Some(layer) = self.store.open(entry)? else { return Ok(Vec::new()) };
        let index = index(&layer)?;
        if is_foreign(&index) {
            return Ok(Vec::new());
        }
        let references = decode::references(&index).ok_or_else(|| damaged_index(&layer))?;
        Ok(references.0.into_iter().map(|reference| reference.name).collect())
    }
}

/// The index of a layer, after its digest was compared.
fn index(layer: &OpenEntry) -> Result<Vec<u8>, StoreError> {
    let reading = |source| StoreError::Read { path: layer.path.clone(), source };
    let mut tail = [0; TAIL];
    let Some(end) = layer.len.checked_sub(TAIL as u64) else {
        return Err(damaged(layer, &format!("{} bytes", layer.len), "an index"));
    };
    layer.file.read_exact_at(&mut tail, end).map_err(reading)?;
    let (position, digest) = tail.split_at(16);
    let [start, len] = [position.first_chunk(), position.last_chunk()]
        .map(|half: Option<&[u8; 8]>| u64::from_le_bytes(half.copied().unwrap_or_default()));
    if start.checked_add(len) != Some(end) {
        return Err(damaged(
            layer,
            &format!("an index at byte {start} of {len} bytes"),
            &format!("its end at {end}"),
        ));
    }
    let mut index = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    layer.file.read_exact_at(&mut index, start).map_err(reading)?;
    let actual = Digest::of(&index);
    if actual.0 != digest {
        let expected = Digest(digest.try_into().unwrap_or_default());
        return Err(damaged(layer, &format!("sha256 {actual} of the index"), &expected.to_string()));
    }
    Ok(index)
}

/// Whether another version of this program wrote the index.
fn is_foreign(index: &[u8]) -> bool {
    !index.starts_with(MAGIC)
}

fn damaged_index(layer: &OpenEntry) -> StoreError {
    damaged(layer, "nonsense", "an index")
}

/// Removes a damaged layer; the error that says so.
fn damaged(layer: &OpenEntry, found: &str, expected: &str) -> StoreError {
    let _ = std::fs::remove_file(&layer.path);
    StoreError::Damaged { path: layer.path.clone(), found: found.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests;
