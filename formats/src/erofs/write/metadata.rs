//! The places of inodes without history. A nid is an address, and directories name nids, so that an inode that moves dirties
//! its directories too: inodes therefore choose as those of ext4 do, and apart from the content of files.
//!
//! The first slots of the file system are sections of inodes. The nodes of a group share a section (those of a large group
//! several, by directory), so that an update of the group dirties one. In it the entries of a directory share homes, blocks
//! in which each takes a position by its own hash, if it can at a multiple of its length rounded up to a power of two, so that
//! an inode that grows a little stays. All by consistent hashing; what finds its home full goes to the home's next
//! preference. Smaller groups choose first, and of the large ones the older.

use super::BLOCK;
use super::shapes::Shapes;
use crate::erofs::spec::NID_UNIT;
use crate::stable::SLOT;
use crate::stable::identity::{jump, mix};
use crate::stable::nodes::Nodes;
use crate::stable::slots;

/// Units of 32 bytes in a block.
const UNITS: u32 = (BLOCK as u64 / NID_UNIT) as u32;

/// Bytes of a group to a section.
const SECTION: u64 = 128 << 10;

/// The power of two of a group's nodes from which on it is large.
const LARGE: u32 = 9;

/// Entries of a directory to a home. Their bytes would be another number with each version of a file.
const HOME: u32 = 4;

/// Sections, and blocks of a section, that are tried before they are searched in order.
const PREFERENCES: u64 = 24;

/// Positions in a block that are tried before they are searched in order.
const POSITIONS: u64 = 8;

/// The block of the root inode, whose number has 16 bits.
const ROOT_BLOCK: u32 = 1;

/// An inode that wants a position. The order of these is the one in which they choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seeker {
    /// Whether it fits a block.
    fits: bool,
    /// Nodes of its group as a power of two, at most [`LARGE`]; 0 for nodes without one.
    scale: u32,
    /// The newest time in its group, in seconds, where that is large.
    time: i64,
    /// Identity of its section.
    section: u64,
    /// The longer first: the complement of its length as a power of two.
    shortness: u32,
    /// Identity of its home.
    home: u64,
    /// Its own identity.
    hash: u64,
    /// Index in the walk.
    at: u32,
}

/// The inodes' positions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InodeMap {
    /// Numbers by index in the walk: the position in units of 32 bytes.
    pub nids: Vec<u64>,
    /// Units taken of each block, a bit each, from the first block of the file system on.
    pub used: Vec<u128>,
}

/// Sections for a load of `load` per cent.
pub(super) fn sections(shapes: &Shapes, load: u64) -> u32 {
    let units: u64 = shapes.of.iter().map(|shape| u64::from(shape.units())).sum();
    let of_slot = u64::from(UNITS * SLOT) * load / 100;
    slots::rounded(units.div_ceil(of_slot).max(1)) as u32
}

/// Places all inodes in this number of sections; `None` when one finds no position.
pub(super) fn place(nodes: &Nodes<'_>, shapes: &Shapes, sections: u32) -> Option<InodeMap> {
    let mut map = InodeMap { nids: vec![0; nodes.walked.len()], used: vec![0; (sections * SLOT) as usize] };
    map.used[0] = u128::MAX;
    map.take(0, ROOT_BLOCK, 0, shapes.of[0].units());
    let mut seekers = seekers(nodes, shapes);
    seekers.sort_unstable();
    for one in seekers {
        let units = shapes.of[one.at as usize].units();
        let (block, position) = map.find(&one, units, sections)?;
        map.take(one.at, block, position, units);
    }
    Some(map)
}

/// All nodes but the root.
fn seekers(nodes: &Nodes<'_>, shapes: &Shapes) -> Vec<Seeker> {
    let bytes = |at: u32| shapes.of[at as usize].len() as u64;
    // Nodes, bytes, and the newest time of a node.
    let mut groups = vec![(0u32, 0u64, i64::MIN); nodes.groups.len()];
    for (at, walked) in (0..).zip(&nodes.walked) {
        let (count, size, newest) = &mut groups[walked.group as usize];
        (*count, *size) = (*count + 1, *size + bytes(at));
        *newest = walked.mtime.secs.max(*newest);
    }
    let seeker = |at: u32| {
        let walked = &nodes.walked[at as usize];
        let parent = nodes.walked[walked.parent as usize].hash;
        let group = nodes.groups[walked.group as usize];
        let (count, size, newest) = groups[walked.group as usize];
        let scale = if walked.group == 0 { 0 } else { count.ilog2().min(LARGE) };
        let siblings = nodes.children(walked.parent).len() as u32;
        let units = shapes.of[at as usize].units();
        Seeker {
            fits: units <= UNITS,
            scale,
            time: if scale == LARGE { newest } else { 0 },
            section: mix(group, u64::from(jump(mix(parent, 8), (size / SECTION + 1) as u32))),
            shortness: u32::MAX - units.ilog2(),
            home: mix(parent, u64::from(jump(mix(walked.hash, 6), siblings / HOME + 1))),
            hash: mix(walked.hash, 4),
            at,
        }
    };
    (1..nodes.walked.len() as u32).map(seeker).collect()
}

