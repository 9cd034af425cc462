//! Two ranges of two images that are compared with each other, such as one partition of both.

use std::io;

use amiforge_formats::read_at::{ReadAt as _, Window};

use super::byte_diff::ByteDiff;
use super::equal_ranges::DifferingPages;
use crate::inspect::Medium;

/// Bytes compared at a time.
const CHUNK: u64 = 1 << 20;

/// The bytes of one side.
pub(crate) type RangeBytes<'a> = Window<&'a Medium>;

/// Two ranges, and which of their pages differ at equal offsets.
pub(crate) struct RangePair<'a> {
    pub(crate) a: RangeBytes<'a>,
    pub(crate) b: RangeBytes<'a>,
    pub(crate) pages: DifferingPages,
}

impl RangePair<'_> {
    /// Length of the shorter one.
    pub(crate) fn len(&self) -> u64 {
        self.a.size().min(self.b.size())
    }

    /// Whether it is known without reading that `len` bytes at `a` in the first equal those at `b` in the second.
    pub(crate) fn known_equal(&self, a: u64, b: u64, len: u64) -> bool {
        a == b && a.checked_add(len).is_some_and(|end| end <= self.len()) && !self.pages.differ(a, len)
    }

    /// The bytes of both at one offset; fewer where one ends.
    ///
    /// # Errors
    /// The error of a medium.
    pub(crate) fn both(&self, at: u64, len: u64) -> io::Result<(Vec<u8>, Vec<u8>)> {
        Ok((read(&self.a, at, len)?, read(&self.b, at, len)?))
    }

    /// Where bytes `from..to`, in both, differ.
    ///
    /// # Errors
    /// The error of a medium.
    pub(crate) fn compare(&self, from: u64, to: u64, diff: &mut ByteDiff) -> io::Result<()> {
        let to = to.min(self.len());
        let mut at = from;
        while at < to {
            let len = CHUNK.min(to - at);
            if !self.known_equal(at, at, len) {
                let (a, b) = self.both(at, len)?;
                diff.compare(at, &a, &b);
            }
            at += len;
        }
        Ok(())
    }

    /// The runs of bytes in which the pages differ.
    pub(crate) fn runs(&self) -> Vec<(u64, u64)> {
        self.pages.runs(self.len())
    }
}

/// Reads `len` bytes at `at`, fewer where the range ends.
fn read(bytes: &RangeBytes<'_>, at: u64, len: u64) -> io::Result<Vec<u8>> {
    let len = len.min(bytes.size().saturating_sub(at));
    let mut buf = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?];
    bytes.read_exact_at(at, &mut buf)?;
    Ok(buf)
}
