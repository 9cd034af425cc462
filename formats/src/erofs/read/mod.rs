//! EROFS reader: from the bytes of an image to facts, inodes and a tree.
//!
//! It shares no code with the writer, so that neither can hide a misreading of the other. It refuses what is damaged with
//! what, where and why; it never panics, never loops, and takes memory in proportion to the image. Compressed content is
//! refused by name. Specification: Linux, `fs/erofs/erofs_fs.h`.

pub(crate) mod claims;
pub(crate) mod directory;
pub(crate) mod error;
mod file;
pub(crate) mod inode;
pub(crate) mod mapping;
pub(crate) mod superblock;
pub(crate) mod tree;
pub(crate) mod xattr;

pub(crate) use self::claims::ByteClaims;
pub use self::directory::ErofsDirEntry;
pub use self::error::{ErofsCorruption, ErofsDefect, ErofsLocation, ErofsReadError};
pub(crate) use self::error::{ErofsCorruptionSink, ErofsRefuse};
pub use self::inode::{ErofsFileKind, ErofsInode};
pub use self::mapping::{ByteMapping, ErofsFileRun};
pub use self::superblock::ErofsSuperblock;
pub use self::tree::ErofsNumberedTree;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::{Tree, Xattrs};

/// A file system in an image, its superblock read and checked.
pub struct ErofsFileSystem<'a, R: ?Sized> {
    image: &'a R,
    superblock: ErofsSuperblock,
}

/// Opens the file system that begins at the first byte of `image`.
///
/// # Errors
/// [`ErofsReadError`] when there is none, when it uses features that this reader does not read, or when the superblock is
/// damaged.
pub fn open<R: ReadAt + ?Sized>(image: &R) -> Result<ErofsFileSystem<'_, R>, ErofsReadError> {
    open_reporting(image, &mut ErofsRefuse)
}

/// Opens, and leaves it to `sink` whether a wrong checksum ends it.
pub(crate) fn open_reporting<'a, R: ReadAt + ?Sized>(
    image: &'a R,
    sink: &mut dyn ErofsCorruptionSink,
) -> Result<ErofsFileSystem<'a, R>, ErofsReadError> {
    Ok(ErofsFileSystem { image, superblock: ErofsSuperblock::read(image, sink)? })
}

impl<R: ReadAt + ?Sized> ErofsFileSystem<'_, R> {
    /// The superblock.
    pub fn superblock(&self) -> &ErofsSuperblock {
        &self.superblock
    }

    /// An inode.
    ///
    /// # Errors
    /// [`ErofsReadError`] when there is none or it is damaged.
    pub fn inode(&self, nid: u64) -> Result<ErofsInode, ErofsReadError> {
        self.inode_reporting(nid, &mut ErofsRefuse)
    }

    pub(crate) fn inode_reporting(
        &self,
        nid: u64,
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<ErofsInode, ErofsReadError> {
        ErofsInode::read(self.image, &self.superblock, nid, sink)
    }

    /// The mapping of the content of an inode.
    ///
    /// # Errors
    /// [`ErofsReadError`] when the content is compressed, or its map is damaged.
    pub fn mapping(&self, inode: &ErofsInode) -> Result<ByteMapping, ErofsReadError> {
        self.mapping_reporting(inode, &mut ByteClaims::default(), &mut ErofsRefuse)
    }

    /// Reads the mapping; `claims` holds the bytes of metadata that were read so far and may not come again.
    pub(crate) fn mapping_reporting(
        &self,
        inode: &ErofsInode,
        claims: &mut ByteClaims,
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<ByteMapping, ErofsReadError> {
        mapping::read(self.image, &self.superblock, inode, claims, sink)
    }

    /// The entries of a directory, `.` and `..` among them.
    ///
    /// # Errors
    /// [`ErofsReadError`] when the directory is damaged.
    pub fn entries(&self, dir: &ErofsInode) -> Result<Vec<ErofsDirEntry>, ErofsReadError> {
        self.entries_reporting(dir, &self.mapping(dir)?, &mut ErofsRefuse)
    }

    pub(crate) fn entries_reporting(
        &self,
        dir: &ErofsInode,
        mapping: &ByteMapping,
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<Vec<ErofsDirEntry>, ErofsReadError> {
        directory::read(self.image, &self.superblock, dir, mapping, sink)
    }

    /// The extended attributes of an inode; `shared` counts the bytes of shared ones over all inodes.
    pub(crate) fn xattrs_reporting(
        &self,
        inode: &ErofsInode,
        shared: &mut u64,
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<Xattrs, ErofsReadError> {
        xattr::read(self, inode, shared, sink)
    }

    /// Reads the whole tree; contents of files become slices of `source`, counted from the first byte of the image.
    ///
    /// # Errors
    /// [`ErofsReadError`] at the first corruption.
    pub fn tree(&self, source: SourceId) -> Result<Tree, ErofsReadError> {
        Ok(self.numbered_tree(source)?.tree)
    }

    /// As [`ErofsFileSystem::tree`], with the number of each node's inode.
    ///
    /// # Errors
    /// [`ErofsReadError`] at the first corruption.
    pub fn numbered_tree(&self, source: SourceId) -> Result<ErofsNumberedTree, ErofsReadError> {
        tree::read(self, source)
    }
}

/// Fills `buf` from byte `offset` of an image.
pub(crate) fn read_exact<R: ReadAt + ?Sized>(
    image: &R,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), ErofsReadError> {
    let len = buf.len() as u64;
    image.read_exact_at(offset, buf).map_err(|source| ErofsReadError::Io { offset, len, source })
}
