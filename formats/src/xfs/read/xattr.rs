//! Extended attributes: in the inode, in leaves, and values in blocks of their own ("Extended Attributes" in the
//! specification).

use std::ops::Range;

use super::block::{REMOTE_SHAPE, XfsBlock};
use super::claims::XfsClaims;
use super::da::{self, ForkBlocks};
use super::error::{XfsCorruption, XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, range, value};
use super::extents::{self, XfsMapping};
use super::inode::{XfsFork, XfsForkFormat, XfsInode};
use super::{XfsFileSystem, acl};
use crate::fields;
use crate::read_at::ReadAt;
use crate::tree::Xattrs;
use crate::xfs::spec::{
    ATTR_LEAF_HEADER, ATTR_LEAF_MAGIC, ATTR_REMOTE_MAGIC, ATTR_VALUE_MOST, DA_ENTRY, REMOTE_HEADER,
    attr_flag, name_hash,
};

/// Bytes of the header of attributes in an inode, and of an entry there before its name.
const SHORT_HEADER: usize = 4;
const SHORT_ENTRY: usize = 3;
/// Bytes before the name of an attribute with its value in the leaf, and of one with its value elsewhere.
const LOCAL_HEAD: usize = 3;
const REMOTE_HEAD: usize = 9;
/// The attributes that hold ACLs, and their names for system calls.
const ACLS: [(&[u8], &[u8]); 2] =
    [(b"SGI_ACL_FILE", b"system.posix_acl_access"), (b"SGI_ACL_DEFAULT", b"system.posix_acl_default")];

/// The reading of the attributes of one inode.
struct XattrRead<'x, 'a, R: ?Sized> {
    system: &'x XfsFileSystem<'a, R>,
    inode: &'x XfsInode,
    sink: &'x mut dyn XfsCorruptionSink,
    xattrs: Xattrs,
}

/// Reads the attributes of an inode as the kernel's system calls give them to root, and the mapping of their fork.
pub(crate) fn read<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    inode: &XfsInode,
    claims: &mut XfsClaims,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<(Xattrs, XfsMapping), XfsReadError> {
    let mut read = XattrRead { system, inode, sink, xattrs: Xattrs::new() };
    let Some(fork) = &inode.attributes else { return Ok((read.xattrs, XfsMapping::default())) };
    if fork.format == XfsForkFormat::Local {
        read.short_form(fork)?;
        return Ok((read.xattrs, XfsMapping::default()));
    }
    let mapping = extents::read(system, inode, fork, claims, read.sink)?;
    for run in &mapping.runs {
        let location = XfsLocation::Attributes { inode: inode.number, block: run.logical };
        if let Some(why) = claims.take(run.physical, run.len, location) {
            read.sink.report(XfsCorruption { location, offset: inode.offset, why })?;
        }
    }
    if !mapping.runs.is_empty() {
        read.leaves(&mapping)?;
    }
    Ok((read.xattrs, mapping))
}

/// The fork of attributes as blocks.
pub(crate) fn blocks_of<'f>(inode: &'f XfsInode, mapping: &'f XfsMapping) -> ForkBlocks<'f> {
    let location = |inode, block| XfsLocation::Attributes { inode, block };
    ForkBlocks { inode, mapping, step: 1, location }
}

/// Blocks that a value of some bytes needs when it has blocks of its own.
pub(crate) fn value_blocks(len: u64, block_size: u64) -> u64 {
    len.div_ceil(block_size - REMOTE_HEADER as u64)
}

/// An attribute of a leaf: where its entry's name and value are.
pub(crate) struct LeafAttribute<'b> {
    pub(crate) flags: u8,
    pub(crate) name: &'b [u8],
    /// The value, or the block within the fork and the length of one that is elsewhere.
    pub(crate) value: Result<&'b [u8], (u64, u64)>,
    /// Bytes of the leaf that it has.
    pub(crate) range: Range<usize>,
}

