//! ext4 after the kernel's documentation (filesystems/ext4): every checksum, the maps against what uses inodes and blocks,
//! extents, directories and their hash trees, links, attributes, the journal's superblock, the inode for resizing.
//!
//! Only file systems with `metadata_csum`, extents and entries with types are known; other features are reported as
//! unknown and the file system is not called good.

mod blocks;
mod directory;
mod groups;
mod hash;
mod htree;
mod inode;
mod journal;
mod leaf;
mod superblock;
mod tree;
mod xattr;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::crc::crc32c;
use crate::listing::Volume;
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

use groups::Group;
use inode::Inode;
use superblock::Superblock;

/// Numbers of inodes with a purpose.
const ROOT: u32 = 2;
const RESIZE: u32 = 7;
const JOURNAL: u32 = 8;

/// A file system while it is checked.
struct Ext4<'a> {
    volume: &'a dyn ByteSource,
    sb: Superblock,
    groups: Vec<Group>,
    /// A bit for each block that something uses.
    used: Vec<u64>,
    inodes: BTreeMap<u32, Inode>,
    /// Blocks of attributes: their attributes, and how many inodes refer to them.
    shared: BTreeMap<u64, xattr::SharedBlock>,
    /// A bit for each inode in use.
    live: Vec<u64>,
}

/// Checks a file system and lists its names.
///
/// # Errors
/// [`ReadFailure`].
pub fn check(volume: &dyn ByteSource, log: &mut Log<'_>) -> Result<Option<Volume>, ReadFailure> {
    let Some(sb) = superblock::read(volume, log)? else { return Ok(None) };
    let words = |count: u64| alloc::vec![0_u64; count.div_ceil(64) as usize];
    let mut fs = Ext4 {
        volume,
        used: words(sb.blocks),
        live: words(u64::from(sb.inodes).saturating_add(1)),
        sb,
        groups: Vec::new(),
        inodes: BTreeMap::new(),
        shared: BTreeMap::new(),
    };
    let id = Some(fs.sb.uuid.clone());
    if !fs.read_groups(log)? {
        return Ok(Some(Volume { id, entries: None, names_only: false }));
    }
    fs.read_inodes(log)?;
    fs.check_resize_inode(log)?;
    fs.check_journal(log)?;
    fs.check_shared(log);
    let entries = fs.walk(log)?;
    fs.check_maps(log)?;
    Ok(Some(Volume { id, entries, names_only: false }))
}

impl Ext4<'_> {
    /// First byte of a block.
    fn at(&self, block: u64) -> u64 {
        block.saturating_mul(self.sb.block)
    }

    /// The bytes of a block.
    fn block(&self, block: u64) -> Result<Vec<u8>, ReadFailure> {
        bytes_at(self.volume, self.at(block), self.sb.block as usize)
    }

    fn is_used(&self, block: u64) -> bool {
        bit(&self.used, block)
    }

    /// Takes blocks for an owner; whether all of them are there and had none. What is refused is not followed, so no
    /// block is read twice, however they refer to each other.
    fn claim(&mut self, first: u64, count: u64, owner: &str, log: &mut Log<'_>) -> bool {
        let end = first.checked_add(count).filter(|end| *end <= self.sb.blocks);
        let Some(end) = end.filter(|_| first >= self.sb.first) else {
            log.wrong(None, format!("{count} blocks from {first} on of {owner} are not in the file system"));
            return false;
        };
        let mut twice = None;
        for block in first..end {
            if self.is_used(block) {
                twice = twice.or(Some(block));
            }
            set_bit(&mut self.used, block);
        }
        if let Some(block) = twice {
            log.wrong(self.at(block), format!("block {block} of {owner} has another owner too"));
        }
        twice.is_none()
    }
}

fn bit(words: &[u64], index: u64) -> bool {
    words.get((index / 64) as usize).is_some_and(|word| word >> (index % 64) & 1 == 1)
}

fn set_bit(words: &mut [u64], index: u64) {
    if let Some(word) = words.get_mut((index / 64) as usize) {
        *word |= 1 << (index % 64);
    }
}

/// A copy of bytes with zeros in a range, for checksums that do not cover themselves.
fn blanked(bytes: &[u8], at: usize, len: usize) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    if let Some(range) = copy.get_mut(at..at.saturating_add(len)) {
        range.fill(0);
    }
    copy
}

/// The seed of checksums of what belongs to an inode.
fn inode_seed(seed: u32, number: u32, generation: u32) -> u32 {
    crc32c(crc32c(seed, &number.to_le_bytes()), &generation.to_le_bytes())
}

fn inode_title(number: u32) -> String {
    format!("inode {number}")
}
