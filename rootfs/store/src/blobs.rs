//! The files behind the slices of trees and plans: some stay open, some (the many files of a folder) are opened
//! when they are read. Each has a stamp by which a change since it was indexed is detected. Knows no trees.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::{SourceId, Sources};
use amiforge_progress::Monitor;

use crate::hash::{FileDigests, hash_range};

/// Most files that are open at a time of those opened on demand; well below the usual limit of 1024 for a program,
/// and more than the packages of an ordinary system.
const OPEN_MAX: usize = 256;

/// A file's content as one piece of a source: the source, its first byte there, its length in bytes.
pub type ContentPiece = (SourceId, u64, u64);

/// What distinguishes one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    dev: u64,
    ino: u64,
    size: u64,
    /// None for an entry of the store, whose digest is checked instead.
    mtime: Option<(i64, i64)>,
    /// Only of a file whose digest was taken when it was added: its mtime may have been set back since.
    ctime: Option<(i64, i64)>,
}

impl FileStamp {
    /// The stamp of a file: device, inode, size and mtime.
    pub fn of(metadata: &Metadata) -> Self {
        Self { ctime: None, ..Self::with_ctime(metadata) }
    }

    /// The stamp of an entry of the store, without times: its bytes are compared with their digest, and its mtime is
    /// set whenever it is used.
    pub fn of_entry(metadata: &Metadata) -> Self {
        Self { mtime: None, ..Self::of(metadata) }
    }

    /// The stamp of a file with both of its times.
    pub(crate) fn with_ctime(metadata: &Metadata) -> Self {
        let mtime = Some((metadata.mtime(), metadata.mtime_nsec()));
        let ctime = Some((metadata.ctime(), metadata.ctime_nsec()));
        Self { dev: metadata.dev(), ino: metadata.ino(), size: metadata.size(), mtime, ctime }
    }

    /// Whether a file still has this stamp; times that it lacks are not compared.
    pub(crate) fn matches(&self, metadata: &Metadata) -> bool {
        let now = Self::with_ctime(metadata);
        *self == Self { mtime: self.mtime.and(now.mtime), ctime: self.ctime.and(now.ctime), ..now }
    }

    /// Whether the file last changed before `time`.
    pub(crate) fn is_before(&self, time: SystemTime) -> bool {
        let Ok(time) = time.duration_since(SystemTime::UNIX_EPOCH) else { return false };
        let time = (i64::try_from(time.as_secs()).unwrap_or(i64::MAX), i64::from(time.subsec_nanos()));
        [self.mtime, self.ctime].into_iter().flatten().all(|last| last < time)
    }

    /// All of it as a text.
    pub(crate) fn text(&self) -> String {
        let Self { dev, ino, size, mtime, ctime } = self;
        format!("{dev} {ino} {size} {mtime:?} {ctime:?}")
    }
}

/// What is known of a file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeFile {
    /// Its length in bytes.
    pub len: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// The Merkle root of its blocks of 512 KiB, as manifests have it of an image.
    pub root: Digest,
}

#[derive(Debug, Clone)]
struct Blob {
    path: PathBuf,
    file: Option<Arc<File>>,
    stamp: Option<FileStamp>,
}

/// Every file that content is read from, by [`SourceId`]. Files are added while sources are read and only read later.
#[derive(Debug, Default)]
pub struct Blobs {
    files: Vec<Blob>,
    /// Digests of contents in them, as far as they are known.
    digests: BTreeMap<ContentPiece, FileDigests>,
    /// Digests of whole files, as far as they are known.
    whole: BTreeMap<SourceId, WholeFile>,
    /// Files opened on demand, the latest used first.
    recent: Mutex<VecDeque<(u32, Arc<File>)>>,
}

impl Blobs {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy, to which files are added independently of this one; both number them from [`Blobs::count`] on.
    #[must_use]
    pub fn fork(&self) -> Self {
        let Self { files, digests, whole, recent: _ } = self;
        let (files, digests, whole) = (files.clone(), digests.clone(), whole.clone());
        Self { files, digests, whole, recent: Mutex::default() }
    }

