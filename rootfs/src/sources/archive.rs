//! Opening the file of an archive: its compression by its content, its digest, its decompressed form in the store. Knows
//! neither tar nor container images but by their first bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_progress::{Monitor, regular};
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;
use amiforge_store::{OpenEntry, Store};

use super::expand::{self, Bounds, Compression};
use super::image::KeptDisk;
use super::indexed::Indexed;
use super::{DigestPin, SourceError, tar};
use crate::path_map::PathMap;

/// The context of opening a source: store, progress and filters.
pub(crate) struct Opening<'a> {
    pub(crate) store: &'a Store,
    pub(crate) monitor: Monitor<'a>,
    /// Only so that what is excluded of a folder need not be readable.
    pub(crate) path_map: &'a PathMap,
}

/// An opened source.
pub(crate) struct OpenedSource {
    pub(crate) indexed: Indexed,
    pub(crate) kind: &'static str,
    pub(crate) size: u64,
    pub(crate) sha256: Option<Digest>,
    pub(crate) pinned: bool,
    pub(crate) deferred: Deferred,
    pub(crate) config: Option<serde_json::Value>,
    /// The disk of an image that is kept.
    pub(crate) disk: Option<Box<KeptDisk>>,
}

/// A range of a file.
pub struct FileRange<'a> {
    /// The file.
    pub file: &'a File,
    /// Offset of its first byte in the file.
    pub at: u64,
    /// Its length in bytes.
    pub len: u64,
}

impl ReadAt for FileRange<'_> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.len);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.file.read_exact_at(buf, self.at + offset)
    }
}

/// An uncompressed archive in a file that is among the blobs.
pub(super) struct Plain {
    pub(super) file: File,
    pub(super) source: SourceId,
    pub(super) len: u64,
    /// Digest of the compressed input, if it was computed during decompression.
    pub(super) sha256: Option<Digest>,
    pub(super) size: u64,
}

impl Plain {
    pub(super) fn bytes(&self) -> FileRange<'_> {
        FileRange { file: &self.file, at: 0, len: self.len }
    }
}

impl Opening<'_> {
    /// Opens an archive and decompresses it if necessary. Computing its digest is deferred where that is extra work.
    pub(super) fn archive(
        &self,
        path: &Path,
        pin: DigestPin,
        blobs: &mut Blobs,
        deferred: &mut Deferred,
    ) -> Result<Plain, SourceError> {
        let opening = |source| SourceError::Open { path: path.to_owned(), source };
        let file = regular::open(path).map_err(opening)?;
        let size = file.metadata().map_err(opening)?.len();
        let whole = FileRange { file: &file, at: 0, len: size };
        let start = start(&whole).map_err(opening)?;
        if start.first_chunk().is_some_and(tar::is_tar) {
            let (own, expected) = match pin {
                DigestPin::Exact(expected) => (true, Some(expected)),
                DigestPin::Record => (true, None),
                DigestPin::Unpinned => (false, None),
            };
            if own {
                let file = file.try_clone().map_err(opening)?;
                deferred.check_input(file, size, expected);
            }
            let source = blobs.add(file.try_clone().map_err(opening)?, path);
            return Ok(Plain { file, source, len: size, sha256: expected, size });
        }
        let Some(format) = Compression::of(&start) else {
            let start = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
            let start = if start.is_empty() { "nothing".to_owned() } else { start };
            return Err(SourceError::Unknown { path: path.to_owned(), start });
        };
        let (entry, sha256) = self.decompressed(&whole, format, None, deferred)?;
        if let DigestPin::Exact(expected) = pin
            && expected != sha256
        {
            return Err(SourceError::Digest { expected, actual: sha256 });
        }
        let OpenEntry { file, path, len, .. } = entry;
        let source = blobs.add_entry(file.try_clone().map_err(opening)?, &path);
        Ok(Plain { file, source, len, sha256: Some(sha256), size })
    }

    /// The decompressed form of an input, from the store if it is there, and the digest of the compressed one.
    pub(super) fn decompressed(
        &self,
        input: &dyn ReadAt,
        format: Compression,
        known: Option<Digest>,
        deferred: &mut Deferred,
    ) -> Result<(OpenEntry, Digest), SourceError> {
        // Only when an entry might fit is the input worth hashing before it is decompressed.
        if self.store.may_contain(input.size()) {
            self.monitor.progress.begin("hashing the archive", Some(input.size()));
            let digest = match known {
                Some(digest) => digest,
                None => expand::digest(input, self.monitor)?,
            };
            if let Some(entry) = self.store.find(digest, input.size())? {
                deferred.check_open_entry(&entry)?;
                return Ok((entry, digest));
            }
        }
        self.monitor.progress.begin("decompressing the archive", Some(input.size()));
        let expanded = expand::expand(input, format, self.store, Bounds::default(), self.monitor)?;
        deferred.rename(expanded.naming);
        Ok((expanded.spool, expanded.compressed))
    }
}

/// The first block of an input, shorter if the input is.
pub(super) fn start(input: &dyn ReadAt) -> io::Result<Vec<u8>> {
    let mut start = vec![0; usize::try_from(input.size()).unwrap_or(usize::MAX).min(512)];
    input.read_exact_at(0, &mut start)?;
    Ok(start)
}
