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
        let counted = merged(sharing(uses));
        let tree = self.shared.iter().map(|(group, shared)| {
            let start = superblock.first_block(*group) + u64::from(shared.run.0);
            (start, start + u64::from(shared.run.1), shared.files)
        });
        let tree = merged(tree.collect());
        if counted == tree {
            return;
        }
        let differs = counted.iter().zip(&tree).find(|(a, b)| a != b).map(|(a, b)| a.0.min(b.0));
        let longer = || counted.get(tree.len()).or_else(|| tree.get(counted.len())).map(|run| run.0);
        let start = differs.or_else(longer).unwrap_or(0);
        let files = |runs: &[CountedRun]| {
            runs.iter().find(|run| run.0 <= start && start < run.1).map_or(1, |run| u64::from(run.2))
        };
        let (found, expected) = (files(&tree), files(&counted));
        let group = (start / u64::from(superblock.group_blocks)) as u32;
        let why = XfsDefect::Value { field: "files that share a block, by the tree", found, expected };
        self.defect(XfsLocation::Group { group }, superblock.offset_of(start), why);
    }

    /// Compares the trees of owners with the blocks that have one.
    fn owned_runs(&mut self, uses: &[BlockUse]) {
        if self.owned.is_empty() {
            return;
        }
        let flat = |runs: Vec<(u64, u64)>| {
            let mut joined: Vec<(u64, u64)> = Vec::new();
            for (start, end) in runs {
                match joined.last_mut() {
                    Some(last) if start <= last.1 => last.1 = last.1.max(end),
                    _ => joined.push((start, end)),
                }
            }
            joined
        };
        let is_used = |one: &&BlockUse| !matches!(one.location, XfsLocation::Group { .. });
        let staging = std::mem::take(&mut self.staging);
        let mut used: Vec<_> =
            uses.iter().filter(is_used).map(|one| (one.start, one.end)).chain(staging).collect();
        used.sort_unstable();
        let mut owned = std::mem::take(&mut self.owned);
        owned.sort_unstable();
        let (used, owned) = (flat(used), flat(owned));
        if let Some((a, b)) = used.iter().zip(&owned).find(|(a, b)| a != b) {
            let superblock = self.system.superblock();
            let start = if a.0 == b.0 { a.1.min(b.1) } else { a.0.min(b.0) };
            let group = (start / u64::from(superblock.group_blocks)) as u32;
            let why = XfsDefect::Missing {
                what: "the owner of a block in use, or the use of a block with an owner",
            };
            self.defect(XfsLocation::Group { group }, superblock.offset_of(start), why);
        }
    }
}

/// The runs that several files have, and how many.
fn sharing(uses: &[BlockUse]) -> Vec<CountedRun> {
    let content = || uses.iter().filter(|one| one.may_share);
    let mut steps: Vec<(u64, i64)> =
        content().map(|one| (one.start, 1)).chain(content().map(|one| (one.end, -1))).collect();
    steps.sort_unstable();
    let (mut files, mut at) = (0_i64, 0);
    let mut runs = Vec::new();
    for (block, step) in steps {
        if block > at && files > 1 {
            runs.push((at, block, u32::try_from(files).unwrap_or(u32::MAX)));
        }
        at = block;
        files += step;
    }
    runs
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
        let location = XfsLocation::Log;
        let uses = [(0, 10, true), (4, 8, true), (6, 12, true), (20, 30, true), (25, 26, false)]
            .map(|(start, end, may_share)| BlockUse { start, end, location, may_share });
        assert_eq!(merged(sharing(&uses)), [(4, 6, 2), (6, 8, 3), (8, 10, 2)]);
    }
}
