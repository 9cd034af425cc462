//! The entry of the store that a package's file becomes: two parts one after the other, then the lengths of both as 64-bit
//! little-endian numbers. The file is read once, from front to back: hashed, decompressed into the entry, and never opened
//! again. What the parts are is the kind's: `control.tar` and `data.tar` of a `.deb`; what comes before the payload of an
//! `.rpm`, and the payload; both decompressed.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_rootfs::sources::FileRange;
use amiforge_rootfs::sources::expand::{ExpandError, HashingReader};
use amiforge_store::{EntryWriter, OpenEntry, PendingRename, Store, StoreError};

use crate::locked::LockedPackage;

/// Bytes of the two lengths.
const TRAILER: usize = 16;

/// Why a package's file is not the one that the lock names, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageFileError {
    /// It cannot be opened.
    #[error("opening the file")]
    Open(#[source] io::Error),
    /// Its length differs from the lock.
    #[error("it has {actual} bytes, the lock says {expected}: remove the file and fetch it again")]
    Size {
        /// The value in the lock.
        expected: u64,
        /// As it is.
        actual: u64,
    },
    /// Its digest differs from the lock.
    #[error("its sha256 is {actual}, the lock says {expected}: remove the file and fetch it again")]
    Digest {
        /// The value in the lock.
        expected: Digest,
        /// As it is.
        actual: Digest,
    },
    /// It cannot be hashed.
    #[error(transparent)]
    Hash(ExpandError),
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The lengths of the two parts in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryParts {
    pub(crate) first: u64,
    pub(crate) second: u64,
}

impl EntryParts {
    /// The trailer of the entry.
    fn trailer(self) -> [u8; TRAILER] {
        let mut bytes = [0; TRAILER];
        let (first, second) = bytes.split_at_mut(TRAILER / 2);
        first.copy_from_slice(&self.first.to_le_bytes());
        second.copy_from_slice(&self.second.to_le_bytes());
        bytes
    }

    /// The first part.
    pub(crate) fn first(self, spool: &OpenEntry) -> FileRange<'_> {
        FileRange { file: &spool.file, at: 0, len: self.first }
    }

    /// The second part.
    pub(crate) fn second(self, spool: &OpenEntry) -> FileRange<'_> {
        FileRange { file: &spool.file, at: self.first, len: self.second }
    }
}

/// A package's file that is being read into an entry.
pub(crate) struct SpooledFile<'s, 'h, 'a> {
    /// Reads the file, and hashes it on the way.
    pub(crate) input: &'h mut HashingReader<'a>,
    /// Length of the file in bytes.
    pub(crate) size: u64,
    /// Where the parts are written.
    pub(crate) spooling: &'s mut EntryWriter,
    /// Progress and interruption.
    pub(crate) monitor: Monitor<'a>,
}

/// An error of a kind's reader.
pub(crate) trait ReadFailure: From<PackageFileError> {
    /// Whether the cause is outside the file's own bytes.
    fn is_foreign(&self) -> bool;
}

/// Decompresses a package's file into the store by `read`, unless its digest is not the one of the lock.
pub(crate) fn expand<T, E: ReadFailure>(
    path: &Path,
    locked: &LockedPackage,
    store: &Store,
    monitor: Monitor<'_>,
    read: impl FnOnce(SpooledFile<'_, '_, '_>) -> Result<(EntryParts, T), E>,
) -> Result<(OpenEntry, EntryParts, T, PendingRename), E> {
    let file = amiforge_progress::regular::open(path).map_err(PackageFileError::Open)?;
    let size = file.metadata().map_err(PackageFileError::Open)?.len();
    if size != locked.size {
        return Err(PackageFileError::Size { expected: locked.size, actual: size }.into());
    }
    let whole = FileRange { file: &file, at: 0, len: size };
    let mut hashing = HashingReader::new(&whole, monitor);
    let mut spooling = store.create_entry().map_err(PackageFileError::Store)?;
    let read = match read(SpooledFile { input: &mut hashing, size, spooling: &mut spooling, monitor }) {
        Err(error) if error.is_foreign() => return Err(error),
        read => read,
    };
    // An error in the bytes matters only if they are the locked ones.
    let actual = hashing.finish().map_err(PackageFileError::Hash)?;
    if actual != locked.sha256 {
        return Err(PackageFileError::Digest { expected: locked.sha256, actual }.into());
    }
    let (parts, read) = read?;
    spooling.write(&parts.trailer()).map_err(PackageFileError::Store)?;
    let (spool, naming) = spooling.finish(actual, size).map_err(PackageFileError::Store)?;
    Ok((spool, parts, read, naming))
}

/// The entry of a package, if the store has it.
pub(crate) fn find(
    locked: &LockedPackage,
    store: &Store,
) -> Result<Option<(OpenEntry, EntryParts)>, StoreError> {
    let Some(spool) = store.find(locked.sha256, locked.size)? else { return Ok(None) };
    let mut bytes = [0; TRAILER];
    let at = spool.len.checked_sub(TRAILER as u64);
    if let Some(at) = at {
        let read = spool.file.read_exact_at(&mut bytes, at);
        read.map_err(|source| StoreError::Read { path: spool.path.clone(), source })?;
    }
    let [first, second] = [bytes.first_chunk(), bytes.last_chunk()]
        .map(|half: Option<&[u8; 8]>| u64::from_le_bytes(half.copied().unwrap_or_default()));
    if at.is_none() || first.checked_add(second) != at {
        let _ = std::fs::remove_file(&spool.path);
        let found = format!("{first} and {second} of {} bytes", spool.len);
        return Err(StoreError::Damaged {
            path: spool.path,
            found,
            expected: "the lengths of two parts".to_owned(),
        });
    }
    Ok(Some((spool, EntryParts { first, second })))
}
