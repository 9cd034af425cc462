//! Placement without history: units choose slots by hashed preference, in an order that only their size and
//! identity decide.
//!
//! A unit's preferences are the consistent hashes of (identity, 0), (identity, 1), ... over the slots of the range;
//! it takes the first that is free. Larger units choose first, so that small ones never block them; among
//! units of a size the identity decides. A unit that comes or goes displaces only those that chose after it and prefer the
//! same slot. Knows slots only: the same code assigns slots to blocks and table blocks to inodes.

use super::identity::{jump, mix};

/// Preferences that are tried before the range is searched in order.
const PREFERENCES: u64 = 64;

/// A range rounded up to a sixteenth of a power of two: it changes seldom, and so do the preferences that hang on it.
pub(super) fn rounded(range: u64) -> u64 {
    range.next_multiple_of((range.next_power_of_two() / 16).max(1))
}

/// Gives every key a free slot of its own, in the order of the keys, by their indexes; `None` when there are too few.
pub(super) fn assign(free: &mut [bool], keys: &[u64]) -> Option<Vec<u32>> {
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_unstable_by_key(|index| (keys[*index as usize], *index));
    let mut slots = vec![0; keys.len()];
    for index in order {
        let slot = choose(keys[index as usize], free, 1)?;
        free[slot as usize] = false;
        slots[index as usize] = slot;
    }
    Some(slots)
}

/// The first range of `step` free slots, at a multiple of `step`, that the key prefers.
pub(super) fn choose(key: u64, free: &[bool], step: u32) -> Option<u32> {
    let range = free.len() as u32;
    if range < step {
        return None;
    }
    let preferred = |i: u64| jump(mix(key, i), range) / step * step;
    let good = |slot: &u32| {
        let range = free.get(*slot as usize..(*slot + step) as usize);
        range.is_some_and(|range| range.iter().all(|free| *free))
    };
    (0..PREFERENCES).map(preferred).find(good).or_else(|| {
        let first = preferred(0);
        let after = (first..range).step_by(step as usize);
        after.chain((0..first).step_by(step as usize)).find(good)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_comes_displaces_few() {
        let mut keys: Vec<u64> = (0..900).map(|i| mix(i, 5)).collect();
        let before = assign(&mut [true; 1000], &keys).unwrap();
        let mut moved = 0;
        for extra in 0..50 {
            keys.push(mix(extra, 77));
            let after = assign(&mut [true; 1000], &keys).unwrap();
            moved += before.iter().zip(&after).filter(|(a, b)| a != b).count();
            keys.pop();
        }
        // ln(1 / (1 - 0.9)) is 2.3.
        assert!(moved <= 50 * 4, "{moved} units moved for 50 insertions");
    }

    #[test]
    fn every_unit_has_its_own_slot_and_too_few_is_said() {
        let keys: Vec<u64> = (0..100).map(|i| mix(i, 5)).collect();
        let mut slots = assign(&mut [true; 100], &keys).unwrap();
        slots.sort_unstable();
        assert!(slots.into_iter().eq(0..100));
        assert_eq!(assign(&mut [true; 99], &keys), None);
        assert_eq!(choose(1, &[true; 3], 4), None);
        assert_eq!((rounded(5), rounded(1000), rounded(1025)), (5, 1024, 1152));
    }
}
