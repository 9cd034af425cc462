//! Entries: decompressed bytes and a trailer with their length and digest, written, named and opened. Knows where an
//! entry is only by its path; which entries there are is [`crate::Store`]'s.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::error::StoreError;

/// What a trailer begins with.
const MAGIC: &[u8; 16] = b"amiforge spool 1";
/// Bytes of a trailer: magic, length, digest of the bytes, digest of the trailer before it.
const TRAILER: usize = 16 + 8 + 32 + 32;

/// A decompressed input or a layer, open.
#[derive(Debug)]
pub struct OpenEntry {
    /// The file; its first `len` bytes are the content.
    pub file: File,
    /// The path that errors name.
    pub path: PathBuf,
    /// Length of the content in bytes, decompressed.
    pub len: u64,
    /// Digest of the content.
    pub digest: Digest,
}

impl OpenEntry {
    /// Opens the entry at a path and notes that it was used; none if there is no file.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its trailer is wrong; it is removed then.
    pub(crate) fn open(path: PathBuf) -> Result<Option<Self>, StoreError> {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        match read_trailer(&file) {
            Ok(Ok((len, digest))) => {
                touch(&file);
                Ok(Some(Self { file, path, len, digest }))
            }
            Ok(Err(found)) => {
                let _ = std::fs::remove_file(&path);
                Err(StoreError::Damaged { path, found, expected: "the trailer".to_owned() })
            }
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }
}

/// An entry that is being written; dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct EntryWriter {
    part: NamedTempFile,
    folder: PathBuf,
    hasher: Sha256,
    len: u64,
    /// Bytes that were appended and not hashed yet.
    unhashed: u64,
    keep: bool,
}

impl EntryWriter {
    /// Writes to `part`, a file in `folder`. An entry that is not to be kept never gets its name through
    /// [`PendingRename::commit`].
    pub(crate) fn new(part: NamedTempFile, folder: &Path, keep: bool) -> Self {
        Self { part, folder: folder.to_owned(), hasher: Sha256::new(), len: 0, unhashed: 0, keep }
    }

    /// Appends decompressed bytes.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.append(bytes)?;
        self.hash(bytes);
        Ok(())
    }

    /// Appends decompressed bytes without hashing them: [`EntryWriter::hash`] has to take them all, in their order, before others
    /// are written. For a caller that hashes parts of them itself, and does both at once.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.len += bytes.len() as u64;
        self.unhashed += bytes.len() as u64;
        let folder = &self.folder;
        let written = self.part.as_file_mut().write_all(bytes);
        written.map_err(|source| StoreError::Write { folder: folder.clone(), source })
    }

    /// Hashes the next of the bytes that were appended.
    pub fn hash(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.unhashed = self.unhashed.saturating_sub(bytes.len() as u64);
    }

    /// Bytes appended so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Completes the entry of an input, given the digest and the length of its compressed form. The entry can be read
    /// at once and has its name when the rename is committed.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn finish(self, compressed: Digest, size: u64) -> Result<(OpenEntry, PendingRename), StoreError> {
        self.finish_as(&format!("{compressed}-{size}"))
    }

    /// Completes an entry that has another name than that of an input.
    ///
    /// # Errors
    /// [`StoreError::Write`], also when bytes were appended and not hashed.
    pub fn finish_as(self, name: &str) -> Result<(OpenEntry, PendingRename), StoreError> {
        let Self { mut part, folder, hasher, len, unhashed, keep } = self;
        let failed = |source| StoreError::Write { folder: folder.clone(), source };
        if unhashed > 0 {
            return Err(failed(io::Error::other(format!("{unhashed} bytes of it were not hashed"))));
        }
        let digest = Digest(hasher.finalize().into());
        let mut trailer = MAGIC.to_vec();
        trailer.extend_from_slice(&len.to_le_bytes());
        trailer.extend_from_slice(&digest.0);
        trailer.extend_from_slice(&Digest::of(&trailer).0);
        part.as_file_mut().write_all(&trailer).map_err(failed)?;
        let file = File::open(part.path()).map_err(failed)?;
        let path = folder.join(name);
        let entry = OpenEntry { file, path: path.clone(), len, digest };
        Ok((entry, PendingRename { part, path, folder, keep }))
    }

    /// Path of the file that is being written.
    #[cfg(test)]
    pub(crate) fn part_path(&self) -> &Path {
        self.part.path()
    }
}

/// An entry that is complete and does not have its name yet; dropped, it is removed.
#[derive(Debug)]
pub struct PendingRename {
    part: NamedTempFile,
    path: PathBuf,
    folder: PathBuf,
    keep: bool,
}

impl PendingRename {
    /// Syncs the entry, renames it and syncs the folder; in a scratch store it is removed.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn commit(self) -> Result<(), StoreError> {
        if !self.keep {
            return Ok(());
        }
        let folder = self.folder.clone();
        self.rename()?;
        let synced = File::open(&folder).and_then(|opened| opened.sync_all());
        synced.map_err(|source| StoreError::Write { folder, source })
    }

    /// Syncs the entry and renames it; the name survives a power cut only after [`crate::Store::sync`]. In a scratch
    /// store, nothing is synced. An entry that another build has named meanwhile stays, since it may be open there.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn rename(self) -> Result<Committed, StoreError> {
        let Self { part, path, folder, keep } = self;
        let failed = |source| StoreError::Write { folder: folder.clone(), source };
        if keep {
            part.as_file().sync_all().map_err(failed)?;
        }
        match part.persist_noclobber(&path) {
            Ok(_) => Ok(Committed::Ours),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Committed::Theirs(path)),
            Err(error) => Err(failed(error.error)),
        }
    }
}

/// Whose entry has the name.
#[derive(Debug)]
pub enum Committed {
    /// This build's.
    Ours,
    /// That of another build, which was faster; its path.
    Theirs(PathBuf),
}

/// Length and digest from a trailer, or the reason why it is wrong.
pub(crate) fn read_trailer(file: &File) -> io::Result<Result<(u64, Digest), String>> {
    let size = file.metadata()?.len();
    let Some(at) = size.checked_sub(TRAILER as u64) else { return Ok(Err(format!("{size} bytes"))) };
    let mut bytes = [0; TRAILER];
    file.read_exact_at(&mut bytes, at)?;
    let (covered, own) = bytes.split_at(TRAILER - 32);
    let (magic, rest) = covered.split_at(16);
    let (len, digest) = rest.split_at(8);
    let len = u64::from_le_bytes(len.try_into().unwrap_or_default());
    let digest = Digest(digest.try_into().unwrap_or_default());
    if magic != MAGIC || Digest::of(covered).0 != own || len != at {
        return Ok(Err(format!("something else at byte {at}")));
    }
    Ok(Ok((len, digest)))
}

/// Notes that an entry was used now, by which `store gc` decides which entries are still needed. Errors are ignored:
/// a store that cannot be written does without.
pub(crate) fn touch(file: &File) {
    let _ = file.set_modified(std::time::SystemTime::now());
}
