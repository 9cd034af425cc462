//! Bitmaps, counts and flags of the groups against what is used, and their sums in the superblock.

use super::CheckRun;
use super::superblock::{range, value};
use crate::ext4::read::features;
use crate::ext4::read::superblock::OFFSET;
use crate::ext4::read::usage::{bit, block_bitmap, inode_bitmap, set};
use crate::ext4::read::{
    BLOCK_UNINIT, Corruption, Defect, Ext4Location, Ext4ReadError, FileKind, GroupInfo, INODE_UNINIT,
    INODE_ZEROED,
};
use crate::read_at::ReadAt;

/// Free blocks and inodes of all groups.
#[derive(Debug, Default)]
struct FreeCounts {
    blocks: u64,
    inodes: u64,
}

/// A bitmap to be compared with what is used.
struct Compare<'b> {
    location: Ext4Location,
    offset: u64,
    what: &'static str,
    /// Number of the block or inode of the first bit.
    first: u64,
    /// Bits of blocks or inodes; those after them are set.
    len: u32,
    bitmap: &'b [u8],
    used: &'b [u8],
    /// Whether the bitmap was ever written, so that its padding counts.
    written: bool,
}

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Goes through all groups.
    pub(super) fn groups(&mut self) -> Result<(), Ext4ReadError> {
        let mut free = FreeCounts::default();
        for (described, group) in self.file_system.groups().iter().zip(0_u32..) {
            self.flags(group, described);
            self.blocks_of(group, described, &mut free)?;
            self.inodes_of(group, described, &mut free)?;
        }
        let superblock = self.file_system.superblock();
        let sums = [
            value("s_free_blocks_count", superblock.free_blocks, free.blocks),
            value("s_free_inodes_count", superblock.free_inodes.into(), free.inodes),
        ];
        for why in sums.into_iter().flatten() {
            self.report.error(Corruption { location: Ext4Location::Superblock, offset: OFFSET, why });
        }
        self.overhead();
        Ok(())
    }

    fn descriptor(&mut self, group: u32, described: &GroupInfo, why: Option<Defect>) {
        if let Some(why) = why {
            self.report.error(Corruption {
                location: Ext4Location::Descriptor { group },
                offset: described.offset,
                why,
            });
        }
    }

    /// Flags that there are, and only with checksums that guard them.
    fn flags(&mut self, group: u32, described: &GroupInfo) {
        let superblock = self.file_system.superblock();
        let guarded = superblock.has_checksums() || superblock.features.ro_compat(features::GDT_CSUM);
        let known = if guarded { INODE_UNINIT | BLOCK_UNINIT | INODE_ZEROED } else { INODE_ZEROED };
        let found = u64::from(described.flags & !known);
        let why = (found != 0).then_some(Defect::Meaningless { field: "bg_flags", found });
        self.descriptor(group, described, why);
        if guarded && !described.is(INODE_ZEROED) {
            // Not wrong: the kernel then writes the rest of the table at the first mount.
            let why = Defect::Missing { what: "the flag INODE_ZEROED" };
            self.report.warning(Corruption {
                location: Ext4Location::Descriptor { group },
                offset: described.offset,
                why,
            });
        }
    }

    fn blocks_of(
        &mut self,
        group: u32,
        described: &GroupInfo,
        free: &mut FreeCounts,
    ) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let (start, len) = (superblock.group_start(group), superblock.group_len(group));
        let mut used = vec![0; superblock.block_size as usize];
        let mut count = 0;
        for run in self.claims.within(start..start + u64::from(len)) {
            count += run.end - run.start;
            fill(&mut used, run.start - start, run.end - start);
        }
        let bitmap = if self.file_system.holds(described.block_bitmap, 1) {
            block_bitmap(self.file_system, group, &mut self.report)?
        } else {
            used.clone()
        };
        self.compare(&Compare {
            location: Ext4Location::BlockBitmap { group },
            offset: superblock.offset_of(described.block_bitmap),
            what: "blocks",
            first: start,
            len,
            bitmap: &bitmap,
            used: &used,
            written: !described.is(BLOCK_UNINIT),
        });
        let expected = u64::from(len) - count;
        free.blocks += expected;
        self.descriptor(
            group,
            described,
            value("bg_free_blocks_count", described.free_blocks.into(), expected),
        );
        Ok(())
    }

    fn inodes_of(
        &mut self,
        group: u32,
        described: &GroupInfo,
        free: &mut FreeCounts,
    ) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let per_group = superblock.inodes_per_group;
        let first = group * per_group + 1;
        let mut used = vec![0; superblock.block_size as usize];
        let (mut count, mut dirs, mut last) = (0, 0, 0);
        if group == 0 {
            // The reserved inodes are in use, whether anything is in them or not.
            (0..superblock.first_inode - 1).for_each(|at| set(&mut used, at));
            count = superblock.first_inode - 1;
            last = count;
        }
        for (number, known) in self.inodes.range(first..=first - 1 + per_group) {
            let at = number - first;
            dirs += u32::from(known.kind == Some(FileKind::Dir));
            last = last.max(at + 1);
            if !bit(&used, at) {
                set(&mut used, at);
                count += 1;
            }
        }
        let bitmap = if self.file_system.holds(described.inode_bitmap, 1) {
            inode_bitmap(self.file_system, group, &mut self.report)?
        } else {
            used.clone()
        };
        self.compare(&Compare {
            location: Ext4Location::InodeBitmap { group },
            offset: superblock.offset_of(described.inode_bitmap),
            what: "inodes",
            first: first.into(),
            len: per_group,
            bitmap: &bitmap,
            used: &used,
            written: !described.is(INODE_UNINIT),
        });
        free.inodes += u64::from(per_group - count);
        let free_inodes =
            value("bg_free_inodes_count", described.free_inodes.into(), (per_group - count).into());
        self.descriptor(group, described, free_inodes);
        self.descriptor(
            group,
            described,
            value("bg_used_dirs_count", described.used_dirs.into(), dirs.into()),
        );
        let most = u64::from(per_group - last);
        let unused = range("bg_itable_unused", described.unused_inodes.into(), 0, most);
        self.descriptor(group, described, unused);
        Ok(())
    }

    /// Finds the runs in which a bitmap and use differ, and padding that is not set.
    fn compare(&mut self, compare: &Compare<'_>) {
        let bytes = (compare.len / 8) as usize;
        let same = compare.bitmap.get(..bytes) == compare.used.get(..bytes);
        let from = if same { bytes as u32 * 8 } else { 0 };
        let mut run: Option<(u32, u32, bool)> = None;
        let mut runs = Vec::new();
        for at in from..compare.len {
            let marked = bit(compare.bitmap, at);
            let differs = marked != bit(compare.used, at);
            run = match run {
                Some((first, last, as_used)) if differs && last + 1 == at && as_used == marked => {
                    Some((first, at, as_used))
                }
                before => {
                    if let Some(done) = before.filter(|_| differs) {
                        runs.push(done);
                    }
                    if differs { Some((at, at, marked)) } else { before }
                }
            };
        }
        runs.extend(run);
        for (first, last, as_used) in runs {
            let (first, last) = (compare.first + u64::from(first), compare.first + u64::from(last));
            let marked = if as_used { "used" } else { "free" };
            let why = Defect::Bitmap { what: compare.what, first, last, marked };
            self.report.error(Corruption { location: compare.location, offset: compare.offset, why });
        }
        let bits = compare.bitmap.len() as u32 * 8;
        let clear = (compare.len..bits).find(|at| compare.written && !bit(compare.bitmap, *at));
        if let Some(found) = clear {
            let why = Defect::Padding { bit: found.into() };
            self.report.error(Corruption { location: compare.location, offset: compare.offset, why });
        }
    }

    /// The space that is not for files, where the superblock has it.
    fn overhead(&mut self) {
        let superblock = self.file_system.superblock();
        if superblock.overhead == 0 {
            return;
        }
        let tables = u64::from(superblock.inode_table_blocks()) + 2;
        let groups = 0..superblock.groups();
        let base: u64 = groups.map(|group| u64::from(superblock.base_blocks(group)) + tables).sum();
        let journal = self.file_system.journal_len().unwrap_or(0) / u64::from(superblock.block_size);
        let expected = base + journal + u64::from(superblock.first_data_block);
        if let Some(why) = value("s_overhead_clusters", superblock.overhead.into(), expected) {
            self.report.warning(Corruption { location: Ext4Location::Superblock, offset: OFFSET, why });
        }
    }
}

/// Sets the bits `from..to`.
fn fill(bitmap: &mut [u8], from: u64, to: u64) {
    let (first, last) = (from.div_ceil(8), to / 8);
    if first < last {
        let whole = bitmap.get_mut(first as usize..last as usize);
        if let Some(bytes) = whole {
            bytes.fill(0xff);
        }
    }
    let edges = (from..to.min(first * 8)).chain((last * 8).max(from)..to);
    edges.for_each(|at| set(bitmap, at as u32));
}
