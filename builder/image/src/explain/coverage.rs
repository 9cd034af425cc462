//! How much of an image is explained: every range once, by kind and origin, and the proof that they add up to the image.
//!
//! Free space and padding count as explained only where they are zero.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use amiforge_formats::map::RangeKind;
use amiforge_formats::read_at::ReadAt as _;
use amiforge_progress::Monitor;
use serde::Serialize;

use super::{ExplainError, ExplainedRange, Explanation};

/// Bytes that are read at a time to look for others than zeros.
const CHUNK: u64 = 1 << 20;
/// Bytes that are zero or not together.
const PAGE: usize = 4096;
/// Ranges that are listed.
const LISTED: usize = 1000;
/// Ranges that the text shows.
const SHOWN: usize = 20;

/// Bytes with one kind and one origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverageRow {
    /// The kind.
    pub kind: &'static str,
    /// Kind of the origin; none where nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How many ranges.
    pub ranges: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Bytes that are not explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnexplainedRange {
    /// First byte in the image.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Why.
    pub why: String,
}

/// How much of an image is explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Length of the image.
    pub size: u64,
    /// Bytes of all ranges: equal to `size`, or the ranges would overlap or leave a gap.
    pub sum: u64,
    /// Bytes that are explained.
    pub explained: u64,
    /// Whether every byte is.
    pub complete: bool,
    /// Whether the bundle says where its paths come from.
    pub origins: bool,
    /// By kind and origin.
    pub rows: Vec<CoverageRow>,
    /// Bytes by origin, in words, of contents and metadata of files.
    pub by_origin: BTreeMap<String, u64>,
    /// The first ranges that are not explained.
    pub unexplained: Vec<UnexplainedRange>,
}

/// The count under way.
#[derive(Default)]
struct CoverageCount {
    end: u64,
    sum: u64,
    explained: u64,
    rows: BTreeMap<(RangeKind, Option<String>), (u64, u64)>,
    by_origin: BTreeMap<String, u64>,
    unexplained: Vec<UnexplainedRange>,
}

impl Explanation<'_> {
    /// Explains the whole image.
    ///
    /// # Errors
    /// [`ExplainError`] when the image cannot be read, or the user interrupted it.
    pub fn coverage(&self, monitor: Monitor<'_>) -> Result<Coverage, ExplainError> {
        monitor.progress.begin("explaining", Some(self.size()));
        let mut counting = CoverageCount::default();
        let outcome = self.disk.visit(0..self.size(), &mut |slot, range, text| {
            if monitor.cancel.is_cancelled() {
                return Err(ExplainError::Interrupted);
            }
            monitor.progress.advance(range.len);
            let range = self.explained(slot, range, text.to_string());
            for range in self.without_bytes(range)? {
                counting.add(range);
            }
            Ok(())
        });
        monitor.progress.end();
        outcome?;
        Ok(counting.coverage(self.size(), self.has_origins()))
    }

    /// A range of free space or padding as parts: those that hold others than zeros are not explained.
    fn without_bytes(&self, range: ExplainedRange) -> Result<Vec<ExplainedRange>, ExplainError> {
        if !matches!(range.range_kind, RangeKind::Free | RangeKind::Padding) {
            return Ok(vec![range]);
        }
        let mut parts = Vec::new();
        let mut at = range.start;
        for (start, end) in self.bytes_in(range.start, range.end())? {
            parts.push(ExplainedRange { start: at, len: start - at, ..range.clone() });
            let mut other = ExplainedRange { start, len: end - start, ..range.clone() };
            other.unexplain(format!("{}: the bytes are not zero", range.what));
            parts.push(other);
            at = end;
        }
        parts.push(ExplainedRange { start: at, len: range.end() - at, ..range });
        parts.retain(|part| part.len > 0);
        Ok(parts)
    }

    /// Marks the ranges of free space and padding that hold others than zeros.
    pub(super) fn check_zeros(&self, ranges: &mut Vec<ExplainedRange>) -> Result<(), ExplainError> {
        let mut checked = Vec::with_capacity(ranges.len());
        for range in ranges.drain(..) {
            checked.append(&mut self.without_bytes(range)?);
        }
        *ranges = checked;
        Ok(())
    }

    /// The runs of bytes, in pages, that are not zero.
    fn bytes_in(&self, start: u64, end: u64) -> Result<Vec<(u64, u64)>, ExplainError> {
        let failed = |source| ExplainError::Io { at: start, source };
        let mut runs: Vec<(u64, u64)> = Vec::new();
        // Holes of the file need not be read; a short range is read at once.
        let data = if end - start <= CHUNK / 16 {
            vec![(start, end)]
        } else {
            self.medium.data_ranges(start, end).map_err(failed)?
        };
        let longest = data.iter().map(|(from, to)| (to - from).min(CHUNK)).max().unwrap_or_default();
        let mut buffer = vec![0; longest as usize];
        for (from, to) in data {
            let mut at = from;
            while at < to {
                let part = &mut buffer[..(to - at).min(CHUNK) as usize];
                self.medium.read_exact_at(at, part).map_err(failed)?;
                for (index, page) in part.chunks(PAGE).enumerate().filter(|(_, page)| !is_zero(page)) {
                    let first = at + (index * PAGE) as u64;
                    let last = first + page.len() as u64;
                    match runs.last_mut() {
                        Some(run) if run.1 == first => run.1 = last,
                        _ => runs.push((first, last)),
                    }
                }
                at += part.len() as u64;
            }
        }
        Ok(runs)
    }
}

