//! Extended attributes of amended and new inodes: in the inode what fits, the rest in a block, which inodes with the same
//! attributes share.

use std::collections::BTreeMap;

use super::Ext4PatchError;
use super::volume::PatchVolume;
use crate::ext4::read::{ReadInode, checksum, features, fields};
use crate::ext4::spec::PutField;
use crate::ext4::spec::xattr::{
    Attribute, HEADER_SIZE, MAGIC, REFCOUNT_MAX, acl_to_disk, encode_block_of, encode_inline, split_name,
};
use crate::tree::Xattrs;

/// Bytes of magic before the entries in an inode, and of the zeros after them.
const MAGIC_AND_END: usize = 8;

/// Where the checksum of a block of attributes is.
const CHECKSUM_AT: usize = 16;

/// Blocks of attributes that were made, with the number of inodes that share each.
#[derive(Debug, Default)]
pub(super) struct NewAttributeBlocks(BTreeMap<Vec<Attribute>, (u64, u32)>);

impl PatchVolume<'_> {
    /// Takes an inode away from its block of attributes; the block goes with the last one.
    pub(super) fn release_attributes(&mut self, inode: &ReadInode) -> Result<(), Ext4PatchError> {
        let block = inode.xattr_block;
        if block == 0 {
            return Ok(());
        }
        let references = fields::u32(&self.block(block)?, 4);
        if references <= 1 {
            self.give_back(block..block + 1);
            return Ok(());
        }
        self.set_references(block, references - 1)
    }

    /// Sets how many inodes share a block of attributes.
    fn set_references(&mut self, block: u64, references: u32) -> Result<(), Ext4PatchError> {
        let (sealed, seed) = (self.superblock.has_checksums(), self.superblock.checksum_seed);
        let bytes = self.edit(block)?;
        bytes[..].put32(4, references);
        if sealed {
            let seed = checksum::crc32c(seed, &block.to_le_bytes());
            let sum = checksum::crc32c_without(seed, bytes, CHECKSUM_AT);
            bytes[..].put32(CHECKSUM_AT, sum);
        }
        Ok(())
    }

    /// Writes the attributes of an inode; gives its block of attributes, 0 for none.
    pub(super) fn write_attributes(
        &mut self,
        number: u32,
        xattrs: Option<&Xattrs>,
        path: &[u8],
        made: &mut NewAttributeBlocks,
    ) -> Result<u64, Ext4PatchError> {
        let mut attributes = Vec::new();
        for (name, value) in xattrs.into_iter().flatten() {
            let stored = stored(name, value);
            let refused = || Ext4PatchError::Xattr { path: path.to_vec(), name: name.to_vec() };
            attributes.push(stored.ok_or_else(refused)?);
        }
        // The order that the kernel searches blocks in.
        attributes.sort_by(|a, b| (a.index, a.name.len(), &a.name).cmp(&(b.index, b.name.len(), &b.name)));
        let rest = self.edit_inode(number, |raw| {
            let area = raw.attributes();
            area.fill(0);
            let mut left = area.len().saturating_sub(MAGIC_AND_END);
            let (inside, rest): (Vec<_>, Vec<_>) = attributes.into_iter().partition(|attribute| {
                let fits = attribute.size() <= left;
                left -= if fits { attribute.size() } else { 0 };
                fits
            });
            if !inside.is_empty() {
                let inside: Vec<&Attribute> = inside.iter().collect();
                area.copy_from_slice(&encode_inline(&inside, area.len()));
            }
            rest
        })?;
        let block = if rest.is_empty() { 0 } else { self.attribute_block(rest, path, made)? };
        self.edit_inode(number, |raw| raw.attribute_block(block))?;
        Ok(block)
    }

    /// The block with these attributes: one that was made already, or a new one.
    fn attribute_block(
        &mut self,
        attributes: Vec<Attribute>,
        path: &[u8],
        made: &mut NewAttributeBlocks,
    ) -> Result<u64, Ext4PatchError> {
        if let Some((block, references)) =
            made.0.get_mut(&attributes).filter(|(_, references)| *references < REFCOUNT_MAX)
        {
            *references += 1;
            let (block, references) = (*block, *references);
            self.set_references(block, references)?;
            return Ok(block);
        }
        let size: usize = attributes.iter().map(Attribute::size).sum();
        let available = self.superblock.block_size as usize - HEADER_SIZE - 4;
        if size > available {
            return Err(Ext4PatchError::XattrSpace { path: path.to_vec(), needed: size, available });
        }
        let block = self.take_one()?;
        let sorted: Vec<&Attribute> = attributes.iter().collect();
        let bytes = encode_block_of(self.superblock.block_size as usize, &sorted, 1);
        debug_assert_eq!(fields::u32(&bytes, 0), MAGIC);
        self.put(block, bytes);
        self.set_references(block, 1)?;
        made.0.insert(attributes, (block, 1));
        self.features.compat |= features::EXT_ATTR;
        Ok(block)
    }
}

/// An attribute in its form on disk.
fn stored(name: &[u8], value: &[u8]) -> Option<Attribute> {
    let (index, rest) = split_name(name).filter(|(_, rest)| rest.len() <= 255)?;
    let value: Box<[u8]> =
        if name.starts_with(b"system.posix_acl_") { acl_to_disk(value)?.into() } else { value.into() };
    Some(Attribute { index, name: rest.into(), value })
}
