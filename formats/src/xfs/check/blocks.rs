//! Blocks: each is free or has one owner, or several where files may share it; the trees of owners and of shared blocks say
//! the same.

use super::{BlockUse, XfsCheckRun};
use crate::read_at::ReadAt;
use crate::xfs::read::{XfsDefect, XfsLocation};

/// A run of blocks, the first after it, and how many files have it.
type CountedRun = (u64, u64, u32);

impl<R: ReadAt + ?Sized> XfsCheckRun<'_, '_, R> {
    /// Compares all uses with each other.
    pub(super) fn blocks(&mut self) {
        let mut uses = std::mem::take(&mut self.uses);
        uses.sort_unstable_by_key(|one| (one.start, one.end, one.location));
        self.overlaps(&uses);
        self.lost(&uses);
        self.shared_runs(&uses);
        self.owned_runs(&uses);
    }

    /// Finds blocks with two owners that may not share them.
    fn overlaps(&mut self, uses: &[BlockUse]) {
        // The uses that reach furthest so far, of all and of those that may not be shared.
        let (mut all, mut alone): (Option<BlockUse>, Option<BlockUse>) = (None, None);
        for one in uses {
            let against = if one.may_share { alone } else { all };
            if let Some(before) = against.filter(|before| one.start < before.end) {
                let last = one.end.min(before.end).saturating_sub(1);
                let why = XfsDefect::Claimed { start: one.start, last, first: before.location };
                self.defect(one.location, self.system.superblock().offset_of(one.start), why);
            }
            let further = |before: Option<BlockUse>| before.is_none_or(|before| one.end > before.end);
            all = if further(all) { Some(*one) } else { all };
            alone = if !one.may_share && further(alone) { Some(*one) } else { alone };
        }
    }

    /// Finds blocks that nothing has.
    fn lost(&mut self, uses: &[BlockUse]) {
        let superblock = self.system.superblock();
        let mut at = 0;
        let ends = uses.iter().map(|one| (one.start, one.end));
        for (start, end) in ends.chain([(superblock.blocks, superblock.blocks)]) {
            if start > at {
                let group = (at / u64::from(superblock.group_blocks)) as u32;
                let first = superblock.first_block(group);
                let why = XfsDefect::Lost { start: at - first, last: start - 1 - first };
                self.defect(XfsLocation::Group { group }, superblock.offset_of(at), why);
            }
            at = at.max(end);
        }
    }

    /// Compares what files share with the trees of shared blocks.
    fn shared_runs(&mut self, uses: &[BlockUse]) {
        let superblock = self.system.superblock();
        let content = uses.iter().filter(|one| one.may_share).map(|one| (one.start, one.end));
        let counted = coverage(content.collect(), 2);
        let tree = self.shared.iter().map(|(group, shared)| {
            let start = superblock.first_block(*group) + u64::from(shared.run.0);
            (start, start + u64::from(shared.run.1), shared.files)
        });
        let tree = merged(tree.collect());
        let Some(start) = first_difference(&counted, &tree) else { return };
        let files = |runs: &[CountedRun]| u64::from(count_at(runs, start).max(1));
        let (found, expected) = (files(&tree), files(&counted));
        let why = XfsDefect::Value { field: "files that share a block, by the tree", found, expected };
        self.defect_at(start, why);
    }

    /// Compares the trees of owners with the blocks that have one: a record for each owner of a block.
    fn owned_runs(&mut self, uses: &[BlockUse]) {
        if self.owned.is_empty() {
            return;
        }
        let is_used = |one: &&BlockUse| !matches!(one.location, XfsLocation::Group { .. });
        let staging = std::mem::take(&mut self.staging);
        let used = uses.iter().filter(is_used).map(|one| (one.start, one.end)).chain(staging);
        let used = coverage(used.collect(), 1);
        let owned = coverage(std::mem::take(&mut self.owned), 1);
        let Some(start) = first_difference(&used, &owned) else { return };
        let (found, expected) = (count_at(&owned, start).into(), count_at(&used, start).into());
        self.defect_at(start, XfsDefect::Value { field: "owners of a block, by the tree", found, expected });
    }

    /// A defect of the block of a group.
    fn defect_at(&mut self, block: u64, why: XfsDefect) {
        let superblock = self.system.superblock();
        let group = (block / u64::from(superblock.group_blocks)) as u32;
        self.defect(XfsLocation::Group { group }, superblock.offset_of(block), why);
    }
}

/// The runs that at least `least` of the given ones have in common, and how many have them.
fn coverage(runs: Vec<(u64, u64)>, least: i64) -> Vec<CountedRun> {
    let mut steps: Vec<(u64, i64)> =
        runs.into_iter().flat_map(|(start, end)| [(start, 1), (end, -1)]).collect();
    steps.sort_unstable();
    let (mut count, mut at) = (0_i64, 0);
    let mut covered = Vec::new();
    for (block, step) in steps {
        if block > at && count >= least {
            covered.push((at, block, u32::try_from(count).unwrap_or(u32::MAX)));
        }
        at = block;
        count += step;
    }
    merged(covered)
}

/// The first block that two lists of runs do not count alike.
fn first_difference(a: &[CountedRun], b: &[CountedRun]) -> Option<u64> {
    let at = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    match (a.get(at), b.get(at)) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.0),
        (Some(a), Some(b)) if a.0 == b.0 && a.2 == b.2 => Some(a.1.min(b.1)),
        (Some(a), Some(b)) => Some(a.0.min(b.0)),
    }
}

/// How many have a block.
fn count_at(runs: &[CountedRun], block: u64) -> u32 {
    runs.iter().find(|run| run.0 <= block && block < run.1).map_or(0, |run| run.2)
}

/// Joins runs that follow each other with the same count.
fn merged(runs: Vec<CountedRun>) -> Vec<CountedRun> {
    let mut joined: Vec<CountedRun> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.1 == run.0 && last.2 == run.2 => last.1 = run.1,
            _ => joined.push(run),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_several_have_are_counted() {
        let runs = vec![(0, 10), (4, 8), (6, 12), (20, 30)];
        assert_eq!(coverage(runs.clone(), 2), [(4, 6, 2), (6, 8, 3), (8, 10, 2)]);
        let all = coverage(runs, 1);
        assert_eq!(all.len(), 6);
        assert_eq!((count_at(&all, 7), count_at(&all, 15), count_at(&all, 29)), (3, 0, 1));
        assert_eq!(first_difference(&all, &all), None);
        assert_eq!(first_difference(&all, &all[..5]), Some(20));
        assert_eq!(first_difference(&[(0, 4, 1)], &[(0, 6, 1)]), Some(4));
        assert_eq!(first_difference(&[(2, 4, 1)], &[(2, 4, 2)]), Some(2));
    }
}
