//! Which blocks the bitmaps have as used.

use std::ops::Range;

use super::FileSystem;
use super::checksum;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError, Refuse};
use super::groups::{BLOCK_UNINIT, INODE_UNINIT};
use crate::read_at::ReadAt;

/// The runs of used blocks of a file system, in order; a run ends at the end of its group.
pub struct UsedBlocks<'f, 'a, R: ?Sized> {
    file_system: &'f FileSystem<'a, R>,
    group: u32,
    /// Runs of the group before `group`, the next one last.
    runs: Vec<Range<u64>>,
}

impl<'f, 'a, R: ReadAt + ?Sized> UsedBlocks<'f, 'a, R> {
    pub(crate) fn new(file_system: &'f FileSystem<'a, R>) -> Self {
        Self { file_system, group: 0, runs: Vec::new() }
    }
}

impl<R: ReadAt + ?Sized> Iterator for UsedBlocks<'_, '_, R> {
    type Item = Result<Range<u64>, Ext4ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.runs.is_empty() {
            if self.group >= self.file_system.superblock().groups() {
                return None;
            }
            let group = self.group;
            self.group += 1;
            match block_bitmap(self.file_system, group, &mut Refuse) {
                Ok(bitmap) => {
                    let superblock = self.file_system.superblock();
                    let (start, len) = (superblock.group_start(group), superblock.group_len(group));
                    self.runs = runs(&bitmap, len);
                    self.runs.iter_mut().for_each(|run| *run = run.start + start..run.end + start);
                    self.runs.reverse();
                }
                Err(error) => {
                    self.group = u32::MAX;
                    return Some(Err(error));
                }
            }
        }
        self.runs.pop().map(Ok)
    }
}

/// Whether a bit of a bitmap is set.
pub(crate) fn bit(bitmap: &[u8], at: u32) -> bool {
    bitmap.get((at / 8) as usize).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// Sets a bit of a bitmap.
pub(crate) fn set(bitmap: &mut [u8], at: u32) {
    if let Some(byte) = bitmap.get_mut((at / 8) as usize) {
        *byte |= 1 << (at % 8);
    }
}

/// The runs of set bits among the first `len`.
pub(crate) fn runs(bitmap: &[u8], len: u32) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for at in (0..len).filter(|at| bit(bitmap, *at)).map(u64::from) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// The block bitmap of a group, its checksum checked; of a group whose bitmap was never written, what it would be.
pub(crate) fn block_bitmap<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    group: u32,
    sink: &mut dyn CorruptionSink,
) -> Result<Vec<u8>, Ext4ReadError> {
    let superblock = file_system.superblock();
    let Some(described) = file_system.groups().get(group as usize) else { return Ok(Vec::new()) };
    if described.is(BLOCK_UNINIT) {
        return Ok(untouched(file_system, group));
    }
    let bytes = file_system.block(described.block_bitmap)?;
    if superblock.has_checksums() {
        let location = Ext4Location::BlockBitmap { group };
        let len = superblock.blocks_per_group / 8;
        verify(
            file_system,
            &bytes,
            len,
            described.block_bitmap_checksum,
            location,
            described.block_bitmap,
            sink,
        )?;
    }
    Ok(bytes)
}

/// The inode bitmap of a group, its checksum checked; empty of a group whose bitmap was never written.
pub(crate) fn inode_bitmap<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    group: u32,
    sink: &mut dyn CorruptionSink,
) -> Result<Vec<u8>, Ext4ReadError> {
    let superblock = file_system.superblock();
    let Some(described) = file_system.groups().get(group as usize) else { return Ok(Vec::new()) };
    if described.is(INODE_UNINIT) {
        return Ok(vec![0; superblock.block_size as usize]);
    }
    let bytes = file_system.block(described.inode_bitmap)?;
    if superblock.has_checksums() {
        let location = Ext4Location::InodeBitmap { group };
        let len = superblock.inodes_per_group / 8;
        verify(
            file_system,
            &bytes,
            len,
            described.inode_bitmap_checksum,
            location,
            described.inode_bitmap,
            sink,
        )?;
    }
    Ok(bytes)
}

fn verify<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    bytes: &[u8],
    len: u32,
    stored: u32,
    location: Ext4Location,
    block: u64,
    sink: &mut dyn CorruptionSink,
) -> Result<(), Ext4ReadError> {
    let superblock = file_system.superblock();
    let computed = checksum::crc32c(superblock.checksum_seed, bytes.get(..len as usize).unwrap_or(bytes));
    // Descriptors of 32 bytes have no room for the upper half.
    let computed = if superblock.descriptor_size >= 64 { computed } else { computed & 0xffff };
    if stored == computed {
        return Ok(());
    }
    let why = Defect::Checksum { stored, computed };
    sink.report(Corruption { location, offset: superblock.offset_of(block), why })
}

/// The bitmap of a group in which no file ever had a block: only its own metadata is there.
fn untouched<R: ReadAt + ?Sized>(file_system: &FileSystem<'_, R>, group: u32) -> Vec<u8> {
    let superblock = file_system.superblock();
    let mut bitmap = vec![0; superblock.block_size as usize];
    (0..superblock.base_blocks(group).min(superblock.blocks_per_group)).for_each(|at| set(&mut bitmap, at));
    let Some(described) = file_system.groups().get(group as usize) else { return bitmap };
    let own = [
        (described.block_bitmap, 1),
        (described.inode_bitmap, 1),
        (described.inode_table, superblock.inode_table_blocks()),
    ];
    let (start, len) = (superblock.group_start(group), superblock.group_len(group));
    for (first, count) in own {
        for block in (first..).take(count as usize) {
            let at = block.checked_sub(start).filter(|at| *at < u64::from(len));
            if let Some(at) = at {
                set(&mut bitmap, at as u32);
            }
        }
    }
    bitmap
}
