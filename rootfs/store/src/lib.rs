//! The store: a content-addressed folder of decompressed inputs, shared by builds that may run at once.
//!
//! An entry is one file, `<sha256 of the compressed input>-<its length>`, so that its name says whether an input can
//! be in the store before that is read. It holds the decompressed bytes and a trailer with their length and
//! digest and with the trailer's own digest. It is written under another name, synced, and renamed, so a power cut
//! leaves either nothing or all of it; what a killed build leaves is removed by the next one that opens the store.
//!
//! The trailer is checked on open, which finds an entry that was cut short; the bytes are hashed while the build
//! reads them, and the build is not finished before they proved right (see [`crate::checks`]), because hashing
//! first would take longer than all the rest. So an entry is never trusted further than its digest reaches; who can
//! write the store could forge both, as they could the tool itself.

pub mod blobs;
mod care;
pub mod checks;
pub mod digests;
pub mod layer;
mod objects;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use amiforge_formats::digest::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempDir};

pub use care::{StoreEntry, StoreEntryKind, StoreHold};
pub use objects::{Begun, ObjectPart, Objects, OpenObject};

const MAGIC: &[u8; 16] = b"amiforge spool 1";
const TRAILER: usize = 16 + 8 + 32 + 32;
const PART: &str = ".part-";

/// A folder of spooled inputs.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// A folder that goes when the store does.
    scratch: Option<TempDir>,
    /// Whether what dead builds left was looked for.
    swept: Once,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder cannot be made or written.
    #[error("writing the store `{}`", folder.display())]
    Write {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An entry cannot be read.
    #[error("reading `{}` of the store", path.display())]
    Read {
        /// The entry.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An entry whose trailer or digest is wrong. It has been removed.
    #[error("`{}` of the store is damaged: {found} instead of {expected}; it was removed, run the command again", path.display())]
    Damaged {
        /// The entry.
        path: PathBuf,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// Bytes that came from elsewhere and are not those that are meant.
    #[error("{found} instead of {expected}")]
    Other {
        /// What came.
        found: String,
        /// What should have.
        expected: String,
    },
}

/// A decompressed input, open.
#[derive(Debug)]
pub struct Spool {
    /// The file; its first `len` bytes are the input.
    pub file: File,
    /// How errors name it.
    pub path: PathBuf,
    /// Decompressed length.
    pub len: u64,
    /// Digest of the decompressed bytes.
    pub digest: Digest,
}

impl Store {
    /// A store at `folder`, created when first written to.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), scratch: None, swept: Once::new() }
    }

    /// A store that is removed with this value, made in `beside`: for a build that keeps nothing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn scratch(beside: &Path) -> Result<Self, StoreError> {
        let made = tempfile::Builder::new().prefix(".amiforge-").tempdir_in(beside);
        let made = made.map_err(|source| StoreError::Write { folder: beside.to_owned(), source })?;
        Ok(Self { folder: made.path().to_owned(), scratch: Some(made), swept: Once::new() })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether an input of this length may be here; if not, there is no need to know its digest first.
    pub fn may_hold(&self, compressed: u64) -> bool {
        let end = format!("-{compressed}");
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return false };
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(&end))
    }

    /// The decompressed form of an input.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its trailer is wrong.
    pub fn find(&self, digest: Digest, compressed: u64) -> Result<Option<Spool>, StoreError> {
        self.open(&format!("{digest}-{compressed}"))
    }

    /// An entry by its name in the folder.
    pub fn open(&self, name: &str) -> Result<Option<Spool>, StoreError> {
        let path = self.folder.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        match trailer(&file) {
            Ok(Ok((len, digest))) => {
                touch(&file);
                Ok(Some(Spool { file, path, len, digest }))
            }
            Ok(Err(found)) => {
                let _ = std::fs::remove_file(&path);
                Err(StoreError::Damaged { path, found, expected: "the trailer".to_owned() })
            }
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }

    /// The digest of the entry that lies at a path; none if that is no entry of this store.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its trailer is wrong.
    pub fn digest_of(&self, path: &Path) -> Result<Option<Digest>, StoreError> {
        let entry = self.name_of(path).map(|name| self.open(name)).transpose()?.flatten();
        Ok(entry.map(|entry| entry.digest))
    }

    /// The name of the entry that lies at a path, if one may lie there.
    pub fn name_of<'p>(&self, path: &'p Path) -> Option<&'p str> {
        (path.parent() == Some(&self.folder)).then(|| path.file_name()?.to_str())?
    }

    /// Begins an entry.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn begin(&self) -> Result<Spooling, StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder.clone(), source };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        self.swept.call_once(|| self.sweep());
        let part = self.part().map_err(failed)?;
        Ok(Spooling {
            part,
            folder: self.folder.clone(),
            plain: Sha256::new(),
            len: 0,
            keep: self.scratch.is_none(),
        })
    }

    /// A new part, locked for as long as the file is open, which tells it from one of a dead build.
    fn part(&self) -> io::Result<NamedTempFile> {
        loop {
            let part = tempfile::Builder::new().prefix(PART).tempfile_in(&self.folder)?;
            rustix::fs::flock(part.as_file(), rustix::fs::FlockOperation::LockExclusive)?;
            // Another build that sweeps may have come between making and locking, and removed it.
            if part.as_file().metadata()?.nlink() > 0 {
                return Ok(part);
            }
        }
    }

    /// Makes the names that entries were given last through a power cut.
    pub fn sync(&self) -> Result<(), StoreError> {
        if self.scratch.is_some() {
            return Ok(());
        }
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| StoreError::Write { folder: self.folder.clone(), source })
    }

    /// Removes what builds that were killed have left.
    fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if !entry.file_name().to_string_lossy().starts_with(PART) {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else { continue };
            let free = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok();
            if free {
                // Nothing depends on it; a failure only leaves the file for the next build.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// An entry being written; dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Spooling {
    part: NamedTempFile,
    folder: PathBuf,
    plain: Sha256,
    len: u64,
    keep: bool,
}

impl Spooling {
    /// Appends decompressed bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.plain.update(bytes);
        self.len += bytes.len() as u64;
        let folder = &self.folder;
        let written = self.part.as_file_mut().write_all(bytes);
        written.map_err(|source| StoreError::Write { folder: folder.clone(), source })
    }

    /// Bytes appended so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the entry. It can be read at once and has its name when the [`Naming`] is done.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(self, compressed: Digest, size: u64) -> Result<(Spool, Naming), StoreError> {
        self.finish_as(&format!("{compressed}-{size}"))
    }

    /// Ends an entry that has another name than that of an input.
    pub fn finish_as(self, name: &str) -> Result<(Spool, Naming), StoreError> {
        let Self { mut part, folder, plain, len, keep } = self;
        let failed = |source| StoreError::Write { folder: folder.clone(), source };
        let digest = Digest(plain.finalize().into());
        let mut trailer = MAGIC.to_vec();
        trailer.extend_from_slice(&len.to_le_bytes());
        trailer.extend_from_slice(&digest.0);
        trailer.extend_from_slice(&Digest::of(&trailer).0);
        part.as_file_mut().write_all(&trailer).map_err(failed)?;
        let file = File::open(part.path()).map_err(failed)?;
        let path = folder.join(name);
        let spool = Spool { file, path: path.clone(), len, digest };
        Ok((spool, Naming { part, path, folder, keep }))
    }
}

