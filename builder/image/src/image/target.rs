//! The file that an image is written to.
//!
//! On a disk, writes go around the page cache (`O_DIRECT`) into space allocated beforehand: that was measured to be
//! more than twice as fast as any way through the cache, and leaves the data on the device. Where that is not to be
//! had the same calls go through the cache; which it is, is decided by trying.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, OFlags, fallocate, fstatfs};

use super::EmitError;
use super::window::ALIGN;

/// `f_type` of tmpfs (statfs(2)): its pages are the cache itself, so there is nothing to go around.
const TMPFS: i128 = 0x0102_1994;

/// An image file in the making. Dropped before [`ImageFile::keep`], it is removed.
#[derive(Debug)]
pub(super) struct ImageFile {
    path: PathBuf,
    cached: File,
    direct: Option<File>,
    /// Whether `direct` has refused a write.
    refused: AtomicBool,
    written: AtomicU64,
    available: u64,
    kept: bool,
}

impl ImageFile {
    /// Makes a file of `len` bytes, all of it a hole.
    pub(super) fn create(path: &Path, len: u64) -> Result<Self, EmitError> {
        let create = |source| EmitError::Create { path: path.to_owned(), source };
        let cached = File::create_new(path).map_err(create)?;
        let mut target = Self {
            path: path.to_owned(),
            cached,
            direct: None,
            refused: AtomicBool::new(false),
            written: AtomicU64::new(0),
            available: 0,
            kept: false,
        };
        target.cached.set_len(len).map_err(create)?;
        let system = fstatfs(&target.cached).map_err(|errno| create(errno.into()))?;
        target.available = system.f_bavail.saturating_mul(u64::try_from(system.f_bsize).unwrap_or(0));
        if i128::from(system.f_type) != TMPFS {
            let direct = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
            target.direct = OpenOptions::new().write(true).custom_flags(direct).open(path).ok();
        }
        Ok(target)
    }

    /// A target over a file that is open already.
    #[cfg(test)]
    pub(super) fn over(path: &Path, cached: File) -> Self {
        Self {
            path: path.to_owned(),
            cached,
            direct: None,
            refused: AtomicBool::new(false),
            written: AtomicU64::new(0),
            available: 0,
            kept: true,
        }
    }

    /// Whether writes go around the cache, as far as is known.
    pub(super) fn is_direct(&self) -> bool {
        self.direct.is_some() && !self.refused.load(Ordering::Relaxed)
    }

    /// Allocates the space of a run that will be written. The file stays a hole where the file system cannot.
    pub(super) fn allocate(&self, run: &Range<u64>, needed: u64) -> Result<(), EmitError> {
        match fallocate(&self.cached, FallocateFlags::KEEP_SIZE, run.start, run.end - run.start) {
            Err(errno @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) => {
                Err(self.failed(run.start, errno.into(), needed))
            }
            // Only space matters here; every other trouble comes up again when the run is written.
            _ => Ok(()),
        }
    }

    /// Writes `bytes`, which begin at an address and an `offset` that are multiples of [`ALIGN`].
    pub(super) fn write(&self, bytes: &[u8], offset: u64, needed: u64) -> Result<(), EmitError> {
        let failed = |source| self.failed(offset, source, needed);
        let whole = bytes.len() - bytes.len() % ALIGN;
        let mut rest = bytes;
        let mut at = offset;
        if let Some(direct) = self.direct.as_ref().filter(|_| self.is_direct() && whole > 0) {
            match direct.write_all_at(&bytes[..whole], offset) {
                Ok(()) => {
                    rest = &bytes[whole..];
                    at += whole as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.refused.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(failed(error)),
            }
        }
        self.cached.write_all_at(rest, at).map_err(failed)?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps the file and gives the number of bytes written.
    pub(super) fn keep(mut self) -> u64 {
        self.kept = true;
        self.written.load(Ordering::Relaxed)
    }

    fn failed(&self, offset: u64, source: io::Error, needed: u64) -> EmitError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                EmitError::NoSpace { path, needed, available: self.available }
            }
            _ => EmitError::Write { path, offset, source },
        }
    }
}

impl Drop for ImageFile {
    fn drop(&mut self) {
        if !self.kept {
            // The error that led here is more useful than that of the removal.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
