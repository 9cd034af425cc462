//! Hashing: a range of a file, and both digests of a file's content. Knows nothing of the store.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use sha1::Digest as _;
use sha2::{Digest as _, Sha256};

/// Bytes that are read and hashed at a time.
pub(crate) const CHUNK: usize = 1 << 20;

/// Both digests of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigests {
    /// SHA-1, which SPDX requires of every file.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: Digest,
}

/// Computes both digests of bytes that come one after another.
#[derive(Default)]
pub struct FileHasher {
    sha1: sha1::Sha1,
    sha256: Sha256,
}

impl FileHasher {
    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    /// The digests of all bytes.
    pub fn finish(self) -> FileDigests {
        FileDigests { sha1: self.sha1.finalize().into(), sha256: Digest(self.sha256.finalize().into()) }
    }
}

/// The SHA-256 of `len` bytes of a file from `at` on; none when it is cancelled.
pub(crate) fn hash_range(
    file: &File,
    mut at: u64,
    mut len: u64,
    monitor: Monitor<'_>,
) -> io::Result<Option<Digest>> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; usize::try_from(len).unwrap_or(CHUNK).min(CHUNK)];
    while len > 0 {
        if monitor.cancel.is_cancelled() {
            return Ok(None);
        }
        let count = usize::try_from(len).unwrap_or(CHUNK).min(CHUNK);
        file.read_exact_at(&mut buffer[..count], at)?;
        hasher.update(&buffer[..count]);
        monitor.progress.advance(count as u64);
        at += count as u64;
        len -= count as u64;
    }
    Ok(Some(Digest(hasher.finalize().into())))
}
