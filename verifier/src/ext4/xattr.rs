//! Extended attributes: behind the inode, and in a block that inodes may share.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::{blanked, Ext4};
use crate::blocks::is_zero;
use crate::bytes::{byte, le16, le32, part};
use crate::crc::crc32c;
use crate::report::Log;
use crate::source::ReadFailure;

/// The magic number of both kinds of lists, and the bytes before the entries of each.
const MAGIC: u32 = 0xea02_0000;
const BLOCK_HEADER: usize = 32;
/// Bytes of an entry before its name.
const ENTRY: usize = 16;

pub(super) type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// A block of attributes.
#[derive(Debug, Clone)]
pub(super) struct SharedBlock {
    at: u64,
    claimed: u32,
    users: u32,
    attributes: Attributes,
}

/// Values of a list: where offsets are counted from.
struct List<'a> {
    bytes: &'a [u8],
    entries: usize,
    values: usize,
    at: u64,
    /// Entries of a block are sorted and have hashes; those behind an inode need neither.
    in_block: bool,
}

impl Ext4<'_> {
    /// The attributes of an inode, and the blocks that they take.
    pub(super) fn read_xattrs(
        &mut self,
        number: u32,
        inode: &[u8],
        at: u64,
        log: &mut Log<'_>,
    ) -> Result<(Attributes, u64), ReadFailure> {
        let mut all = Attributes::new();
        let start = 128_usize.saturating_add(usize::from(le16(inode, 0x80)));
        if le32(inode, start) == MAGIC {
            let list = List { bytes: inode, entries: start + 4, values: start + 4, at, in_block: false };
            read_list(&list, &mut all, log);
        }
        let block = u64::from(le32(inode, 0x68)) | u64::from(le16(inode, 0x76)) << 32;
        if block == 0 {
            return Ok((all, 0));
        }
        if !self.shared.contains_key(&block) {
            if !self.claim(block, 1, &format!("the attributes of inode {number}"), log) {
                return Ok((all, 1));
            }
            let shared = self.read_block(block, log)?;
            self.shared.insert(block, shared);
        }
        if let Some(shared) = self.shared.get_mut(&block) {
            shared.users = shared.users.saturating_add(1);
            for (name, value) in &shared.attributes {
                if all.insert(name.clone(), value.clone()).is_some() {
                    log.wrong(at, format!("an attribute of inode {number} is there twice"));
                }
            }
        }
        Ok((all, 1))
    }

    fn read_block(&self, block: u64, log: &mut Log<'_>) -> Result<SharedBlock, ReadFailure> {
        let (bytes, at) = (self.block(block)?, self.at(block));
        log.equal(at, "the magic number of a block of attributes", MAGIC, le32(&bytes, 0));
        log.equal(at + 8, "the blocks of a block of attributes", 1, le32(&bytes, 8));
        let seed = crc32c(self.sb.seed, &block.to_le_bytes());
        let sum = crc32c(seed, &blanked(&bytes, 16, 4));
        log.equal(at + 16, "the checksum of a block of attributes", sum, le32(&bytes, 16));
        let mut attributes = Attributes::new();
        let list = List { bytes: &bytes, entries: BLOCK_HEADER, values: 0, at, in_block: true };
        let hash = read_list(&list, &mut attributes, log);
        log.equal(at + 12, "the hash of a block of attributes", hash, le32(&bytes, 12));
        Ok(SharedBlock { at, claimed: le32(&bytes, 4), users: 0, attributes })
    }

    /// The counts of references of blocks of attributes.
    pub(super) fn check_shared(&self, log: &mut Log<'_>) {
        for shared in self.shared.values() {
            log.equal(shared.at + 4, "the references to a block of attributes", shared.users, shared.claimed);
        }
    }
}

