//! Objects: files as they were fetched, each named by its digest: packages, source archives, indexes.
//!
//! An object is `objects/<sha256>`. While it is being fetched it is `objects/.get-<sha256>`, locked by its writer; one
//! that a killed fetch left is continued by the next, because its digest decides in the end whether it is right.
//! An object's length is checked when it is opened, its bytes by the reader.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use sha2::{Digest as _, Sha256};

use crate::entry::touch;
use crate::error::StoreError;
use crate::store::Store;

/// Folder of the objects in a store.
pub(crate) const FOLDER: &str = "objects";
/// Prefix of the name of an incomplete object; its digest follows.
pub(crate) const PART: &str = ".get-";
/// Bytes read at a time.
const CHUNK: usize = 1 << 18;

/// The objects of a store.
#[derive(Debug, Clone)]
pub struct Objects {
    folder: PathBuf,
}

/// An object, open.
#[derive(Debug)]
pub struct OpenObject {
    /// The file.
    pub file: File,
    /// Its path.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// The digest that it is named by.
    pub digest: Digest,
}

/// Outcome of [`Objects::create`].
#[derive(Debug)]
pub enum CreatedObject {
    /// The object is in the store already.
    Exists(OpenObject),
    /// It can be written, from [`PartialObject::len`] on.
    Partial(PartialObject),
    /// Another process is writing it.
    Locked,
}

/// An incomplete object. Dropped, it stays, and the next writer continues it.
#[derive(Debug)]
pub struct PartialObject {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    digest: Digest,
    size: u64,
    hash: Sha256,
    len: u64,
}

impl Store {
    /// The objects of this store.
    pub fn objects(&self) -> Objects {
        Objects { folder: self.folder().join(FOLDER) }
    }
}

impl Objects {
    /// Path of an object, whether it exists or not.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// An object of this digest and length.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it has another length; it is removed then.
    pub fn find(&self, digest: Digest, size: u64) -> Result<Option<OpenObject>, StoreError> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        let len = file.metadata().map_err(|source| StoreError::Read { path: path.clone(), source })?.len();
        if len != size {
            return Err(damaged(path, format!("{len} bytes"), format!("{size}")));
        }
        touch(&file);
        Ok(Some(OpenObject { file, path, len, digest }))
    }

    /// Creates an object of `size` bytes, or continues an incomplete one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(&self, digest: Digest, size: u64) -> Result<CreatedObject, StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let path = self.folder.join(format!("{PART}{digest}"));
        loop {
            if let Some(object) = self.find(digest, size)? {
                return Ok(CreatedObject::Exists(object));
            }
            let mut open = OpenOptions::new();
            let file =
                open.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
            let lock = rustix::fs::FlockOperation::NonBlockingLockExclusive;
            match rustix::fs::flock(&file, lock) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(CreatedObject::Locked),
                Err(error) => return Err(failed(error.into())),
            }
            // The process that had it locked may have renamed it: then this is no longer the file at `path`.
            let current = fs::metadata(&path).is_ok_and(|now| {
                file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (now.dev(), now.ino()))
            });
            if current {
                let (folder, hash) = (self.folder.clone(), Sha256::new());
                let mut part = PartialObject { file, path, folder, digest, size, hash, len: 0 };
                part.resume()?;
                return Ok(CreatedObject::Partial(part));
            }
        }
    }

    /// Stores the bytes of a reader.
    ///
    /// # Errors
    /// [`StoreError::Other`] when they have another digest or length, or when the folder cannot be written.
    pub fn put(&self, digest: Digest, size: u64, reader: &mut dyn Read) -> Result<OpenObject, StoreError> {
        let mut part = match self.create(digest, size)? {
            CreatedObject::Exists(object) => return Ok(object),
            CreatedObject::Partial(part) => part,
            // Another process fetches the same object: both write a file of their own, and the later rename wins.
            CreatedObject::Locked => return self.put_beside(digest, size, reader),
        };
        part.truncate()?;
        part.copy_from(reader)?;
        part.finish()
    }

    /// Takes a file of the same file system as an object, without reading it: the caller has taken its digest and synced its
    /// bytes. The file has the object's name then.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn take(&self, digest: Digest, path: &Path) -> Result<(), StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        fs::rename(path, self.path(digest)).map_err(failed)
    }

    fn put_beside(&self, digest: Digest, size: u64, reader: &mut dyn Read) -> Result<OpenObject, StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder.clone(), source };
        let temporary = tempfile::Builder::new().prefix(PART).tempfile_in(&self.folder).map_err(failed)?;
        let (file, path) = temporary.keep().map_err(|error| failed(error.error))?;
        let (folder, hash) = (self.folder.clone(), Sha256::new());
        let mut part = PartialObject { file, path: path.clone(), folder, digest, size, hash, len: 0 };
        let done = part.copy_from(reader).and_then(|()| part.finish());
        if done.is_err() {
            let _ = fs::remove_file(path);
        }
        done
    }

    /// Makes the names of objects survive a power cut. To be called once after many were written.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn sync(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| StoreError::Write { folder: self.folder.clone(), source })
    }
}

