//! Positioned reading for the readers of this crate: a disk, a partition of it, or bytes in memory.

use std::io;
use std::ops::Range;

/// Something of known length that can be read at any offset, by many readers at once.
pub trait ReadAt: Sync {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Fills `buf` from byte `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range is not within [`ReadAt::size`]; otherwise the error of the medium.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// The first part of `from..to` that may hold other bytes than zeros; `None` when all of it reads as zero. A medium
    /// that knows of no holes gives back the range.
    ///
    /// # Errors
    /// The error of the medium.
    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        Ok((from < to).then_some(from..to))
    }
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).ok();
        let range = from.and_then(|from| Some(from..from.checked_add(buf.len())?));
        let bytes = range.and_then(|range| self.get(range)).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_exact_at(offset, buf)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buf)
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        (**self).data_from(from, to)
    }
}

/// A part of something longer: a partition of a disk.
#[derive(Debug, Clone, Copy)]
pub struct Window<R> {
    inner: R,
    start: u64,
    len: u64,
}

impl<R: ReadAt> Window<R> {
    /// The bytes `start..start + len` of `inner`; `None` when they reach past its end.
    pub fn new(inner: R, start: u64, len: u64) -> Option<Self> {
        (start.checked_add(len)? <= inner.size()).then_some(Self { inner, start, len })
    }
}

impl<R: ReadAt> ReadAt for Window<R> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.inner.read_exact_at(self.start + offset, buf)
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        // `start + len` is within the inner one, so nothing overflows.
        let (from, to) = (from.min(self.len), to.min(self.len));
        let data = self.inner.data_from(self.start + from, self.start + to)?;
        Ok(data.map(|data| data.start.saturating_sub(self.start)..data.end.saturating_sub(self.start)))
    }
}
