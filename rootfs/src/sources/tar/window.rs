//! Reads the headers of an archive without its contents: one window that is filled where the next header lies.

use amiforge_formats::read_at::ReadAt;

use super::TarError;
use crate::sources::fault::EntryFault;

/// Bytes of a tar block.
pub(super) const BLOCK: usize = 512;

/// Fills after a long jump. Most files of a system are small, so a few headers usually follow in it; measured on a
/// Debian root of 108,858 entries, 8 KiB costs a third less than 2 KiB and a third less than 64 KiB.
const JUMP: usize = 8 << 10;

/// Fills while headers follow one another closely.
const STRIDE: usize = 64 << 10;

/// A window onto an archive.
pub(super) struct Window<'a> {
    archive: &'a dyn ReadAt,
    size: u64,
    buf: Vec<u8>,
    start: u64,
}

impl<'a> Window<'a> {
    pub(super) fn new(archive: &'a dyn ReadAt) -> Self {
        Self { archive, size: archive.size(), buf: Vec::with_capacity(STRIDE), start: 0 }
    }

    /// First byte after the archive.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The block at `at`; `None` when the archive ends before it or within it.
    pub(super) fn block(&mut self, at: u64) -> Result<Option<&[u8; BLOCK]>, TarError> {
        if self.size.checked_sub(at).is_none_or(|left| left < BLOCK as u64) {
            return Ok(None);
        }
        if self.held(at).is_none() {
            self.fill(at)?;
        }
        Ok(self.held(at))
    }

    /// Exactly `len` bytes at `at`, of which the caller has bounded the number.
    pub(super) fn bytes(&mut self, at: u64, len: u64, what: &'static str) -> Result<Vec<u8>, TarError> {
        let need = at.saturating_add(len);
        if need > self.size {
            return Err(TarError::unnamed(at, EntryFault::Truncated { what, need, end: self.size }));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        let from = at.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        let held = from.and_then(|from| self.buf.get(from..from.checked_add(bytes.len())?));
        match held {
            Some(held) => bytes.copy_from_slice(held),
            None => {
                self.archive.read_exact_at(at, &mut bytes).map_err(|source| TarError::Read { at, source })?;
            }
        }
        Ok(bytes)
    }

    fn held(&self, at: u64) -> Option<&[u8; BLOCK]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.buf.get(from..)?.first_chunk()
    }

    fn fill(&mut self, at: u64) -> Result<(), TarError> {
        let end = self.start.saturating_add(self.buf.len() as u64);
        let near = at.saturating_sub(end) < STRIDE as u64;
        let wanted = if near && at >= self.start { STRIDE } else { JUMP };
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        self.buf.resize(wanted.min(left), 0);
        self.start = at;
        self.archive.read_exact_at(at, &mut self.buf).map_err(|source| TarError::Read { at, source })
    }
}
