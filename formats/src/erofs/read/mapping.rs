//! Where the bytes of an inode's content are.

use super::claims::ByteClaims;
use super::error::{ErofsCorruptionSink, ErofsDefect, ErofsLocation, ErofsReadError};
use super::inode::{ErofsFileKind, ErofsInode};
use super::read_exact;
use super::superblock::ErofsSuperblock;
use crate::erofs::spec::{CHUNK_BITS_MASK, CHUNK_INDEXES, NULL_ADDRESS, layout};
use crate::fields;
use crate::read_at::ReadAt;

/// Bytes of a chunk map that are read at a time.
const MAP_PART: usize = 64 << 10;

/// Consecutive bytes of a file in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErofsFileRun {
    /// First byte in the file.
    pub logical: u64,
    /// First byte in the image.
    pub physical: u64,
    /// Bytes.
    pub len: u64,
}

/// The content of an inode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByteMapping {
    /// Runs in order; what is between them is a hole.
    pub runs: Vec<ErofsFileRun>,
    /// Bytes behind the inode: the last ones of the content, or the map of chunks.
    pub behind: u64,
}

impl ByteMapping {
    /// Adds a run, joined with the one before where both continue each other.
    fn push(&mut self, run: ErofsFileRun) {
        if run.len == 0 {
            return;
        }
        if let Some(last) = self.runs.last_mut()
            && last.logical + last.len == run.logical
            && last.physical + last.len == run.physical
        {
            last.len += run.len;
            return;
        }
        self.runs.push(run);
    }

    /// The address of a byte of the file; `None` in a hole.
    pub fn find(&self, logical: u64) -> Option<u64> {
        let at = self.runs.partition_point(|run| run.logical + run.len <= logical);
        let run = self.runs.get(at).filter(|run| run.logical <= logical)?;
        Some(run.physical + (logical - run.logical))
    }
}

/// Reads the mapping of an inode, and takes inode, attributes and what is behind them from `claims`.
pub(super) fn read<R: ReadAt + ?Sized>(
    image: &R,
    superblock: &ErofsSuperblock,
    inode: &ErofsInode,
    claims: &mut ByteClaims,
    sink: &mut dyn ErofsCorruptionSink,
) -> Result<ByteMapping, ErofsReadError> {
    let mut mapping = ByteMapping::default();
    let holds_content =
        matches!(inode.kind, ErofsFileKind::Dir | ErofsFileKind::File | ErofsFileKind::Symlink);
    match inode.layout {
        _ if !holds_content => {
            if inode.size != 0 || inode.layout != layout::PLAIN {
                let why = ErofsDefect::Value {
                    field: "i_size of a node without content",
                    found: inode.size,
                    expected: 0,
                };
                sink.report(inode.corruption(why))?;
            }
            take(inode, 0, claims)?;
        }
        layout::PLAIN | layout::INLINE => in_one_run(superblock, inode, &mut mapping, claims, sink)?,
        layout::CHUNK => chunks(image, superblock, inode, &mut mapping, claims, sink)?,
        layout => {
            take(inode, 0, claims)?;
            sink.report(inode.corruption(ErofsDefect::Compressed { layout }))?;
        }
    }
    Ok(mapping)
}

/// Takes the inode's bytes with `behind` more from the claims.
fn take(inode: &ErofsInode, behind: u64, claims: &mut ByteClaims) -> Result<(), ErofsReadError> {
    let (at, end) = (inode.offset, inode.body() + behind);
    if let Some(other) = claims.take(at, end, ErofsLocation::Inode { nid: inode.nid }) {
        // Read all the same, an image could name the same bytes again and again.
        return Err(inode.corruption(ErofsDefect::Overlap { what: "the inode", at, end, other }).into());
    }
    Ok(())
}

