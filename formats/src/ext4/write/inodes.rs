//! Inode numbers without history. The entries of a directory share a home among the blocks of the inode tables (those
//! of a large directory several, by the hash of their names), chosen by consistent hashing; each takes a number in it
//! by its own hash. An inode that finds its home full goes to the home's next preference, so what comes or goes moves
//! others only where a block is full, and then one at a time.

use super::geometry::{Ext4Geometry, RESERVED_INODES};
use super::identity::{jump, mix};
use super::nodes::Nodes;
use crate::ext4::spec::{FIRST_INO, INODES_PER_BLOCK, ROOT_INO};

/// Share of the inodes in the range of table blocks that is used, in hundredths, where there are inodes enough.
const LOAD: u64 = 50;

/// Entries of a directory to a home.
const HOME: u32 = 12;

/// Preferences that are tried before the range is searched in order.
const PREFERENCES: u64 = 24;

/// An inode that wants a number.
struct Wanting {
    /// Its own identity.
    hash: u64,
    /// That of its home.
    home: u64,
    /// Index in the walk.
    at: u32,
}

/// The inode number of every node by its index in the walk. The geometry has enough.
pub(super) fn number(nodes: &Nodes<'_>, geometry: &Ext4Geometry) -> Vec<u32> {
    let mut wanting: Vec<Wanting> = (1..nodes.walked.len() as u32)
        .filter(|at| *at != nodes.lost_found)
        .map(|at| Wanting { hash: mix(nodes.walked[at as usize].hash, 4), home: home(nodes, at), at })
        .collect();
    wanting.sort_unstable_by_key(|one| (one.home, one.hash, one.at));
    // The first block of the first table is that of the reserved inodes.
    let all = geometry.groups * geometry.itable_blocks() - 1;
    let range = (wanting.len() as u64 * 100).div_ceil(LOAD * u64::from(INODES_PER_BLOCK));
    let range = super::slots::rounded(range).min(u64::from(all));
    let mut used = vec![0u16; range as usize];
    let mut inos = vec![ROOT_INO; nodes.walked.len()];
    inos[nodes.lost_found as usize] = FIRST_INO;
    for one in wanting {
        let block = roomy(&used, one.home);
        let taken = &mut used[block as usize];
        let preferred = (0..).map(|i| jump(mix(one.hash, i), INODES_PER_BLOCK));
        // A block with room has a free inode among the first few hashes, or else in order.
        let place = preferred.take(64).chain(0..INODES_PER_BLOCK).find(|place| *taken & 1 << place == 0);
        let place = place.unwrap_or_default();
        *taken |= 1 << place;
        inos[one.at as usize] = RESERVED_INODES + block * INODES_PER_BLOCK + place + 1;
    }
    inos
}

/// The identity of the home of a directory's entry.
fn home(nodes: &Nodes<'_>, at: u32) -> u64 {
    let walked = &nodes.walked[at as usize];
    let siblings = nodes.children(walked.parent).len() as u32;
    let which = jump(mix(walked.hash, 6), siblings / HOME + 1);
    mix(nodes.walked[walked.parent as usize].hash, u64::from(which))
}

/// The first block that a home prefers and that is not full.
fn roomy(used: &[u16], home: u64) -> u32 {
    let range = used.len() as u32;
    let free = |block: &u32| used[*block as usize] != u16::MAX;
    let preferred = |i: u64| jump(mix(home, i), range);
    let found = (0..PREFERENCES).map(preferred).find(free);
    let first = preferred(0);
    found.or_else(|| (first..range).chain(0..first).find(free)).unwrap_or_default()
}