/// Reads the entries of a list; gives the hash over all of them.
fn read_list(list: &List<'_>, all: &mut Attributes, log: &mut Log<'_>) -> u32 {
    let (mut offset, mut hash, mut last) = (list.entries, 0_u32, None);
    let mut values: Vec<(usize, usize)> = Vec::new();
    loop {
        let entry = part(list.bytes, offset, ENTRY);
        let at = list.at.saturating_add(offset as u64);
        // Four zero bytes end the list.
        if is_zero(part(list.bytes, offset, 4)) && part(list.bytes, offset, 4).len() == 4 {
            break;
        }
        let name_len = byte(entry, 0) as usize;
        let name = part(list.bytes, offset.saturating_add(ENTRY), name_len);
        let (value_at, value_len) =
            (list.values.saturating_add(le16(entry, 2).into()), le32(entry, 8) as usize);
        let value = part(list.bytes, value_at, value_len);
        if entry.len() != ENTRY || name.len() != name_len || value.len() != value_len || le32(entry, 4) != 0 {
            log.wrong(at, "an attribute is not within its list");
            return hash;
        }
        if value_len > 0 {
            values.push((value_at, value_at.saturating_add(value_len)));
        }
        let key = (byte(entry, 1), name_len, name.to_vec());
        if list.in_block && last.as_ref().is_some_and(|last| *last >= key) {
            log.wrong(at, "the attributes of a block are not sorted");
        }
        last = Some(key);
        let own = entry_hash(name, value);
        let stored = le32(entry, 12);
        if list.in_block || stored != 0 {
            log.equal(at + 12, "the hash of an attribute", own, stored);
        }
        // A hash of zero means that the block is not shared by its content.
        hash = hash.rotate_left(16) ^ own;
        add(byte(entry, 1), name, value, at, all, log);
        offset = offset.saturating_add(ENTRY + name_len).next_multiple_of(4);
    }
    values.sort_unstable();
    let entries_end = offset.saturating_add(4);
    if values.windows(2).any(|pair| matches!(pair, [a, b] if a.1 > b.0))
        || values.first().is_some_and(|first| first.0 < entries_end)
    {
        log.wrong(list.at, "values of attributes overlap");
    }
    hash
}

fn entry_hash(name: &[u8], value: &[u8]) -> u32 {
    // Names are hashed as unsigned bytes; all of ours are ASCII.
    let hash = name.iter().fold(0_u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
    value.chunks(4).fold(hash, |hash, word| {
        let mut padded = [0; 4];
        padded.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
        hash.rotate_left(16) ^ u32::from_le_bytes(padded)
    })
}

fn add(index: u8, name: &[u8], value: &[u8], at: u64, all: &mut Attributes, log: &mut Log<'_>) {
    let prefix: &[u8] = match index {
        0 => b"",
        1 => b"user.",
        2 => b"system.posix_acl_access",
        3 => b"system.posix_acl_default",
        4 => b"trusted.",
        6 => b"security.",
        7 => b"system.",
        _ => {
            log.wrong(at, format!("an attribute has the unknown prefix {index}"));
            return;
        }
    };
    let value = match index {
        2 | 3 => acl(value).unwrap_or_else(|| {
            log.wrong(at, "an access control list is malformed");
            value.to_vec()
        }),
        _ => value.to_vec(),
    };
    if all.insert([prefix, name].concat(), value).is_some() {
        log.wrong(at, "an attribute is there twice");
    }
}

/// The form of access control lists that programs see, from that of ext4, which leaves unused ids out.
fn acl(value: &[u8]) -> Option<Vec<u8>> {
    if le32(value, 0) != 1 || value.len() < 4 {
        return None;
    }
    let mut out = 2_u32.to_le_bytes().to_vec();
    let mut at = 4;
    while at < value.len() {
        let (tag, entry) = (le16(value, at), value.get(at..at.checked_add(4)?)?);
        out.extend(entry);
        at += 4;
        if matches!(tag, 2 | 8) {
            out.extend(value.get(at..at.checked_add(4)?)?);
            at += 4;
        } else {
            out.extend(u32::MAX.to_le_bytes());
        }
    }
    Some(out)
}
