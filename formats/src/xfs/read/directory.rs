//! Directories: in the inode, of one block, or of blocks of entries with an index by hash ("Directories" in the
//! specification).

use super::XfsFileSystem;
use super::block::{DIR_SHAPE, XfsBlock};
use super::da::{self, ForkBlocks};
use super::dir_block::{self, DirBlockEntry};
use super::error::{XfsCorruption, XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, range, value};
use super::extents::XfsMapping;
use super::inode::{XfsForkFormat, XfsInode};
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::spec::{
    DA_ENTRY, DA_HEADER, DIR_BLOCK_MAGIC, DIR_BLOCK_TAIL, DIR_DATA_HEADER, DIR_DATA_MAGIC, DIR_FREE_AT,
    DIR_FREE_MAGIC, DIR_INDEX_AT, DIR_LEAF1_MAGIC, DIR_LEAFN_MAGIC, name_hash,
};

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XfsDirEntry {
    /// Number of the inode.
    pub inode: u64,
    /// Type of the inode.
    pub file_type: u8,
    /// Name.
    pub name: Box<[u8]>,
    /// Block of the directory that has it.
    pub block: u64,
    /// First byte of that block, or of the directory's inode, in the image.
    pub offset: u64,
    /// Its address in units of eight bytes; 0 in an inode.
    pub address: u32,
}

impl XfsDirEntry {
    /// Whether it is `.` or `..`.
    pub fn is_dots(&self) -> bool {
        matches!(&*self.name, b"." | b"..")
    }

    /// A corruption of this entry of a directory.
    pub(crate) fn corruption(&self, dir: u64, why: XfsDefect) -> XfsCorruption {
        let location = XfsLocation::Directory { inode: dir, block: self.block };
        XfsCorruption { location, offset: self.offset, why }
    }
}

/// The forms of a directory with blocks, as the kernel derives them from its last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirForm {
    /// One block with entries and index.
    Block,
    /// Entries, and one block of index.
    Leaf,
    /// Entries, and a tree of index blocks.
    Node,
}

impl DirForm {
    pub(crate) fn of<R: ReadAt + ?Sized>(system: &XfsFileSystem<'_, R>, mapping: &XfsMapping) -> Self {
        let (end, step) = (mapping.end(), system.superblock.dir_blocks());
        match end {
            end if end <= step => Self::Block,
            end if end == index_at(system) + step => Self::Leaf,
            _ => Self::Node,
        }
    }
}

/// The block within a directory that its index begins at.
pub(crate) fn index_at<R: ReadAt + ?Sized>(system: &XfsFileSystem<'_, R>) -> u64 {
    DIR_INDEX_AT >> system.superblock.logs.block
}

/// The fork of a directory as blocks.
pub(crate) fn blocks_of<'f, R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    inode: &'f XfsInode,
    mapping: &'f XfsMapping,
) -> ForkBlocks<'f> {
    let location = |inode, block| XfsLocation::Directory { inode, block };
    ForkBlocks { inode, mapping, step: system.superblock.dir_blocks(), location }
}

/// The blocks of a directory that have entries, by their number within it.
pub(crate) fn data_blocks(mapping: &XfsMapping, step: u64, end: u64) -> impl Iterator<Item = u64> {
    let mut before = None;
    let runs = mapping.runs.iter().filter(move |run| run.logical < end);
    let starts = runs.flat_map(move |run| {
        (run.logical / step..run.end().min(end).div_ceil(step)).map(move |at| at * step)
    });
    // A block in two runs comes once.
    starts.filter(move |&at| before.replace(at) != Some(at))
}

