//! Maintenance of a store: locking it against removal, listing, checking and removing entries. Which entries are still
//! needed, the command decides.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;

use crate::entry::read_trailer;
use crate::error::StoreError;
use crate::hash::hash_range;
use crate::objects;
use crate::store::{PART, Store, list_folder};

/// The file that is locked by every process that uses the store; see [`Store::lock_shared`].
const IN_USE: &str = ".in-use";

/// A lock on a store, until dropped.
#[derive(Debug)]
pub struct StoreLock {
    _file: Option<File>,
}

/// Kind of an entry of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreEntryKind {
    /// A fetched file.
    Object,
    /// A decompressed input.
    Input,
    /// A layer: a tree that was made once.
    Layer,
    /// An incomplete entry or object: it is being written, or its writer was killed.
    Part,
}

impl StoreEntryKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Object, Self::Input, Self::Layer, Self::Part];

    /// Its plural in the output of `store list`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "objects",
            Self::Input => "unpacked inputs",
            Self::Layer => "layers",
            Self::Part => "incomplete",
        }
    }
}

/// An entry of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEntry {
    /// Its kind.
    pub kind: StoreEntryKind,
    /// Its path.
    pub path: PathBuf,
    /// Its length in bytes; of a folder, the sum of its files.
    pub size: u64,
    /// When it was last written or opened.
    pub used: SystemTime,
    /// The digest that an object is named by.
    pub digest: Option<Digest>,
}

impl Store {
    /// Keeps other processes from removing entries while the lock lives; several may hold it at once. A store that
    /// cannot be written is not locked: no process can remove entries from it.
    pub fn lock_shared(&self) -> StoreLock {
        let open = || {
            fs::create_dir_all(self.folder())?;
            let file =
                File::options().create(true).truncate(false).write(true).open(self.folder().join(IN_USE))?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared)?;
            io::Result::Ok(file)
        };
        StoreLock { _file: open().ok() }
    }

    /// Locks the store in order to remove entries; none while another process uses it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn lock_exclusive(&self) -> Result<Option<StoreLock>, StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder().to_owned(), source };
        if !self.folder().is_dir() {
            return Ok(Some(StoreLock { _file: None }));
        }
        let path = self.folder().join(IN_USE);
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(StoreLock { _file: Some(file) })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// All entries and objects, in the order of their paths. Files that the store did not write are left out.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn list(&self) -> Result<Vec<StoreEntry>, StoreError> {
        let mut all = Vec::new();
        let failed = |source| StoreError::Read { path: self.folder().to_owned(), source };
        for path in list_folder(self.folder()).map_err(failed)? {
            if let Some(kind) = kind_of_entry(&path) {
                all.extend(entry(kind, path, None));
            }
        }
        for path in list_folder(&self.folder().join(objects::FOLDER)).map_err(failed)? {
            let name = name(&path);
            if let Ok(digest) = name.parse() {
                all.extend(entry(StoreEntryKind::Object, path, Some(digest)));
            } else if name.starts_with(objects::PART) {
                all.extend(entry(StoreEntryKind::Part, path, None));
            }
        }
        Ok(all)
    }

    /// Reads an entry and compares it with its digest. A damaged entry is removed, and the damage returned. Parts are
    /// not checked.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn check(&self, entry: &StoreEntry, monitor: Monitor<'_>) -> Result<Option<String>, StoreError> {
        let failed = |source| StoreError::Read { path: entry.path.clone(), source };
        let file = match File::open(&entry.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let (len, expected) = match (entry.kind, entry.digest) {
            (StoreEntryKind::Object, Some(digest)) => (file.metadata().map_err(failed)?.len(), digest),
            (StoreEntryKind::Input | StoreEntryKind::Layer, _) => {
                match read_trailer(&file).map_err(failed)? {
                    Ok(trailer) => trailer,
                    Err(found) => {
                        let _ = fs::remove_file(&entry.path);
                        return Ok(Some(format!("{found} instead of the trailer")));
                    }
                }
            }
            _ => return Ok(None),
        };
        let Some(found) = hash_range(&file, 0, len, monitor).map_err(failed)? else { return Ok(None) };
        if found == expected {
            return Ok(None);
        }
        let _ = fs::remove_file(&entry.path);
        Ok(Some(format!("digest {found} instead of {expected}")))
    }

    /// Removes an entry; its content is made or fetched again when it is needed.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn remove(&self, entry: &StoreEntry) -> Result<(), StoreError> {
        let removed = match fs::symlink_metadata(&entry.path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&entry.path),
            Ok(_) => fs::remove_file(&entry.path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Write { folder: self.folder().to_owned(), source: error })
            }
            _ => Ok(()),
        }
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Kind of a file at the top of the store: a decompressed input, a layer, or a part of one; none for other files.
fn kind_of_entry(path: &Path) -> Option<StoreEntryKind> {
    let name = name(path);
    let (digest, len) = name.split_once('-').unwrap_or_default();
    if digest == "layer" && len.parse::<Digest>().is_ok() {
        return Some(StoreEntryKind::Layer);
    }
    if name.starts_with(PART) {
        Some(StoreEntryKind::Part)
    } else if digest.parse::<Digest>().is_ok() && len.parse::<u64>().is_ok() {
        Some(StoreEntryKind::Input)
    } else {
        None
    }
}

