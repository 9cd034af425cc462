//! Directories.

use super::error::{ErofsCorruption, ErofsCorruptionSink, ErofsDefect, ErofsLocation, ErofsReadError};
use super::inode::ErofsInode;
use super::mapping::ByteMapping;
use super::read_exact;
use super::superblock::ErofsSuperblock;
use crate::erofs::spec::DIRENT_SIZE;
use crate::fields;
use crate::read_at::ReadAt;
use crate::tree::NAME_MAX;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErofsDirEntry {
    /// Number of the inode.
    pub nid: u64,
    /// Type of the inode.
    pub file_type: u8,
    /// Name.
    pub name: Box<[u8]>,
    /// Block of the directory that has it.
    pub block: u64,
    /// First byte of that block in the image.
    pub offset: u64,
}

impl ErofsDirEntry {
    /// Whether it is `.` or `..`.
    pub fn is_dots(&self) -> bool {
        matches!(&*self.name, b"." | b"..")
    }

    /// A corruption of this entry of a directory.
    pub(crate) fn corruption(&self, dir: u64, why: ErofsDefect) -> ErofsCorruption {
        ErofsCorruption {
            location: ErofsLocation::Directory { nid: dir, block: self.block },
            offset: self.offset,
            why,
        }
    }
}

/// Reads all entries, `.` and `..` among them.
pub(super) fn read<R: ReadAt + ?Sized>(
    image: &R,
    superblock: &ErofsSuperblock,
    dir: &ErofsInode,
    mapping: &ByteMapping,
    sink: &mut dyn ErofsCorruptionSink,
) -> Result<Vec<ErofsDirEntry>, ErofsReadError> {
    let block_size = u64::from(superblock.block_size);
    let mut entries: Vec<ErofsDirEntry> = Vec::new();
    let mut bytes = vec![0; superblock.block_size as usize];
    let mut at = 0;
    while at < dir.size {
        let len = block_size.min(dir.size - at);
        let Some(offset) = mapping.find(at) else {
            // Holes may be as long as the numbers go.
            sink.report(dir.corruption(ErofsDefect::Missing { what: "a block of the directory" }))?;
            break;
        };
        let bytes = &mut bytes[..len as usize];
        read_exact(image, offset, bytes)?;
        let block = DirentBlock { dir: dir.nid, number: at / block_size, offset, bytes };
        block.read(&mut entries, sink)?;
        at += len;
    }
    for dots in [&b"."[..], b".."] {
        if !entries.iter().any(|entry| &*entry.name == dots) {
            let what = if dots.len() == 1 { "the entry `.`" } else { "the entry `..`" };
            sink.report(dir.corruption(ErofsDefect::Missing { what }))?;
        }
    }
    Ok(entries)
}

/// A block of entries and names.
struct DirentBlock<'b> {
    dir: u64,
    number: u64,
    offset: u64,
    bytes: &'b [u8],
}

impl DirentBlock<'_> {
    fn corruption(&self, why: ErofsDefect) -> ErofsCorruption {
        let location = ErofsLocation::Directory { nid: self.dir, block: self.number };
        ErofsCorruption { location, offset: self.offset, why }
    }

    fn name_at(&self, entry: usize) -> usize {
        fields::u16(self.bytes, entry * DIRENT_SIZE + 8).into()
    }

    /// Appends the entries of the block.
    fn read(
        &self,
        entries: &mut Vec<ErofsDirEntry>,
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<(), ErofsReadError> {
        let first = self.name_at(0);
        let len = self.bytes.len();
        // The first name follows the entries, so it says how many there are.
        if self.bytes.len() < DIRENT_SIZE
            || !first.is_multiple_of(DIRENT_SIZE)
            || first < DIRENT_SIZE
            || first >= len
        {
            let (found, least, most) = (first as u64, DIRENT_SIZE as u64, len.saturating_sub(1) as u64);
            return sink.report(self.corruption(ErofsDefect::Range {
                field: "first nameoff",
                found,
                least,
                most,
            }));
        }
        let count = first / DIRENT_SIZE;
        for number in 0..count {
            let start = self.name_at(number);
            let end = if number + 1 < count { self.name_at(number + 1) } else { len };
            let Some(name) = self.bytes.get(start..end).filter(|_| start >= first) else {
                let why = ErofsDefect::Range {
                    field: "nameoff",
                    found: start as u64,
                    least: first as u64,
                    most: end as u64,
                };
                return sink.report(self.corruption(why));
            };
            // The last name ends at the first NUL.
            let used = if number + 1 < count {
                name.len()
            } else {
                name.iter().position(|b| *b == 0).unwrap_or(name.len())
            };
            let name = &name[..used];
            if name.is_empty() || name.len() > NAME_MAX || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
                let name = name[..name.len().min(NAME_MAX)].into();
                sink.report(self.corruption(ErofsDefect::Name { name }))?;
                continue;
            }
            let at = number * DIRENT_SIZE;
            let entry = ErofsDirEntry {
                nid: fields::u64(self.bytes, at),
                file_type: fields::u8(self.bytes, at + 10),
                name: name.into(),
                block: self.number,
                offset: self.offset,
            };
            if let Some(before) = entries.last().filter(|before| before.name >= entry.name) {
                let why = ErofsDefect::Order { name: entry.name.clone(), before: before.name.clone() };
                sink.report(self.corruption(why))?;
            }
            entries.push(entry);
        }
        Ok(())
    }
}
