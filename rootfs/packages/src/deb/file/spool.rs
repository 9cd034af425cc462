//! The entry of the store that a `.deb` becomes: `control.tar`, `data.tar`, both decompressed, then the lengths of
//! both as 64-bit little-endian numbers.

use std::os::unix::fs::FileExt;

use amiforge_store::{OpenEntry, Store, StoreError};

use crate::locked::LockedPackage;
use amiforge_rootfs::sources::FileRange;

/// Bytes of the two lengths.
const TRAILER: usize = 16;

/// The lengths of the two archives in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArchiveLengths {
    pub(crate) control: u64,
    pub(crate) data: u64,
}

impl ArchiveLengths {
    /// The trailer of the entry.
    pub(super) fn trailer(self) -> [u8; TRAILER] {
        let mut bytes = [0; TRAILER];
        let (control, data) = bytes.split_at_mut(TRAILER / 2);
        control.copy_from_slice(&self.control.to_le_bytes());
        data.copy_from_slice(&self.data.to_le_bytes());
        bytes
    }

    /// The control archive.
    pub(crate) fn control(self, spool: &OpenEntry) -> FileRange<'_> {
        FileRange { file: &spool.file, at: 0, len: self.control }
    }

    /// The data archive.
    pub(crate) fn data(self, spool: &OpenEntry) -> FileRange<'_> {
        FileRange { file: &spool.file, at: self.control, len: self.data }
    }
}

/// The entry of a package, if the store has it.
pub(crate) fn find(
    locked: &LockedPackage,
    store: &Store,
) -> Result<Option<(OpenEntry, ArchiveLengths)>, StoreError> {
    let Some(spool) = store.find(locked.sha256, locked.size)? else { return Ok(None) };
    let mut bytes = [0; TRAILER];
    let at = spool.len.checked_sub(TRAILER as u64);
    if let Some(at) = at {
        let read = spool.file.read_exact_at(&mut bytes, at);
        read.map_err(|source| StoreError::Read { path: spool.path.clone(), source })?;
    }
    let [control, data] = [bytes.first_chunk(), bytes.last_chunk()]
        .map(|half: Option<&[u8; 8]>| u64::from_le_bytes(half.copied().unwrap_or_default()));
    if at.is_none() || control.checked_add(data) != at {
        let _ = std::fs::remove_file(&spool.path);
        let found = format!("{control} and {data} of {} bytes", spool.len);
        return Err(StoreError::Damaged {
            path: spool.path,
            found,
            expected: "the lengths of two archives".to_owned(),
        });
    }
    Ok(Some((spool, ArchiveLengths { control, data })))
}
