//! What belongs to inodes: contents, names, addresses, attributes.

use super::Ext4Map;
use crate::ext4::read::{BlockMapping, Ext4ReadError, FileKind, RESIZE, ROOT, ReadInode, features, fields};
use crate::map::{NodePart, Subject};
use crate::read_at::ReadAt;

/// Offset in `i_block` of the number of the double-indirect block.
const DOUBLE: usize = 13 * 4;

impl<R: ReadAt + ?Sized> Ext4Map<'_, '_, R> {
    /// Adds the blocks of every inode that has a path or is reserved.
    pub(super) fn inodes(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        let numbers: Vec<(u32, u32)> = self.nodes.iter().map(|(number, node)| (*number, *node)).collect();
        for (number, node) in numbers {
            let reserved = number < superblock.first_inode && number != ROOT;
            let inode = match self.system.inode(number) {
                Ok(inode) => inode,
                // One that was never used may lack a checksum, and owns nothing.
                Err(_) if reserved && self.is_zero(number)? => continue,
                Err(error) => return Err(error),
            };
            if number == RESIZE {
                self.descriptor_reserve(&inode);
            } else {
                self.inode(node, &inode, reserved)?;
            }
        }
        Ok(())
    }

    /// Whether all bytes of an inode are zero.
    fn is_zero(&self, number: u32) -> Result<bool, Ext4ReadError> {
        let offset = self.system.inode_offset(number)?;
        let mut raw = vec![0; usize::from(self.system.superblock().inode_size)];
        crate::ext4::read::read_exact(self.system.image(), offset, &mut raw)?;
        Ok(raw.iter().all(|byte| *byte == 0))
    }

    /// Adds the block that maps the reserve for descriptors; the reserve itself belongs to the groups.
    fn descriptor_reserve(&mut self, inode: &ReadInode) {
        let superblock = self.system.superblock();
        let double = u64::from(fields::u32(&inode.block, DOUBLE));
        if superblock.features.compat(features::RESIZE_INODE) && double != 0 {
            self.blocks(double, 1, Subject::Structure { name: "map of the reserve for descriptors".into() });
        }
    }

    /// Adds the blocks of an inode.
    fn inode(&mut self, node: u32, inode: &ReadInode, reserved: bool) -> Result<(), Ext4ReadError> {
        if inode.xattr_block != 0 && self.attributes.insert(inode.xattr_block) {
            self.blocks(inode.xattr_block, 1, Subject::Node { node, part: NodePart::Attributes });
        }
        let mapped = inode.stored_blocks > 0
            && match inode.kind() {
                Some(FileKind::File | FileKind::Dir) => true,
                Some(FileKind::Symlink) => !inode.is_fast_symlink(),
                _ => false,
            };
        if !mapped {
            return Ok(());
        }
        let mapping = self.system.mapping(inode)?;
        for block in &mapping.nodes {
            self.blocks(*block, 1, Subject::Node { node, part: NodePart::Addresses });
        }
        match inode.kind() {
            _ if reserved => self.whole(&mapping, &Subject::Node { node, part: NodePart::Reserved }),
            Some(FileKind::Dir) => self.whole(&mapping, &Subject::Node { node, part: NodePart::Names }),
            Some(FileKind::Symlink) => self.content(&mapping, inode.size, node, |_| Subject::Target { node }),
            _ => self.content(&mapping, inode.size, node, |offset| Subject::Content { node, offset }),
        }
        Ok(())
    }

    /// Adds runs of which every byte has one subject.
    fn whole(&mut self, mapping: &BlockMapping, subject: &Subject) {
        for run in &mapping.runs {
            self.blocks(run.physical, run.len, subject.clone());
        }
    }

    /// Adds runs of a content of `size` bytes, with what is behind its end.
    fn content(&mut self, mapping: &BlockMapping, size: u64, node: u32, subject: impl Fn(u64) -> Subject) {
        let superblock = self.system.superblock();
        let block = u64::from(superblock.block_size);
        for run in &mapping.runs {
            if run.unwritten {
                self.blocks(run.physical, run.len, Subject::Unwritten { node });
                continue;
            }
            let (at, len) = (superblock.offset_of(run.physical), run.len.saturating_mul(block));
            let offset = run.logical.saturating_mul(block);
            let inside = size.saturating_sub(offset).min(len);
            self.builder.add(at, inside, subject(offset));
            self.builder.add(at.saturating_add(inside), len - inside, Subject::Tail { node });
        }
    }
}
