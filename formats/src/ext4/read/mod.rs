//! ext4 reader: from the bytes of an image to facts, inodes and a tree.
//!
//! It shares no code with the writer, so that neither can hide a misreading of the other. It refuses what is damaged
//! with what, where and why; it never panics, never loops, and takes memory in proportion to the image's metadata.
//! Specification: the kernel's `Documentation/filesystems/ext4`.

pub(crate) mod acl;
pub(crate) mod checksum;
pub(crate) mod directory;
pub(crate) mod error;
pub(crate) mod extents;
pub(crate) mod features;
mod file;
pub(crate) mod groups;
pub(crate) mod hash;
pub(crate) mod htree;
pub(crate) mod indirect;
pub(crate) mod inode;
pub(crate) mod superblock;
pub(crate) mod tree;
pub(crate) mod usage;
pub(crate) mod xattr;

use std::collections::BTreeSet;

pub use self::directory::DirEntry;
pub(crate) use self::error::CorruptionSink;
pub(crate) use self::error::Refuse;
pub use self::error::{Corruption, Defect, Ext4Location, Ext4ReadError};
pub use self::extents::{BlockMapping, FileRun};
pub use self::features::Features;
pub use self::groups::{BLOCK_UNINIT, GroupInfo, INODE_UNINIT, INODE_ZEROED};
pub use self::inode::{
    EXTENTS_FL, FileKind, HUGE_FILE_FL, INDEX_FL, INLINE_DATA_FL, JOURNAL, RESIZE, ROOT, ReadInode,
};
pub use self::superblock::ReadSuperblock;
pub use self::tree::NumberedTree;
pub(crate) use self::tree::target;
pub use self::usage::UsedBlocks;
pub(crate) use crate::fields;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::{Tree, Xattrs};

/// A file system in an image, its superblock and group descriptors read and checked.
pub struct FileSystem<'a, R: ?Sized> {
    image: &'a R,
    superblock: ReadSuperblock,
    groups: Vec<GroupInfo>,
}

/// Opens the file system that begins at the first byte of `image`.
///
/// # Errors
/// [`Ext4ReadError`] when there is none, when it uses features that this reader does not read, or when the superblock
/// or a group descriptor is damaged.
pub fn open<R: ReadAt + ?Sized>(image: &R) -> Result<FileSystem<'_, R>, Ext4ReadError> {
    open_reporting(image, &mut Refuse)
}

/// Opens, and leaves it to `sink` whether a wrong checksum ends it.
pub(crate) fn open_reporting<'a, R: ReadAt + ?Sized>(
    image: &'a R,
    sink: &mut dyn CorruptionSink,
) -> Result<FileSystem<'a, R>, Ext4ReadError> {
    let superblock = ReadSuperblock::read(image, sink)?;
    let groups = groups::read(image, &superblock, sink)?;
    Ok(FileSystem { image, superblock, groups })
}

impl<'a, R: ReadAt + ?Sized> FileSystem<'a, R> {
    /// The superblock.
    pub fn superblock(&self) -> &ReadSuperblock {
        &self.superblock
    }

    /// The group descriptors, by group.
    pub fn groups(&self) -> &[GroupInfo] {
        &self.groups
    }

