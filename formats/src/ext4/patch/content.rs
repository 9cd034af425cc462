//! Contents of files: what differs from the file that is there, block by block, and where what differs goes.

use std::io;
use std::ops::Range;

use super::Ext4PatchError;
use super::mapping::clip;
use super::volume::PatchVolume;
use crate::ext4::read::{BlockMapping, FileRun};
use crate::plan::{SourceId, Sources};
use crate::read_at::ReadAt;
use crate::stable::content::{ContentRange, touched};
use crate::tree::{Content, Segment};

/// Bytes that are compared at once.
const CHUNK: u64 = 1 << 18;

/// Blocks that differ in a row and are written where they are, though their slot does not change otherwise.
const IN_PLACE: u64 = 64;

/// The volume as a source: contents of its files are ranges of it.
pub(super) struct VolumeSource<'a>(pub(super) &'a dyn ReadAt);

impl Sources for VolumeSource<'_> {
    fn read_exact_at(&self, _source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(at, buf)
    }
}

/// Where contents to compare are read from.
pub(super) struct ComparedContents<'a> {
    /// The volume.
    pub(super) volume: VolumeSource<'a>,
    /// Everything else.
    pub(super) sources: &'a dyn Sources,
    /// Bytes of a block.
    pub(super) block_size: u64,
}

impl ComparedContents<'_> {
    /// The blocks of the file in which `new` differs from `old`, as runs in order.
    pub(super) fn differences(&self, old: &Content, new: &Content) -> io::Result<Vec<Range<u64>>> {
        let mut blocks = blocks_of(&old.segments(), self.block_size);
        blocks.extend(blocks_of(&new.segments(), self.block_size));
        blocks.sort_unstable_by_key(|run| run.start);
        let end = new.len().div_ceil(self.block_size);
        let (mut out, mut from) = (Vec::new(), 0);
        for run in blocks {
            let part = run.start.max(from)..run.end.min(end);
            from = from.max(part.end);
            self.compare(old, new, part, &mut out)?;
        }
        Ok(out)
    }

    /// Compares some blocks of two files.
    fn compare(
        &self,
        old: &Content,
        new: &Content,
        blocks: Range<u64>,
        out: &mut Vec<Range<u64>>,
    ) -> io::Result<()> {
        let step = (CHUNK / self.block_size).max(1);
        let mut buffers =
            [vec![0; (step * self.block_size) as usize], vec![0; (step * self.block_size) as usize]];
        let mut block = blocks.start;
        while block < blocks.end {
            let count = step.min(blocks.end - block);
            let len = (count * self.block_size) as usize;
            let [a, b] = &mut buffers;
            old.read_at(&self.volume, block * self.block_size, &mut a[..len])?;
            new.read_at(self.sources, block * self.block_size, &mut b[..len])?;
            let size = self.block_size as usize;
            for ((a, b), at) in a[..len].chunks(size).zip(b[..len].chunks(size)).zip(block..) {
                if a == b {
                    continue;
                }
                match out.last_mut() {
                    Some(run) if run.end == at => run.end += 1,
                    _ => out.push(at..at + 1),
                }
            }
            block += count;
        }
        Ok(())
    }
}

/// The blocks of a file that segments touch.
fn blocks_of(segments: &[Segment], block_size: u64) -> Vec<Range<u64>> {
    let runs = touched(segments, block_size).into_iter();
    runs.map(|(first, len)| u64::from(first)..u64::from(first) + u64::from(len)).collect()
}

/// Blocks that a new file takes.
pub(super) fn blocks_needed(content: &Content, block_size: u64) -> u64 {
    blocks_of(&content.segments(), block_size).iter().map(|run| run.end - run.start).sum()
}

/// Whether segments are sorted, disjoint, not empty and within the file.
pub(super) fn are_segments_sound(content: &Content) -> bool {
    let mut end = 0;
    content.segments().iter().all(|segment| {
        let sound = segment.len > 0 && segment.offset >= end;
        let after = segment.offset.checked_add(segment.len);
        end = after.unwrap_or(u64::MAX);
        sound && after.is_some_and(|after| after <= content.len())
    })
}

impl PatchVolume<'_> {
    /// Places the content of a new file; gives its runs.
    pub(super) fn place_content(&mut self, content: &Content) -> Result<Vec<FileRun>, Ext4PatchError> {
        let fresh = blocks_of(&content.segments(), self.block_size());
        let mut runs = Vec::new();
        self.place_ranges(content, &fresh, &mut runs)?;
        Ok(runs)
    }

    /// Takes blocks for ranges of a file and claims their bytes.
    fn place_ranges(
        &mut self,
        content: &Content,
        fresh: &[Range<u64>],
        runs: &mut Vec<FileRun>,
    ) -> Result<(), Ext4PatchError> {
        let count: u64 = fresh.iter().map(|range| range.end - range.start).sum();
        let mut taken = self.take(count)?.into_iter();
        let mut current = 0..0;
        for range in fresh {
            let mut logical = range.start;
            while logical < range.end {
                if current.start >= current.end {
                    let Some(next) = taken.next() else { return Ok(()) };
                    current = next;
                }
                let len = (range.end - logical).min(current.end - current.start);
                let run = FileRun { logical, physical: current.start, len, unwritten: false };
                self.write_run(content, &run);
                runs.push(run);
                (logical, current.start) = (logical + len, current.start + len);
            }
        }
        Ok(())
    }

    /// Claims the bytes of a run.
    fn write_run(&mut self, content: &Content, run: &FileRun) {
        let size = self.block_size();
        let (start, end) = (run.logical * size, (run.logical + run.len) * size);
        ContentRange { start, end, offset: run.physical * size }.write(content, &mut self.data);
    }

    /// Brings a file from the blocks that it has to a content that differs in `different` blocks. What is the same stays;
    /// the rest is written in place where that dirties no further slot, or where much is to be written. Gives its runs.
    pub(super) fn amend_content(
        &mut self,
        mapping: &BlockMapping,
        content: &Content,
        different: &[Range<u64>],
    ) -> Result<Vec<FileRun>, Ext4PatchError> {
        let end = content.len().div_ceil(self.block_size());
        let mut runs = Vec::new();
        let mut fresh: Vec<Range<u64>> = Vec::new();
        let mut at = 0;
        for range in different {
            runs.extend(clip(&mapping.runs, at, range.start));
            at = range.end;
            let mut logical = range.start;
            for run in clip(&mapping.runs, range.start, range.end) {
                add(&mut fresh, logical..run.logical);
                logical = run.logical + run.len;
                let touched =
                    (run.physical..run.physical + run.len).all(|block| self.space.is_touched(block));
                if !run.unwritten && (touched || self.erase || run.len >= IN_PLACE) {
                    (run.physical..run.physical + run.len).for_each(|block| self.space.touch(block));
                    self.write_run(content, &run);
                    runs.push(run);
                } else {
                    self.give_back(run.physical..run.physical + run.len);
                    add(&mut fresh, run.logical..logical);
                }
            }
            add(&mut fresh, logical..range.end);
        }
        runs.extend(clip(&mapping.runs, at, end));
        for run in clip(&mapping.runs, end.max(at), u64::MAX) {
            self.give_back(run.physical..run.physical + run.len);
        }
        self.place_ranges(content, &fresh, &mut runs)?;
        runs.sort_unstable_by_key(|run| run.logical);
        let mut joined = BlockMapping::default();
        for run in runs {
            joined.push(run);
        }
        Ok(joined.runs)
    }
}

/// Adds a range, joined to the one before it where it continues that.
fn add(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        _ if range.start >= range.end => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}
