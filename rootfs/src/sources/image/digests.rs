//! What is known of the file of an image once all of it was read: the Merkle root of its blocks, and the digests of the contents
//! of the files in it. It follows from the bytes alone, so it is kept in the store under the SHA-256 of the file.

use std::os::unix::fs::FileExt as _;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::SourceId;
use amiforge_store::blobs::{Blobs, WholeFile};
use amiforge_store::{FileDigests, Store, StoreError};

/// What the bytes of an entry begin with. Another version of them has another.
const MAGIC: &[u8; 16] = b"image digests 1\n";

/// Bytes before the contents: magic, length of the file, its root.
const HEAD: usize = 16 + 8 + 32;

/// Bytes of a content: first byte, length, SHA-1, SHA-256.
const CONTENT: usize = 8 + 8 + 20 + 32;

/// Most bytes that are read: contents of four million files.
const LEN_MAX: u64 = 256 << 20;

/// What is known of the file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDigests {
    /// The file.
    pub file: WholeFile,
    /// Contents of files in it that are each one range of it: first byte, length, digests.
    pub contents: Vec<(u64, u64, FileDigests)>,
}

impl ImageDigests {
    /// Keeps it in a store.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn save(&self, store: &Store) -> Result<(), StoreError> {
        let WholeFile { len, sha256, root } = self.file;
        let mut bytes = Vec::with_capacity(HEAD + self.contents.len() * CONTENT);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&root.0);
        for (at, len, FileDigests { sha1, sha256 }) in &self.contents {
            bytes.extend_from_slice(&at.to_le_bytes());
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(sha1);
            bytes.extend_from_slice(&sha256.0);
        }
        let mut entry = store.create_entry()?;
        entry.write(&bytes)?;
        entry.finish(key(sha256), len)?.1.commit()
    }

    /// What a store has of a file of `len` bytes. An entry that is damaged is none.
    pub(super) fn load(store: &Store, sha256: Digest, len: u64) -> Option<Self> {
        let entry = store.find(key(sha256), len).ok().flatten().filter(|entry| entry.len <= LEN_MAX)?;
        let mut bytes = vec![0; usize::try_from(entry.len).ok()?];
        entry.file.read_exact_at(&mut bytes, 0).ok()?;
        if Digest::of(&bytes) != entry.digest {
            return None;
        }
        let (head, contents) = bytes.split_at_checked(HEAD)?;
        let (magic, head) = head.split_first_chunk::<16>()?;
        let (own, root) = head.split_first_chunk::<8>()?;
        let (contents, rest) = contents.as_chunks::<CONTENT>();
        if magic != MAGIC || u64::from_le_bytes(*own) != len || !rest.is_empty() {
            return None;
        }
        let file = WholeFile { len, sha256, root: Digest(root.try_into().ok()?) };
        let contents = contents.iter().map(|bytes| content(bytes)).collect::<Option<_>>()?;
        Some(Self { file, contents })
    }

    /// Records it of a file among the blobs.
    pub(super) fn record(&self, source: SourceId, blobs: &mut Blobs) {
        blobs.set_whole(source, self.file);
        for (at, len, digests) in &self.contents {
            blobs.set_digests((source, *at, *len), *digests);
        }
    }
}

/// The key of a file's digests in a store.
fn key(sha256: Digest) -> Digest {
    Digest::of(format!("digests of an image\n{sha256}").as_bytes())
}

/// A content, of its bytes.
fn content(bytes: &[u8]) -> Option<(u64, u64, FileDigests)> {
    let (at, bytes) = bytes.split_first_chunk()?;
    let (len, bytes) = bytes.split_first_chunk()?;
    let (sha1, sha256) = bytes.split_first_chunk()?;
    let digests = FileDigests { sha1: *sha1, sha256: Digest(sha256.try_into().ok()?) };
    Some((u64::from_le_bytes(*at), u64::from_le_bytes(*len), digests))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_for_the_same_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let of = |text: &[u8]| FileDigests { sha1: [7; 20], sha256: Digest::of(text) };
        let file = WholeFile { len: 1 << 20, sha256: Digest::of(b"file"), root: Digest::of(b"root") };
        let saved = ImageDigests { file, contents: vec![(0, 4, of(b"a")), (512, 1000, of(b"b"))] };
        assert_eq!(ImageDigests::load(&store, file.sha256, file.len), None);
        saved.save(&store).unwrap();
        assert_eq!(ImageDigests::load(&store, file.sha256, file.len), Some(saved));
        assert_eq!(ImageDigests::load(&store, file.sha256, file.len + 1), None);
        assert_eq!(ImageDigests::load(&store, Digest::of(b"other"), file.len), None);
    }

    #[test]
    fn an_entry_that_is_damaged_or_of_another_version_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let (sha256, len) = (Digest::of(b"file"), 9);
        for bytes in [&b""[..], b"image digests 2\n", &[0; HEAD], &[&MAGIC[..], &[9; 43]].concat()] {
            let mut entry = store.create_entry().unwrap();
            entry.write(bytes).unwrap();
            let (entry, naming) = entry.finish(key(sha256), len).unwrap();
            naming.commit().unwrap();
            assert_eq!(ImageDigests::load(&store, sha256, len), None);
            std::fs::remove_file(entry.path).unwrap();
        }
    }
}
