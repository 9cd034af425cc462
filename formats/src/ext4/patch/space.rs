//! Free blocks, and which of them are taken: those in slots (blocks of the image, 512 KiB) that change anyway, then one
//! long run of free blocks from its front, so that what is new dirties few slots.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// log2 of the bytes of a slot: a block of EBS.
const SLOT_BITS: u32 = 19;

/// Blocks from which on a file may be divided between two runs to use up the first.
const DIVIDED: u64 = 32;

/// Where slots begin, counted in blocks of the file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotGrid {
    /// Offset of the volume in its first slot, in bytes.
    phase: u64,
    block_size: u64,
}

impl SlotGrid {
    /// The grid of a volume that begins at byte `offset` of the disk.
    pub(super) fn new(offset: u64, block_size: u32) -> Self {
        Self { phase: offset % (1 << SLOT_BITS), block_size: u64::from(block_size) }
    }

    /// The slot of a block.
    pub(super) fn of(&self, block: u64) -> u64 {
        (self.phase + block.saturating_mul(self.block_size)) >> SLOT_BITS
    }

    /// Blocks of a slot.
    fn len(&self) -> u64 {
        (1 << SLOT_BITS) / self.block_size
    }

    /// The blocks that begin in a slot.
    pub(super) fn blocks(&self, slot: u64) -> Range<u64> {
        let first = |slot: u64| (slot << SLOT_BITS).saturating_sub(self.phase).div_ceil(self.block_size);
        first(slot)..first(slot + 1)
    }
}

/// The free blocks of a volume and the slots that change.
#[derive(Debug)]
pub(super) struct FreeSpace {
    grid: SlotGrid,
    /// Free runs: first block and length.
    runs: BTreeMap<u64, u64>,
    /// The same by length.
    by_len: BTreeSet<(u64, u64)>,
    /// Slots that change, with the most free blocks in a row that may be found there.
    touched: BTreeMap<u64, u64>,
    /// The run that new blocks are taken from.
    open: Range<u64>,
    /// Blocks that are still to be taken, as far as it is known.
    demand: u64,
}

impl FreeSpace {
    /// Nothing free.
    pub(super) fn new(grid: SlotGrid) -> Self {
        let (runs, by_len, touched) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { grid, runs, by_len, touched, open: 0..0, demand: 0 }
    }

    /// How many blocks will be taken: the first run is chosen to have as many.
    pub(super) fn expect(&mut self, blocks: u64) {
        self.demand = blocks;
    }

    /// The grid of slots.
    pub(super) fn grid(&self) -> SlotGrid {
        self.grid
    }

    /// Notes that a block changes.
    pub(super) fn touch(&mut self, block: u64) {
        self.touched.entry(self.grid.of(block)).or_insert(u64::MAX);
    }

    /// Whether a block is in a slot that changes.
    pub(super) fn is_touched(&self, block: u64) -> bool {
        self.touched.contains_key(&self.grid.of(block))
    }

    /// Gives blocks back.
    pub(super) fn free(&mut self, run: Range<u64>) {
        let (mut start, mut end) = (run.start, run.end);
        if let Some((&before, &len)) = self.runs.range(..start).next_back()
            && before + len == start
        {
            self.drop_run(before, len);
            start = before;
        }
        if let Some(&len) = self.runs.get(&end) {
            self.drop_run(end, len);
            end += len;
        }
        self.runs.insert(start, end - start);
        self.by_len.insert((end - start, start));
        for slot in self.grid.of(run.start)..=self.grid.of(run.end.saturating_sub(1)) {
            if let Some(most) = self.touched.get_mut(&slot) {
                *most = u64::MAX;
            }
        }
    }

    fn drop_run(&mut self, start: u64, len: u64) {
        self.runs.remove(&start);
        self.by_len.remove(&(len, start));
    }

