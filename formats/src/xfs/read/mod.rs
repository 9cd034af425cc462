//! XFS reader: from the bytes of an image to facts, inodes and a tree.
//!
//! It refuses what is damaged with what, where and why; it never panics, never loops, and takes memory in proportion to the
//! image's metadata. A file system whose log was not replayed is refused: what it describes may be of two points in time.
//! Specification: "XFS Filesystem Disk Structures"; for what is newer Linux, `fs/xfs/libxfs`.

mod acl;
pub(crate) mod ag;
pub(crate) mod ag_tree;
pub(crate) mod block;
pub(crate) mod checksum;
pub(crate) mod claims;
pub(crate) mod da;
pub(crate) mod dir_block;
pub(crate) mod directory;
pub(crate) mod error;
pub(crate) mod extents;
pub(crate) mod features;
mod file;
pub(crate) mod group;
pub(crate) mod inode;
mod log;
pub(crate) mod superblock;
pub(crate) mod tree;
pub(crate) mod xattr;

pub(crate) use self::claims::XfsClaims;
pub use self::directory::XfsDirEntry;
pub use self::error::{XfsCorruption, XfsDefect, XfsLocation, XfsReadError, XfsTreeKind};
pub(crate) use self::error::{XfsCorruptionSink, XfsRefuse};
pub use self::extents::{XfsMapping, XfsRun};
pub use self::features::XfsFeatures;
pub use self::inode::{XfsFileKind, XfsFork, XfsForkFormat, XfsInode};
pub use self::superblock::{XfsLogs, XfsSuperblock};
pub use self::tree::XfsNumberedTree;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::{Tree, Xattrs};

/// A file system in an image, its superblock read and checked, and its log known to be replayed.
pub struct XfsFileSystem<'a, R: ?Sized> {
    image: &'a R,
    superblock: XfsSuperblock,
}

/// Opens the file system that begins at the first byte of `image`.
///
/// # Errors
/// [`XfsReadError`] when there is none, when it uses features that this reader does not read, when its log was not replayed,
/// or when the superblock is damaged.
pub fn open<R: ReadAt + ?Sized>(image: &R) -> Result<XfsFileSystem<'_, R>, XfsReadError> {
    open_reporting(image, &mut XfsRefuse)
}

/// Opens, and leaves it to `sink` whether a wrong checksum ends it.
pub(crate) fn open_reporting<'a, R: ReadAt + ?Sized>(
    image: &'a R,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<XfsFileSystem<'a, R>, XfsReadError> {
    let superblock = XfsSuperblock::read(image, sink)?;
    if log::is_dirty(image, &superblock)? {
        return Err(XfsReadError::DirtyLog);
    }
    Ok(XfsFileSystem { image, superblock })
}

impl<'a, R: ReadAt + ?Sized> XfsFileSystem<'a, R> {
    /// The superblock.
    pub fn superblock(&self) -> &XfsSuperblock {
        &self.superblock
    }

    /// The image.
    pub fn image(&self) -> &'a R {
        self.image
    }

    /// An inode in use.
    ///
    /// # Errors
    /// [`XfsReadError`] when there is no such inode or it is damaged.
    pub fn inode(&self, number: u64) -> Result<XfsInode, XfsReadError> {
        self.inode_reporting(number, &mut XfsRefuse)
    }

    pub(crate) fn inode_reporting(
        &self,
        number: u64,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<XfsInode, XfsReadError> {
        let Some(offset) = self.superblock.inode_offset(number) else {
            let why = XfsDefect::Outside { what: "an inode", start: number, len: 1 };
            return Err(
                XfsCorruption { location: XfsLocation::Inode { inode: number }, offset: 0, why }.into()
            );
        };
        let mut raw = vec![0; usize::from(self.superblock.inode_size)];
        read_exact(self.image, offset, &mut raw)?;
        XfsInode::read(&self.superblock, number, offset, &raw, sink)
    }

    /// The mapping of the content of an inode.
    ///
    /// # Errors
    /// [`XfsReadError`] when the extents are damaged, or on the real-time device.
    pub fn mapping(&self, inode: &XfsInode) -> Result<XfsMapping, XfsReadError> {
        self.mapping_reporting(inode, &mut XfsClaims::default(), &mut XfsRefuse)
    }

    pub(crate) fn mapping_reporting(
        &self,
        inode: &XfsInode,
        claims: &mut XfsClaims,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<XfsMapping, XfsReadError> {
        tree::mapping(self, inode, claims, sink)
    }

    /// The extended attributes of an inode, as the kernel's system calls give them to root.
    ///
    /// # Errors
    /// [`XfsReadError`] when the attributes are damaged.
    pub fn xattrs(&self, inode: &XfsInode) -> Result<Xattrs, XfsReadError> {
        Ok(xattr::read(self, inode, &mut XfsClaims::default(), &mut XfsRefuse)?.0)
    }

    /// The whole file system as a tree; contents are slices of `source`, with offsets from the start of the image.
    ///
    /// # Errors
    /// [`XfsReadError`] when anything that the tree needs is damaged.
    pub fn tree(&self, source: SourceId) -> Result<Tree, XfsReadError> {
        Ok(self.numbered_tree(source)?.tree)
    }

    /// [`XfsFileSystem::tree`] with the inode number of every node.
    ///
    /// # Errors
    /// As [`XfsFileSystem::tree`].
    pub fn numbered_tree(&self, source: SourceId) -> Result<XfsNumberedTree, XfsReadError> {
        tree::read(self, source)
    }
}

/// Fills `buf` from `offset` on.
pub(crate) fn read_exact<R: ReadAt + ?Sized>(
    image: &R,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), XfsReadError> {
    let len = buf.len() as u64;
    image.read_exact_at(offset, buf).map_err(|source| XfsReadError::Io { offset, len, source })
}