impl OpenObject {
    /// Reads all of it and compares it with its digest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; it is removed then.
    pub fn verify(&mut self) -> Result<(), StoreError> {
        let failed = |source| StoreError::Read { path: self.path.clone(), source };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        loop {
            let count = self.file.read(&mut buffer).map_err(failed)?;
            if count == 0 {
                break;
            }
            hash.update(buffer.get(..count).unwrap_or_default());
        }
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let found = Digest(hash.finalize().into());
        if found == self.digest {
            return Ok(());
        }
        Err(damaged(self.path.clone(), format!("digest {found}"), self.digest.to_string()))
    }

    /// All of its bytes, compared with its digest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; it is removed then.
    pub fn read(mut self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let read = self.file.read_to_end(&mut bytes);
        read.map_err(|source| StoreError::Read { path: self.path.clone(), source })?;
        let found = Digest::of(&bytes);
        if found == self.digest {
            return Ok(bytes);
        }
        Err(damaged(self.path, format!("digest {found}"), self.digest.to_string()))
    }
}

impl PartialObject {
    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::Other`] when they exceed the object's length, and [`StoreError::Write`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let len = self.len.saturating_add(bytes.len() as u64);
        if len > self.size {
            let _ = self.truncate();
            return Err(other(format!("more than {} bytes", self.size), format!("{}", self.size)));
        }
        let written = self.file.write_all(bytes);
        written.map_err(|source| StoreError::Write { folder: self.folder.clone(), source })?;
        self.hash.update(bytes);
        self.len = len;
        Ok(())
    }

    /// Appends all bytes of a reader.
    ///
    /// # Errors
    /// As [`PartialObject::write`].
    pub fn copy_from(&mut self, reader: &mut dyn Read) -> Result<(), StoreError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = reader
                .read(&mut buffer)
                .map_err(|source| StoreError::Read { path: self.path.clone(), source })?;
            if count == 0 {
                return Ok(());
            }
            self.write(buffer.get(..count).unwrap_or_default())?;
        }
    }

    /// Drops the bytes written so far.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn truncate(&mut self) -> Result<(), StoreError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|source| StoreError::Write { folder: self.folder.clone(), source })?;
        (self.hash, self.len) = (Sha256::new(), 0);
        Ok(())
    }

    /// Checks length and digest, syncs the bytes and renames the object.
    ///
    /// # Errors
    /// [`StoreError::Other`] when length or digest is wrong; with a wrong digest, its bytes are dropped.
    pub fn finish(mut self) -> Result<OpenObject, StoreError> {
        if self.len != self.size {
            let found = format!("{} bytes", self.len);
            return Err(other(found, self.size.to_string()));
        }
        let found = Digest(self.hash.clone().finalize().into());
        if found != self.digest {
            self.truncate()?;
            return Err(other(format!("digest {found}"), self.digest.to_string()));
        }
        let Self { file, path: part, folder, digest, len, .. } = self;
        let path = folder.join(digest.to_string());
        let named = file.sync_all().and_then(|()| fs::rename(&part, &path));
        named.map_err(|source| StoreError::Write { folder, source })?;
        let file = File::open(&path).map_err(|source| StoreError::Read { path: path.clone(), source })?;
        Ok(OpenObject { file, path, len, digest })
    }

    /// Hashes the bytes that are written already, so that writing continues after them.
    fn resume(&mut self) -> Result<(), StoreError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = self
                .file
                .read(&mut buffer)
                .map_err(|source| StoreError::Read { path: self.path.clone(), source })?;
            if count == 0 {
                break;
            }
            self.hash.update(buffer.get(..count).unwrap_or_default());
            self.len = self.len.saturating_add(count as u64);
        }
        if self.len > self.size { self.truncate() } else { Ok(()) }
    }
}

/// An error for bytes from elsewhere.
fn other(found: String, expected: String) -> StoreError {
    StoreError::Other { found, expected }
}

/// Removes an object whose content does not match its name.
fn damaged(path: PathBuf, found: String, expected: String) -> StoreError {
    remove(&path);
    StoreError::Damaged { path, found, expected }
}

/// Removes a file. Errors are ignored: the next reader of the file detects the same damage.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests;