    /// Takes `count` blocks, in as few runs as can be; what could not be had is missing from the sum.
    pub(super) fn take(&mut self, count: u64) -> Vec<Range<u64>> {
        let mut out: Vec<Range<u64>> = Vec::new();
        let mut left = count;
        while left > 0 {
            let Some(run) = self.pick(left) else { break };
            let taken = run.start..run.start + left.min(run.end - run.start);
            self.remove(&taken);
            left -= taken.end - taken.start;
            self.demand = self.demand.saturating_sub(taken.end - taken.start);
            for slot in self.grid.of(taken.start)..=self.grid.of(taken.end - 1) {
                self.touched.entry(slot).or_insert(u64::MAX);
            }
            match out.last_mut() {
                Some(last) if last.end == taken.start => last.end = taken.end,
                _ => out.push(taken),
            }
        }
        out
    }

    /// The run to take up to `count` blocks from.
    fn pick(&mut self, count: u64) -> Option<Range<u64>> {
        if count < self.grid.len()
            && let Some(run) = self.in_touched(count)
        {
            return Some(run);
        }
        if let Some(run) = self.in_open(count) {
            return Some(run);
        }
        let wanted = (self.demand.max(count), 0);
        let fitting = self.by_len.range(wanted..).next().or_else(|| self.by_len.last());
        let &(len, start) = fitting?;
        self.open = start..start + len;
        Some(self.open.clone())
    }

    /// A run of at least `count` blocks within a slot that changes.
    fn in_touched(&mut self, count: u64) -> Option<Range<u64>> {
        let mut found = None;
        let mut learnt = Vec::new();
        for (&slot, &most) in self.touched.iter().filter(|(_, most)| **most >= count) {
            let mut longest = 0;
            let run = self.within(self.grid.blocks(slot)).find(|run| {
                longest = longest.max(run.end - run.start);
                run.end - run.start >= count
            });
            if run.is_some() {
                found = run;
                break;
            }
            debug_assert!(most >= longest, "free blocks appear only where the bound is lifted");
            learnt.push((slot, longest));
        }
        self.touched.extend(learnt);
        found
    }

    /// A run within the one that was opened.
    fn in_open(&self, count: u64) -> Option<Range<u64>> {
        let fits = self.within(self.open.clone()).find(|run| run.end - run.start >= count);
        fits.or_else(|| self.within(self.open.clone()).next().filter(|_| count >= DIVIDED))
    }

    /// The free blocks within a range, as runs clipped to it, in order.
    fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let before = self.runs.range(..range.start).next_back().map(|(start, len)| *start..start + len);
        let after = self.runs.range(range.start..range.end.max(range.start));
        let runs = before.into_iter().chain(after.map(|(start, len)| *start..start + len));
        let clipped = runs.map(move |run| run.start.max(range.start)..run.end.min(range.end));
        clipped.filter(|run| run.start < run.end)
    }

    /// Takes blocks that are free out of the runs.
    fn remove(&mut self, taken: &Range<u64>) {
        let Some((&start, &len)) = self.runs.range(..=taken.start).next_back() else { return };
        self.drop_run(start, len);
        let end = start + len;
        for rest in [start..taken.start, taken.end..end] {
            if rest.start < rest.end {
                self.runs.insert(rest.start, rest.end - rest.start);
                self.by_len.insert((rest.end - rest.start, rest.start));
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "runs of blocks are what is compared")]
mod tests {
    use super::*;

    fn space(free: &[Range<u64>]) -> FreeSpace {
        let mut space = FreeSpace::new(SlotGrid::new(1 << 20, 4096));
        for run in free {
            space.free(run.clone());
        }
        space
    }

    #[test]
    fn what_is_small_goes_into_slots_that_change() {
        let mut space = space(&[10..20, 300..310, 1000..2000]);
        space.expect(500);
        space.touch(305);
        assert_eq!(space.take(10), [300..310]);
        assert_eq!(space.take(4), [1000..1004], "slot 7 has room for it");
        assert_eq!(space.take(400), [1004..1404]);
        assert_eq!(space.take(3), [1404..1407]);
    }

    #[test]
    fn runs_join_when_they_are_given_back_and_are_divided_only_when_they_must() {
        let mut space = space(&[10..20, 30..40]);
        space.free(20..30);
        assert_eq!(space.take(30), [10..40]);
        let mut space = self::space(&[10..20, 30..35]);
        assert_eq!(space.take(14), [10..20, 30..34]);
        assert_eq!(space.take(2), [34..35], "the sum says what is missing");
    }
}
