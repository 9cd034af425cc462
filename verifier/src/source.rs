//! Where bytes come from: an image, a partition of it, or bytes in memory.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFailure {
    /// First byte of what was asked for.
    pub offset: u64,
    /// The reason.
    pub reason: String,
}

/// Bytes at any offset.
pub trait ByteSource: Sync {
    /// Their number.
    fn size(&self) -> u64;

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// [`ReadFailure`] when the range is not within the source, or the medium fails.
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadFailure>;

    /// The end of the hole that `offset` is in, where the source knows that there is one: all of it reads as zeros.
    fn hole_end(&self, offset: u64) -> Option<u64> {
        let _ = offset;
        None
    }
}

/// The reason of a range that is not within a source.
pub(crate) fn outside(offset: u64) -> ReadFailure {
    ReadFailure { offset, reason: String::from("it is behind the end") }
}

impl ByteSource for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadFailure> {
        let from = usize::try_from(offset).map_err(|_| outside(offset))?;
        let end = from.checked_add(out.len()).ok_or_else(|| outside(offset))?;
        out.copy_from_slice(self.get(from..end).ok_or_else(|| outside(offset))?);
        Ok(())
    }
}

impl ByteSource for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadFailure> {
        self.as_slice().read(offset, out)
    }
}

/// A range of a source, as a source of its own.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    source: &'a dyn ByteSource,
    start: u64,
    len: u64,
}

impl<'a> Section<'a> {
    /// The `len` bytes from `start` on; `None` when they are not all within the source.
    pub fn new(source: &'a dyn ByteSource, start: u64, len: u64) -> Option<Self> {
        (start.checked_add(len)? <= source.size()).then_some(Self { source, start, len })
    }

    /// Its range in the source.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.len)
    }
}

impl ByteSource for Section<'_> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadFailure> {
        match offset.checked_add(out.len() as u64) {
            Some(end) if end <= self.len => self.source.read(self.start.saturating_add(offset), out),
            _ => Err(outside(offset)),
        }
    }

    fn hole_end(&self, offset: u64) -> Option<u64> {
        let end = self.source.hole_end(self.start.checked_add(offset)?)?;
        Some(end.saturating_sub(self.start).min(self.len))
    }
}

/// `len` bytes from `offset` on.
pub(crate) fn bytes_at(source: &dyn ByteSource, offset: u64, len: usize) -> Result<Vec<u8>, ReadFailure> {
    // Before memory is asked for: the length may come from a damaged structure.
    if offset.checked_add(len as u64).map_or(true, |end| end > source.size()) {
        return Err(outside(offset));
    }
    let mut bytes = alloc::vec![0; len];
    source.read(offset, &mut bytes)?;
    Ok(bytes)
}
