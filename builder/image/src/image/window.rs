//! A window: a few neighbouring blocks of an image, gathered in memory before they are written and hashed.
//!
//! Knows how to read the slices of a plan with few calls. Small files are in an archive with only a header
//! between them, so what is near each other there is read at once and the pieces are copied out. Knows no file
//! that is written to.

use std::io;
use std::ops::Range;

use amiforge_formats::digest::BLOCK;
use amiforge_formats::plan::{Data, Plan, SourceId, Sources};

/// Bytes in a window that goes around the page cache: large writes are what a disk without a cache in between wants.
pub(super) const AROUND: u64 = 8 * BLOCK;

/// Bytes in a window that goes through the cache or nowhere: one that stays in a core's second cache between being
/// gathered and being written or hashed is copied a twentieth faster than one of 4 MiB.
pub(super) const THROUGH: u64 = 2 * BLOCK;

/// Alignment of memory and file offsets when the cache is bypassed; the largest sector in use.
pub(super) const ALIGN: usize = 4096;

/// A range without data shorter than this is written as zeros: a hole would cost a further write call.
const HOLE_MIN: u64 = 32 * 1024;

/// Slices of at least this length are read by themselves, directly into the window.
const ALONE: u64 = 32 * 1024;

/// Slices further apart than this in their source are not read together.
const APART: u64 = 8 * 1024;

/// Most bytes read together.
const TOGETHER: usize = 256 * 1024;

/// What a block of the plan holds, before it is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowBlock {
    /// At least a byte of data.
    Data,
    /// Nothing but zeros.
    Zero,
    /// Nothing that anybody reads.
    Free,
}

/// What a window of a plan holds.
#[derive(Debug)]
pub(super) struct Survey {
    /// Its bytes in the image.
    pub(super) range: Range<u64>,
    /// What each block holds.
    pub(super) blocks: Vec<WindowBlock>,
    /// What to write: ranges in the image, sorted and apart; they begin at multiples of [`ALIGN`], and end at one
    /// or at the end of the image.
    pub(super) runs: Vec<Range<u64>>,
}

impl Survey {
    /// Looks at the window of `plan` of `len` bytes, a multiple of a block, that begins at `start`, a multiple of `len`.
    pub(super) fn of(plan: &Plan, start: u64, len: u64) -> Self {
        let end = (start + len).min(plan.len());
        let mut blocks = vec![WindowBlock::Free; (end - start).div_ceil(BLOCK) as usize];
        let mut runs: Vec<Range<u64>> = Vec::new();
        for extent in plan.range(start, end) {
            let holds = match extent.data {
                Data::Bytes { .. } | Data::Slice { .. } => WindowBlock::Data,
                Data::Zero => WindowBlock::Zero,
                Data::Free => continue,
            };
            let first = ((extent.offset - start) / BLOCK) as usize;
            let last = ((extent.end() - 1 - start) / BLOCK) as usize;
            for block in &mut blocks[first..=last] {
                if *block != WindowBlock::Data {
                    *block = holds;
                }
            }
            if holds == WindowBlock::Data {
                add_run(&mut runs, extent.offset..extent.end(), end);
            }
        }
        Self { range: start..end, blocks, runs }
    }

    /// Whether there is anything to read and write.
    pub(super) fn has_data(&self) -> bool {
        !self.runs.is_empty()
    }
}

/// Adds a range of data, rounded to the alignment, joined to the one before unless a hole fits between.
fn add_run(runs: &mut Vec<Range<u64>>, data: Range<u64>, limit: u64) {
    let start = data.start - data.start % ALIGN as u64;
    let end = data.end.next_multiple_of(ALIGN as u64).min(limit);
    match runs.last_mut() {
        Some(last) if start < last.end + HOLE_MIN => last.end = last.end.max(end),
        _ => runs.push(start..end),
    }
}

/// Memory for a window, aligned for writes that bypass the cache.
#[derive(Debug)]
pub(super) struct WindowBuffer {
    bytes: Vec<u8>,
    at: usize,
    len: usize,
}

