//! What is known of an image before it is written, because one was written from the same plan before: the Merkle root of
//! its blocks, the digest of the whole, and the findings of preflight.
//!
//! The digest of the whole is one chain through every byte, free space included, and takes longer than all else. The
//! blocks are hashed every time, in parallel; if their root is the known one, every byte is the same, and so is the digest
//! of the whole. Bytes that were not hashed are never taken for right.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::{Data, Extent, Plan, SourceId, Sources as _};
use amiforge_image::image::KnownImage;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::layer::Layers;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::pipeline::BuildError;

/// Raised when something else is known of the same plan than before.
const REVISION: u32 = 2;

/// Most bytes of files outside the store that are read to know a plan again.
const OTHERS_MAX: u64 = 16 << 20;

/// A plan that may be known.
pub(super) struct ImageCache<'a> {
    store: &'a Store,
    /// None if too many of its bytes are outside the store.
    key: Option<Digest>,
    cached: Option<CachedDigests>,
}

/// The cached facts of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CachedDigests {
    /// Root of the blocks, and digest of the whole, in hexadecimal.
    root: String,
    plain: String,
    /// The findings of preflight; none if it did not run.
    findings: Option<Vec<String>>,
}

impl<'a> ImageCache<'a> {
    /// Looks for a plan in the store.
    pub(super) fn of(plan: &Plan, blobs: &Blobs, store: &'a Store) -> Result<Self, BuildError> {
        let key = key(plan, blobs, store)?;
        let notes = key.map(|key| Layers::of(store).load_notes(key)).transpose()?.flatten();
        let cached = notes.and_then(|notes| serde_json::from_slice(&notes).ok());
        Ok(Self { store, key, cached })
    }

    /// What is known of the image's digests.
    pub(super) fn known(&self) -> Option<KnownImage> {
        let cached = self.cached.as_ref()?;
        Some(KnownImage { root: cached.root.parse().ok()?, plain: cached.plain.parse().ok()? })
    }

    /// The cached findings of preflight, valid for an image with the cached Merkle root.
    pub(super) fn findings(&self) -> Option<&[String]> {
        self.cached.as_ref()?.findings.as_deref()
    }

    /// Caches the digests and findings of an image.
    pub(super) fn keep(&self, known: KnownImage, findings: Option<&[String]>) -> Result<(), BuildError> {
        let Some(key) = self.key else { return Ok(()) };
        let KnownImage { root, plain } = known;
        let cached = CachedDigests {
            root: root.to_string(),
            plain: plain.to_string(),
            findings: findings.map(<[String]>::to_vec),
        };
        let notes = serde_json::to_vec(&cached).map_err(|error| BuildError::Notes(error.to_string()))?;
        Ok(Layers::of(self.store).save_notes(key, &notes)?)
    }
}

/// What is known of an image that is a file as it is, byte for byte, such as a kept disk in which nothing changes.
pub(super) fn unchanged_file(plan: &Plan, blobs: &Blobs) -> Option<KnownImage> {
    let mut held = None;
    for Extent { offset, data, .. } in plan.extents() {
        match data {
            Data::Slice { source, at } if at == offset && held.is_none_or(|held| held == *source) => {
                held = Some(*source);
            }
            // If the file has something else there, the image has another root than the file.
            Data::Zero => {}
            _ => return None,
        }
    }
    let file = blobs.whole(held?).filter(|file| file.len == plan.len())?;
    Some(KnownImage { root: file.root, plain: file.sha256 })
}

/// A digest of a plan with all its contents: files by their digests where these are known, other ranges of the store by
/// the digests of its entries, others by the digest of their file, the rest by its bytes. `None` where that would be too many bytes to read.
fn key(plan: &Plan, blobs: &Blobs, store: &Store) -> Result<Option<Digest>, BuildError> {
    let mut hasher = Sha256::new();
    hasher.update(format!("image {} {REVISION} {}", env!("CARGO_PKG_VERSION"), plan.len()));
    let mut entries: HashMap<SourceId, Option<Digest>> = HashMap::new();
    let mut others = 0;
    for Extent { offset, len, data } in plan.extents() {
        hasher.update(offset.to_le_bytes());
        hasher.update(len.to_le_bytes());
        match data {
            Data::Bytes { bytes, at } => {
                hasher.update([0]);
                hasher.update(&bytes[*at..*at + *len as usize]);
            }
            Data::Slice { source, at } => {
                // Its digest, whatever its path.
                if let Some((file, within)) = blobs.containing_file(*source, *at, *len) {
                    hasher.update([5]);
                    hasher.update(file.0);
                    hasher.update(within.to_le_bytes());
                    continue;
                }
                if let Some(whole) = blobs.whole(*source) {
                    hasher.update([6]);
                    hasher.update(whole.sha256.0);
                    hasher.update(at.to_le_bytes());
                    continue;
                }
                let entry = match entries.entry(*source) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(free) => {
                        let path = blobs.path(*source);
                        *free.insert(path.map(|path| store.entry_digest(path)).transpose()?.flatten())
                    }
                };
                if let Some(digest) = entry {
                    hasher.update([1]);
                    hasher.update(digest.0);
                    hasher.update(at.to_le_bytes());
                } else {
                    others += len;
                    if others > OTHERS_MAX {
                        return Ok(None);
                    }
                    let mut bytes = vec![0; *len as usize];
                    // The error of the file is reported when the image is written.
                    let Ok(()) = blobs.read_exact_at(*source, *at, &mut bytes) else { return Ok(None) };
                    hasher.update([2]);
                    hasher.update(&bytes);
                }
            }
            Data::Zero => hasher.update([3]),
            Data::Free => hasher.update([4]),
        }
    }
    Ok(Some(Digest(hasher.finalize().into())))
}
