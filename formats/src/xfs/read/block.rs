//! Headers of blocks: magic number, checksum, address, UUID and owner, wherever a kind of block has them.

use super::error::{XfsCorruption, XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, value};
use super::{XfsFileSystem, checksum, read_exact};
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::spec::BASIC_BLOCK;

/// Where a kind of block has the fields that all have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderShape {
    /// The magic number, and whether it has 16 bits.
    magic: (usize, bool),
    checksum: usize,
    address: usize,
    uuid: usize,
    /// The owner, and whether it has 32 bits.
    owner: (usize, bool),
}

/// Blocks of the tree of an inode's extents.
pub(crate) const MAP_SHAPE: HeaderShape =
    HeaderShape { magic: (0, false), checksum: 64, address: 24, uuid: 40, owner: (56, false) };
/// Blocks of the trees of a group.
pub(crate) const AG_TREE_SHAPE: HeaderShape =
    HeaderShape { magic: (0, false), checksum: 52, address: 16, uuid: 32, owner: (48, true) };
/// Blocks of entries and of free space of a directory.
pub(crate) const DIR_SHAPE: HeaderShape =
    HeaderShape { magic: (0, false), checksum: 4, address: 8, uuid: 24, owner: (40, false) };
/// Blocks of an index, and leaves of attributes.
pub(crate) const DA_SHAPE: HeaderShape =
    HeaderShape { magic: (8, true), checksum: 12, address: 16, uuid: 32, owner: (48, false) };
/// Blocks of values and of targets.
pub(crate) const REMOTE_SHAPE: HeaderShape =
    HeaderShape { magic: (0, false), checksum: 12, address: 40, uuid: 16, owner: (32, false) };

/// A block with a checked header.
#[derive(Debug)]
pub(crate) struct XfsBlock {
    pub(crate) bytes: Vec<u8>,
    pub(crate) magic: u32,
    pub(crate) location: XfsLocation,
    /// First byte in the image.
    pub(crate) offset: u64,
}

impl XfsBlock {
    pub(crate) fn corruption(&self, why: XfsDefect) -> XfsCorruption {
        XfsCorruption { location: self.location, offset: self.offset, why }
    }
}

/// What a block has to be.
pub(crate) struct ExpectedBlock<'e> {
    pub(crate) shape: HeaderShape,
    pub(crate) magics: &'e [u32],
    pub(crate) owner: u64,
    pub(crate) location: XfsLocation,
}

impl<R: ReadAt + ?Sized> XfsFileSystem<'_, R> {
    /// Reads a block of the file system; `None` when it was reported to be no such block.
    pub(crate) fn checked_block(
        &self,
        linear: u64,
        expected: &ExpectedBlock<'_>,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Option<XfsBlock>, XfsReadError> {
        let mut bytes = vec![0; self.superblock.block_size as usize];
        read_exact(self.image, self.superblock.offset_of(linear), &mut bytes)?;
        self.check_header(bytes, linear, expected, sink)
    }

    /// Checks the header of a block that begins at a block of the file system.
    pub(crate) fn check_header(
        &self,
        bytes: Vec<u8>,
        linear: u64,
        expected: &ExpectedBlock<'_>,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Option<XfsBlock>, XfsReadError> {
        let shape = expected.shape;
        let magic = match shape.magic {
            (at, true) => fields::be16(&bytes, at).into(),
            (at, false) => fields::be32(&bytes, at),
        };
        let owner = match shape.owner {
            (at, true) => fields::be32(&bytes, at).into(),
            (at, false) => fields::be64(&bytes, at),
        };
        let offset = self.superblock.offset_of(linear);
        let block = XfsBlock { magic, location: expected.location, offset, bytes };
        if !expected.magics.contains(&magic) {
            let expected = expected.magics.first().copied().unwrap_or(0).into();
            let why = XfsDefect::Value { field: "magic number", found: magic.into(), expected };
            sink.report(block.corruption(why))?;
            return Ok(None);
        }
        let uuid: [u8; 16] = fields::array(&block.bytes, shape.uuid);
        let defects = [
            checksum::verify(&block.bytes, shape.checksum),
            value("address in the header", fields::be64(&block.bytes, shape.address), offset / BASIC_BLOCK),
            (uuid != self.superblock.meta_uuid.to_bytes()).then_some(XfsDefect::Uuid),
            value("owner in the header", owner, expected.owner),
        ];
        for why in defects.into_iter().flatten() {
            sink.report(block.corruption(why))?;
        }
        Ok(Some(block))
    }
}