impl WindowBuffer {
    /// Memory for a window of `len` bytes.
    pub(super) fn new(len: u64) -> Self {
        let len = len as usize;
        let bytes = vec![0; len + ALIGN];
        let at = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { bytes, at, len }
    }

    /// The bytes of the window.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.at..self.at + self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.at..self.at + self.len]
    }
}

/// A slice of a source and where its bytes go in the window.
#[derive(Debug, Clone, Copy)]
struct WindowPiece {
    source: SourceId,
    at: u64,
    len: u64,
    to: usize,
}

/// Reads windows; each thread has its own, for the memory in it.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    pieces: Vec<WindowPiece>,
    together: Vec<u8>,
}

/// A source failed: the byte of the image that it was read for, and why.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) offset: u64,
    pub(super) source: io::Error,
}

impl Gatherer {
    /// Fills every block of `buffer` that holds data, to its end.
    pub(super) fn gather(
        &mut self,
        plan: &Plan,
        sources: &dyn Sources,
        survey: &Survey,
        buffer: &mut WindowBuffer,
    ) -> Result<(), Unread> {
        let bytes = buffer.bytes_mut();
        let start = survey.range.start;
        self.pieces.clear();
        for extent in plan.range(start, survey.range.end) {
            let to = (extent.offset - start) as usize;
            let part = &mut bytes[to..to + extent.len as usize];
            match extent.data {
                Data::Bytes { bytes, at } => part.copy_from_slice(&bytes[at..at + part.len()]),
                Data::Slice { source, at } => {
                    self.pieces.push(WindowPiece { source, at, len: extent.len, to });
                }
                Data::Zero | Data::Free => part.fill(0),
            }
        }
        // A short last block is hashed as if zeros followed.
        let used = (survey.range.end - start) as usize;
        bytes[used..used.next_multiple_of(BLOCK as usize)].fill(0);
        self.pieces.sort_unstable_by_key(|piece| (piece.source, piece.at));
        let read = self.read(sources, bytes);
        read.map_err(|(to, source)| Unread { offset: start + to as u64, source })
    }

    /// Reads the pieces, those near each other together.
    fn read(&mut self, sources: &dyn Sources, bytes: &mut [u8]) -> Result<(), (usize, io::Error)> {
        self.together.resize(TOGETHER, 0);
        let mut rest = self.pieces.as_slice();
        while !rest.is_empty() {
            let (group, after) = rest.split_at(near(rest));
            rest = after;
            if let ([first, .., last], Some(span)) = (group, self.together.get_mut(..span(group))) {
                let read = sources.read_exact_at(first.source, first.at, span);
                debug_assert!(last.at + last.len == first.at + span.len() as u64);
                if read.is_ok() {
                    for piece in group {
                        let from = (piece.at - first.at) as usize;
                        let len = piece.len as usize;
                        bytes[piece.to..piece.to + len].copy_from_slice(&span[from..from + len]);
                    }
                    continue;
                }
                // Read one by one below, the piece that fails is named exactly.
            }
            for piece in group {
                let part = &mut bytes[piece.to..piece.to + piece.len as usize];
                sources.read_exact_at(piece.source, piece.at, part).map_err(|error| (piece.to, error))?;
            }
        }
        Ok(())
    }
}

/// How many of the first pieces, at least one, are read together.
fn near(pieces: &[WindowPiece]) -> usize {
    let mut count = 1;
    while let [.., last, next] = &pieces[..pieces.len().min(count + 1)] {
        let end = last.at + last.len;
        let joins = count < pieces.len()
            && next.source == last.source
            && last.len < ALONE
            && next.len < ALONE
            && (end..=end + APART).contains(&next.at)
            && next.at + next.len - pieces[0].at <= TOGETHER as u64;
        if !joins {
            break;
        }
        count += 1;
    }
    count
}

/// Bytes of the source from the first piece to the end of the last.
fn span(group: &[WindowPiece]) -> usize {
    match group {
        [first, .., last] => (last.at + last.len - first.at) as usize,
        _ => 0,
    }
}