    /// Number of files, which is the number of the next source.
    pub fn count(&self) -> u32 {
        u32::try_from(self.files.len()).unwrap_or(u32::MAX)
    }

    /// Adds an open file; `path` is how errors name it.
    pub fn add(&mut self, file: File, path: &Path) -> SourceId {
        let stamp = file.metadata().ok().map(|metadata| FileStamp::of(&metadata));
        self.push(Blob { path: path.to_owned(), file: Some(Arc::new(file)), stamp })
    }

    /// Adds an open file whose digest is known by its stamp ([`crate::stamps`]), which is watched.
    pub fn add_stamped(&mut self, file: File, path: &Path) -> SourceId {
        let stamp = file.metadata().ok().map(|metadata| FileStamp::with_ctime(&metadata));
        self.push(Blob { path: path.to_owned(), file: Some(Arc::new(file)), stamp })
    }

    /// Adds an open entry of the store.
    pub fn add_entry(&mut self, file: File, path: &Path) -> SourceId {
        let stamp = file.metadata().ok().map(|metadata| FileStamp::of_entry(&metadata));
        self.push(Blob { path: path.to_owned(), file: Some(Arc::new(file)), stamp })
    }

    /// Adds an open file of the host and takes the digest of its content, with progress. The stamp is taken before the
    /// digest, so [`Blobs::changed`] detects every change since then. None when it is cancelled.
    ///
    /// # Errors
    /// When the file cannot be read, or has become shorter meanwhile.
    pub fn add_hashed(
        &mut self,
        file: File,
        path: &Path,
        monitor: Monitor<'_>,
    ) -> io::Result<Option<(ContentPiece, Digest)>> {
        let stamp = FileStamp::with_ctime(&file.metadata()?);
        let Some(digest) = hash_range(&file, 0, stamp.size, monitor)? else { return Ok(None) };
        let blob = Blob { path: path.to_owned(), file: Some(Arc::new(file)), stamp: Some(stamp) };
        Ok(Some(((self.push(blob), 0, stamp.size), digest)))
    }

    /// Adds a file that is opened when it is read, and must then still have its stamp.
    pub fn add_closed(&mut self, path: PathBuf, stamp: FileStamp) -> SourceId {
        self.push(Blob { path, file: None, stamp: Some(stamp) })
    }

    /// The path that errors name a source by.
    pub fn path(&self, source: SourceId) -> Option<&Path> {
        self.files.get(source.0 as usize).map(|blob| blob.path.as_path())
    }

    /// The digests of a piece, if they are known.
    pub fn digests(&self, piece: ContentPiece) -> Option<FileDigests> {
        self.digests.get(&piece).copied()
    }

    /// The SHA-256 of the file that contains a range of a source, and the offset of the range in that file, if known.
    pub fn containing_file(&self, source: SourceId, at: u64, len: u64) -> Option<(Digest, u64)> {
        let (piece, digests) = self.digests.range(..=(source, at, u64::MAX)).next_back()?;
        let (holder, start, all) = *piece;
        let within = at.checked_sub(start)?;
        (holder == source && within.checked_add(len)? <= all).then_some((digests.sha256, within))
    }

    /// Records the digests of a piece.
    pub fn set_digests(&mut self, piece: ContentPiece, digests: FileDigests) {
        self.digests.insert(piece, digests);
    }

    /// What is known of a file as a whole.
    pub fn whole(&self, source: SourceId) -> Option<WholeFile> {
        self.whole.get(&source).copied()
    }

    /// Records what is known of a file as a whole.
    pub fn set_whole(&mut self, source: SourceId, known: WholeFile) {
        self.whole.insert(source, known);
    }

    /// The first of the open files that changed since it was added. Those opened on demand are compared with their
    /// stamps whenever they are read.
    ///
    /// # Errors
    /// When the metadata of a file cannot be read.
    pub fn changed(&self) -> io::Result<Option<&Path>> {
        for blob in &self.files {
            let (Some(file), Some(stamp)) = (&blob.file, blob.stamp) else { continue };
            if !stamp.matches(&file.metadata()?) {
                return Ok(Some(&blob.path));
            }
        }
        Ok(None)
    }

