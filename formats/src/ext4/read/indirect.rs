//! Inodes mapped by block numbers, as ext2 had them: 12 direct ones and three trees of blocks of numbers.

use std::collections::BTreeSet;

use super::FileSystem;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError};
use super::extents::{BlockMapping, FileRun};
use super::fields;
use super::inode::ReadInode;
use crate::read_at::ReadAt;

/// Reads the mapping of an inode. Inodes that have no blocks by their kind must not be brought here.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    inode: &ReadInode,
    met: &mut BTreeSet<u64>,
    sink: &mut dyn CorruptionSink,
) -> Result<BlockMapping, Ext4ReadError> {
    let mut walk =
        Walk { file_system, inode, met, sink, mapping: BlockMapping::default(), pending: Vec::new() };
    let per_block = u64::from(file_system.superblock().block_size) / 4;
    let spans = [per_block, per_block * per_block, per_block * per_block * per_block];
    let mut logical = 12;
    for (slot, span) in (12..15).zip(spans) {
        let block = fields::u32(&inode.block, slot * 4);
        walk.pending.push(PendingBlock { block: block.into(), logical, span });
        logical += span;
    }
    // The next one to be read is the last.
    walk.pending.reverse();
    let location = Ext4Location::Inode { inode: inode.number };
    for slot in 0..12 {
        let block = fields::u32(&inode.block, slot * 4).into();
        walk.data(location, inode.offset, slot as u64, block)?;
    }
    while let Some(pending) = walk.pending.pop() {
        walk.descend(&pending)?;
    }
    Ok(walk.mapping)
}

/// A block of numbers still to be read; `span` is the number of blocks of the file that it maps.
struct PendingBlock {
    block: u64,
    logical: u64,
    span: u64,
}

struct Walk<'w, 'a, R: ?Sized> {
    file_system: &'w FileSystem<'a, R>,
    inode: &'w ReadInode,
    met: &'w mut BTreeSet<u64>,
    sink: &'w mut dyn CorruptionSink,
    mapping: BlockMapping,
    pending: Vec<PendingBlock>,
}

impl<R: ReadAt + ?Sized> Walk<'_, '_, R> {
    fn descend(&mut self, pending: &PendingBlock) -> Result<(), Ext4ReadError> {
        if pending.block == 0 {
            return Ok(());
        }
        let superblock = self.file_system.superblock();
        let location = Ext4Location::Indirect { inode: self.inode.number, block: pending.block };
        let offset = superblock.offset_of(pending.block);
        if !self.within(location, self.inode.offset, pending.block)? {
            return Ok(());
        }
        if !self.met.insert(pending.block) {
            let why = Defect::Again { what: "block", number: pending.block };
            return self.sink.report(Corruption { location, offset, why });
        }
        let per_block = u64::from(superblock.block_size) / 4;
        let bytes = self.file_system.block(pending.block)?;
        self.mapping.nodes.push(pending.block);
        let span = pending.span / per_block;
        let numbers = bytes.chunks_exact(4).map(|entry| u64::from(fields::u32(entry, 0)));
        if span > 1 {
            let below = numbers.zip(0..).filter(|(block, _)| *block != 0);
            let below = below.map(|(block, slot)| PendingBlock {
                block,
                logical: pending.logical + slot * span,
                span,
            });
            let below: Vec<_> = below.collect();
            self.pending.extend(below.into_iter().rev());
            return Ok(());
        }
        for (block, slot) in numbers.zip(0..) {
            self.data(location, offset, pending.logical + slot, block)?;
        }
        Ok(())
    }

    fn data(
        &mut self,
        location: Ext4Location,
        offset: u64,
        logical: u64,
        physical: u64,
    ) -> Result<(), Ext4ReadError> {
        if physical != 0 && self.within(location, offset, physical)? {
            self.mapping.push(FileRun { logical, physical, len: 1, unwritten: false });
        }
        Ok(())
    }

    fn within(&mut self, location: Ext4Location, offset: u64, found: u64) -> Result<bool, Ext4ReadError> {
        if self.file_system.holds(found, 1) {
            return Ok(true);
        }
        let superblock = self.file_system.superblock();
        let (least, most) = (u64::from(superblock.first_data_block) + 1, superblock.blocks - 1);
        let why = Defect::Range { field: "block number", found, least, most };
        self.sink.report(Corruption { location, offset, why })?;
        Ok(false)
    }
}
