//! Stamps: files outside of the store whose digest was taken. As long as a file has its stamp its digest is known, and it is
//! not read for it again.
//!
//! A stamp is device, inode, length, and the times of the last change of content and of inode. No call sets the last of them,
//! and every write does; but two writes within a tick of the file system's clock leave the same time. So a digest gets no
//! stamp unless the file was at rest for a while before it was taken, as git has it for its index. A clock that was set back,
//! and pages of a file in memory (tmpfs) that are written through a mapping, are not seen.

use std::fs::{File, Metadata};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use amiforge_formats::digest::Digest;

use crate::blobs::FileStamp;
use crate::store::Store;

/// How long a file must have been at rest: twice the coarsest clock of a file system (FAT, two seconds).
const REST: Duration = Duration::from_secs(4);

/// Length of an entry of the store that holds a digest.
const LEN: u64 = 32;

/// The stamps of a store. A store that keeps nothing has none.
#[derive(Debug, Clone)]
pub struct Stamps {
    folder: Option<PathBuf>,
}

/// The stamp of a file whose digest is being taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingStamp(FileStamp);

impl PendingStamp {
    /// The stamp of a file before its first byte is read; none if the file has not been at rest.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        Self::at(metadata, SystemTime::now())
    }

    fn at(metadata: &Metadata, now: SystemTime) -> Option<Self> {
        let stamp = FileStamp::with_ctime(metadata);
        stamp.is_before(now.checked_sub(REST)?).then_some(Self(stamp))
    }
}

impl Store {
    /// The stamps of files outside of it.
    pub fn stamps(&self) -> Stamps {
        Stamps { folder: self.kept_folder().map(Path::to_owned) }
    }
}

impl Stamps {
    /// No stamps, and none is kept.
    pub fn none() -> Self {
        Self { folder: None }
    }

    /// The digest of a file, if it has a stamp. Where the store cannot be read, it has none.
    pub fn digest(&self, file: &File) -> Option<Digest> {
        let store = Store::at(self.folder.as_deref()?);
        let stamp = FileStamp::with_ctime(&file.metadata().ok()?);
        let entry = store.find(key(&stamp), LEN).ok().flatten().filter(|entry| entry.len == LEN)?;
        let mut bytes = [0; LEN as usize];
        entry.file.read_exact_at(&mut bytes, 0).ok()?;
        (Digest::of(&bytes) == entry.digest).then_some(Digest(bytes))
    }

    /// Keeps the digest of a file under the stamp that it had when the digest was begun, unless it has another now. Where the
    /// store cannot be written nothing is kept, and the next build takes the digest again.
    pub fn keep(&self, file: &File, PendingStamp(stamp): PendingStamp, digest: Digest) {
        let Some(folder) = &self.folder else { return };
        if !file.metadata().is_ok_and(|now| stamp.matches(&now)) {
            return;
        }
        let kept = Store::at(folder).create_entry().and_then(|mut entry| {
            entry.write(&digest.0)?;
            entry.finish(key(&stamp), LEN)?.1.commit()
        });
        // There is nothing to be done about it.
        drop(kept);
    }
}

/// The key of a stamp in a store.
fn key(stamp: &FileStamp) -> Digest {
    Digest::of(format!("stamp of a file 1\n{}", stamp.text()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_stamp_until_it_changes_even_if_its_time_is_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("store"));
        let path = folder.path().join("disk");
        std::fs::write(&path, b"before").unwrap();
        let (file, stamps, digest) = (File::open(&path).unwrap(), store.stamps(), Digest::of(b"before"));
        let metadata = file.metadata().unwrap();
        let later = SystemTime::now() + REST * 2;
        let stamp = PendingStamp::at(&metadata, later).unwrap();
        assert_eq!(stamps.digest(&file), None);
        stamps.keep(&file, stamp, digest);
        assert_eq!(stamps.digest(&file), Some(digest));

        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(&path, b"behind").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
        assert_eq!(stamps.digest(&file), None);
        // It changed while the digest was taken.
        stamps.keep(&file, stamp, digest);
        assert_eq!(stamps.digest(&file), None);
    }

    #[test]
    fn a_file_that_was_just_written_gets_no_stamp_and_a_store_that_keeps_nothing_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, b"new").unwrap();
        let file = File::open(&path).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(PendingStamp::of(&metadata), None);
        let scratch = Store::scratch(folder.path()).unwrap();
        let stamp = PendingStamp::at(&metadata, SystemTime::now() + REST * 2).unwrap();
        scratch.stamps().keep(&file, stamp, Digest::of(b"new"));
        assert_eq!(scratch.stamps().digest(&file), None);
    }
}
