//! Directories: entries in blocks, with the checksum at each block's end (kernel documentation,
//! `filesystems/ext4/directory.rst`).

use super::FileSystem;
use super::checksum;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError};
use super::extents::BlockMapping;
use super::features;
use super::fields;
use super::hash;
use super::htree::{self, HashIndex};
use super::inode::{INDEX_FL, ReadInode};
use crate::read_at::ReadAt;

/// Bytes of the entry that holds a leaf's checksum.
const TAIL: usize = 12;
/// Shortest entry: a head of 8 bytes and a name of up to 4.
const SHORTEST: usize = 12;

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirEntry {
    /// The inode that it names.
    pub inode: u32,
    /// The type byte, 0 in a file system without them.
    pub file_type: u8,
    /// The name.
    pub name: Box<[u8]>,
    /// The block of the directory that contains it.
    pub block: u64,
    /// Its first byte in the image.
    pub offset: u64,
}

/// Reads all entries, `.` and `..` too.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    dir: &ReadInode,
    mapping: &BlockMapping,
    sink: &mut dyn CorruptionSink,
) -> Result<Vec<DirEntry>, Ext4ReadError> {
    let superblock = file_system.superblock();
    let block_size = u64::from(superblock.block_size);
    let blocks = mapping.end();
    if dir.size != blocks.saturating_mul(block_size) || blocks == 0 {
        let expected = blocks.max(1).saturating_mul(block_size);
        dir.report(Defect::Value { field: "i_size", found: dir.size, expected }, sink)?;
    }
    let indexed = dir.is(INDEX_FL) && superblock.features.compat(features::DIR_INDEX);
    let index = if indexed { htree::read(file_system, dir, mapping, sink)? } else { None };
    let mut entries = Vec::new();
    let mut hole = None;
    for run in &mapping.runs {
        let expected = hole.take().unwrap_or(0);
        if run.logical != expected || run.unwritten {
            dir.report(Defect::Missing { what: "a block of the directory" }, sink)?;
        }
        hole = Some(run.logical + run.len);
        for step in 0..run.len {
            let block = DirBlock {
                number: run.logical + step,
                offset: superblock.offset_of(run.physical + step),
                bytes: file_system.block(run.physical + step)?,
                dir: dir.number,
            };
            // A root that is damaged is a root all the same, and has no checksum of a leaf.
            let is_node = match &index {
                Some(index) => index.nodes.contains(&block.number),
                None => indexed && block.number == 0,
            };
            let index = index.as_ref().filter(|_| !is_node);
            block.read(file_system, dir, index, is_node, &mut entries, sink)?;
        }
    }
    check_dots(dir, &entries, sink)?;
    Ok(entries)
}

/// The first two entries are the directory itself and its parent, and no others are called so.
fn check_dots(
    dir: &ReadInode,
    entries: &[DirEntry],
    sink: &mut dyn CorruptionSink,
) -> Result<(), Ext4ReadError> {
    match entries.first() {
        Some(entry) if &*entry.name == b"." && entry.inode == dir.number => {}
        Some(entry) if &*entry.name == b"." => {
            let why = Defect::Entry { name: entry.name.clone(), found: entry.inode, expected: dir.number };
            sink.report(entry.corruption(dir.number, why))?;
        }
        _ => dir.report(Defect::Missing { what: "the first entry, `.`," }, sink)?,
    }
    if entries.get(1).is_none_or(|entry| &*entry.name != b"..") {
        dir.report(Defect::Missing { what: "the second entry, `..`," }, sink)?;
    }
    for (position, entry) in entries.iter().enumerate() {
        let dots = [&b"."[..], b".."].iter().position(|dots| *dots == &*entry.name);
        if dots.is_some_and(|expected| expected != position) {
            sink.report(entry.corruption(dir.number, Defect::Name { name: entry.name.clone() }))?;
        }
    }
    Ok(())
}

impl DirEntry {
    /// A corruption of this entry.
    pub(crate) fn corruption(&self, dir: u32, why: Defect) -> Corruption {
        Corruption {
            location: Ext4Location::Directory { inode: dir, block: self.block },
            offset: self.offset,
            why,
        }
    }

    /// Whether this is `.` or `..`.
    pub(crate) fn is_dots(&self) -> bool {
        matches!(&*self.name, b"." | b"..")
    }
}

/// A block of a directory.
struct DirBlock {
    number: u64,
    offset: u64,
    bytes: Vec<u8>,
    dir: u32,
}

impl DirBlock {
    fn corruption(&self, why: Defect) -> Corruption {
        Corruption {
            location: Ext4Location::Directory { inode: self.dir, block: self.number },
            offset: self.offset,
            why,
        }
    }