    /// The image.
    pub fn image(&self) -> &'a R {
        self.image
    }

    /// Length of the journal in bytes, 0 without one.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when the journal's inode is damaged.
    pub fn journal_len(&self) -> Result<u64, Ext4ReadError> {
        match self.superblock.journal_inode {
            0 => Ok(0),
            number => Ok(self.inode(number)?.size),
        }
    }

    /// An inode, in use or not.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when there is no such inode or it is damaged.
    pub fn inode(&self, number: u32) -> Result<ReadInode, Ext4ReadError> {
        self.inode_reporting(number, &mut Refuse)
    }

    pub(crate) fn inode_reporting(
        &self,
        number: u32,
        sink: &mut dyn CorruptionSink,
    ) -> Result<ReadInode, Ext4ReadError> {
        let offset = self.inode_offset(number)?;
        let mut raw = vec![0; usize::from(self.superblock.inode_size)];
        read_exact(self.image, offset, &mut raw)?;
        ReadInode::read(&self.superblock, number, offset, &raw, sink)
    }

    /// First byte of an inode in the image.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when there is no such inode.
    pub fn inode_offset(&self, number: u32) -> Result<u64, Ext4ReadError> {
        let index = number.wrapping_sub(1);
        let group = self.groups.get((index / self.superblock.inodes_per_group) as usize);
        let Some(group) = group.filter(|_| number != 0) else {
            let (found, most) = (u64::from(number), u64::from(self.superblock.inodes));
            let why = Defect::Range { field: "inode number", found, least: 1, most };
            let offset = superblock::OFFSET;
            return Err(Corruption { location: Ext4Location::Inode { inode: number }, offset, why }.into());
        };
        let slot = u64::from(index % self.superblock.inodes_per_group);
        let start = self.superblock.offset_of(group.inode_table);
        Ok(start.saturating_add(slot * u64::from(self.superblock.inode_size)))
    }

    /// The mapping of the content of an inode.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when the extent tree or the blocks of block numbers are damaged.
    pub fn mapping(&self, inode: &ReadInode) -> Result<BlockMapping, Ext4ReadError> {
        self.mapping_reporting(inode, &mut BTreeSet::new(), &mut Refuse)
    }

    /// Reads the mapping; `met` holds the blocks of extents that were read so far and may not come again.
    pub(crate) fn mapping_reporting(
        &self,
        inode: &ReadInode,
        met: &mut BTreeSet<u64>,
        sink: &mut dyn CorruptionSink,
    ) -> Result<BlockMapping, Ext4ReadError> {
        if inode.is(INLINE_DATA_FL) {
            let why = Defect::Meaningless { field: "i_flags (inline data)", found: u64::from(inode.flags) };
            inode.report(why, sink)?;
            return Ok(BlockMapping::default());
        }
        if inode.is(EXTENTS_FL) {
            return extents::read(self, inode, met, sink);
        }
        indirect::read(self, inode, met, sink)
    }

    /// The entries of a directory, `.` and `..` among them, in the order of the disk.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when the directory is damaged.
    pub fn entries(&self, dir: &ReadInode) -> Result<Vec<DirEntry>, Ext4ReadError> {
        let mapping = self.mapping(dir)?;
        directory::read(self, dir, &mapping, &mut Refuse)
    }

    /// The extended attributes of an inode, as the kernel's system calls give them.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when the attributes are damaged.
    pub fn xattrs(&self, inode: &ReadInode) -> Result<Xattrs, Ext4ReadError> {
        xattr::read(self, inode, &mut Refuse)
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when the link is damaged.
    pub fn symlink_target(&self, inode: &ReadInode) -> Result<Box<[u8]>, Ext4ReadError> {
        tree::target(self, inode, &mut BTreeSet::new(), &mut Refuse)
    }

    /// The inode at a path of names joined by `/`, links not followed; `None` when a name is not there.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when a directory on the way is damaged.
    pub fn inode_of(&self, path: &[u8]) -> Result<Option<u32>, Ext4ReadError> {
        let mut number = ROOT;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
            let dir = self.inode(number)?;
            if dir.kind() != Some(FileKind::Dir) {
                return Ok(None);
            }
            let entries = self.entries(&dir)?;
            match entries.iter().find(|entry| &*entry.name == name) {
                Some(entry) => number = entry.inode,
                None => return Ok(None),
            }
        }
        Ok(Some(number))
    }

    /// The whole file system as a tree; contents are slices of `source`, with offsets from the start of the image.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when anything that the tree needs is damaged.
    pub fn tree(&self, source: SourceId) -> Result<Tree, Ext4ReadError> {
        Ok(self.numbered_tree(source)?.tree)
    }

    /// [`FileSystem::tree`] with the inode number of every node.
    ///
    /// # Errors
    /// As [`FileSystem::tree`].
    pub fn numbered_tree(&self, source: SourceId) -> Result<NumberedTree, Ext4ReadError> {
        tree::read(self, source)
    }

    /// The runs of blocks that the bitmaps have as used, in order.
    pub fn used_blocks(&self) -> UsedBlocks<'_, 'a, R> {
        UsedBlocks::new(self)
    }

    /// Reads a block into a buffer of its size.
    pub(crate) fn block(&self, block: u64) -> Result<Vec<u8>, Ext4ReadError> {
        let mut bytes = vec![0; self.superblock.block_size as usize];
        read_block(self.image, &self.superblock, block, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether data or metadata may be in blocks `start..start + len`.
    pub(crate) fn holds(&self, start: u64, len: u64) -> bool {
        let first = u64::from(self.superblock.first_data_block);
        start > first && start.checked_add(len).is_some_and(|end| end <= self.superblock.blocks)
    }
}

/// Fills `buf` from `offset` on.
pub(crate) fn read_exact<R: ReadAt + ?Sized>(
    image: &R,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), Ext4ReadError> {
    let len = buf.len() as u64;
    image.read_exact_at(offset, buf).map_err(|source| Ext4ReadError::Io { offset, len, source })
}

/// Fills `buf`, a block long, from a block.
pub(crate) fn read_block<R: ReadAt + ?Sized>(
    image: &R,
    superblock: &ReadSuperblock,
    block: u64,
    buf: &mut [u8],
) -> Result<(), Ext4ReadError> {
    read_exact(image, superblock.offset_of(block), buf)
}

#[cfg(test)]
mod tests;