/// An entry that is complete and still has to get its name.
#[derive(Debug)]
pub struct Naming {
    part: NamedTempFile,
    path: PathBuf,
    folder: PathBuf,
    keep: bool,
}

impl Naming {
    /// Syncs the entry and gives it its name; in a scratch store it only goes away.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(self) -> Result<(), StoreError> {
        if !self.keep {
            return Ok(());
        }
        let folder = self.folder.clone();
        self.name()?;
        let synced = File::open(&folder).and_then(|opened| opened.sync_all());
        synced.map_err(|source| StoreError::Write { folder, source })
    }

    /// Syncs the entry and gives it its name, which lasts when [`Store::sync`] is done; in a scratch store, without
    /// syncing it. An entry that another build has named meanwhile stays, since it may be open there.
    pub fn name(self) -> Result<NamedEntry, StoreError> {
        let Self { part, path, folder, keep } = self;
        let failed = |source| StoreError::Write { folder: folder.clone(), source };
        if keep {
            part.as_file().sync_all().map_err(failed)?;
        }
        match part.persist_noclobber(&path) {
            Ok(_) => Ok(NamedEntry::Ours),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(NamedEntry::Theirs(path)),
            Err(error) => Err(failed(error.error)),
        }
    }
}

/// Whose an entry is that has got its name.
#[derive(Debug)]
pub enum NamedEntry {
    /// This build's.
    Ours,
    /// That of another build, which was faster.
    Theirs(PathBuf),
}

/// Length and digest from a trailer, or what is wrong with it.
fn trailer(file: &File) -> io::Result<Result<(u64, Digest), String>> {
    let size = file.metadata()?.len();
    let Some(at) = size.checked_sub(TRAILER as u64) else { return Ok(Err(format!("{size} bytes"))) };
    let mut bytes = [0; TRAILER];
    file.read_exact_at(&mut bytes, at)?;
    let (said, own) = bytes.split_at(TRAILER - 32);
    let (magic, rest) = said.split_at(16);
    let (len, digest) = rest.split_at(8);
    let len = u64::from_le_bytes(len.try_into().unwrap_or_default());
    let digest = Digest(digest.try_into().unwrap_or_default());
    if magic != MAGIC || Digest::of(said).0 != own || len != at {
        return Ok(Err(format!("something else at byte {at}")));
    }
    Ok(Ok((len, digest)))
}

/// Notes that an entry was used now, for whoever asks what is no longer needed. A store that cannot be written does
/// without.
fn touch(file: &File) {
    let _ = file.set_modified(std::time::SystemTime::now());
}

/// What a folder holds, sorted; nothing where there is no folder.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = listed.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests;
