//! Inodes: their checksums, what they are, where their content is, and that what is not in use is not.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::{blanked, inode_seed, inode_title, set_bit, Ext4, JOURNAL, RESIZE, ROOT};
use crate::blocks::is_zero;
use crate::bytes::{byte, le16, le32, part};
use crate::crc::crc32c;
use crate::listing::{EntryKind, FileFacts};
use crate::report::Log;
use crate::source::{bytes_at, ReadFailure};

/// Flags: a directory with a hash tree, a file counted in blocks, extents.
pub(super) const INDEXED: u32 = 0x1000;
const HUGE: u32 = 0x4_0000;
const EXTENTS: u32 = 0x8_0000;
/// Flags that change nothing about where bytes are: those that chattr(1) sets, and some that nothing uses any more.
const HARMLESS: u32 = 0x27ff & !0x800 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000 | 0x2000_0000;
/// Flags by which content is something else than bytes in blocks: encrypted, verified, in the inode, folded.
const OTHER_CONTENT: u32 = 0x800 | 0x10_0000 | 0x20_0000 | 0x1000_0000 | 0x4000_0000;

/// A range of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) logical: u64,
    pub(super) physical: u64,
    pub(super) count: u64,
    pub(super) unwritten: bool,
}

/// An inode in use.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) at: u64,
    pub(super) facts: FileFacts,
    pub(super) links: u16,
    pub(super) size: u64,
    pub(super) flags: u32,
    /// Seed of the checksums of what belongs to it.
    pub(super) seed: u32,
    /// Content as ranges of blocks, in order.
    pub(super) content: Vec<Mapping>,
    pub(super) map: [u8; 60],
}