/// Whether all bytes are zero.
fn is_zero(bytes: &[u8]) -> bool {
    let mut words = bytes.chunks_exact(16);
    words.by_ref().all(|word| *word == [0; 16]) && words.remainder().iter().all(|byte| *byte == 0)
}

impl CoverageCount {
    fn add(&mut self, range: ExplainedRange) {
        // Ranges come in order, so a sum that is the length is also no overlap.
        debug_assert_eq!(self.end, range.start);
        self.end = range.end();
        self.sum += range.len;
        let origin = range.origin.as_ref().map(|origin| origin.kind.clone());
        let row = self.rows.entry((range.range_kind, origin)).or_default();
        (row.0, row.1) = (row.0 + 1, row.1 + range.len);
        if let Some(origin) = &range.origin {
            let first = origin.chain.first().cloned().unwrap_or_default();
            *self.by_origin.entry(first).or_default() += range.len;
        }
        if range.is_explained() {
            self.explained += range.len;
        } else if self.unexplained.len() < LISTED {
            let ExplainedRange { start, len, what, .. } = range;
            self.unexplained.push(UnexplainedRange { start, len, why: what });
        }
    }

    fn coverage(self, size: u64, origins: bool) -> Coverage {
        let row = |((kind, origin), (ranges, bytes)): ((RangeKind, Option<String>), (u64, u64))| {
            CoverageRow { kind: kind.name(), origin, ranges, bytes }
        };
        Coverage {
            size,
            sum: self.sum,
            explained: self.explained,
            complete: self.explained == size && self.sum == size && self.end == size,
            origins,
            rows: self.rows.into_iter().map(row).collect(),
            by_origin: self.by_origin,
            unexplained: self.unexplained,
        }
    }
}

impl Coverage {
    /// The report as text.
    pub fn text(&self) -> String {
        let percent = |bytes: u64| {
            // Rounded down, so that 100 % is all of it.
            let hundredths = u128::from(bytes) * 10_000 / u128::from(self.size.max(1));
            format!("{}.{:02} %", hundredths / 100, hundredths % 100)
        };
        let mut text = format!("{:<16} {:<12} {:>9} {:>15} {:>9}\n", "kind", "origin", "ranges", "bytes", "");
        // Writing to a String cannot fail, here and below.
        for CoverageRow { kind, origin, ranges, bytes } in &self.rows {
            let origin = origin.as_deref().unwrap_or("-");
            let _ = writeln!(text, "{kind:<16} {origin:<12} {ranges:>9} {bytes:>15} {:>9}", percent(*bytes));
        }
        let _ = writeln!(
            text,
            "{} of {} bytes are explained ({}); the ranges add up to {}",
            self.explained,
            self.size,
            percent(self.explained),
            self.sum
        );
        for UnexplainedRange { start, len, why } in self.unexplained.iter().take(SHOWN) {
            let _ = writeln!(text, "bytes {start} to {}: {why}", start + len - 1);
        }
        if self.unexplained.len() > SHOWN {
            let _ =
                writeln!(text, "and {} more ranges that are not explained", self.unexplained.len() - SHOWN);
        }
        if !self.origins {
            text.push_str("the bundle has no origins.txt: where files come from is not known\n");
        }
        text
    }
}
