//! Clusters: a list of weighted items cut into runs that fit a slot, by the items alone and hardly by their positions.
//!
//! Every boundary between two items has a strength: its kind, and among boundaries of a kind the hash of the item behind
//! it. A long run is cut at the strongest of its middle third, and its parts again. A short one is filled into slots from
//! its front, each up to the strongest boundary of the last eighth of a slot. Runs come out about nine tenths full; an item
//! that comes or goes disturbs another run than its own only where it moves a boundary over the edge of such a window.
//! Knows neither trees nor blocks.

use std::ops::Range;

use super::identity::mix;

/// Runs of more slots than these are cut in the middle; shorter ones from the front.
const SECTION: u64 = 16;

/// Weight that a slot of a short run may leave free, so that there is a choice of boundaries.
pub(crate) const WINDOW: u32 = 16;

/// What a boundary divides; the first are cut rather than the later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Boundary {
    /// Parts of the list that never share a run: where it is cut first.
    Sections,
    /// Items of different groups.
    Groups,
    /// Items of different nodes.
    Nodes,
    /// Parts of one node.
    Parts,
}

/// An item that stays beside its neighbours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weighted {
    /// Hash of what the item is.
    pub hash: u64,
    /// The boundary before it.
    pub before: Boundary,
    /// Weight, at most the capacity.
    pub weight: u32,
}

/// The identity of a run: the least of its items' hashes, salted, so that it survives most changes of the run.
pub(crate) fn identity(run: &[Weighted]) -> u64 {
    run.iter().map(|item| mix(item.hash, 0x5_0000_0000)).min().unwrap_or_default()
}

/// Cuts the list into runs no heavier than `capacity`.
pub(crate) fn cut(items: &[Weighted], capacity: u32) -> Vec<Range<usize>> {
    let sums = sums(items);
    let mut runs = Vec::new();
    let mut stack = sections(items);
    stack.reverse();
    while let Some(run) = stack.pop() {
        match middle(items, &sums, &run, u64::from(capacity)) {
            None => fill(items, &sums, run, u64::from(capacity), &mut runs),
            Some(at) => {
                stack.push(at..run.end);
                stack.push(run.start..at);
            }
        }
    }
    runs
}

/// The sections of the list, none of them empty.
fn sections(items: &[Weighted]) -> Vec<Range<usize>> {
    let mut start = 0;
    let section = |items: &[Weighted]| {
        let range = start..start + items.len();
        start = range.end;
        range
    };
    items.chunk_by(|_, next| next.before != Boundary::Sections).map(section).collect()
}

/// Where a long run is cut; `None` when it is short.
fn middle(items: &[Weighted], sums: &[u64], run: &Range<usize>, capacity: u64) -> Option<usize> {
    let weight = sums[run.end] - sums[run.start];
    if weight <= SECTION * capacity || run.len() < 2 {
        return None;
    }
    let middle = strongest(items, sums, run, weight / 3, weight - weight / 3);
    middle.or_else(|| strongest(items, sums, run, 0, weight))
}

/// Cuts a short run from the front into parts that leave no more than the window of a slot; between groups rather
/// earlier, for there the cuts of two versions of a list meet again.
fn fill(items: &[Weighted], sums: &[u64], run: Range<usize>, capacity: u64, runs: &mut Vec<Range<usize>>) {
    let mut rest = run;
    while sums[rest.end] - sums[rest.start] > capacity && rest.len() > 1 {
        let within = |least| strongest(items, sums, &rest, least, capacity);
        let apart = within(capacity / 4).filter(|at| items[*at].before <= Boundary::Groups);
        // An item heavier than the window may leave none in it.
        let at = apart.or_else(|| within(capacity - u64::from(WINDOW))).or_else(|| within(0));
        let at = at.unwrap_or(rest.start + 1);
        runs.push(rest.start..at);
        rest.start = at;
    }
    runs.push(rest);
}

/// The strongest boundary of a run that leaves between `least` and `most` before it.
fn strongest(items: &[Weighted], sums: &[u64], run: &Range<usize>, least: u64, most: u64) -> Option<usize> {
    let base = sums[run.start];
    let inner = &sums[run.start + 1..run.end];
    let first = run.start + 1 + inner.partition_point(|sum| sum - base < least);
    let end = run.start + 1 + inner.partition_point(|sum| sum - base <= most);
    (first..end).min_by_key(|at| (items[*at].before, items[*at].hash))
}

fn sums(items: &[Weighted]) -> Vec<u64> {
    let mut sum = 0;
    let rest = items.iter().map(|item| {
        sum += u64::from(item.weight);
        sum
    });
    std::iter::once(0).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn list(n: u64) -> Vec<Weighted> {
        let weight = |i| (mix(i, 9) % 20 + 1) as u32;
        (0..n).map(|i| Weighted { hash: mix(i, 7), before: Boundary::Nodes, weight: weight(i) }).collect()
    }

    #[test]
    fn runs_cover_the_list_in_order_and_fit() {
        let items = list(5000);
        let runs = cut(&items, 128);
        let mut at = 0;
        for run in &runs {
            assert_eq!(run.start, at);
            at = run.end;
            assert!(items[run.clone()].iter().map(|item| item.weight).sum::<u32>() <= 128);
        }
        assert_eq!(at, items.len());
        let filled = items.iter().map(|item| item.weight as usize).sum::<usize>() * 100 / 128 / runs.len();
        assert!(filled >= 88, "{filled} % full");
    }

    #[test]
    fn insertions_disturb_little_more_than_their_own_runs() {
        let items = list(5000);
        let hashes = |of: &[Weighted]| -> BTreeSet<Vec<u64>> {
            cut(of, 128).iter().map(|run| of[run.clone()].iter().map(|item| item.hash).collect()).collect()
        };
        let before = hashes(&items);
        let changed = |i: usize| {
            let mut more = items.clone();
            more.insert(i * 49, Weighted { hash: mix(i as u64, 77), before: Boundary::Nodes, weight: 2 });
            hashes(&more).difference(&before).count()
        };
        let sum: usize = (0..100).map(changed).sum();
        assert!(sum <= 200, "{sum} runs changed by 100 insertions");
    }

    #[test]
    fn few_or_heavy_items_are_cut_too() {
        assert!(cut(&[], 16).is_empty());
        assert_eq!(cut(&list(1), 128).len(), 1);
        let heavy = |i| Weighted { hash: mix(i, 1), before: Boundary::Parts, weight: 127 };
        assert_eq!(cut(&(0..40).map(heavy).collect::<Vec<_>>(), 128).len(), 40);
    }

    #[test]
    fn groups_are_cut_apart_where_they_can_be() {
        let mut items = list(600);
        let middle = items.iter().scan(0, |sum, item| {
            *sum += item.weight;
            Some(*sum)
        });
        let half = items.iter().map(|item| item.weight).sum::<u32>() / 2;
        let at = middle.take_while(|sum| *sum < half).count();
        items[at].before = Boundary::Groups;
        assert!(cut(&items, 128).iter().any(|run| run.start == at));
        let light = |before| Weighted { hash: 5, before, weight: 1 };
        let sections = [Boundary::Sections, Boundary::Nodes, Boundary::Sections].map(light);
        assert_eq!(cut(&sections, 128), [0..2, 2..3]);
    }
}