impl Ext4<'_> {
    /// Reads every table of inodes.
    pub(super) fn read_inodes(&mut self, log: &mut Log<'_>) -> Result<(), ReadFailure> {
        for index in 0..self.groups.len() {
            let map = self.inode_map(index, log)?;
            let Some(group) = self.groups.get(index).cloned() else { break };
            let per_group = self.sb.inodes_per_group;
            let written = if group.has_inodes() { per_group - group.unused } else { 0 };
            let base = self.at(group.table);
            let table = bytes_at(self.volume, base, (written as usize).saturating_mul(self.sb.inode_len))?;
            for slot in 0..per_group {
                let number = (index as u32).saturating_mul(per_group).saturating_add(slot).saturating_add(1);
                let set = byte(&map, (slot / 8) as usize) >> (slot % 8) & 1 == 1;
                let at = base.saturating_add(u64::from(slot).saturating_mul(self.sb.inode_len as u64));
                let bytes =
                    part(&table, (slot as usize).saturating_mul(self.sb.inode_len), self.sb.inode_len);
                if set && slot >= written {
                    log.wrong(at, format!("inode {number} is in use behind the last one that its group has"));
                    continue;
                }
                if set {
                    set_bit(&mut self.live, u64::from(number));
                    self.read_inode(number, bytes, at, log)?;
                } else if slot < written && !is_zero(bytes) {
                    self.check_free(number, bytes, at, log);
                }
            }
        }
        Ok(())
    }

    /// An inode that is not in use: it has no links, and its checksum is good all the same.
    fn check_free(&self, number: u32, bytes: &[u8], at: u64, log: &mut Log<'_>) {
        if le16(bytes, 0x1a) != 0 {
            log.wrong(at + 0x1a, format!("inode {number} is free and has {} links", le16(bytes, 0x1a)));
        }
        check_sum(number, inode_seed(self.sb.seed, number, le32(bytes, 0x64)), bytes, at, log);
    }

    fn read_inode(
        &mut self,
        number: u32,
        bytes: &[u8],
        at: u64,
        log: &mut Log<'_>,
    ) -> Result<(), ReadFailure> {
        let seed = inode_seed(self.sb.seed, number, le32(bytes, 0x64));
        let reserved = number < self.sb.first_inode && number != ROOT;
        if reserved && is_zero(bytes) {
            return Ok(());
        }
        let extra = usize::from(le16(bytes, 0x80));
        if extra != 0 && (extra < 4 || extra % 4 != 0 || 128 + extra > self.sb.inode_len) {
            log.wrong(at + 0x80, format!("inode {number} has {extra} bytes of extra fields"));
            return Ok(());
        }
        check_sum(number, seed, bytes, at, log);
        if reserved && le16(bytes, 0) == 0 && le16(bytes, 0x1a) == 0 {
            return Ok(());
        }
        log.equal(at + 0x14, &format!("the time of deletion of inode {number}"), 0, le32(bytes, 0x14));
        let flags = le32(bytes, 0x20);
        if flags & !(INDEXED | HUGE | EXTENTS | HARMLESS) != 0 {
            log.unknown(format!("flags {flags:#x} of inode {number} are not known"));
        }
        if flags & OTHER_CONTENT != 0 {
            return Ok(());
        }
        log.equal(at + 0x70, &format!("an obsolete field of inode {number}"), 0, le32(bytes, 0x70));
        let mut map = [0; 60];
        map.copy_from_slice(part(bytes, 0x28, 60));
        let size = u64::from(le32(bytes, 4)) | u64::from(le32(bytes, 0x6c)) << 32;
        let (xattrs, xattr_blocks) = self.read_xattrs(number, bytes, at, log)?;
        let mut inode = Inode {
            at,
            facts: facts(bytes, extra, xattrs),
            links: le16(bytes, 0x1a),
            size,
            flags,
            seed,
            content: Vec::new(),
            map,
        };
        let blocks = self.read_content(number, &mut inode, le16(bytes, 0), log)?.saturating_add(xattr_blocks);
        let counted = u64::from(le32(bytes, 0x1c)) | u64::from(le16(bytes, 0x74)) << 32;
        let unit = if flags & HUGE != 0 { 1 } else { self.sb.block / 512 };
        log.equal(at + 0x1c, &format!("the blocks of inode {number}"), blocks.saturating_mul(unit), counted);
        let Some(kind) = self.kind(number, &inode, le16(bytes, 0), log)? else { return Ok(()) };
        inode.facts.kind = kind;
        self.inodes.insert(number, inode);
        Ok(())
    }

    /// Where the content is; gives the number of blocks.
    fn read_content(
        &mut self,
        number: u32,
        inode: &mut Inode,
        mode: u16,
        log: &mut Log<'_>,
    ) -> Result<u64, ReadFailure> {
        let fast_link = mode >> 12 == 10 && inode.size < 60 && inode.flags & EXTENTS == 0;
        if number == RESIZE && self.sb.resize {
            return Ok(self.claim_resize_inode(inode, log));
        }
        if fast_link || !matches!(mode >> 12, 4 | 8 | 10) {
            return Ok(0);
        }
        if inode.flags & EXTENTS == 0 {
            if !is_zero(&inode.map) {
                log.unknown(format!("inode {number} maps its blocks without extents"));
            }
            return Ok(0);
        }
        let blocks = self.read_extents(number, inode, log)?;
        let end = inode.content.last().map_or(0, |last| last.logical.saturating_add(last.count));
        let needed = inode.size.div_ceil(self.sb.block);
        if mode >> 12 == 8 && number >= self.sb.first_inode && end > needed {
            log.wrong(inode.at, format!("inode {number} has blocks behind its end at {} bytes", inode.size));
        }
        let whole = inode.content.iter().map(|range| range.count).sum::<u64>() == end;
        if mode >> 12 != 8 && (end != needed || !whole || inode.content.iter().any(|range| range.unwritten)) {
            log.wrong(inode.at, format!("inode {number} of {} bytes has {end} blocks, or holes", inode.size));
        }
        Ok(blocks)
    }

    fn kind(
        &self,
        number: u32,
        inode: &Inode,
        mode: u16,
        log: &mut Log<'_>,
    ) -> Result<Option<EntryKind>, ReadFailure> {
        let (old, new) = (le32(&inode.map, 0), le32(&inode.map, 4));
        let device = if old != 0 {
            (old >> 8 & 0xff, old & 0xff)
        } else {
            (new >> 8 & 0xfff, new & 0xff | new >> 12 & 0xf_ff00)
        };
        if matches!(mode >> 12, 1 | 2 | 6 | 12) && inode.size != 0 {
            log.wrong(inode.at + 4, format!("inode {number} is a device, pipe or socket and has a size"));
        }
        Ok(Some(match mode >> 12 {
            1 => EntryKind::Pipe,
            2 => EntryKind::CharDevice(device.0, device.1),
            4 if inode.size % self.sb.block == 0 && inode.size > 0 => EntryKind::Folder,
            6 => EntryKind::BlockDevice(device.0, device.1),
            8 => EntryKind::File(inode.size),
            10 => {
                let target = self.link_target(inode)?;
                if target.is_none() {
                    log.wrong(inode.at, format!("inode {number} is a link without a target"));
                }
                return Ok(target.map(EntryKind::Link));
            }
            12 => EntryKind::Socket,
            _ if number == JOURNAL || number == RESIZE => EntryKind::File(inode.size),
            _ => {
                log.wrong(
                    inode.at,
                    format!("{} has the mode {mode:o} and {} bytes", inode_title(number), inode.size),
                );
                return Ok(None);
            }
        }))
    }

    fn link_target(&self, inode: &Inode) -> Result<Option<Vec<u8>>, ReadFailure> {
        let len = inode.size as usize;
        let target = if inode.flags & EXTENTS == 0 {
            part(&inode.map, 0, len).to_vec()
        } else {
            let Some(first) = inode.content.first() else { return Ok(None) };
            if inode.size >= self.sb.block {
                return Ok(None);
            }
            let block = self.block(first.physical)?;
            // The kernel ends a target with a zero.
            if byte(&block, len) != 0 {
                return Ok(None);
            }
            part(&block, 0, len).to_vec()
        };
        Ok((!target.is_empty() && target.len() == len && !target.contains(&0)).then_some(target))
    }

    pub(super) fn is_folder(&self, number: u32) -> bool {
        self.inodes.get(&number).is_some_and(|inode| inode.facts.kind == EntryKind::Folder)
    }
}

