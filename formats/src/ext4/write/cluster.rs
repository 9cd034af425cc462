//! Clusters: a list of weighted items cut into runs that fit a slot, by the items alone and not by their positions.
//!
//! Every place between two items has a strength, the hash of the item behind it. A run that is too heavy is cut at
//! its strongest place, and its parts again, until all fit: the leaves of a treap. An item that comes or goes
//! disturbs only the run that it stands in, and the cuts elsewhere stay. Knows neither trees nor blocks.

use std::ops::Range;

/// An item to be kept beside its neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighted {
    /// Hash of what the item is.
    pub hash: u64,
    /// Weight, at most the capacity.
    pub weight: u32,
}

/// Cuts the list into runs no heavier than `capacity`.
pub(super) fn cut(items: &[Weighted], capacity: u32) -> Vec<Range<usize>> {
    let children = cartesian(items);
    let mut sums = Vec::with_capacity(items.len() + 1);
    let mut sum = 0u64;
    sums.push(0);
    for item in items {
        sum += u64::from(item.weight);
        sums.push(sum);
    }
    let mut runs = Vec::new();
    // A run of items and the strongest cut in it, depth first so that runs come out in order.
    let mut stack = vec![(0..items.len(), children.root)];
    while let Some((run, strongest)) = stack.pop() {
        if run.is_empty() {
            continue;
        }
        let fits = sums[run.end] - sums[run.start] <= u64::from(capacity);
        if fits || strongest == NONE {
            runs.push(run);
            continue;
        }
        let at = strongest as usize;
        stack.push((at..run.end, children.right[at]));
        stack.push((run.start..at, children.left[at]));
    }
    runs
}

const NONE: u32 = u32::MAX;

/// The cuts before items 1.. as a Cartesian tree: each stronger (of lesser hash) than those below it.
struct Cartesian {
    root: u32,
    left: Vec<u32>,
    right: Vec<u32>,
}

fn cartesian(items: &[Weighted]) -> Cartesian {
    let mut tree = Cartesian { root: NONE, left: vec![NONE; items.len()], right: vec![NONE; items.len()] };
    let mut spine: Vec<u32> = Vec::new();
    for at in 1..items.len() {
        let mut below = NONE;
        while let Some(top) = spine.last().copied().filter(|top| items[*top as usize].hash > items[at].hash) {
            below = top;
            spine.pop();
        }
        tree.left[at] = below;
        match spine.last() {
            Some(top) => tree.right[*top as usize] = at as u32,
            None => tree.root = at as u32,
        }
        spine.push(at as u32);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::super::identity::mix;
    use super::*;

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
        assert!(runs.len() < 5000 * 21 / 2 / 40, "{} runs", runs.len());
    }

    #[test]
    fn an_insertion_disturbs_only_its_own_run() {
        let items = list(5000);
        let mut more = items.clone();
        more.insert(2500, Weighted { hash: mix(99999, 7), weight: 15 });
        let (before, after) = (cut(&items, 128), cut(&more, 128));
        let hashes = |runs: &[Range<usize>], of: &[Weighted]| -> std::collections::BTreeSet<Vec<u64>> {
            runs.iter().map(|run| of[run.clone()].iter().map(|item| item.hash).collect()).collect()
        };
        let (before, after) = (hashes(&before, &items), hashes(&after, &more));
        assert!(before.difference(&after).count() <= 1);
        assert!(after.difference(&before).count() <= 2);
    }

    #[test]
    fn no_items_make_no_runs() {
        assert!(cut(&[], 16).is_empty());
        assert_eq!(cut(&list(1), 128), vec![0..1]);
    }
}
