//! Care for a store: what lies in it, what is no longer needed, what is damaged.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use amiforge_formats::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::{Store, StoreError, objects};
use amiforge_progress::Monitor;

/// Held by whoever works with the store; see [`Store::hold`].
const IN_USE: &str = ".in-use";
/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Keeps the store from being cleaned until dropped.
#[derive(Debug)]
pub struct StoreHold {
    _file: Option<File>,
}

/// What an entry of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreEntryKind {
    /// A fetched file.
    Object,
    /// An input, unpacked.
    Spool,
    /// A tree that was made once.
    Layer,
    /// What is being written, or was when its writer died.
    Part,
}

impl StoreEntryKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Object, Self::Spool, Self::Layer, Self::Part];

    /// In words, for many.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "objects",
            Self::Spool => "unpacked inputs",
            Self::Layer => "layers",
            Self::Part => "incomplete",
        }
    }
}

/// An entry of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEntry {
    /// What it is.
    pub kind: StoreEntryKind,
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes that it takes.
    pub size: u64,
    /// When it was last written or found.
    pub used: SystemTime,
    /// The digest that an object is named by.
    pub digest: Option<Digest>,
}

impl Store {
    /// Keeps the store from being cleaned for as long as the answer lives: several may, at once. Where the store
    /// cannot be written there is nothing to keep.
    pub fn hold(&self) -> StoreHold {
        let open = || {
            fs::create_dir_all(&self.folder)?;
            let file =
                File::options().create(true).truncate(false).write(true).open(self.folder.join(IN_USE))?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared)?;
            io::Result::Ok(file)
        };
        StoreHold { _file: open().ok() }
    }

    /// The store for one who cleans it; nothing while anybody else works with it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn hold_alone(&self) -> Result<Option<StoreHold>, StoreError> {
        let failed = |source| StoreError::Write { folder: self.folder.clone(), source };
        if !self.folder.is_dir() {
            return Ok(Some(StoreHold { _file: None }));
        }
        let path = self.folder.join(IN_USE);
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(StoreHold { _file: Some(file) })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Everything that lies in the store, in the order of the paths. Files that the store did not make are not in it.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn list(&self) -> Result<Vec<StoreEntry>, StoreError> {
        let mut all = Vec::new();
        let failed = |source| StoreError::Read { path: self.folder.clone(), source };
        for path in super::entries(&self.folder).map_err(failed)? {
            if let Some(kind) = kind_of_spool(&path) {
                all.extend(entry(kind, path, None));
            }
        }
        for path in super::entries(&self.folder.join(objects::FOLDER)).map_err(failed)? {
            let name = name(&path);
            if let Ok(digest) = name.parse() {
                all.extend(entry(StoreEntryKind::Object, path, Some(digest)));
            } else if name.starts_with(objects::PART) {
                all.extend(entry(StoreEntryKind::Part, path, None));
            }
        }
        Ok(all)
    }

    /// Reads an entry and holds it against its digest: what is wrong with it, if anything. A damaged one is removed.
    /// Parts are left alone.
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
            (StoreEntryKind::Spool | StoreEntryKind::Layer, _) => {
                match super::trailer(&file).map_err(failed)? {
                    Ok(said) => said,
                    Err(found) => {
                        let _ = fs::remove_file(&entry.path);
                        return Ok(Some(format!("{found} instead of the trailer")));
                    }
                }
            }
            _ => return Ok(None),
        };
        let Some(found) = digest(&file, len, monitor).map_err(failed)? else { return Ok(None) };
        if found == expected {
            return Ok(None);
        }
        let _ = fs::remove_file(&entry.path);
        Ok(Some(format!("digest {found} instead of {expected}")))
    }

    /// Removes an entry; what it was is made or fetched again when it is needed.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, entry: &StoreEntry) -> Result<(), StoreError> {
        let removed = match fs::symlink_metadata(&entry.path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&entry.path),
            Ok(_) => fs::remove_file(&entry.path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Write { folder: self.folder.clone(), source: error })
            }
            _ => Ok(()),
        }
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What a file at the top of the store is: an input, unpacked, a layer, or a part of one.
fn kind_of_spool(path: &Path) -> Option<StoreEntryKind> {
    let name = name(path);
    let (digest, len) = name.split_once('-').unwrap_or_default();
    if digest == "layer" && len.parse::<Digest>().is_ok() {
        return Some(StoreEntryKind::Layer);
    }
    if name.starts_with(super::PART) {
        Some(StoreEntryKind::Part)
    } else if digest.parse::<Digest>().is_ok() && len.parse::<u64>().is_ok() {
        Some(StoreEntryKind::Spool)
    } else {
        None
    }
}

