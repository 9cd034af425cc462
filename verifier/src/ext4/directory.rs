//! Blocks of directories: entries, the checksum at the end, and which of them are nodes of a hash tree.

use alloc::format;
use alloc::vec::Vec;

use super::inode::{Inode, INDEXED};
use super::leaf::{Directory, DirectoryEntry};
use super::{htree, Ext4};
use crate::blocks::is_zero;
use crate::bytes::{byte, le16, le32, part, word};
use crate::crc::crc32c;
use crate::report::Log;
use crate::source::ReadFailure;

/// Bytes of the entry that holds the checksum.
const TAIL: usize = 12;
/// Bytes of an entry before its name.
const HEAD: usize = 8;
/// The longest directory that is read.
const LEN_MAX: u64 = 1 << 32;

impl Ext4<'_> {
    /// Reads a directory; `None`, with the reason in the report, when it is too long.
    pub(super) fn read_directory(
        &self,
        number: u32,
        inode: &Inode,
        log: &mut Log<'_>,
    ) -> Result<Option<Directory>, ReadFailure> {
        if inode.size > LEN_MAX {
            log.unknown(format!("directory {number} is longer than 4 GiB"));
            return Ok(None);
        }
        let mut blocks: Vec<(u64, u64)> = Vec::new();
        for range in &inode.content {
            blocks.extend((0..range.count).map(|index| (range.logical + index, range.physical + index)));
        }
        let indexed = inode.flags & INDEXED != 0;
        let mut directory = Directory { leaves: Vec::new() };
        let mut nodes: Vec<(u64, Vec<u8>, u64)> = Vec::new();
        for (logical, physical) in blocks {
            let (bytes, at) = (self.block(physical)?, self.at(physical));
            if indexed && (logical == 0 || is_node(&bytes)) {
                if logical == 0 {
                    // The first block begins with the entries of the directory itself and of its parent.
                    directory.leaves.push((0, self.root_entries(number, &bytes, at, log)));
                }
                nodes.push((logical, bytes, at));
                continue;
            }
            let tail = bytes.len().saturating_sub(TAIL);
            let end = part(&bytes, tail, TAIL);
            if le32(end, 0) != 0 || le16(end, 4) != TAIL as u16 || byte(end, 6) != 0 || byte(end, 7) != 0xde {
                log.wrong(
                    at + tail as u64,
                    format!("a block of directory {number} does not end with a checksum"),
                );
            } else {
                let sum = crc32c(inode.seed, part(&bytes, 0, tail));
                log.equal(
                    at + tail as u64 + 8,
                    &format!("the checksum of a block of directory {number}"),
                    sum,
                    le32(end, 8),
                );
            }
            let entries = entries(number, part(&bytes, 0, tail), at, log);
            directory.leaves.push((logical, entries));
        }
        if indexed {
            htree::check(&self.sb, inode, (number, &nodes), &directory, log);
        }
        Ok(Some(directory))
    }

    /// The entries of a directory for itself and its parent before the root of a hash tree.
    fn root_entries(&self, number: u32, bytes: &[u8], at: u64, log: &mut Log<'_>) -> Vec<DirectoryEntry> {
        let (own, parent) = (part(bytes, 0, 12), part(bytes, 12, 12));
        let good = le16(own, 4) == 12
            && le16(parent, 4) as u64 == self.sb.block - 12
            && (byte(own, 6), byte(parent, 6)) == (1, 2)
            && part(own, HEAD, 1) == b"."
            && part(parent, HEAD, 2) == b"..";
        if !good {
            log.wrong(
                at,
                format!("the first block of directory {number} does not begin as one with a hash tree"),
            );
        }
        let entry = |bytes: &[u8], at: u64| {
            let name = part(bytes, HEAD, usize::from(byte(bytes, 6))).to_vec();
            DirectoryEntry { at, inode: le32(bytes, 0), kind: byte(bytes, 7), name }
        };
        alloc::vec![entry(own, at), entry(parent, at + 12)]
    }
}

fn entries(number: u32, bytes: &[u8], at: u64, log: &mut Log<'_>) -> Vec<DirectoryEntry> {
    let (mut all, mut offset) = (Vec::new(), 0_usize);
    while offset < bytes.len() {
        let entry_at = at.saturating_add(offset as u64);
        let head = part(bytes, offset, HEAD);
        let (inode, len, name_len) = (le32(head, 0), usize::from(le16(head, 4)), usize::from(byte(head, 6)));
        let fits = head.len() == HEAD && len >= 12 && len % 4 == 0 && offset + len <= bytes.len();
        if !fits || HEAD + name_len > len {
            log.wrong(
                entry_at,
                format!(
                    "an entry of directory {number} of {len} bytes, {name_len} of them a name, cannot be"
                ),
            );
            return all;
        }
        if inode != 0 {
            let name = part(bytes, offset + HEAD, name_len);
            if name.is_empty() || name.contains(&0) || name.contains(&b'/') {
                log.wrong(entry_at, format!("{} is no name", word(name)));
            } else {
                all.push(DirectoryEntry { at: entry_at, inode, kind: byte(head, 7), name: name.to_vec() });
            }
        }
        offset += len;
    }
    all
}

/// Whether a block behind the first one is a node of a hash tree: one empty entry that covers all of it.
fn is_node(bytes: &[u8]) -> bool {
    let len = le16(bytes, 4) as usize;
    le32(bytes, 0) == 0 && len == bytes.len() && is_zero(part(bytes, 6, 2))
}
