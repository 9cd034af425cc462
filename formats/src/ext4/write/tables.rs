//! Inode tables and inode bitmaps: every inode that is written, by group.

use std::sync::Arc;

use super::bitmaps::set_bits;
use super::geometry::Ext4Geometry;
use crate::ext4::spec::{BLOCK_SIZE, INODE_SIZE};
use crate::plan::{Claims, Data};
use crate::stable::arena::zeros;

/// One group's inodes.
#[derive(Debug, Default)]
struct InodeGroup {
    /// The table up to its last used block.
    table: Option<Arc<[u8]>>,
    bitmap: Vec<u8>,
    used: u32,
    dirs: u32,
    /// First index after the last used one.
    end: u32,
}

/// The inode tables of all groups.
#[derive(Debug)]
pub(super) struct Tables {
    per_group: u32,
    groups: Vec<InodeGroup>,
}

impl Tables {
    /// Tables for inodes of these numbers, in any order, besides 1 to 11.
    pub(super) fn new(geometry: &Ext4Geometry, inos: &[u32]) -> Self {
        let per_group = geometry.inodes_per_group;
        let mut groups: Vec<InodeGroup> = Vec::new();
        groups.resize_with(geometry.groups as usize, InodeGroup::default);
        for ino in inos.iter().copied().chain(1..=11) {
            let (group, index) = ((ino - 1) / per_group, (ino - 1) % per_group);
            let group = &mut groups[group as usize];
            group.end = group.end.max(index + 1);
            if group.bitmap.is_empty() {
                group.bitmap = vec![0; BLOCK_SIZE as usize];
            }
            let bit = 1 << (index % 8);
            group.used += u32::from(group.bitmap[index as usize / 8] & bit == 0);
            group.bitmap[index as usize / 8] |= bit;
        }
        for group in groups.iter_mut().filter(|group| group.end > 0) {
            let len = (group.end as usize * INODE_SIZE).next_multiple_of(BLOCK_SIZE as usize);
            group.table = Some(zeros(len));
            set_bits(&mut group.bitmap, per_group, BLOCK_SIZE as u32 * 8 - per_group);
        }
        Self { per_group, groups }
    }

    /// The 256 bytes of an inode.
    pub(super) fn inode(&mut self, ino: u32) -> Option<&mut [u8]> {
        let (group, index) = ((ino - 1) / self.per_group, (ino - 1) % self.per_group);
        let table = Arc::get_mut(self.groups[group as usize].table.as_mut()?)?;
        table.get_mut(index as usize * INODE_SIZE..(index as usize + 1) * INODE_SIZE)
    }

    /// Counts a directory.
    pub(super) fn count_dir(&mut self, ino: u32) {
        self.groups[((ino - 1) / self.per_group) as usize].dirs += 1;
    }

    /// Inodes and directories used in a group, and the first index after the last used inode.
    pub(super) fn counts(&self, group: u32) -> (u32, u32, u32) {
        let group = &self.groups[group as usize];
        (group.used, group.dirs, group.end)
    }

    /// The inode bitmap of a group, if any of its inodes is used.
    pub(super) fn bitmap(&self, group: u32) -> Option<&[u8]> {
        Some(self.groups[group as usize].bitmap.as_slice()).filter(|map| !map.is_empty())
    }

    /// Claims all tables whole.
    pub(super) fn claim(self, geometry: &Ext4Geometry, claims: &mut Claims) {
        let whole = u64::from(geometry.itable_blocks()) * BLOCK_SIZE;
        for (group, places) in self.groups.into_iter().zip(&geometry.places) {
            let start = places.inode_table * BLOCK_SIZE;
            let mut written = 0;
            if let Some(bytes) = group.table {
                written = bytes.len() as u64;
                claims.claim(start, written, Data::Bytes { bytes, at: 0 });
            }
            claims.claim(start + written, whole - written, Data::Zero);
        }
    }
}
