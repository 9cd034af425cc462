//! The resize inode, as mke2fs lays it out (`lib/ext2fs/res_gdt.c`): the reserved descriptor blocks of group 0 are
//! indirect blocks that list their counterparts in the groups with copies, so that the kernel can grow the
//! descriptors online.

use super::geometry::Ext4Geometry;
use crate::ext4::spec::{BLOCK_SIZE, BLOCKS_PER_GROUP};

/// Addresses of one block.
const ADDRESSES: u64 = BLOCK_SIZE / 4;

/// Length of the inode: all that a double indirect block can reach.
pub(super) const SIZE: u64 = (ADDRESSES * ADDRESSES + ADDRESSES + 12) * BLOCK_SIZE;

/// Blocks that the inode holds: the reserve in every copy and the double indirect block.
pub(super) fn blocks_held(geometry: &Ext4Geometry) -> u64 {
    1 + u64::from(geometry.reserved_gdt) * (1 + geometry.backups().count() as u64)
}

/// The double indirect block: each reserved block at the index of the descriptor block that it may become.
pub(super) fn double_indirect(geometry: &Ext4Geometry) -> Vec<u8> {
    let mut out = vec![0; BLOCK_SIZE as usize];
    for i in 0..geometry.reserved_gdt {
        let at = u64::from(geometry.gdt_blocks + i) % ADDRESSES;
        put(&mut out, at as usize, 1 + geometry.gdt_blocks + i);
    }
    out
}

/// The reserved blocks of group 0, one after the other.
pub(super) fn indirect_blocks(geometry: &Ext4Geometry) -> Vec<u8> {
    let mut out = vec![0; geometry.reserved_gdt as usize * BLOCK_SIZE as usize];
    for (i, block) in (0..).zip(out.chunks_exact_mut(BLOCK_SIZE as usize)) {
        for (at, group) in geometry.backups().enumerate() {
            put(block, at, group * BLOCKS_PER_GROUP + 1 + geometry.gdt_blocks + i);
        }
    }
    out
}

fn put(block: &mut [u8], at: usize, address: u32) {
    block[at * 4..at * 4 + 4].copy_from_slice(&address.to_le_bytes());
}