/// The bits of a run of units.
fn mask(position: u32, units: u32) -> u128 {
    (u128::MAX >> (UNITS - units)) << position
}

/// A free position in a block.
fn position(used: u128, hash: u64, units: u32) -> Option<u32> {
    if used.count_ones() + units > UNITS {
        return None;
    }
    let free = |position: &u32| position + units <= UNITS && used & mask(*position, units) == 0;
    let step = units.next_power_of_two();
    // The multiples of a power of two are among those of the lower ones.
    let aligned = |i: u64| (mix(hash, i) >> 32) as u32 % UNITS / step * step;
    let preferred = (0..POSITIONS).map(aligned).find(free);
    preferred.or_else(|| (0..UNITS).step_by(step as usize).find(free)).or_else(|| (0..UNITS).find(free))
}

impl InodeMap {
    /// Takes units from a position on; those of a long inode are whole blocks but for the last.
    fn take(&mut self, at: u32, block: u32, position: u32, units: u32) {
        self.nids[at as usize] = u64::from(block * UNITS + position);
        let (mut block, mut rest) = (block as usize, units);
        while rest > 0 {
            let here = rest.min(UNITS);
            self.used[block] |= mask(if here == UNITS { 0 } else { position }, here);
            (block, rest) = (block + 1, rest - here);
        }
    }

    /// The first position that one prefers and that is free.
    fn find(&self, one: &Seeker, units: u32, sections: u32) -> Option<(u32, u32)> {
        let within = |section: u32| {
            let start = section * SLOT;
            let preferred = (0..PREFERENCES).map(|i| start + jump(mix(one.home, i), SLOT));
            let mut blocks = preferred.chain(start..start + SLOT);
            if one.fits {
                return blocks
                    .find_map(|block| Some((block, position(self.used[block as usize], one.hash, units)?)));
            }
            let len = units.div_ceil(UNITS);
            let free = |block: &u32| {
                let run = (*block <= start + SLOT - len)
                    .then(|| &self.used[*block as usize..(*block + len) as usize]);
                run.is_some_and(|run| run.iter().all(|used| *used == 0))
            };
            blocks.find(free).map(|block| (block, 0))
        };
        let preferred = (0..PREFERENCES).map(|i| jump(mix(one.section, i), sections));
        preferred.chain(0..sections).find_map(within)
    }
}

/// Places all inodes one behind the other, for a file system that is too tight for sections.
pub(super) fn pack(shapes: &Shapes) -> InodeMap {
    let mut map = InodeMap { nids: vec![0; shapes.of.len()], used: vec![u128::MAX] };
    let (mut block, mut position) = (ROOT_BLOCK, 0);
    for (at, shape) in (0..).zip(&shapes.of) {
        let units = shape.units();
        // Inode and tail have to be in one block; a longer inode begins one.
        if position > 0 && position + units > UNITS {
            (block, position) = (block + 1, 0);
        }
        map.used.resize((block + 1 + units / UNITS) as usize, 0);
        map.take(at, block, position, units);
        position += units;
        (block, position) = (block + position / UNITS, position % UNITS);
    }
    while map.used.last() == Some(&0) {
        map.used.pop();
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_free_and_within_the_block() {
        let mut used = 0;
        let mut taken = 0;
        for hash in 0..1000 {
            let units = (mix(hash, 3) % 40 + 1) as u32;
            let Some(at) = position(used, mix(hash, 1), units) else { continue };
            assert!(at + units <= UNITS);
            assert_eq!(used & mask(at, units), 0);
            used |= mask(at, units);
            taken += units;
            assert_eq!(used.count_ones(), taken);
        }
        assert!(taken > UNITS * 9 / 10, "{taken}");
        assert_eq!(position(0, 7, UNITS), Some(0));
        assert_eq!(position(1, 7, UNITS), None);
    }
}
