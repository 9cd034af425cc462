//! Inodes of both forms, and where their content is.

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

use super::{no_facts, xattr, Layout};
use crate::bytes::{le16, le32, le64};
use crate::listing::{EntryKind, FileFacts};
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

/// Layouts of content: whole blocks, whole blocks and a tail behind the inode, chunks.
const PLAIN: u16 = 0;
const INLINE: u16 = 2;
const CHUNKS: u16 = 4;
/// The longest target of a link.
const TARGET_MAX: u64 = 4096;
/// The address of a chunk that is a hole.
const HOLE: u32 = u32::MAX;

/// An inode.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) at: u64,
    /// Behind its attributes, and what follows them.
    pub(super) end: u64,
    pub(super) facts: FileFacts,
    pub(super) links: u32,
    pub(super) size: u64,
    /// Blocks of content, in bytes of the volume.
    pub(super) blocks: Vec<Range<u64>>,
    /// The tail behind the inode.
    pub(super) tail: Range<u64>,
}

/// The fields of both forms.
struct Fields {
    format: u16,
    xattr_units: u16,
    mode: u16,
    size: u64,
    union: u32,
    uid: u32,
    gid: u32,
    secs: i64,
    nanos: u32,
    links: u32,
    len: u64,
}

impl Inode {
    /// The number of its type in directories.
    pub(super) fn directory_type(&self) -> u8 {
        match self.facts.kind {
            EntryKind::File(_) => 1,
            EntryKind::Folder => 2,
            EntryKind::CharDevice(..) => 3,
            EntryKind::BlockDevice(..) => 4,
            EntryKind::Pipe => 5,
            EntryKind::Socket => 6,
            EntryKind::Link(_) => 7,
        }
    }

    pub(super) fn read(
        volume: &dyn ByteSource,
        layout: &Layout,
        nid: u64,
        title: &str,
        log: &mut Log<'_>,
    ) -> Result<Option<Self>, ReadFailure> {
        let Some(at) = layout.inode_at(nid).filter(|at| at.saturating_add(32) <= layout.len()) else {
            log.wrong(None, format!("{title} names inode {nid}, which is not there"));
            return Ok(None);
        };
        let Some(fields) = fields(volume, layout, at, log)? else { return Ok(None) };
        let xattr_len = match fields.xattr_units {
            0 => 0,
            units => 12 + (u64::from(units) - 1) * 4,
        };
        let end = at.saturating_add(fields.len).saturating_add(xattr_len);
        if end > layout.len() {
            log.wrong(at, format!("inode {nid} ends behind the last block"));
            return Ok(None);
        }
        let mut facts = FileFacts {
            mode: fields.mode & 0o7777,
            uid: fields.uid,
            gid: fields.gid,
            secs: fields.secs,
            nanos: fields.nanos,
            ..no_facts(EntryKind::Folder)
        };
        if xattr_len > 0 {
            facts.xattrs =
                xattr::read(volume, layout, at.saturating_add(fields.len), xattr_len as usize, log)?;
        }
        let mut inode = Self {
            at,
            end,
            facts,
            links: fields.links,
            size: fields.size,
            blocks: Vec::new(),
            tail: end..end,
        };
        if !inode.content(volume, layout, &fields, log)? {
            return Ok(None);
        }
        let Some(kind) = inode.kind(volume, &fields, log)? else { return Ok(None) };
        inode.facts.kind = kind;
        Ok(Some(inode))
    }

    fn kind(
        &self,
        volume: &dyn ByteSource,
        fields: &Fields,
        log: &mut Log<'_>,
    ) -> Result<Option<EntryKind>, ReadFailure> {
        // The kernel's encoding of device numbers: twelve bits of the major one, twenty of the minor one.
        let (major, minor) = (fields.union >> 8 & 0xfff, fields.union & 0xff | fields.union >> 12 & 0xfff00);
        let special = matches!(fields.mode >> 12, 1 | 2 | 6 | 12);
        if special && fields.size != 0 {
            log.wrong(self.at, "a device, pipe or socket has a size");
        }
        Ok(Some(match fields.mode >> 12 {
            1 => EntryKind::Pipe,
            2 => EntryKind::CharDevice(major, minor),
            4 => EntryKind::Folder,
            6 => EntryKind::BlockDevice(major, minor),
            8 => EntryKind::File(fields.size),
            10 if (1..=TARGET_MAX).contains(&fields.size) => EntryKind::Link(self.bytes(volume)?),
            12 => EntryKind::Socket,
            _ => {
                log.wrong(
                    self.at,
                    format!("mode {:o} with a size of {} cannot be", fields.mode, fields.size),
                );
                return Ok(None);
            }
        }))
    }

    /// All bytes of short content.
    pub(super) fn bytes(&self, volume: &dyn ByteSource) -> Result<Vec<u8>, ReadFailure> {
        let mut bytes = Vec::new();
        for range in &self.blocks {
            let left = self.size.saturating_sub(bytes.len() as u64);
            let len = range.end.saturating_sub(range.start).min(left);
            bytes.extend(bytes_at(volume, range.start, len as usize)?);
        }
        let tail = self.tail.end.saturating_sub(self.tail.start);
        bytes.extend(bytes_at(volume, self.tail.start, tail as usize)?);
        Ok(bytes)
    }

