//! Inodes.

use super::error::{ErofsCorruption, ErofsCorruptionSink, ErofsDefect, ErofsLocation, ErofsReadError};
use super::read_exact;
use super::superblock::ErofsSuperblock;
use crate::erofs::spec::{COMPACT_SIZE, EXTENDED_SIZE, XATTR_HEADER, file_type, kind, layout};
use crate::fields;
use crate::read_at::ReadAt;
use crate::time::Time;

/// The kind of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErofsFileKind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl ErofsFileKind {
    /// `file_type` of a directory entry.
    pub(crate) fn entry_byte(self) -> u8 {
        match self {
            Self::Dir => file_type::DIR,
            Self::File => file_type::FILE,
            Self::Symlink => file_type::SYMLINK,
            Self::CharDevice => file_type::CHAR,
            Self::BlockDevice => file_type::BLOCK,
            Self::Fifo => file_type::FIFO,
            Self::Socket => file_type::SOCKET,
        }
    }
}

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErofsInode {
    /// Its number.
    pub nid: u64,
    /// First byte in the image.
    pub offset: u64,
    /// Layout of the content.
    pub layout: u16,
    /// Kind.
    pub kind: ErofsFileKind,
    /// Permission bits with set-id and sticky.
    pub mode: u16,
    /// Names, as `st_nlink` counts them.
    pub links: u32,
    /// Length of the content.
    pub size: u64,
    /// `i_u`: the first block, a chunk format or a device.
    pub union: u32,
    /// `i_ino`, what a 32-bit stat shows.
    pub ino: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time; that of the file system for a compact inode.
    pub mtime: Time,
    /// Bytes of the inode alone.
    pub inode_size: u64,
    /// Bytes of the attributes behind it.
    pub xattr_size: u64,
}

impl ErofsInode {
    /// Reads an inode.
    pub(super) fn read<R: ReadAt + ?Sized>(
        image: &R,
        superblock: &ErofsSuperblock,
        nid: u64,
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<Self, ErofsReadError> {
        let location = ErofsLocation::Inode { nid };
        let offset = superblock.inode_offset(nid).unwrap_or(u64::MAX);
        let raw = raw(image, superblock, location, offset)?;
        let format = fields::u16(&raw, 0);
        let extended = format & 1 != 0;
        let corrupt = |why| ErofsCorruption { location, offset, why };
        let layout = format >> 1 & 7;
        if format >> 4 != 0 || layout > layout::CHUNK {
            return Err(corrupt(ErofsDefect::Meaningless { field: "i_format", found: format.into() }).into());
        }
        let mode = fields::u16(&raw, 4);
        let Some(kind) = file_kind(mode) else {
            return Err(corrupt(ErofsDefect::Meaningless { field: "i_mode", found: mode.into() }).into());
        };
        let words = u64::from(fields::u16(&raw, 2));
        let xattr_size = if words == 0 { 0 } else { XATTR_HEADER as u64 + (words - 1) * 4 };
        let common = Self {
            nid,
            offset,
            layout,
            kind,
            mode: mode & 0o7777,
            links: fields::u16(&raw, 6).into(),
            size: fields::u32(&raw, 8).into(),
            union: fields::u32(&raw, 16),
            ino: fields::u32(&raw, 20),
            uid: fields::u16(&raw, 24).into(),
            gid: fields::u16(&raw, 26).into(),
            mtime: superblock.build_time,
            inode_size: COMPACT_SIZE as u64,
            xattr_size,
        };
        let inode = if extended {
            Self {
                links: fields::u32(&raw, 44),
                size: fields::u64(&raw, 8),
                uid: fields::u32(&raw, 24),
                gid: fields::u32(&raw, 28),
                mtime: Time { secs: fields::u64(&raw, 32) as i64, nanos: fields::u32(&raw, 40) },
                inode_size: EXTENDED_SIZE as u64,
                ..common
            }
        } else {
            common
        };
        inode.check(superblock, sink)?;
        Ok(inode)
    }

    /// Checks what does not need the content.
    fn check(
        &self,
        superblock: &ErofsSuperblock,
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<(), ErofsReadError> {
        if self.mtime.nanos >= 1_000_000_000 {
            let found = self.mtime.nanos.into();
            let why = ErofsDefect::Range { field: "i_mtime_nsec", found, least: 0, most: 999_999_999 };
            sink.report(self.corruption(why))?;
        }
        if self.links == 0 {
            sink.report(self.corruption(ErofsDefect::Value { field: "i_nlink", found: 0, expected: 1 }))?;
        }
        // The kernel's `loff_t`.
        let most = i64::MAX as u64;
        if self.size > most {
            return Err(self
                .corruption(ErofsDefect::Range { field: "i_size", found: self.size, least: 0, most })
                .into());
        }
        let end = self.body();
        if end > superblock.end {
            let why =
                ErofsDefect::Outside { what: "the inode", at: self.offset, end, limit: "the file system" };
            return Err(self.corruption(why).into());
        }
        Ok(())
    }

    /// First byte behind inode and attributes.
    pub(crate) fn body(&self) -> u64 {
        self.offset + self.inode_size + self.xattr_size
    }

    /// A corruption of this inode.
    pub(crate) fn corruption(&self, why: ErofsDefect) -> ErofsCorruption {
        ErofsCorruption { location: ErofsLocation::Inode { nid: self.nid }, offset: self.offset, why }
    }

    /// Major and minor number of a device.
    pub fn device(&self) -> (u32, u32) {
        (self.union >> 8 & 0xfff, self.union & 0xff | self.union >> 12 & 0xf_ff00)
    }

    /// Whether the content is compressed.
    pub fn is_compressed(&self) -> bool {
        matches!(self.layout, layout::COMPRESSED_FULL | layout::COMPRESSED_COMPACT)
    }
}

/// The bytes of an inode; a compact one has zeros behind it.
fn raw<R: ReadAt + ?Sized>(
    image: &R,
    superblock: &ErofsSuperblock,
    location: ErofsLocation,
    offset: u64,
) -> Result<[u8; EXTENDED_SIZE], ErofsReadError> {
    let mut raw = [0; EXTENDED_SIZE];
    let mut part = |len: usize| -> Result<u16, ErofsReadError> {
        if offset > superblock.end.saturating_sub(len as u64) {
            let end = offset.saturating_add(len as u64);
            let why = ErofsDefect::Outside { what: "the inode", at: offset, end, limit: "the file system" };
            return Err(ErofsCorruption { location, offset, why }.into());
        }
        read_exact(image, offset, &mut raw[..len]).map(|()| fields::u16(&raw, 0))
    };
    if part(COMPACT_SIZE)? & 1 != 0 {
        part(EXTENDED_SIZE)?;
    }
    Ok(raw)
}

fn file_kind(mode: u16) -> Option<ErofsFileKind> {
    Some(match mode & kind::MASK {
        kind::DIR => ErofsFileKind::Dir,
        kind::FILE => ErofsFileKind::File,
        kind::SYMLINK => ErofsFileKind::Symlink,
        kind::CHAR => ErofsFileKind::CharDevice,
        kind::BLOCK => ErofsFileKind::BlockDevice,
        kind::FIFO => ErofsFileKind::Fifo,
        kind::SOCKET => ErofsFileKind::Socket,
        _ => return None,
    })
}
