//! Placement without history: units choose slots by hashed preference, in an order that only their size, age and
//! identity decide.
//!
//! A unit's preferences are the consistent hashes of (identity, 0), (identity, 1), ... over the slots of the range;
//! it takes the first that is free. Larger units choose first, so that small ones never block them; among units of a size
//! the older, whose content has the earlier time, and then the identity decides. A unit that comes or goes displaces only
//! those that chose after it and prefer the same slot: what an update brings is the newest, so it displaces nearly none,
//! and of what it removes few are older than most others. Knows slots only.

use super::identity::{jump, mix};

/// Preferences that are tried before the range is searched in order.
const PREFERENCES: u64 = 64;

/// A range rounded up to a quarter of a power of two: it changes seldom, and so do the preferences that hang on it.
pub(crate) fn rounded(range: u64) -> u64 {
    range.next_multiple_of((range.next_power_of_two() / 4).max(1))
}

/// What a unit is placed by. The order of these is the one in which units choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlotKey {
    /// The newest time of its content, in seconds.
    pub time: i64,
    /// Its identity.
    pub identity: u64,
}

/// Gives every key a free slot of its own, in the order of the keys, by their indexes; `None` when there are too few.
pub(crate) fn assign(free: &mut [bool], keys: &[SlotKey]) -> Option<Vec<u32>> {
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_unstable_by_key(|index| (keys[*index as usize], *index));
    let mut slots = vec![0; keys.len()];
    for index in order {
        let slot = choose(keys[index as usize].identity, free, 1)?;
        free[slot as usize] = false;
        slots[index as usize] = slot;
    }
    Some(slots)
}

/// The first range of `step` free slots, at a multiple of `step`, that the key prefers.
pub(crate) fn choose(key: u64, free: &[bool], step: u32) -> Option<u32> {
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

    fn keys(count: u64) -> Vec<SlotKey> {
        (0..count).map(|i| SlotKey { time: 7, identity: mix(i, 5) }).collect()
    }

    #[test]
    fn a_unit_that_comes_displaces_few_and_the_newest_none() {
        let mut keys = keys(900);
        let before = assign(&mut [true; 1000], &keys).unwrap();
        let mut moved = 0;
        for extra in 0..50 {
            keys.push(SlotKey { time: 7, identity: mix(extra, 77) });
            let after = assign(&mut [true; 1000], &keys).unwrap();
            moved += before.iter().zip(&after).filter(|(a, b)| a != b).count();
            keys[900].time = 8;
            assert_eq!(assign(&mut [true; 1000], &keys).unwrap()[..900], before);
            keys.pop();
        }
        // ln(1 / (1 - 0.9)) is 2.3.
        assert!(moved <= 50 * 4, "{moved} units moved for 50 insertions");
    }

    #[test]
    fn every_unit_has_its_own_slot_and_too_few_is_said() {
        let keys = keys(100);
        let mut slots = assign(&mut [true; 100], &keys).unwrap();
        slots.sort_unstable();
        assert!(slots.into_iter().eq(0..100));
        assert_eq!(assign(&mut [true; 99], &keys), None);
        assert_eq!(choose(1, &[true; 3], 4), None);
        assert_eq!((rounded(5), rounded(1000), rounded(1025)), (6, 1024, 1536));
    }
}