    /// Finds out where the content is; whether it is somewhere.
    fn content(
        &mut self,
        volume: &dyn ByteSource,
        layout: &Layout,
        fields: &Fields,
        log: &mut Log<'_>,
    ) -> Result<bool, ReadFailure> {
        if !matches!(fields.mode >> 12, 4 | 8 | 10) {
            return Ok(true);
        }
        let kind = fields.format >> 1 & 7;
        let (full, rest) = (self.size / layout.block, self.size % layout.block);
        match kind {
            PLAIN => Ok(self.range(layout, u64::from(fields.union), self.size.div_ceil(layout.block), log)),
            INLINE => {
                self.tail = self.end..self.end.saturating_add(rest);
                let same_block = rest == 0 || self.end / layout.block == (self.tail.end - 1) / layout.block;
                if !same_block || self.tail.end > layout.len() {
                    log.wrong(self.at, "the tail behind an inode crosses the end of its block");
                    return Ok(false);
                }
                self.end = self.tail.end;
                if full == 0 {
                    return Ok(true);
                }
                Ok(self.range(layout, u64::from(fields.union), full, log))
            }
            CHUNKS => self.chunks(volume, layout, fields.union, log),
            _ => {
                log.unknown(format!("layout {kind} of content is not known"));
                Ok(false)
            }
        }
    }

    fn range(&mut self, layout: &Layout, first: u64, blocks: u64, log: &mut Log<'_>) -> bool {
        if blocks == 0 {
            return true;
        }
        let end = first.checked_add(blocks).filter(|end| *end <= layout.blocks);
        let Some(end) = end else {
            log.wrong(
                self.at,
                format!("content of {blocks} blocks from {first} on is behind the last block"),
            );
            return false;
        };
        self.blocks.push(first * layout.block..end * layout.block);
        true
    }

    fn chunks(
        &mut self,
        volume: &dyn ByteSource,
        layout: &Layout,
        format: u32,
        log: &mut Log<'_>,
    ) -> Result<bool, ReadFailure> {
        let indexed = format & 0x20 != 0;
        if format & !0x3f != 0 {
            log.unknown(format!("chunks of format {format:#x} are not known"));
            return Ok(false);
        }
        let bits = layout.bits.saturating_add(format & 0x1f);
        let per_chunk = 1_u64 << (format & 0x1f);
        let count = self.size.checked_shr(bits).unwrap_or(0)
            + u64::from(self.size & ((1_u64 << bits.min(63)) - 1) != 0);
        let entry: u64 = if indexed { 8 } else { 4 };
        let first = self.end.next_multiple_of(entry);
        let end = count
            .checked_mul(entry)
            .and_then(|len| first.checked_add(len))
            .filter(|end| *end <= layout.len());
        let Some(end) = end else {
            log.wrong(self.at, format!("a list of {count} chunks is behind the last block"));
            return Ok(false);
        };
        let list = bytes_at(volume, first, (end - first) as usize)?;
        self.end = end;
        let mut left = self.size.div_ceil(layout.block);
        for chunk in list.chunks_exact(entry as usize) {
            let blocks = per_chunk.min(left);
            left -= blocks;
            let address = le32(chunk, entry as usize - 4);
            if indexed && le32(chunk, 0) != 0 {
                log.wrong(self.at, "a chunk is on another device, or has reserved bits");
                return Ok(false);
            }
            if address != HOLE && !self.range(layout, u64::from(address), blocks, log) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn fields(
    volume: &dyn ByteSource,
    layout: &Layout,
    at: u64,
    log: &mut Log<'_>,
) -> Result<Option<Fields>, ReadFailure> {
    let bytes = bytes_at(volume, at, 32)?;
    let format = le16(&bytes, 0);
    if format & !0xf != 0 {
        log.wrong(at, format!("format {format:#x} of an inode has reserved bits"));
        return Ok(None);
    }
    let (xattr_units, mode) = (le16(&bytes, 2), le16(&bytes, 4));
    if format & 1 == 0 {
        return Ok(Some(Fields {
            format,
            xattr_units,
            mode,
            size: u64::from(le32(&bytes, 8)),
            union: le32(&bytes, 16),
            uid: u32::from(le16(&bytes, 24)),
            gid: u32::from(le16(&bytes, 26)),
            secs: layout.build_secs,
            nanos: layout.build_nanos,
            links: u32::from(le16(&bytes, 6)),
            len: 32,
        }));
    }
    if at.saturating_add(64) > layout.len() {
        log.wrong(at, "an inode ends behind the last block");
        return Ok(None);
    }
    let bytes = bytes_at(volume, at, 64)?;
    Ok(Some(Fields {
        format,
        xattr_units,
        mode,
        size: le64(&bytes, 8),
        union: le32(&bytes, 16),
        uid: le32(&bytes, 24),
        gid: le32(&bytes, 28),
        secs: le64(&bytes, 32) as i64,
        nanos: le32(&bytes, 40),
        links: le32(&bytes, 44),
        len: 64,
    }))
}