    fn read<R: ReadAt + ?Sized>(
        &self,
        file_system: &FileSystem<'_, R>,
        dir: &ReadInode,
        index: Option<&HashIndex>,
        is_node: bool,
        entries: &mut Vec<DirEntry>,
        sink: &mut dyn CorruptionSink,
    ) -> Result<(), Ext4ReadError> {
        let superblock = file_system.superblock();
        let mut end = self.bytes.len();
        if superblock.has_checksums() && !is_node {
            end = end.saturating_sub(TAIL);
            self.verify(end, dir.seed(superblock), sink)?;
        }
        let from = entries.len();
        self.parse(end, file_system, entries, sink)?;
        let Some(index) = index else { return Ok(()) };
        let Some(leaf) = index.leaves.get(&self.number) else {
            return sink.report(self.corruption(Defect::Missing { what: "the index entry of this block" }));
        };
        for entry in entries.iter().skip(from).filter(|entry| !entry.is_dots()) {
            let hash = hash::of_name(index.version, superblock.hash_seed, &entry.name).unwrap_or(0);
            if !(leaf.least..=leaf.most).contains(&hash) {
                let (least, most) = (u64::from(leaf.least), u64::from(leaf.most));
                let why = Defect::Range { field: "hash of a name", found: u64::from(hash), least, most };
                sink.report(entry.corruption(self.dir, why))?;
            }
        }
        Ok(())
    }

    /// Checks the tail that holds the checksum.
    fn verify(&self, end: usize, seed: u32, sink: &mut dyn CorruptionSink) -> Result<(), Ext4ReadError> {
        let tail = self.bytes.get(end..).unwrap_or(&[]);
        if fields::array(tail, 0) != [0, 0, 0, 0, 12, 0, 0, 0xde] {
            return sink.report(self.corruption(Defect::Missing { what: "the checksum at the block's end" }));
        }
        let stored = fields::u32(tail, 8);
        let computed = checksum::crc32c(seed, self.bytes.get(..end).unwrap_or(&[]));
        if stored == computed {
            return Ok(());
        }
        sink.report(self.corruption(Defect::Checksum { stored, computed }))
    }

    /// Takes the entries; ends at the first that has an impossible length.
    fn parse<R: ReadAt + ?Sized>(
        &self,
        end: usize,
        file_system: &FileSystem<'_, R>,
        entries: &mut Vec<DirEntry>,
        sink: &mut dyn CorruptionSink,
    ) -> Result<(), Ext4ReadError> {
        let superblock = file_system.superblock();
        let typed = superblock.features.incompat(features::FILETYPE);
        let mut at = 0;
        while at < end {
            let inode = fields::u32(&self.bytes, at);
            let len = record_len(fields::u16(&self.bytes, at + 4), self.bytes.len());
            let name_len = usize::from(fields::u8(&self.bytes, at + 6));
            let needed = if inode == 0 { SHORTEST } else { (8 + name_len).next_multiple_of(4).max(SHORTEST) };
            let left = end - at;
            let offset = self.offset + at as u64;
            if len < needed || len > left || !len.is_multiple_of(4) {
                let (found, least, most) = (len as u64, needed as u64, left as u64);
                let why = Defect::Range { field: "rec_len", found, least, most };
                return sink.report(Corruption { offset, ..self.corruption(why) });
            }
            if inode != 0 {
                let name = self.bytes.get(at + 8..at + 8 + name_len).unwrap_or(&[]);
                let file_type = if typed { fields::u8(&self.bytes, at + 7) } else { 0 };
                let entry = DirEntry { inode, file_type, name: name.into(), block: self.number, offset };
                if entry.is_dots() {
                    let found = u64::from(fields::u8(&self.bytes, at + 8 + name_len));
                    if found != 0 {
                        let why = Defect::Value { field: "byte after `.` or `..`", found, expected: 0 };
                        sink.report(entry.corruption(self.dir, why))?;
                    }
                }
                if entry.check(self.dir, superblock.inodes, sink)? {
                    entries.push(entry);
                }
            }
            at += len;
        }
        Ok(())
    }
}

impl DirEntry {
    /// Whether name and inode number can be.
    fn check(&self, dir: u32, inodes: u32, sink: &mut dyn CorruptionSink) -> Result<bool, Ext4ReadError> {
        if self.name.is_empty() || self.name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            sink.report(self.corruption(dir, Defect::Name { name: self.name.clone() }))?;
            return Ok(false);
        }
        if self.inode > inodes {
            let (found, most) = (u64::from(self.inode), u64::from(inodes));
            let why = Defect::Range { field: "inode of an entry", found, least: 1, most };
            sink.report(self.corruption(dir, why))?;
            return Ok(false);
        }
        Ok(true)
    }
}

/// The length of an entry: blocks of 64 KiB need more than 16 bits and keep the upper two in the lower ones.
pub(crate) fn record_len(stored: u16, block: usize) -> usize {
    let stored = usize::from(stored);
    if block < 65536 {
        return stored;
    }
    if stored == 65535 || stored == 0 { block } else { stored & 0xfffc | (stored & 3) << 16 }
}