/// Reads all entries, `.` and `..` among them where they are stored.
pub(crate) fn read<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    dir: &XfsInode,
    mapping: &XfsMapping,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<Vec<XfsDirEntry>, XfsReadError> {
    if dir.data.format == XfsForkFormat::Local {
        return short_form(dir, sink);
    }
    let fork = blocks_of(system, dir, mapping);
    let form = DirForm::of(system, mapping);
    let magics = if form == DirForm::Block { [DIR_BLOCK_MAGIC] } else { [DIR_DATA_MAGIC] };
    let (mut entries, mut index) = (Vec::new(), Vec::new());
    let mut size = 0;
    for logical in data_blocks(mapping, fork.step, index_at(system)) {
        size = (logical + fork.step) << system.superblock.logs.block;
        let Some(block) = system.fork_block(fork, logical, (DIR_SHAPE, &magics), sink)? else { continue };
        let end =
            if form == DirForm::Block { block_index(&block, &mut index, sink)? } else { block.bytes.len() };
        let base = logical << system.superblock.logs.block;
        dir_block::entries(&block, end, sink, &mut |at, entry| {
            entries.push(entry_of(&block, logical, base + at as u64, &entry));
        })?;
    }
    if let Some(why) = value("di_size of a directory", dir.size, size) {
        dir.report(why, sink)?;
    }
    match form {
        DirForm::Block => {}
        DirForm::Leaf | DirForm::Node => {
            let magic = if form == DirForm::Leaf { DIR_LEAF1_MAGIC } else { DIR_LEAFN_MAGIC };
            let blocks = da::read(system, fork, index_at(system), magic, sink)?;
            for leaf in &blocks.leaves {
                let count = usize::from(fields::be16(&leaf.bytes, 56));
                let bytes = leaf.bytes.get(DA_HEADER..).unwrap_or(&[]);
                let stale = addresses(bytes, count, &mut index);
                if let Some(why) = value("stale entries", fields::be16(&leaf.bytes, 58).into(), stale) {
                    sink.report(leaf.corruption(why))?;
                }
            }
        }
    }
    same_names(dir, &entries, index, sink)?;
    Ok(entries)
}