    fn push(&mut self, blob: Blob) -> SourceId {
        self.files.push(blob);
        SourceId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// Opens a file of a folder, or returns it from those that are open.
    fn open(&self, source: u32, blob: &Blob) -> io::Result<Arc<File>> {
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = recent.iter().position(|(held, _)| *held == source)
                && let Some(held) = recent.remove(at)
            {
                let file = Arc::clone(&held.1);
                recent.push_front(held);
                return Ok(file);
            }
        }
        let nofollow = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32;
        let file = Arc::new(OpenOptions::new().read(true).custom_flags(nofollow).open(&blob.path)?);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front((source, Arc::clone(&file)));
        recent.truncate(OPEN_MAX);
        Ok(file)
    }

    /// Reads from a file of a folder. The stamp is compared after the read, so that the bytes are those that were
    /// indexed.
    fn read_closed(&self, source: u32, blob: &Blob, at: u64, buf: &mut [u8]) -> io::Result<()> {
        let file = self.open(source, blob)?;
        let read = file.read_exact_at(buf, at);
        let metadata = file.metadata()?;
        if !blob.stamp.is_some_and(|stamp| stamp.matches(&metadata)) {
            return Err(io::Error::other("it changed since it was indexed"));
        }
        read
    }
}

impl Sources for Blobs {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        let blob = self.files.get(source.0 as usize).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("source {} is not open", source.0))
        })?;
        let read = match &blob.file {
            Some(file) => file.read_exact_at(buf, at),
            None => self.read_closed(source.0, blob, at, buf),
        };
        let path = blob.path.display();
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(
                error.kind(),
                format!("`{path}` is shorter than when it was indexed: no byte {}", at + buf.len() as u64),
            ),
            kind => io::Error::new(kind, format!("reading `{path}` at byte {at}: {error}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_files_than_may_be_open_are_read_and_a_changed_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut blobs = Blobs::new();
        let mut ids = Vec::new();
        for number in 0..400u32 {
            let path = folder.path().join(number.to_string());
            std::fs::write(&path, number.to_le_bytes()).unwrap();
            let stamp = FileStamp::of(&std::fs::symlink_metadata(&path).unwrap());
            ids.push(blobs.add_closed(path, stamp));
        }
        for round in 0..2 {
            for (number, id) in (0u32..).zip(&ids) {
                let mut buf = [round; 4];
                blobs.read_exact_at(*id, 0, &mut buf).unwrap();
                assert_eq!(u32::from_le_bytes(buf), number);
            }
        }
        assert!(blobs.recent.lock().unwrap().len() <= OPEN_MAX);
        std::fs::write(folder.path().join("7"), b"longer").unwrap();
        let error = blobs.read_exact_at(ids[7], 0, &mut [0; 4]).unwrap_err().to_string();
        assert!(error.contains("/7`") && error.contains("changed since it was indexed"), "{error}");
    }

    #[test]
    fn a_hashed_file_is_watched_from_before_it_was_hashed_and_its_ctime_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, b"content").unwrap();
        let mtime = path.metadata().unwrap().modified().unwrap();
        let mut blobs = Blobs::new();
        let cancel = amiforge_progress::CancelToken::new();
        cancel.cancel();
        let open = || File::open(&path).unwrap();
        assert!(blobs.add_hashed(open(), &path, Monitor::silent(&cancel)).unwrap().is_none());
        let (piece, digest) = blobs.add_hashed(open(), &path, Monitor::none()).unwrap().unwrap();
        assert_eq!((piece, digest), ((SourceId(0), 0, 7), Digest::of(b"content")));
        assert_eq!(blobs.changed().unwrap(), None);
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(&path, b"CONTENT").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(mtime).unwrap();
        assert_eq!(blobs.changed().unwrap(), Some(path.as_path()));
    }

    #[test]
    fn an_open_file_that_changed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, b"before").unwrap();
        let mut blobs = Blobs::new();
        blobs.add(File::open(&path).unwrap(), &path);
        assert_eq!(blobs.changed().unwrap(), None);
        std::fs::write(&path, b"behind it").unwrap();
        assert_eq!(blobs.changed().unwrap(), Some(path.as_path()));
    }
}
