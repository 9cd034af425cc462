//! Extended attributes: those behind the inode, and those that inodes share.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Layout;
use crate::bytes::{byte, le16, le32, part};
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// The prefix that a number stands for.
fn prefix(index: u8) -> Option<&'static [u8]> {
    Some(match index {
        1 => b"user.",
        2 => b"system.posix_acl_access",
        3 => b"system.posix_acl_default",
        4 => b"trusted.",
        6 => b"security.",
        _ => return None,
    })
}

/// Reads the attributes in the `len` bytes at `at`.
pub(super) fn read(
    volume: &dyn ByteSource,
    layout: &Layout,
    at: u64,
    len: usize,
    log: &mut Log<'_>,
) -> Result<Attributes, ReadFailure> {
    let bytes = bytes_at(volume, at, len)?;
    let mut all = Attributes::new();
    let shared = byte(&bytes, 4) as usize;
    let mut offset = 12_usize.saturating_add(shared.saturating_mul(4));
    if offset > len {
        log.wrong(at, "shared attributes are behind the end of the list");
        return Ok(all);
    }
    for index in 0..shared {
        let id = u64::from(le32(&bytes, 12 + index * 4));
        let from = layout.xattrs.saturating_mul(layout.block).saturating_add(id.saturating_mul(4));
        if from.saturating_add(4) > layout.len() {
            log.wrong(at, "a shared attribute is behind the last block");
            continue;
        }
        let head = bytes_at(volume, from, 4)?;
        let entry_len = entry_len(&head);
        if from.saturating_add(entry_len as u64) > layout.len() {
            log.wrong(from, "a shared attribute is behind the last block");
            continue;
        }
        add(&bytes_at(volume, from, entry_len)?, from, &mut all, log);
    }
    while offset < len {
        let head = part(&bytes, offset, 4);
        let entry_at = at.saturating_add(offset as u64);
        let entry_len = entry_len(head);
        if offset.saturating_add(entry_len) > len {
            log.wrong(entry_at, "an attribute is behind the end of the list");
            break;
        }
        add(part(&bytes, offset, entry_len), entry_at, &mut all, log);
        offset = offset.saturating_add(entry_len).next_multiple_of(4);
    }
    Ok(all)
}

fn entry_len(head: &[u8]) -> usize {
    4 + byte(head, 0) as usize + le16(head, 2) as usize
}

fn add(entry: &[u8], at: u64, all: &mut Attributes, log: &mut Log<'_>) {
    let name_len = byte(entry, 0) as usize;
    let Some(prefix) = prefix(byte(entry, 1)) else {
        log.wrong(at, "an attribute has an unknown prefix");
        return;
    };
    let name = [prefix, part(entry, 4, name_len)].concat();
    if all.insert(name, entry.get(4 + name_len..).unwrap_or(&[]).to_vec()).is_some() {
        log.wrong(at, "an attribute is there twice");
    }
}