/// Reads the entries of a leaf.
pub(crate) fn leaf_attributes(leaf: &XfsBlock) -> Result<Vec<LeafAttribute<'_>>, XfsDefect> {
    let bytes = &leaf.bytes[..];
    let count = usize::from(fields::be16(bytes, 56));
    let first = ATTR_LEAF_HEADER + count * DA_ENTRY;
    let mut attributes = Vec::new();
    for slot in 0..count {
        let entry = ATTR_LEAF_HEADER + slot * DA_ENTRY;
        let (at, flags) = (usize::from(fields::be16(bytes, entry + 4)), fields::u8(bytes, entry + 6));
        if flags & !attr_flag::ALL != 0 {
            return Err(XfsDefect::Meaningless { field: "flags of an attribute", found: flags.into() });
        }
        let local = flags & attr_flag::LOCAL != 0;
        let head = if local { LOCAL_HEAD } else { REMOTE_HEAD };
        let name_len = usize::from(fields::u8(bytes, at + head - 1));
        let value_len = if local { usize::from(fields::be16(bytes, at)) } else { 0 };
        let name_end = at + head + name_len;
        let end = name_end + value_len;
        let parts = bytes.get(at + head..name_end).zip(bytes.get(name_end..end)).filter(|_| at >= first);
        let Some((name, value)) = parts else {
            let (least, most) = (first as u64, bytes.len() as u64);
            return Err(XfsDefect::Range { field: "place of an attribute", found: at as u64, least, most });
        };
        let elsewhere = (u64::from(fields::be32(bytes, at)), u64::from(fields::be32(bytes, at + 4)));
        let value = if local { Ok(value) } else { Err(elsewhere) };
        attributes.push(LeafAttribute { flags, name, value, range: at..end });
    }
    Ok(attributes)
}

impl<R: ReadAt + ?Sized> XattrRead<'_, '_, R> {
    fn leaves(&mut self, mapping: &XfsMapping) -> Result<(), XfsReadError> {
        let fork = blocks_of(self.inode, mapping);
        let blocks = da::read(self.system, fork, 0, ATTR_LEAF_MAGIC, self.sink)?;
        let mut elsewhere = Vec::new();
        for leaf in &blocks.leaves {
            let attributes = match leaf_attributes(leaf) {
                Ok(attributes) => attributes,
                Err(why) => {
                    self.sink.report(leaf.corruption(why))?;
                    continue;
                }
            };
            if !self.disjoint(leaf, &attributes)? {
                continue;
            }
            for (attribute, slot) in attributes.iter().zip(0_usize..) {
                self.leaf_attribute(leaf, slot, attribute, fork, &mut elsewhere)?;
            }
        }
        elsewhere.sort_unstable();
        if let Some(both) = elsewhere.windows(2).find(|both| matches!(both, [a, b] if b.0 < a.0 + a.1)) {
            let number = both.last().map_or(0, |both| both.0);
            self.inode.report(XfsDefect::Again { what: "a block of a value", number }, self.sink)?;
        }
        Ok(())
    }

