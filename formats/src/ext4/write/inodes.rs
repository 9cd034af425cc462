//! Inode numbers: the walk cut into bins that fit a block of the inode table, placed like clusters in slots; in the
//! order of the walk when inodes are too few for that.

use super::cluster::{self, Weighted};
use super::geometry::{Geometry, RESERVED_INODES};
use super::identity::mix;
use super::nodes::Nodes;
use super::place::{self, Room, Unit};
use crate::ext4::spec::{FIRST_INO, INODES_PER_BLOCK, ROOT_INO};

/// Share of the inodes in the range of table blocks that is used, in hundredths.
const LOAD: u64 = 90;

/// The inode number of every node by its place in the walk.
pub(super) fn number(nodes: &Nodes<'_>, geometry: &Geometry) -> Vec<u32> {
    let free: Vec<u32> = (1..nodes.walked.len() as u32).filter(|at| *at != nodes.lost_found).collect();
    let mut inos = vec![ROOT_INO; nodes.walked.len()];
    inos[nodes.lost_found as usize] = FIRST_INO;
    if spread(nodes, geometry, &free, &mut inos).is_none() {
        for (number, at) in free.iter().enumerate() {
            inos[*at as usize] = RESERVED_INODES + 1 + number as u32;
        }
    }
    inos
}

/// Numbers by hashed preference; `None` when a bin finds no block.
fn spread(nodes: &Nodes<'_>, geometry: &Geometry, free: &[u32], inos: &mut [u32]) -> Option<()> {
    let weigh = |at: &u32| Weighted { hash: mix(nodes.walked[*at as usize].hash, 0x4_0000_0000), weight: 1 };
    let weighted: Vec<Weighted> = free.iter().map(weigh).collect();
    let bins = cluster::cut(&weighted, INODES_PER_BLOCK);
    let all = geometry.groups * geometry.itable_blocks() - 1;
    let mut range =
        (free.len() as u64 * 100).div_ceil(LOAD * u64::from(INODES_PER_BLOCK)).min(u64::from(all)) as u32;
    loop {
        let mut rooms = vec![Room { start: 0, end: INODES_PER_BLOCK as u16 }; range as usize];
        let units = bins.iter().enumerate().map(|(index, bin)| Unit {
            key: weighted[bin.start].hash,
            size: bin.len() as u16,
            index: index as u32,
        });
        if let Some(spots) = place::place(&mut rooms, units.collect()) {
            for (bin, spot) in bins.into_iter().zip(spots) {
                // The first block of the first table is that of the reserved inodes.
                let first = (spot.slot + 1) * INODES_PER_BLOCK + u32::from(spot.at) + 1;
                for (number, at) in (first..).zip(&free[bin]) {
                    inos[*at as usize] = number;
                }
            }
            return Some(());
        }
        if range >= all {
            return None;
        }
        range = all.min(range + range / 50 + 1);
    }
}
