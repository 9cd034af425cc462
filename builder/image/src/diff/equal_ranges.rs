//! The pages of two ranges that differ: read once, on all cores; shared holes and blocks with equal digests are not read.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use amiforge_formats::digest::BLOCK;
use amiforge_formats::read_at::ReadAt as _;
use amiforge_progress::Monitor;

use super::DiffError;
use crate::inspect::Medium;

/// Bytes in a page: the unit in which the result of a comparison is stored.
pub(crate) const PAGE: u64 = 4096;

/// Pages in a block.
const PER_BLOCK: usize = (BLOCK / PAGE) as usize;

/// Two ranges of equal length in two images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PairedRange {
    /// First byte in the first image.
    pub(crate) a: u64,
    /// First byte in the second image.
    pub(crate) b: u64,
    /// Length in bytes.
    pub(crate) len: u64,
}

/// The two images and the settings of a comparison.
pub(crate) struct Comparison<'a> {
    pub(crate) a: &'a Medium,
    pub(crate) b: &'a Medium,
    pub(crate) threads: usize,
    /// Whether a block of both disks has equal digests, by its number.
    pub(crate) known_equal: &'a (dyn Fn(u64) -> bool + Sync),
    pub(crate) monitor: Monitor<'a>,
    /// Bytes read of each image so far.
    pub(crate) read: AtomicU64,
}

/// The pages that differ, counted from the start of the range.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct DifferingPages {
    bits: Vec<u64>,
}

impl DifferingPages {
    /// Whether any page that `at..at + len` touches differs; a page past the range always does.
    pub(crate) fn differ(&self, at: u64, len: u64) -> bool {
        if len == 0 {
            return false;
        }
        (at / PAGE..=(at + len - 1) / PAGE).any(|page| self.bit(page).unwrap_or(true))
    }

    /// The runs of pages that differ, as bytes, clipped to `len`.
    pub(crate) fn runs(&self, len: u64) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let words = self.bits.iter().enumerate().filter(|(_, word)| **word != 0);
        for page in words.flat_map(|(index, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index as u64 * 64 + bit)
        }) {
            let (from, to) = (page * PAGE, ((page + 1) * PAGE).min(len));
            match runs.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => runs.push((from, to)),
            }
        }
        runs
    }

    fn bit(&self, page: u64) -> Option<bool> {
        let word = self.bits.get(usize::try_from(page / 64).ok()?)?;
        Some(word >> (page % 64) & 1 == 1)
    }

    /// Marks the pages of a chunk that differ.
    fn mark(&mut self, first: u64, differing: &[bool]) {
        for (index, _) in differing.iter().enumerate().filter(|(_, differs)| **differs) {
            let page = first + index as u64;
            if let Some(word) = self.bits.get_mut((page / 64) as usize) {
                *word |= 1 << (page % 64);
            }
        }
    }
}

impl Comparison<'_> {
    /// Compares two ranges.
    ///
    /// # Errors
    /// [`DiffError::Medium`], [`DiffError::Interrupted`].
    pub(crate) fn pages(&self, range: PairedRange) -> Result<DifferingPages, DiffError> {
        let chunks = range.len.div_ceil(BLOCK);
        let len = usize::try_from(range.len.div_ceil(PAGE).div_ceil(64)).unwrap_or(usize::MAX);
        let pages = Mutex::new(DifferingPages { bits: vec![0; len] });
        let next = AtomicU64::new(0);
        let work = || -> Result<(), DiffError> {
            let mut buffers = (vec![0; BLOCK as usize], vec![0; BLOCK as usize]);
            loop {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= chunks {
                    return Ok(());
                }
                if self.monitor.cancel.is_cancelled() {
                    return Err(DiffError::Interrupted);
                }
                let at = chunk * BLOCK;
                let len = BLOCK.min(range.len - at);
                if let Some(differing) = self.chunk(range, (at, len), &mut buffers)? {
                    let mut pages = pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    pages.mark(at / PAGE, &differing);
                }
                self.monitor.progress.advance(len);
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads.max(1)).map(|_| scope.spawn(work)).collect();
            let mine = work();
            others
                .into_iter()
                .map(|other| other.join().unwrap_or(Err(DiffError::Interrupted)))
                .fold(mine, Result::and)
        })?;
        Ok(pages.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The pages of a chunk that differ; `None` when none does.
    fn chunk(
        &self,
        range: PairedRange,
        (at, len): (u64, u64),
        (a, b): &mut (Vec<u8>, Vec<u8>),
    ) -> Result<Option<[bool; PER_BLOCK]>, DiffError> {
        let (in_a, in_b) = (range.a + at, range.b + at);
        let last = (in_a + len - 1) / BLOCK;
        if in_a == in_b && (in_a / BLOCK..=last).all(|block| (self.known_equal)(block)) {
            return Ok(None);
        }
        let holes = |medium: &Medium, from: u64| {
            medium
                .data_ranges(from, from + len)
                .map(|ranges| ranges.is_empty())
                .map_err(|e| DiffError::medium(medium, e))
        };
        if holes(self.a, in_a)? && holes(self.b, in_b)? {
            return Ok(None);
        }
        let (a, b) = (&mut a[..len as usize], &mut b[..len as usize]);
        self.a.read_exact_at(in_a, a).map_err(|error| DiffError::medium(self.a, error))?;
        self.b.read_exact_at(in_b, b).map_err(|error| DiffError::medium(self.b, error))?;
        self.read.fetch_add(len, Ordering::Relaxed);
        if a == b {
            return Ok(None);
        }
        let mut differing = [false; PER_BLOCK];
        let pairs = a.chunks(PAGE as usize).zip(b.chunks(PAGE as usize));
        for (mark, (a, b)) in differing.iter_mut().zip(pairs) {
            *mark = a != b;
        }
        Ok(Some(differing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    fn image(folder: &tempfile::TempDir, name: &str, writes: &[(u64, &[u8])]) -> Medium {
        let path = folder.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(4 << 20).unwrap();
        for (at, bytes) in writes {
            file.write_all_at(bytes, *at).unwrap();
        }
        Medium::open(&path).unwrap()
    }

    #[test]
    fn differing_pages_are_detected_and_equal_digests_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let a = image(&folder, "a", &[(5000, b"x"), (1 << 20, b"same"), (3 << 20, b"p")]);
        let b = image(&folder, "b", &[(5000, b"y"), (1 << 20, b"same"), (3 << 20, b"q")]);
        let known_equal = |block| block == 6;
        let comparison = Comparison {
            a: &a,
            b: &b,
            threads: 3,
            known_equal: &known_equal,
            monitor: Monitor::none(),
            read: AtomicU64::new(0),
        };
        let pages = comparison.pages(PairedRange { a: 0, b: 0, len: 4 << 20 }).unwrap();
        assert_eq!(pages.runs(4 << 20), [(4096, 8192)]);
        assert!(pages.differ(4000, 200) && !pages.differ(0, 4096) && !pages.differ(3 << 20, 1));
        // Two blocks have data and no known digest; all else is a hole in both.
        assert_eq!(comparison.read.load(Ordering::Relaxed), 2 * BLOCK);
        let moved = comparison.pages(PairedRange { a: 4096, b: 4096 + 512, len: 4096 }).unwrap();
        assert_eq!(moved.runs(4096), [(0, 4096)]);
    }
}
