//! Inodes and what they have: forks, extents, attributes and contents.

use std::ops::Range;

use super::XfsPass;
use crate::fields;
use crate::residue::{ResidueKind, ResidueOwner};
use crate::xfs::read::block::{REMOTE_SHAPE, XfsBlock};
use crate::xfs::read::{
    XfsFileKind, XfsFork, XfsForkFormat, XfsInode, XfsMapping, XfsReadError, XfsRefuse, da, xattr,
};
use crate::xfs::spec::{
    ATTR_LEAF_HEADER, ATTR_LEAF_MAGIC, ATTR_REMOTE_MAGIC, DA_ENTRY, INODE_CORE, MAP_HEADER, MAP_RECORD,
    REMOTE_HEADER,
};

/// First byte of the time of modification.
const MTIME_AT: usize = 40;
/// Bytes of an inode that is not in use that are zero in one that never was: owners and links, times, time of creation, and
/// the forks.
const UNUSED: [Range<u64>; 4] = [8..20, 32..56, 144..152, INODE_CORE as u64..u64::MAX];

impl XfsPass<'_, '_> {
    /// An inode with blocks.
    pub(super) fn inode(&mut self, number: u64, used: bool) -> Result<(), XfsReadError> {
        let superblock = self.system.superblock();
        let Some(offset) = superblock.inode_offset(number) else { return Ok(()) };
        let end = offset.saturating_add(superblock.inode_size.into());
        self.survey.claim(offset..end);
        let owner = ResidueOwner::Node(number);
        if !used {
            let bytes = self.fill(offset..end)?;
            // A deleted inode keeps its times; one of a new chunk has none.
            let deleted = fields::be64(&bytes, MTIME_AT) != 0;
            let kind = if deleted { ResidueKind::DeletedInode } else { ResidueKind::UnusedInode };
            for part in UNUSED {
                let (from, to) =
                    (offset.saturating_add(part.start), offset.saturating_add(part.end).min(end));
                self.survey.suspect(kind, owner, from..to);
            }
            return Ok(());
        }
        let inode = self.system.inode(number)?;
        let (_, attributes) = xattr::read(self.system, &inode, &mut self.claims, &mut XfsRefuse)?;
        let content = self.system.mapping_reporting(&inode, &mut self.claims, &mut XfsRefuse)?;
        self.forks(&inode, offset);
        for mapping in [&attributes, &content] {
            self.map_blocks(owner, mapping)?;
        }
        self.attribute_blocks(&inode, &attributes)?;
        self.content(&inode, &content)
    }

    /// What follows the last byte in use of each fork in the inode.
    fn forks(&mut self, inode: &XfsInode, offset: u64) {
        let mut start = offset.saturating_add(INODE_CORE as u64);
        let owner = ResidueOwner::Node(inode.number);
        for (fork, size) in [(Some(&inode.data), Some(inode.size)), (inode.attributes.as_ref(), None)] {
            let Some(fork) = fork else { continue };
            let end = start.saturating_add(fork.bytes.len() as u64);
            if let Some(used) = used(fork, size) {
                let from = start.saturating_add(used).min(end);
                self.survey.suspect(ResidueKind::InodeGap, owner, from..end);
            }
            start = end;
        }
    }

    /// Blocks of the tree of extents: what follows the last record of a leaf.
    fn map_blocks(&mut self, owner: ResidueOwner, mapping: &XfsMapping) -> Result<(), XfsReadError> {
        for &block in &mapping.nodes {
            let range = self.bytes_of(block, 1);
            self.survey.claim(range.clone());
            let bytes = self.fill(range.clone())?;
            if fields::be16(&bytes, 4) == 0 {
                let records = usize::from(fields::be16(&bytes, 6)).saturating_mul(MAP_RECORD);
                let used = records.saturating_add(MAP_HEADER) as u64;
                self.survey.suspect(
                    ResidueKind::MappingGap,
                    owner,
                    range.start.saturating_add(used)..range.end,
                );
            }
        }
        Ok(())
    }