    /// No byte of a leaf is of two attributes: names and values would have no end.
    fn disjoint(&mut self, leaf: &XfsBlock, attributes: &[LeafAttribute<'_>]) -> Result<bool, XfsReadError> {
        let mut ranges: Vec<_> = attributes.iter().map(|one| (one.range.start, one.range.end)).collect();
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            if let [(_, before), (found, _)] = pair
                && found < before
            {
                let (found, before) = (*found as u64, *before as u64);
                let why = XfsDefect::Order { field: "place of an attribute", found, before };
                self.sink.report(leaf.corruption(why))?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn leaf_attribute(
        &mut self,
        leaf: &XfsBlock,
        slot: usize,
        attribute: &LeafAttribute<'_>,
        fork: ForkBlocks<'_>,
        elsewhere: &mut Vec<(u64, u64)>,
    ) -> Result<(), XfsReadError> {
        if attribute.flags & (attr_flag::PARENT | attr_flag::INCOMPLETE) != 0 {
            return Ok(());
        }
        let hash = fields::be32(&leaf.bytes, ATTR_LEAF_HEADER + slot * DA_ENTRY);
        if let Some(why) = value("hash of an attribute", hash.into(), name_hash(attribute.name).into()) {
            self.sink.report(leaf.corruption(why))?;
        }
        match attribute.value {
            Ok(value) => self.take(attribute.flags, attribute.name, value.into()),
            Err((block, len)) => {
                if let Some(why) = range("length of a value", len, 1, ATTR_VALUE_MOST) {
                    return self.sink.report(leaf.corruption(why));
                }
                elsewhere.push((block, value_blocks(len, self.system.superblock.block_size.into())));
                let Some(value) = self.elsewhere(fork, block, len)? else { return Ok(()) };
                self.take(attribute.flags, attribute.name, value.into())
            }
        }
    }

    /// Reads a value in blocks of its own.
    fn elsewhere(
        &mut self,
        fork: ForkBlocks<'_>,
        first: u64,
        len: u64,
    ) -> Result<Option<Vec<u8>>, XfsReadError> {
        let mut value = Vec::with_capacity(len as usize);
        let mut logical = first;
        while (value.len() as u64) < len {
            let magics = [ATTR_REMOTE_MAGIC];
            let read = self.system.fork_block(fork, logical, (REMOTE_SHAPE, &magics), self.sink)?;
            let Some(block) = read else { return Ok(None) };
            if !remote_part(&block, len, &mut value, self.sink)? {
                return Ok(None);
            }
            logical += 1;
        }
        Ok(Some(value))
    }

    fn short_form(&mut self, fork: &XfsFork) -> Result<(), XfsReadError> {
        let total = usize::from(fields::be16(&fork.bytes, 0));
        let (least, most) = (SHORT_HEADER as u64, fork.bytes.len() as u64);
        if let Some(why) = range("bytes of attributes in the inode", total as u64, least, most) {
            return self.inode.report(why, self.sink);
        }
        let bytes = fork.bytes.get(..total).unwrap_or(&[]);
        let mut at = SHORT_HEADER;
        for _ in 0..fields::u8(bytes, 2) {
            let (name_len, value_len) =
                (usize::from(fields::u8(bytes, at)), usize::from(fields::u8(bytes, at + 1)));
            let flags = fields::u8(bytes, at + 2);
            let name_end = at + SHORT_ENTRY + name_len;
            let end = name_end + value_len;
            let (Some(name), Some(value)) = (bytes.get(at + SHORT_ENTRY..name_end), bytes.get(name_end..end))
            else {
                let why = XfsDefect::Range {
                    field: "end of an attribute",
                    found: end as u64,
                    least,
                    most: total as u64,
                };
                return self.inode.report(why, self.sink);
            };
            if flags & !attr_flag::ALL != 0 {
                let why = XfsDefect::Meaningless { field: "flags of an attribute", found: flags.into() };
                self.inode.report(why, self.sink)?;
            }
            if flags & (attr_flag::PARENT | attr_flag::INCOMPLETE) == 0 {
                self.take(flags, name, value.into())?;
            }
            at = end;
        }
        match value("bytes of attributes in the inode", total as u64, at as u64) {
            Some(why) => self.inode.report(why, self.sink),
            None => Ok(()),
        }
    }

    /// Takes an attribute under its full name.
    fn take(&mut self, flags: u8, name: &[u8], value: Box<[u8]>) -> Result<(), XfsReadError> {
        let prefix = match flags & (attr_flag::ROOT | attr_flag::SECURE) {
            0 => &b"user."[..],
            attr_flag::ROOT => b"trusted.",
            attr_flag::SECURE => b"security.",
            both => {
                let why = XfsDefect::Meaningless { field: "flags of an attribute", found: both.into() };
                return self.inode.report(why, self.sink);
            }
        };
        if name.is_empty() || name.contains(&0) {
            return self.inode.report(XfsDefect::Name { name: name.into() }, self.sink);
        }
        let acl = ACLS.iter().find(|(stored, _)| prefix == b"trusted." && *stored == name);
        let (full, value): (Box<[u8]>, Box<[u8]>) = match acl {
            Some((_, shown)) => {
                let Some(rewritten) = acl::from_disk(&value) else {
                    return self.inode.report(XfsDefect::Acl { len: value.len() as u64 }, self.sink);
                };
                ((*shown).into(), rewritten.into())
            }
            None => ([prefix, name].concat().into(), value),
        };
        if self.xattrs.insert(full.clone(), value).is_some() {
            self.inode.report(XfsDefect::Duplicate { name: full }, self.sink)?;
        }
        Ok(())
    }
}

/// Appends the part of a value or target of `len` bytes that a block has; whether it could be.
pub(super) fn remote_part(
    block: &XfsBlock,
    len: u64,
    out: &mut Vec<u8>,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<bool, XfsReadError> {
    let room = (block.bytes.len() - REMOTE_HEADER) as u64;
    let at = out.len() as u64;
    let expected = room.min(len - at);
    let bytes = u64::from(fields::be32(&block.bytes, 8));
    let defects = [
        value("offset of a part", fields::be32(&block.bytes, 4).into(), at),
        value("length of a part", bytes, expected),
    ];
    let mut fits = true;
    for why in defects.into_iter().flatten() {
        fits = false;
        sink.report(block.corruption(why))?;
    }
    out.extend_from_slice(block.bytes.get(REMOTE_HEADER..REMOTE_HEADER + expected as usize).unwrap_or(&[]));
    Ok(fits)
}
