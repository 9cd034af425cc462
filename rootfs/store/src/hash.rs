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

/// Bytes that each digest takes before it is the other's turn. A step of a digest waits for the step before it; where the two
/// are near each other, a processor that works ahead does a step of the other meanwhile.
const TURN: usize = 128;

/// Bytes of a step of either digest (FIPS 180-4, section 5.2.1).
const STEP: usize = 64;

/// Computes both digests of bytes that come one after another, in hardly more time than one.
#[derive(Default)]
pub struct FileHasher {
    sha1: sha1::Sha1,
    sha256: Sha256,
    /// Bytes since the last whole step.
    begun: usize,
}

impl FileHasher {
    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        // Turns that begin with a step need no copy of their bytes.
        let lead = (STEP - self.begun) % STEP;
        let (lead, rest) = bytes.split_at(lead.min(bytes.len()));
        for turn in std::iter::once(lead).chain(rest.chunks(TURN)) {
            self.sha1.update(turn);
            self.sha256.update(turn);
        }
        self.begun = (self.begun + bytes.len() % STEP) % STEP;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_digests_are_right_however_the_bytes_are_divided() {
        let bytes: Vec<u8> = (0..1000_u32).map(|at| (at * 7 % 251) as u8).collect();
        for part in [1, 3, 63, 64, 65, 127, 128, 129, 500, 1000] {
            let mut hasher = FileHasher::default();
            bytes.chunks(part).for_each(|part| hasher.update(part));
            let taken = hasher.finish();
            assert_eq!(taken.sha256, Digest::of(&bytes), "{part} bytes at a time");
            assert_eq!(taken.sha1, <[u8; 20]>::from(sha1::Sha1::digest(&bytes)), "{part} bytes at a time");
        }
    }
}
