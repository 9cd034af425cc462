//! Inodes mapped by block numbers, as ext2 had them: 12 direct ones and three trees of blocks of numbers.

use std::collections::BTreeSet;

use super::FileSystem;
use super::error::{Fault, Faults, Place, ReadError, Why};
use super::extents::{Mapping, Run};
use super::fields;
use super::inode::Inode;
use crate::read_at::ReadAt;

/// Reads the mapping of an inode. Inodes that have no blocks by their kind must not be brought here.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    inode: &Inode,
    met: &mut BTreeSet<u64>,
    faults: &mut dyn Faults,
) -> Result<Mapping, ReadError> {
    let mut walk = Walk { file_system, inode, met, faults, mapping: Mapping::default(), pending: Vec::new() };
    let per_block = u64::from(file_system.superblock().block_size) / 4;
    let spans = [per_block, per_block * per_block, per_block * per_block * per_block];
    let mut logical = 12;
    for (slot, span) in (12..15).zip(spans) {
        let block = fields::u32(&inode.block, slot * 4);
        walk.pending.push(Pending { block: block.into(), logical, span });
        logical += span;
    }
    // The next one to be read stands last.
    walk.pending.reverse();
    let place = Place::Inode { inode: inode.number };
    for slot in 0..12 {
        let block = fields::u32(&inode.block, slot * 4).into();
        walk.data(place, inode.offset, slot as u64, block)?;
    }
    while let Some(pending) = walk.pending.pop() {
        walk.descend(&pending)?;
    }
    Ok(walk.mapping)
}

/// A block of numbers still to be read; `span` is how many blocks of the file it stands for.
struct Pending {
    block: u64,
    logical: u64,
    span: u64,
}

struct Walk<'w, 'a, R: ?Sized> {
    file_system: &'w FileSystem<'a, R>,
    inode: &'w Inode,
    met: &'w mut BTreeSet<u64>,
    faults: &'w mut dyn Faults,
    mapping: Mapping,
    pending: Vec<Pending>,
}

impl<R: ReadAt + ?Sized> Walk<'_, '_, R> {
    fn descend(&mut self, pending: &Pending) -> Result<(), ReadError> {
        if pending.block == 0 {
            return Ok(());
        }
        let superblock = self.file_system.superblock();
        let place = Place::Indirect { inode: self.inode.number, block: pending.block };
        let offset = superblock.offset_of(pending.block);
        if !self.within(place, self.inode.offset, pending.block)? {
            return Ok(());
        }
        if !self.met.insert(pending.block) {
            let why = Why::Again { what: "block", number: pending.block };
            return self.faults.report(Fault { place, offset, why });
        }
        let per_block = u64::from(superblock.block_size) / 4;
        let bytes = self.file_system.block(pending.block)?;
        self.mapping.nodes.push(pending.block);
        let span = pending.span / per_block;
        let numbers = bytes.chunks_exact(4).map(|entry| u64::from(fields::u32(entry, 0)));
        if span > 1 {
            let below = numbers.zip(0..).filter(|(block, _)| *block != 0);
            let below =
                below.map(|(block, slot)| Pending { block, logical: pending.logical + slot * span, span });
            let below: Vec<_> = below.collect();
            self.pending.extend(below.into_iter().rev());
            return Ok(());
        }
        for (block, slot) in numbers.zip(0..) {
            self.data(place, offset, pending.logical + slot, block)?;
        }
        Ok(())
    }

    fn data(&mut self, place: Place, offset: u64, logical: u64, physical: u64) -> Result<(), ReadError> {
        if physical != 0 && self.within(place, offset, physical)? {
            self.mapping.push(Run { logical, physical, len: 1, unwritten: false });
        }
        Ok(())
    }

    fn within(&mut self, place: Place, offset: u64, found: u64) -> Result<bool, ReadError> {
        if self.file_system.holds(found, 1) {
            return Ok(true);
        }
        let superblock = self.file_system.superblock();
        let (least, most) = (u64::from(superblock.first_data_block) + 1, superblock.blocks - 1);
        let why = Why::Range { field: "block number", found, least, most };
        self.faults.report(Fault { place, offset, why })?;
        Ok(false)
    }
}
