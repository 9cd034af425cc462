//! Directories: blocks of entries of twelve bytes and the names behind them, sorted over the whole directory.

use alloc::format;
use alloc::vec::Vec;

use super::inode::Inode;
use super::{quoted, Layout};
use crate::bytes::{byte, le16, le64, part};
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

const ENTRY: usize = 12;
/// The longest directory that is read.
const LEN_MAX: u64 = 1 << 30;

/// An entry.
pub(super) struct DirectoryName {
    pub(super) at: u64,
    pub(super) nid: u64,
    pub(super) kind: u8,
    pub(super) name: Vec<u8>,
}

/// The names of a directory without those of itself and its parent, whose inodes are compared.
pub(super) fn read(
    volume: &dyn ByteSource,
    layout: &Layout,
    inode: &Inode,
    (own, parent): (u64, u64),
    log: &mut Log<'_>,
) -> Result<Option<Vec<DirectoryName>>, ReadFailure> {
    if inode.size > LEN_MAX {
        log.unknown("a directory of more than 1 GiB is not read");
        return Ok(None);
    }
    let mut all = Vec::new();
    for range in &inode.blocks {
        let mut at = range.start;
        while at < range.end {
            let before = (at - range.start).saturating_add(
                inode
                    .blocks
                    .iter()
                    .take_while(|one| one.start != range.start)
                    .map(|one| one.end - one.start)
                    .sum(),
            );
            let len = layout.block.min(inode.size.saturating_sub(before));
            block(&bytes_at(volume, at, len as usize)?, at, &mut all, log);
            at = at.saturating_add(layout.block);
        }
    }
    let tail = inode.tail.end - inode.tail.start;
    if tail > 0 {
        block(&bytes_at(volume, inode.tail.start, tail as usize)?, inode.tail.start, &mut all, log);
    }
    let unsorted = all.windows(2).find_map(|pair| match pair {
        [a, b] if a.name >= b.name => Some((b.at, quoted(&b.name))),
        _ => None,
    });
    if let Some((at, name)) = unsorted {
        log.wrong(at, format!("the name {name} is not behind the one before it"));
    }
    for (name, expected) in [(&b"."[..], own), (b"..", parent)] {
        match all.iter().position(|one| one.name == name) {
            Some(index) => {
                let entry = all.remove(index);
                log.equal(entry.at, &format!("the inode of {}", quoted(name)), expected, entry.nid);
                log.equal(entry.at, &format!("the type of {}", quoted(name)), 2, entry.kind);
            }
            None => log.wrong(inode.at, format!("a directory has no entry {}", quoted(name))),
        }
    }
    Ok(Some(all))
}

fn block(bytes: &[u8], at: u64, all: &mut Vec<DirectoryName>, log: &mut Log<'_>) {
    let first = le16(bytes, 8) as usize;
    let count = first / ENTRY;
    if first % ENTRY != 0 || count == 0 || first > bytes.len() {
        log.wrong(at, format!("names from byte {first} of a block of a directory on cannot be"));
        return;
    }
    for index in 0..count {
        let entry = part(bytes, index * ENTRY, ENTRY);
        let entry_at = at.saturating_add((index * ENTRY) as u64);
        let from = le16(entry, 8) as usize;
        let last = index + 1 == count;
        let to = if last { bytes.len() } else { le16(bytes, (index + 1) * ENTRY + 8) as usize };
        let Some(name) = bytes.get(from..to).filter(|_| from >= first) else {
            log.wrong(entry_at, "the name of an entry is not in its block");
            return;
        };
        // Only the last name may end before its space does.
        let end =
            if last { name.iter().position(|byte| *byte == 0).unwrap_or(name.len()) } else { name.len() };
        let (name, rest) = name.split_at(end);
        if rest.iter().any(|byte| *byte != 0) {
            log.wrong(entry_at, "there are bytes behind the last name of a block");
        }
        if name.is_empty() || name.len() > 255 || name.contains(&b'/') || name.contains(&0) {
            log.wrong(entry_at, format!("{} is no name", quoted(name)));
            continue;
        }
        if byte(entry, 11) != 0 {
            log.wrong(entry_at, "an entry has reserved bits");
        }
        all.push(DirectoryName {
            at: entry_at,
            nid: le64(entry, 0),
            kind: byte(entry, 10),
            name: name.to_vec(),
        });
    }
}