/// Content in one run, its last bytes behind the inode if it is inline.
fn in_one_run(
    superblock: &ErofsSuperblock,
    inode: &ErofsInode,
    mapping: &mut ByteMapping,
    claims: &mut ByteClaims,
    sink: &mut dyn ErofsCorruptionSink,
) -> Result<(), ErofsReadError> {
    let block = u64::from(superblock.block_size);
    mapping.behind = if inode.layout == layout::INLINE { inode.size % block } else { 0 };
    let (at, end) = (inode.body(), inode.body() + mapping.behind);
    if mapping.behind > 0 && at / block != (end - 1) / block {
        let why =
            ErofsDefect::Outside { what: "the inline tail", at, end, limit: "the block that it begins in" };
        sink.report(inode.corruption(why))?;
    }
    if end > superblock.end {
        let why = ErofsDefect::Outside { what: "the inline tail", at, end, limit: "the file system" };
        return Err(inode.corruption(why).into());
    }
    take(inode, mapping.behind, claims)?;
    let whole = inode.size - mapping.behind;
    if whole > 0 {
        let physical = u64::from(inode.union) * block;
        let end = physical.saturating_add(whole);
        // The last block is there as a whole.
        if inode.union == NULL_ADDRESS || end > superblock.end || end.next_multiple_of(block) > superblock.end
        {
            let why =
                ErofsDefect::Outside { what: "the content", at: physical, end, limit: "the file system" };
            return Err(inode.corruption(why).into());
        }
        mapping.push(ErofsFileRun { logical: 0, physical, len: whole });
    }
    mapping.push(ErofsFileRun { logical: whole, physical: at, len: mapping.behind });
    Ok(())
}

/// Content in chunks.
fn chunks<R: ReadAt + ?Sized>(
    image: &R,
    superblock: &ErofsSuperblock,
    inode: &ErofsInode,
    mapping: &mut ByteMapping,
    claims: &mut ByteClaims,
    sink: &mut dyn ErofsCorruptionSink,
) -> Result<(), ErofsReadError> {
    let format = inode.union as u16;
    if inode.union >> 16 != 0 || format & !(CHUNK_BITS_MASK | CHUNK_INDEXES) != 0 {
        let why = ErofsDefect::Meaningless { field: "chunk format", found: inode.union.into() };
        return Err(inode.corruption(why).into());
    }
    let (block, indexes) = (u64::from(superblock.block_size), format & CHUNK_INDEXES != 0);
    let chunk = block << (format & CHUNK_BITS_MASK);
    let entry: u64 = if indexes { 8 } else { 4 };
    // Indexes are aligned to their length.
    let at = inode.body().next_multiple_of(entry);
    let count = inode.size.div_ceil(chunk);
    let end = count.checked_mul(entry).and_then(|len| at.checked_add(len)).unwrap_or(u64::MAX);
    if end > superblock.end {
        let why = ErofsDefect::Outside { what: "the map of chunks", at, end, limit: "the file system" };
        return Err(inode.corruption(why).into());
    }
    mapping.behind = end - inode.body();
    take(inode, mapping.behind, claims)?;
    let mut part = vec![0; MAP_PART.min((end - at) as usize)];
    let mut logical = 0;
    let mut from = at;
    while from < end {
        let len = (end - from).min(MAP_PART as u64) as usize;
        let part = &mut part[..len];
        read_exact(image, from, part)?;
        for raw in part.chunks_exact(entry as usize) {
            let address = if indexes { index(inode, raw, sink)? } else { fields::u32(raw, 0) };
            let len = chunk.min(inode.size - logical);
            if address != NULL_ADDRESS {
                let physical = u64::from(address) * block;
                let end = physical + len;
                if end.next_multiple_of(block) > superblock.end {
                    let why =
                        ErofsDefect::Outside { what: "a chunk", at: physical, end, limit: "the file system" };
                    return Err(inode.corruption(why).into());
                }
                mapping.push(ErofsFileRun { logical, physical, len });
            }
            logical += len;
        }
        from += len as u64;
    }
    Ok(())
}

/// The address of an index of 8 bytes; of several devices there is only the first.
fn index(inode: &ErofsInode, raw: &[u8], sink: &mut dyn ErofsCorruptionSink) -> Result<u32, ErofsReadError> {
    let (high, device, low) = (fields::u16(raw, 0), fields::u16(raw, 2), fields::u32(raw, 4));
    if device != 0 {
        let why = ErofsDefect::Value { field: "device of a chunk", found: device.into(), expected: 0 };
        sink.report(inode.corruption(why))?;
    }
    // Without the feature of 48 bits the field is an unused one.
    if high != 0 && low != NULL_ADDRESS {
        let why = ErofsDefect::Value { field: "high bits of a chunk", found: high.into(), expected: 0 };
        sink.report(inode.corruption(why))?;
    }
    Ok(low)
}