    /// Blocks of attributes: what is between the entries and the first name of a leaf, and what follows a value.
    fn attribute_blocks(&mut self, inode: &XfsInode, mapping: &XfsMapping) -> Result<(), XfsReadError> {
        let owner = ResidueOwner::Node(inode.number);
        for run in &mapping.runs {
            let bytes = self.bytes_of(run.physical, run.len);
            self.survey.claim(bytes);
        }
        if mapping.runs.is_empty() {
            return Ok(());
        }
        let fork = xattr::blocks_of(inode, mapping);
        let blocks = da::read(self.system, fork, 0, ATTR_LEAF_MAGIC, &mut XfsRefuse)?;
        for leaf in &blocks.leaves {
            let count = usize::from(fields::be16(&leaf.bytes, 56)).saturating_mul(DA_ENTRY);
            let entries = leaf.offset.saturating_add(count.saturating_add(ATTR_LEAF_HEADER) as u64);
            let first = match fields::be16(&leaf.bytes, 60) {
                0 => leaf.bytes.len() as u64,
                first => first.into(),
            };
            self.survey.suspect(ResidueKind::AttributeGap, owner, entries..leaf.offset.saturating_add(first));
            for attribute in xattr::leaf_attributes(leaf).unwrap_or_default() {
                let Err((first, len)) = attribute.value else { continue };
                let end = first.saturating_add(xattr::value_blocks(len, leaf.bytes.len() as u64));
                let magics = (REMOTE_SHAPE, &[ATTR_REMOTE_MAGIC][..]);
                for logical in first..end {
                    if let Some(block) = self.system.fork_block(fork, logical, magics, &mut XfsRefuse)? {
                        self.remote(owner, ResidueKind::AttributeGap, &block);
                    }
                }
            }
        }
        Ok(())
    }

    /// What follows the bytes of a value or target in a block of its own.
    fn remote(&mut self, owner: ResidueOwner, kind: ResidueKind, block: &XfsBlock) {
        let used = u64::from(fields::be32(&block.bytes, 8)).saturating_add(REMOTE_HEADER as u64);
        let end = block.offset.saturating_add(block.bytes.len() as u64);
        self.survey.suspect(kind, owner, block.offset.saturating_add(used)..end);
    }

    fn content(&mut self, inode: &XfsInode, mapping: &XfsMapping) -> Result<(), XfsReadError> {
        let superblock = self.system.superblock();
        let owner = ResidueOwner::Node(inode.number);
        for run in &mapping.runs {
            let bytes = self.bytes_of(run.physical, run.len);
            self.survey.claim(bytes.clone());
            match inode.kind {
                XfsFileKind::Dir => {}
                XfsFileKind::Symlink => {
                    let header = bytes.start..bytes.start.saturating_add(REMOTE_HEADER as u64);
                    let used = u64::from(fields::be32(&self.fill(header.clone())?, 8));
                    let from = header.end.saturating_add(used);
                    self.survey.suspect(ResidueKind::LinkSlack, owner, from..bytes.end);
                }
                _ if run.unwritten => self.survey.suspect(ResidueKind::Unwritten, owner, bytes),
                _ => {
                    let used = inode.size.saturating_sub(superblock.offset_of(run.logical));
                    let from = bytes.start.saturating_add(used).min(bytes.end);
                    // Blocks that files share have the bytes of the longest.
                    if !inode.may_share() {
                        self.survey.suspect(ResidueKind::FileSlack, owner, from..bytes.end);
                    }
                }
            }
        }
        if inode.kind == XfsFileKind::Dir {
            self.directory(inode, mapping)?;
        }
        Ok(())
    }
}

/// Bytes in use of a fork in the inode; `None` where the format has no end.
fn used(fork: &XfsFork, size: Option<u64>) -> Option<u64> {
    match (fork.format, size) {
        (XfsForkFormat::Device, _) => Some(4),
        (XfsForkFormat::Local, Some(size)) => Some(size),
        (XfsForkFormat::Local, None) => Some(fields::be16(&fork.bytes, 0).into()),
        (XfsForkFormat::Extents, _) => Some(fork.extents.saturating_mul(MAP_RECORD as u64)),
        (XfsForkFormat::Tree, _) => None,
    }
}