fn check_sum(number: u32, seed: u32, bytes: &[u8], at: u64, log: &mut Log<'_>) {
    // Without extra fields there is no room for the upper half of the checksum.
    let (upper, mask) = if le16(bytes, 0x80) < 4 { (0, 0xffff) } else { (2, u32::MAX) };
    let sum = crc32c(seed, &blanked(&blanked(bytes, 0x7c, 2), 0x82, upper)) & mask;
    let stored = (u32::from(le16(bytes, 0x7c)) | u32::from(le16(bytes, 0x82)) << 16) & mask;
    log.equal(at + 0x7c, &format!("the checksum of inode {number}"), sum, stored);
}

fn facts(bytes: &[u8], extra_len: usize, xattrs: BTreeMap<Vec<u8>, Vec<u8>>) -> FileFacts {
    let extra = if extra_len < 12 { 0 } else { le32(bytes, 0x88) };
    FileFacts {
        kind: EntryKind::Pipe,
        mode: le16(bytes, 0) & 0o7777,
        uid: u32::from(le16(bytes, 2)) | u32::from(le16(bytes, 0x78)) << 16,
        gid: u32::from(le16(bytes, 0x18)) | u32::from(le16(bytes, 0x7a)) << 16,
        // Two bits extend the seconds beyond 2038, the rest are nanoseconds.
        secs: i64::from(le32(bytes, 0x10) as i32).saturating_add(i64::from(extra & 3) << 32),
        nanos: extra >> 2,
        xattrs,
    }
}