/// Reads the index at the end of a directory of one block; where it begins.
fn block_index(
    block: &XfsBlock,
    index: &mut Vec<(u32, u32)>,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<usize, XfsReadError> {
    let tail = block.bytes.len() - DIR_BLOCK_TAIL;
    let count = fields::be32(&block.bytes, tail) as usize;
    let most = (tail - dir_block::FIRST) / DA_ENTRY;
    if let Some(why) = range("entries of the index", count as u64, 2, most as u64) {
        sink.report(block.corruption(why))?;
        return Ok(tail);
    }
    let start = tail - count * DA_ENTRY;
    let bytes = block.bytes.get(start..tail).unwrap_or(&[]);
    let hash = |slot: usize| fields::be32(bytes, slot * DA_ENTRY);
    let order = (1..count).find(|&slot| hash(slot) < hash(slot - 1)).map(|slot| XfsDefect::Order {
        field: "hash",
        found: hash(slot).into(),
        before: hash(slot - 1).into(),
    });
    let stale = addresses(bytes, count, index);
    let stale = value("stale entries", fields::be32(&block.bytes, tail + 4).into(), stale);
    for why in [order, stale].into_iter().flatten() {
        sink.report(block.corruption(why))?;
    }
    Ok(start)
}

/// Takes the hashes and addresses of an index; those that are no longer used, counted.
fn addresses(bytes: &[u8], count: usize, index: &mut Vec<(u32, u32)>) -> u64 {
    let mut stale = 0;
    for entry in bytes.chunks_exact(DA_ENTRY).take(count) {
        match fields::be32(entry, 4) {
            0 => stale += 1,
            address => index.push((fields::be32(entry, 0), address)),
        }
    }
    stale
}

fn entry_of(block: &XfsBlock, logical: u64, at: u64, entry: &DirBlockEntry<'_>) -> XfsDirEntry {
    XfsDirEntry {
        inode: entry.inode,
        file_type: entry.file_type,
        name: entry.name.into(),
        block: logical,
        offset: block.offset,
        address: (at / 8) as u32,
    }
}

/// The index and the entries are about the same names: the kernel looks names up in one and lists the other.
fn same_names(
    dir: &XfsInode,
    entries: &[XfsDirEntry],
    mut index: Vec<(u32, u32)>,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<(), XfsReadError> {
    let mut stored: Vec<_> = entries.iter().map(|entry| (name_hash(&entry.name), entry.address)).collect();
    stored.sort_unstable();
    index.sort_unstable();
    let differs = stored.iter().zip(&index).find(|(a, b)| a != b);
    let longer = || match stored.len().cmp(&index.len()) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => {
            index.get(stored.len()).map(|&(hash, address)| (hash, address, "the index only"))
        }
        std::cmp::Ordering::Greater => {
            stored.get(index.len()).map(|&(hash, address)| (hash, address, "the entries only"))
        }
    };
    let only = match differs {
        Some((a, b)) if a < b => Some((a.0, a.1, "the entries only")),
        Some((_, b)) => Some((b.0, b.1, "the index only")),
        None => longer(),
    };
    only.map_or(Ok(()), |(hash, address, only)| dir.report(XfsDefect::Index { hash, address, only }, sink))
}

/// Checks the free space of a directory whose index is a tree: a table of the longest unused run of each of its blocks.
pub(crate) fn free_blocks<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    dir: &XfsInode,
    mapping: &XfsMapping,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<(), XfsReadError> {
    let fork = blocks_of(system, dir, mapping);
    let start = DIR_FREE_AT >> system.superblock.logs.block;
    let room = (system.superblock.dir_block as usize - DIR_DATA_HEADER) / 2;
    let mut free = Vec::new();
    let is_free = |block: &u64| *block >= start;
    for logical in data_blocks(mapping, fork.step, u64::MAX).filter(is_free) {
        let Some(block) = system.fork_block(fork, logical, (DIR_SHAPE, &[DIR_FREE_MAGIC]), sink)? else {
            continue;
        };
        let count = fields::be32(&block.bytes, 52) as usize;
        let number = (logical - start) / fork.step;
        let bests = (0..count.min(room)).map(|slot| fields::be16(&block.bytes, DIR_DATA_HEADER + slot * 2));
        let bests: Vec<u16> = bests.collect();
        let used = bests.iter().filter(|best| **best != u16::MAX).count();
        let first = number.saturating_mul(room as u64);
        let defects = [
            range("entries of the free space", count as u64, 0, room as u64),
            value("first block of the free space", fields::be32(&block.bytes, 48).into(), first),
            value("blocks in the free space", fields::be32(&block.bytes, 56).into(), used as u64),
        ];
        for why in defects.into_iter().flatten() {
            sink.report(block.corruption(why))?;
        }
        free.extend((first..).zip(bests).filter(|(_, best)| *best != u16::MAX));
    }
    for (logical, slot) in data_blocks(mapping, fork.step, index_at(system)).map(|at| (at, at / fork.step)) {
        let Some(block) = system.fork_block(fork, logical, (DIR_SHAPE, &[DIR_DATA_MAGIC]), sink)? else {
            continue;
        };
        let expected = fields::be16(&block.bytes, 50);
        let found = free.binary_search_by_key(&slot, |(slot, _)| *slot).ok().and_then(|at| free.get(at));
        let found = found.map_or(u16::MAX, |(_, best)| *best);
        if let Some(why) = value("longest unused run in the free space", found.into(), expected.into()) {
            sink.report(block.corruption(why))?;
        }
    }
    Ok(())
}

/// Reads a directory in its inode. `..` is an entry here too, `.` is not stored.
fn short_form(dir: &XfsInode, sink: &mut dyn XfsCorruptionSink) -> Result<Vec<XfsDirEntry>, XfsReadError> {
    let bytes = dir.data.bytes.get(..dir.size as usize).unwrap_or(&dir.data.bytes);
    let (count, wide) = (usize::from(fields::u8(bytes, 0)), fields::u8(bytes, 1));
    let size = if wide > 0 { 8 } else { 4 };
    let number = |at: usize| if wide > 0 { fields::be64(bytes, at) } else { fields::be32(bytes, at).into() };
    let entry = |inode, file_type, name: &[u8]| XfsDirEntry {
        inode,
        file_type,
        name: name.into(),
        block: 0,
        offset: dir.offset,
        address: 0,
    };
    let mut entries = vec![entry(number(2), 2, b"..")];
    let mut at = 2 + size;
    let mut before = 0;
    for _ in 0..count {
        let len = usize::from(fields::u8(bytes, at));
        let place = fields::be16(bytes, at + 1);
        let name = bytes.get(at + 3..at + 3 + len);
        let (Some(name), true) = (name, at + 4 + len + size <= bytes.len()) else {
            let why = XfsDefect::Range {
                field: "end of an entry in the inode",
                found: (at + 4 + len + size) as u64,
                least: 0,
                most: bytes.len() as u64,
            };
            dir.report(why, sink)?;
            return Ok(entries);
        };
        if place <= before {
            let (found, before) = (place.into(), before.into());
            dir.report(XfsDefect::Order { field: "offset of an entry in the inode", found, before }, sink)?;
        }
        before = place;
        entries.push(entry(number(at + 4 + len), fields::u8(bytes, at + 3 + len), name));
        at += 4 + len + size;
    }
    if let Some(why) = value("di_size of a directory in its inode", dir.size, at as u64) {
        dir.report(why, sink)?;
    }
    Ok(entries)
}
