//! Extended attributes: those in each inode, and the blocks for the others, identical ones shared.

use std::collections::BTreeMap;

use super::Ext4WriteError;
use crate::ext4::spec::xattr::{
    Attribute, HEADER_SIZE, REFCOUNT_MAX, acl_to_disk, encode_inline, split_name,
};
use crate::ext4::spec::{BLOCK_SIZE, INODE_SIZE, inode};
use crate::stable::nodes::Nodes;

/// Bytes for attributes in an inode, the magic included.
const INLINE_SPACE: usize = INODE_SIZE - inode::XATTR_OFFSET;

/// Bytes of magic before the entries, and of the zeros after them.
const MAGIC_AND_END: usize = 8;

/// A block of attributes.
#[derive(Debug)]
pub(super) struct SharedBlock {
    /// Sorted as the kernel wants them.
    pub attributes: Vec<Attribute>,
    /// Inodes that refer to it.
    pub refcount: u32,
    /// First of them in the walk.
    pub first: u32,
}

/// Attributes of one node.
#[derive(Debug)]
pub(super) struct OfNode {
    /// The area in the inode; empty for no attributes.
    pub inline: Vec<u8>,
    /// Which of the blocks it has.
    pub block: Option<u32>,
}

/// Attributes of all nodes.
#[derive(Debug, Default)]
pub(super) struct NodeAttributes {
    /// By index in the walk; nodes without attributes are absent.
    pub of: BTreeMap<u32, OfNode>,
    /// The blocks, by first use.
    pub blocks: Vec<SharedBlock>,
}

impl NodeAttributes {
    /// Divides all attributes between inodes and blocks.
    pub(super) fn new(nodes: &Nodes<'_>) -> Result<Self, Ext4WriteError> {
        let mut all = Self::default();
        let mut shared: BTreeMap<Vec<Attribute>, u32> = BTreeMap::new();
        for (at, walked) in nodes.walked.iter().enumerate() {
            let Some(xattrs) = walked.node.meta.xattrs.as_ref().filter(|xattrs| !xattrs.is_empty()) else {
                continue;
            };
            let path = || nodes.path(at as u32);
            let mut attributes = Vec::with_capacity(xattrs.len());
            for (name, value) in xattrs.iter() {
                attributes.push(stored(name, value, &path)?);
            }
            // The order that the kernel searches blocks in.
            attributes
                .sort_by(|a, b| (a.index, a.name.len(), &a.name).cmp(&(b.index, b.name.len(), &b.name)));
            let (inline, rest) = divide(attributes);
            let size: usize = rest.iter().map(Attribute::size).sum();
            let most = BLOCK_SIZE as usize - HEADER_SIZE - 4;
            if size > most {
                return Err(Ext4WriteError::XattrSpace { path: path(), needed: size, available: most });
            }
            let block = (!rest.is_empty()).then(|| all.share(rest, at as u32, &mut shared));
            let inline: Vec<&Attribute> = inline.iter().collect();
            let inline = if inline.is_empty() { Vec::new() } else { encode_inline(&inline, INLINE_SPACE) };
            all.of.insert(at as u32, OfNode { inline, block });
        }
        Ok(all)
    }

    /// The block with these attributes: one that exists while it may have more users, else a new one.
    fn share(
        &mut self,
        attributes: Vec<Attribute>,
        at: u32,
        shared: &mut BTreeMap<Vec<Attribute>, u32>,
    ) -> u32 {
        if let Some(known) = shared.get(&attributes).copied() {
            let block = &mut self.blocks[known as usize];
            if block.refcount < REFCOUNT_MAX {
                block.refcount += 1;
                return known;
            }
        }
        let new = self.blocks.len() as u32;
        shared.insert(attributes.clone(), new);
        self.blocks.push(SharedBlock { attributes, refcount: 1, first: at });
        new
    }
}

/// An attribute in its form on disk.
fn stored(name: &[u8], value: &[u8], path: &dyn Fn() -> Vec<u8>) -> Result<Attribute, Ext4WriteError> {
    let (index, rest) = split_name(name)
        .filter(|(_, rest)| rest.len() <= 255)
        .ok_or_else(|| Ext4WriteError::XattrName { path: path(), name: name.to_vec() })?;
    let value: Box<[u8]> = if name.starts_with(b"system.posix_acl_") {
        let bad = || Ext4WriteError::Acl { path: path(), name: name.to_vec() };
        acl_to_disk(value).ok_or_else(bad)?.into()
    } else {
        value.into()
    };
    Ok(Attribute { index, name: rest.into(), value })
}

/// Puts into the inode what fits, in order.
fn divide(attributes: Vec<Attribute>) -> (Vec<Attribute>, Vec<Attribute>) {
    let mut left = INLINE_SPACE - MAGIC_AND_END;
    attributes.into_iter().partition(|attribute| {
        let fits = attribute.size() <= left;
        left -= if fits { attribute.size() } else { 0 };
        fits
    })
}
