//! Opening a source: its kind by its content, its digest, its tree. The only file that depends on all kinds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_progress::Monitor;
use amiforge_progress::regular;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;
use amiforge_store::{OpenEntry, Store, StoreError};

use super::dir::{self, DirAttributes, DirError};
use super::expand::{self, Bounds, Compression, ExpandError};
use super::indexed::Indexed;
use super::oci::{self, OciError};
use super::tar::{self, ArchiveLocation, TarError};
use super::{DigestPin, Modes, OwnerRule, SourceKind, SourceSpec};
use crate::path_map::PathMap;

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be opened.
    #[error("opening `{}`", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A folder where an archive was expected.
    #[error("`{}` is a folder, not an archive; write `kind = \"{instead}\"`", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// The kind that it seems to be.
        instead: &'static str,
    },
    /// An archive or another file where a folder was expected.
    #[error("`{}` is not a folder; archives are `kind = \"tar\"`, container images `kind = \"oci\"`", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A container image where a file system was expected.
    #[error(
        "`{}` holds a container image (it has `{sign}`), not the files of a system; write `kind = \"oci\"`",
        path.display()
    )]
    AnImage {
        /// The path.
        path: PathBuf,
        /// The document that identifies it.
        sign: &'static str,
    },
    /// Its content is of no known format.
    #[error("`{}` begins with {start}: neither tar nor gzip, xz or zstd{}", path.display(), other_format(start))]
    Unknown {
        /// The path.
        path: PathBuf,
        /// Its first bytes in hexadecimal.
        start: String,
    },
    /// Its digest is not the one named.
    #[error("its sha256 is {actual}, expected {expected}")]
    Digest {
        /// The digest in the recipe.
        expected: Digest,
        /// The computed digest.
        actual: Digest,
    },
    /// A folder has no digest.
    #[error("a folder has no sha256; pack it as a tar to pin it")]
    PinnedFolder,
    /// An error of the archive.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// An error of the folder.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// An error of the image.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// It cannot be decompressed.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

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
    /// Opens and indexes a source.
    pub(crate) fn open(&self, spec: &SourceSpec, blobs: &mut Blobs) -> Result<OpenedSource, SourceError> {
        match &spec.kind {
            SourceKind::Tar { path } => self.tar(path, spec.pin, blobs),
            SourceKind::Dir { path, owners, modes } => self.dir(path, owners, *modes, spec.pin, blobs),
            SourceKind::Oci { path, platform, reference } => {
                self.monitor.progress.begin("reading the image", None);
                oci::open(self, spec, path, platform, reference.as_deref(), blobs)
            }
        }
    }

    fn dir(
        &self,
        path: &Path,
        owners: &[OwnerRule],
        modes: Modes,
        pin: DigestPin,
        blobs: &mut Blobs,
    ) -> Result<OpenedSource, SourceError> {
        if let DigestPin::Exact(_) = pin {
            return Err(SourceError::PinnedFolder);
        }
        if path.is_file() {
            return Err(SourceError::NotAFolder { path: path.to_owned() });
        }
        let has = |name: &str| path.join(name).exists();
        if let Some(sign) = image_sign(has) {
            return Err(SourceError::AnImage { path: path.to_owned(), sign });
        }
        self.monitor.progress.begin("walking the folder", None);
        let (indexed, size) =
            dir::index(path, DirAttributes { owners, modes }, self.path_map, blobs, self.monitor)?;
        let (sha256, deferred) = (None, Deferred::new());
        Ok(OpenedSource { indexed, kind: "dir", size, sha256, pinned: false, deferred, config: None })
    }

    fn tar(&self, path: &Path, pin: DigestPin, blobs: &mut Blobs) -> Result<OpenedSource, SourceError> {
        if path.is_dir() {
            let instead = if image_sign(|name| path.join(name).exists()).is_some() { "oci" } else { "dir" };
            return Err(SourceError::Folder { path: path.to_owned(), instead });
        }
        self.monitor.progress.begin("indexing the archive", None);
        let mut deferred = Deferred::new();
        let plain = self.archive(path, pin, blobs, &mut deferred)?;
        let indexed =
            tar::index(&plain.bytes(), ArchiveLocation { source: plain.source, at: 0 }, self.monitor)?;
        if let Some(sign) = image_sign(|name| indexed.tree.lookup(name.as_bytes()).is_some()) {
            return Err(SourceError::AnImage { path: path.to_owned(), sign });
        }
        let pinned = matches!(pin, DigestPin::Exact(_));
        let (size, sha256) = (plain.size, plain.sha256);
        Ok(OpenedSource { indexed, kind: "tar", size, sha256, pinned, deferred, config: None })
    }

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

/// The unsupported format of a file with these first bytes, and what to do with it.
fn other_format(start: &str) -> &'static str {
    let known = [
        ("42 5a 68", "; it is compressed with bzip2: `bunzip2 -c FILE | zstd > FILE.zst`"),
        ("04 22 4d 18", "; it is compressed with lz4: `lz4 -dc FILE | zstd > FILE.zst`"),
        ("50 4b 03 04", "; it is a zip archive: unpack it and write `kind = \"dir\"`"),
        ("68 73 71 73", "; it is a squashfs: unpack it by `unsquashfs` and write `kind = \"dir\"`"),
        ("30 37 30 37 30", "; it is a cpio archive: unpack it and write `kind = \"dir\"`"),
        (
            "21 3c 61 72",
            "; it is a package or another `ar` archive: packages come by a source of `kind = \"deb\"`",
        ),
    ];
    known.into_iter().find(|(magic, _)| start.starts_with(magic)).map_or("", |(_, what)| what)
}

/// The document that identifies a folder or archive with these top-level names as a container image: a layout, or
/// the output of `docker save`. One that also has the folders of a system is not an image.
fn image_sign(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    if ["bin", "etc", "usr"].into_iter().any(&has) {
        return None;
    }
    if has("oci-layout") && has("index.json") {
        return Some("oci-layout");
    }
    (has("manifest.json") && (has("repositories") || has("blobs"))).then_some("manifest.json")
}

/// The first block of an input, shorter if the input is.
pub(super) fn start(input: &dyn ReadAt) -> io::Result<Vec<u8>> {
    let mut start = vec![0; usize::try_from(input.size()).unwrap_or(usize::MAX).min(512)];
    input.read_exact_at(0, &mut start)?;
    Ok(start)
}