/// An entry, unless it has just gone.
fn entry(kind: StoreEntryKind, path: PathBuf, digest: Option<Digest>) -> Option<StoreEntry> {
    let found = fs::symlink_metadata(&path).ok()?;
    let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let (size, inner) = if found.is_dir() { of_folder(&path) } else { (found.len(), modified) };
    Some(StoreEntry { kind, path, size, used: modified.max(inner), digest })
}

/// Bytes in a folder, and the last time that anything in it was written.
fn of_folder(path: &Path) -> (u64, SystemTime) {
    let (mut size, mut used) = (0_u64, SystemTime::UNIX_EPOCH);
    for inner in super::entries(path).unwrap_or_default() {
        if let Some(entry) = entry(StoreEntryKind::Part, inner, None) {
            size = size.saturating_add(entry.size);
            used = used.max(entry.used);
        }
    }
    (size, used)
}

/// Digest of the first `len` bytes of a file; nothing when somebody asks to stop.
fn digest(file: &File, len: u64, monitor: Monitor<'_>) -> io::Result<Option<Digest>> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < len {
        if monitor.cancel.is_cancelled() {
            return Ok(None);
        }
        let want = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
        let piece = buffer.get_mut(..want).unwrap_or_default();
        file.read_exact_at(piece, at)?;
        hash.update(&*piece);
        monitor.progress.advance(want as u64);
        at += want as u64;
    }
    Ok(Some(Digest(hash.finalize().into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_store_is_listed_by_kind_and_strangers_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        assert!(store.list().unwrap().is_empty());
        store.objects().put(Digest::of(b"x"), 1, &mut b"x".as_slice()).unwrap();
        let mut spool = store.begin().unwrap();
        spool.write(b"plain").unwrap();
        spool.finish(Digest::of(b"gz"), 2).unwrap().1.finish().unwrap();
        let mut layer = store.begin().unwrap();
        layer.write(b"123").unwrap();
        layer.finish_as(&format!("layer-{}", Digest::of(b"key"))).unwrap().1.finish().unwrap();
        for strange in ["notes.txt", "objects/notes.txt", ".part-x"] {
            fs::write(folder.path().join(strange), b"").unwrap();
        }
        let shown: Vec<_> = store.list().unwrap().iter().map(|entry| (entry.kind, entry.size)).collect();
        let expected = [
            (StoreEntryKind::Part, 0),
            (StoreEntryKind::Spool, 93),
            (StoreEntryKind::Layer, 91),
            (StoreEntryKind::Object, 1),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_flipped_bit_is_found_and_the_entry_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        store.objects().put(Digest::of(b"x"), 1, &mut b"x".as_slice()).unwrap();
        let mut spool = store.begin().unwrap();
        spool.write(b"plain").unwrap();
        spool.finish(Digest::of(b"gz"), 2).unwrap().1.finish().unwrap();
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
    fn nobody_cleans_a_store_that_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let (first, second) = (store.hold(), store.hold());
        assert!(store.hold_alone().unwrap().is_none());
        drop((first, second));
        assert!(store.hold_alone().unwrap().is_some());
    }
}
