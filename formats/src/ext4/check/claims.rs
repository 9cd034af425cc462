//! Who claims which block: every block belongs to one structure or inode.

use std::ops::Range;

use super::CheckRun;
use crate::ext4::read::{Corruption, Defect, Ext4Location};
use crate::read_at::ReadAt;

/// A run of blocks and who has it.
#[derive(Debug, Clone, Copy)]
struct BlockClaim {
    start: u64,
    end: u64,
    location: Ext4Location,
}

/// All claims; sorted once they are complete.
#[derive(Debug, Default)]
pub(super) struct BlockClaims {
    claims: Vec<BlockClaim>,
    /// What is claimed, as disjoint runs in order; made by [`CheckRun::block_claims`].
    runs: Vec<Range<u64>>,
}

impl BlockClaims {
    /// Claims `len` blocks from `start` on.
    pub(super) fn claim(&mut self, start: u64, len: u64, location: Ext4Location) {
        if len > 0 {
            self.claims.push(BlockClaim { start, end: start.saturating_add(len), location });
        }
    }

    /// The claimed blocks within a range, as runs clipped to it, in order.
    pub(super) fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.runs.partition_point(|run| run.end <= range.start);
        let runs = self.runs.iter().skip(first).take_while(move |run| run.start < range.end);
        runs.map(move |run| run.start.max(range.start)..run.end.min(range.end))
    }
}

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Claims what holds the file system itself.
    pub(super) fn metadata_claims(&mut self) {
        let superblock = self.file_system.superblock();
        for (described, group) in self.file_system.groups().iter().zip(0..) {
            let base = match group {
                0 => Ext4Location::Superblock,
                _ => Ext4Location::BackupSuperblock { group },
            };
            let tables = u64::from(superblock.inode_table_blocks());
            self.claims.claim(superblock.group_start(group), superblock.base_blocks(group).into(), base);
            self.claims.claim(described.block_bitmap, 1, Ext4Location::BlockBitmap { group });
            self.claims.claim(described.inode_bitmap, 1, Ext4Location::InodeBitmap { group });
            self.claims.claim(described.inode_table, tables, Ext4Location::InodeTable { group });
        }
    }

    /// Finds blocks claimed twice, and leaves the claims in order.
    pub(super) fn block_claims(&mut self) {
        let superblock = self.file_system.superblock();
        let mut claims = std::mem::take(&mut self.claims.claims);
        claims.sort_unstable_by_key(|claim| (claim.start, claim.end, claim.location));
        let mut runs: Vec<Range<u64>> = Vec::new();
        // The claim that reaches furthest so far: whatever begins before its end is claimed twice.
        let mut furthest: Option<BlockClaim> = None;
        for claim in claims {
            if let Some(before) = furthest.filter(|before| claim.start < before.end) {
                let offset = superblock.offset_of(claim.start);
                let why = Defect::Claimed { what: "block", number: claim.start, first: before.location };
                self.report.error(Corruption { location: claim.location, offset, why });
            }
            if furthest.is_none_or(|before| claim.end > before.end) {
                furthest = Some(claim);
            }
            match runs.last_mut() {
                Some(run) if claim.start <= run.end => run.end = run.end.max(claim.end),
                _ => runs.push(claim.start..claim.end),
            }
        }
        self.claims.runs = runs;
    }
}
