//! Objects: files as they were fetched, each named by its digest: packages, source archives, indexes.
//!
//! An object is `objects/<sha256>`. While it is being fetched it is `objects/.get-<sha256>`, locked by whoever writes
//! it; one that a killed fetch left is continued by the next, because its digest tells in the end whether it is right.
//! An object's length is checked when it is found, its bytes by whoever reads them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::{Store, StoreError};

/// Folder of the objects in a store.
pub(super) const FOLDER: &str = "objects";
/// Stands before the digest of an object that is not complete.
pub(super) const PART: &str = ".get-";
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
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// The digest that it is named by.
    pub digest: Digest,
}

/// What [`Objects::begin`] found.
#[derive(Debug)]
pub enum Begun {
    /// It is there already.
    There(OpenObject),
    /// It is to be written, from [`ObjectPart::at`] on.
    Part(ObjectPart),
    /// Somebody else is writing it.
    Busy,
}

/// An object that is not complete. Dropped, it stays for whoever continues it.
#[derive(Debug)]
pub struct ObjectPart {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    digest: Digest,
    size: u64,
    hash: Sha256,
    len: u64,
}

impl Store {
    /// Its objects.
    pub fn objects(&self) -> Objects {
        Objects { folder: self.folder.join(FOLDER) }
    }
}

impl Objects {
    /// Where an object lies, be it there or not.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// An object of this digest and length.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is there with another length; it is removed then.
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
        super::touch(&file);
        Ok(Some(OpenObject { file, path, len, digest }))
    }

    /// Begins to write an object of `size` bytes, or continues what somebody has left of it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(&self, digest: Digest, size: u64) -> Result<Begun, StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let path = self.folder.join(format!("{PART}{digest}"));
        loop {
            if let Some(object) = self.find(digest, size)? {
                return Ok(Begun::There(object));
            }
            let mut open = OpenOptions::new();
            let file =
                open.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
            let lock = rustix::fs::FlockOperation::NonBlockingLockExclusive;
            match rustix::fs::flock(&file, lock) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Begun::Busy),
                Err(error) => return Err(failed(error.into())),
            }
            // Whoever held it until now may have given it its name: then this is no longer the file at `path`.
            let still = fs::metadata(&path).is_ok_and(|now| {
                file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (now.dev(), now.ino()))
            });
            if still {
                let (folder, hash) = (self.folder.clone(), Sha256::new());
                let mut part = ObjectPart { file, path, folder, digest, size, hash, len: 0 };
                part.take_over()?;
                return Ok(Begun::Part(part));
            }
        }
    }

    /// Puts bytes that are at hand into the store.
    ///
    /// # Errors
    /// [`StoreError::Other`] when they have another digest or length, or when the folder cannot be written.
    pub fn put(&self, digest: Digest, size: u64, reader: &mut dyn Read) -> Result<OpenObject, StoreError> {
        let mut part = match self.begin(digest, size)? {
            Begun::There(object) => return Ok(object),
            Begun::Part(part) => part,
            // Somebody fetches the same: the bytes at hand are written beside theirs, and one of both wins.
            Begun::Busy => return self.put_aside(digest, size, reader),
        };
        part.restart()?;
        part.fill(reader)?;
        part.finish()
    }

    fn put_aside(&self, digest: Digest, size: u64, reader: &mut dyn Read) -> Result<OpenObject, StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder.clone(), source };
        let temporary = tempfile::Builder::new().prefix(PART).tempfile_in(&self.folder).map_err(failed)?;
        let (file, path) = temporary.keep().map_err(|error| failed(error.error))?;
        let (folder, hash) = (self.folder.clone(), Sha256::new());
        let mut part = ObjectPart { file, path: path.clone(), folder, digest, size, hash, len: 0 };
        let done = part.fill(reader).and_then(|()| part.finish());
        if done.is_err() {
            let _ = fs::remove_file(path);
        }
        done
    }

    /// Syncs the names that objects have got. To be called once after many were written.
    ///
    /// # Errors
    /// What the system says.
    pub fn settle(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| StoreError::Write { folder: self.folder.clone(), source })
    }
}

impl OpenObject {
    /// Reads all of it and holds it against its digest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; it is removed then.
    pub fn check(&mut self) -> Result<(), StoreError> {
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

    /// All of its bytes, held against its digest.
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

impl ObjectPart {
    /// How many bytes are there.
    pub fn at(&self) -> u64 {
        self.len
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::Other`] when they are more than there should be, and what the system says.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let len = self.len.saturating_add(bytes.len() as u64);
        if len > self.size {
            let _ = self.restart();
            return Err(other(format!("more than {} bytes", self.size), format!("{}", self.size)));
        }
        let written = self.file.write_all(bytes);
        written.map_err(|source| StoreError::Write { folder: self.folder.clone(), source })?;
        self.hash.update(bytes);
        self.len = len;
        Ok(())
    }

    /// Appends all that a reader gives.
    ///
    /// # Errors
    /// As [`ObjectPart::write`].
    pub fn fill(&mut self, reader: &mut dyn Read) -> Result<(), StoreError> {
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

    /// Drops the bytes that are there.
    ///
    /// # Errors
    /// What the system says.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|source| StoreError::Write { folder: self.folder.clone(), source })?;
        (self.hash, self.len) = (Sha256::new(), 0);
        Ok(())
    }

    /// Checks length and digest, syncs the bytes and gives the object its name.
    ///
    /// # Errors
    /// [`StoreError::Other`] when it is another than it should be; its bytes are dropped then.
    pub fn finish(mut self) -> Result<OpenObject, StoreError> {
        if self.len != self.size {
            let found = format!("{} bytes", self.len);
            return Err(other(found, self.size.to_string()));
        }
        let found = Digest(self.hash.clone().finalize().into());
        if found != self.digest {
            self.restart()?;
            return Err(other(format!("digest {found}"), self.digest.to_string()));
        }
        let Self { file, path: part, folder, digest, len, .. } = self;
        let path = folder.join(digest.to_string());
        let named = file.sync_all().and_then(|()| fs::rename(&part, &path));
        named.map_err(|source| StoreError::Write { folder, source })?;
        let file = File::open(&path).map_err(|source| StoreError::Read { path: path.clone(), source })?;
        Ok(OpenObject { file, path, len, digest })
    }

    /// Hashes what is there already.
    fn take_over(&mut self) -> Result<(), StoreError> {
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
        if self.len > self.size { self.restart() } else { Ok(()) }
    }
}

/// That bytes are others.
fn other(found: String, expected: String) -> StoreError {
    StoreError::Other { found, expected }
}

/// Removes an object that is not what its name says.
fn damaged(path: PathBuf, found: String, expected: String) -> StoreError {
    remove(&path);
    StoreError::Damaged { path, found, expected }
}

/// Removes a file; when that fails, the next who reads it finds the same.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests;