/// The entry at a path; none if it was removed meanwhile.
fn entry(kind: StoreEntryKind, path: PathBuf, digest: Option<Digest>) -> Option<StoreEntry> {
    let found = fs::symlink_metadata(&path).ok()?;
    let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let (size, inner) = if found.is_dir() { of_folder(&path) } else { (found.len(), modified) };
    Some(StoreEntry { kind, path, size, used: modified.max(inner), digest })
}

/// Bytes in a folder, and the latest time at which anything in it was written.
fn of_folder(path: &Path) -> (u64, SystemTime) {
    let (mut size, mut used) = (0_u64, SystemTime::UNIX_EPOCH);
    for inner in list_folder(path).unwrap_or_default() {
        if let Some(entry) = entry(StoreEntryKind::Part, inner, None) {
            size = size.saturating_add(entry.size);
            used = used.max(entry.used);
        }
    }
    (size, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_listed_by_kind_and_other_files_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        assert!(store.list().unwrap().is_empty());
        store.objects().put(Digest::of(b"x"), 1, &mut b"x".as_slice()).unwrap();
        let mut input = store.create_entry().unwrap();
        input.write(b"plain").unwrap();
        input.finish(Digest::of(b"gz"), 2).unwrap().1.commit().unwrap();
        let mut layer = store.create_entry().unwrap();
        layer.write(b"123").unwrap();
        layer.finish_as(&format!("layer-{}", Digest::of(b"key"))).unwrap().1.commit().unwrap();
        for other in ["notes.txt", "objects/notes.txt", ".part-x"] {
            fs::write(folder.path().join(other), b"").unwrap();
        }
        let shown: Vec<_> = store.list().unwrap().iter().map(|entry| (entry.kind, entry.size)).collect();
        let expected = [
            (StoreEntryKind::Part, 0),
            (StoreEntryKind::Input, 93),
            (StoreEntryKind::Layer, 91),
            (StoreEntryKind::Object, 1),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_entry_with_a_flipped_bit_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        store.objects().put(Digest::of(b"x"), 1, &mut b"x".as_slice()).unwrap();
        let mut input = store.create_entry().unwrap();
        input.write(b"plain").unwrap();
        input.finish(Digest::of(b"gz"), 2).unwrap().1.commit().unwrap();
        let all = store.list().unwrap();
        assert!(all.iter().all(|entry| store.check(entry, Monitor::none()).unwrap().is_none()));
        for entry in &all {
            let mut bytes = fs::read(&entry.path).unwrap();
            bytes[0] ^= 1;
            fs::write(&entry.path, bytes).unwrap();
        }
        assert!(all.iter().all(|entry| store.check(entry, Monitor::none()).unwrap().is_some()));
        assert!(store.list().unwrap().is_empty());
    }

    #[test]
    fn a_store_in_use_is_not_locked_exclusively() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let (first, second) = (store.lock_shared(), store.lock_shared());
        assert!(store.lock_exclusive().unwrap().is_none());
        drop((first, second));
        assert!(store.lock_exclusive().unwrap().is_some());
    }
}
