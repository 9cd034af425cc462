//! Placement without history: units choose slots by hashed preference, in an order that only their size and
//! identity decide.
//!
//! A unit's preferences are the consistent hashes of (identity, 0), (identity, 1), ... over the slots of the range;
//! it takes the first with room for it. Larger units choose first, so that small ones never stand in their way; among
//! units of a size the identity decides. What comes or goes displaces only those that chose after it and wanted the
//! same slot. Knows rooms and numbers only: the same code places blocks in slots and inodes in table blocks.

use super::identity::{jump, mix};

/// Preferences that are tried before the range is searched in order.
const PREFERENCES: u64 = 48;

/// Free room in a slot: units are put at its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// First free unit of room.
    pub start: u16,
    /// First after the free ones.
    pub end: u16,
}

impl Room {
    /// Free room left.
    pub(super) fn left(self) -> u16 {
        self.end - self.start
    }
}

/// Something to be placed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    /// Identity.
    pub key: u64,
    /// Room that it takes, in one slot.
    pub size: u16,
    /// Which of the caller's things it is.
    pub index: u32,
}

/// Where a unit came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// The slot.
    pub slot: u32,
    /// First unit of room in the slot.
    pub at: u16,
}

/// Places all units, returning spots by `index`; `None` when one finds no room in the whole range.
pub(super) fn place(rooms: &mut [Room], mut units: Vec<Unit>) -> Option<Vec<Spot>> {
    units.sort_unstable_by_key(|unit| (std::cmp::Reverse(unit.size), unit.key, unit.index));
    let mut spots = vec![Spot { slot: 0, at: 0 }; units.len()];
    for unit in &units {
        let slot = choose(unit.key, rooms.len() as u32, 1, |slot| rooms[slot as usize].left() >= unit.size)?;
        let room = &mut rooms[slot as usize];
        spots[unit.index as usize] = Spot { slot, at: room.start };
        room.start += unit.size;
    }
    Some(spots)
}

/// The first slot, of those that `step` divides, that the identity prefers and that is `good`.
pub(super) fn choose(key: u64, range: u32, step: u32, good: impl Fn(u32) -> bool) -> Option<u32> {
    if range < step {
        return None;
    }
    let aligned = |slot: u32| slot / step * step;
    let inside = |slot: u32| slot + step <= range;
    let preferred = |i: u64| aligned(jump(mix(key, i), range));
    let found = (0..PREFERENCES).map(preferred).find(|slot| inside(*slot) && good(*slot));
    found.or_else(|| {
        let first = preferred(0);
        let after = (first..range).step_by(step as usize);
        let before = (0..first).step_by(step as usize);
        after.chain(before).find(|slot| inside(*slot) && good(*slot))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(n: u64) -> Vec<Unit> {
        let size = |i| 1 + (mix(i, 3) % 128) as u16;
        (0..n).map(|i| Unit { key: mix(i, 5), size: size(i), index: i as u32 }).collect()
    }

    #[test]
    fn units_stand_side_by_side_in_their_slots() {
        let mut rooms = vec![Room { start: 0, end: 128 }; 1100];
        rooms[3] = Room { start: 100, end: 110 };
        let all = units(2000);
        let spots = place(&mut rooms, all.clone()).unwrap();
        let mut stretches: Vec<_> = all.iter().map(|u| (spots[u.index as usize], u.size)).collect();
        stretches.sort_by_key(|(spot, _)| (spot.slot, spot.at));
        for pair in stretches.windows(2) {
            let ((a, size), (b, _)) = (pair[0], pair[1]);
            assert!(a.slot < b.slot || a.at + size <= b.at);
            assert!(a.at + size <= 128);
        }
    }

    #[test]
    fn a_unit_that_comes_displaces_few() {
        let rooms = || vec![Room { start: 0, end: 128 }; 1100];
        let mut all = units(2000);
        let before = place(&mut rooms(), all.clone()).unwrap();
        all.push(Unit { key: mix(77, 77), size: 90, index: 2000 });
        let after = place(&mut rooms(), all).unwrap();
        let moved = before.iter().zip(&after).filter(|(a, b)| a.slot != b.slot).count();
        assert!(moved < 60, "{moved} of 2000 units moved");
    }

    #[test]
    fn no_room_is_said() {
        let mut rooms = vec![Room { start: 0, end: 10 }; 3];
        assert_eq!(place(&mut rooms, vec![Unit { key: 1, size: 11, index: 0 }]), None);
        assert_eq!(choose(1, 3, 4, |_| true), None);
    }
}
