//! Clusters: a list of weighted items cut into runs that fit a slot, by the items alone and hardly by their positions.
//!
//! Every boundary between two items has a strength, the hash of the item behind it. A run that is too heavy is cut at a
//! strong boundary, and its parts again, until all fit: at the strongest of its middle third while it is long, and where
//! both parts still need the fewest slots once it is a few slots long. Runs come out about four fifths full; an item that
//! comes or goes disturbs another run than its own only where it moves a boundary over the edge of such a window. Knows
//! neither trees nor blocks.

use std::ops::Range;

use super::identity::mix;

/// Runs of more slots than these are cut in the middle; shorter ones where the fewest slots are needed.
const SECTION: u64 = 4;

/// An item that stays beside its neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighted {
    /// Hash of what the item is.
    pub hash: u64,
    /// Weight, at most the capacity.
    pub weight: u32,
}

/// The identity of a run: the least of its items' hashes, salted, so that it survives most changes of the run.
pub(super) fn identity(run: &[Weighted]) -> u64 {
    run.iter().map(|item| mix(item.hash, 0x5_0000_0000)).min().unwrap_or_default()
}

/// Cuts the list into runs no heavier than `capacity`.
pub(super) fn cut(items: &[Weighted], capacity: u32) -> Vec<Range<usize>> {
    let sums = sums(items);
    let mut runs = Vec::new();
    let mut stack: Vec<Range<usize>> = Vec::from([Range { start: 0, end: items.len() }]);
    while let Some(run) = stack.pop() {
        if run.is_empty() {
            continue;
        }
        match best_cut(items, &sums, &run, u64::from(capacity)) {
            None => runs.push(run),
            Some(at) => {
                stack.push(at..run.end);
                stack.push(run.start..at);
            }
        }
    }
    runs
}

/// Where a run is cut; `None` when it fits.
fn best_cut(items: &[Weighted], sums: &[u64], run: &Range<usize>, capacity: u64) -> Option<usize> {
    let weight = sums[run.end] - sums[run.start];
    let slots = weight.div_ceil(capacity);
    if slots <= 1 || run.len() < 2 {
        return None;
    }
    if slots > SECTION {
        let middle = strongest(items, sums, run, weight / 3, weight - weight / 3);
        return middle.or_else(|| strongest(items, sums, run, 0, weight));
    }
    (slots..).find_map(|slots| {
        let most = slots / 2 * capacity;
        let slack = slots * capacity - weight;
        // Room to spare is shared by both parts, so that each still has a choice of boundaries; if it cannot be, no matter.
        let shared =
            strongest(items, sums, run, most.saturating_sub(slack * 3 / 4), most.saturating_sub(slack / 4));
        shared.or_else(|| strongest(items, sums, run, most.saturating_sub(slack), most))
    })
}

/// The strongest boundary of a run that leaves between `least` and `most` before it.
fn strongest(items: &[Weighted], sums: &[u64], run: &Range<usize>, least: u64, most: u64) -> Option<usize> {
    let base = sums[run.start];
    let inner = &sums[run.start + 1..run.end];
    let first = run.start + 1 + inner.partition_point(|sum| sum - base < least);
    let end = run.start + 1 + inner.partition_point(|sum| sum - base <= most);
    (first..end).min_by_key(|at| items[*at].hash)
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
        (0..n).map(|i| Weighted { hash: mix(i, 7), weight: (mix(i, 9) % 20 + 1) as u32 }).collect()
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
        assert!(filled >= 80, "{filled} % full");
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
            more.insert(i * 49, Weighted { hash: mix(i as u64, 77), weight: 2 });
            hashes(&more).difference(&before).count()
        };
        let sum: usize = (0..100).map(changed).sum();
        assert!(sum <= 200, "{sum} runs changed by 100 insertions");
    }

    #[test]
    fn few_or_heavy_items_are_cut_too() {
        assert!(cut(&[], 16).is_empty());
        assert_eq!(cut(&list(1), 128).len(), 1);
        let heavy: Vec<Weighted> = (0..40).map(|i| Weighted { hash: mix(i, 1), weight: 127 }).collect();
        assert_eq!(cut(&heavy, 128).len(), 40);
    }
}
