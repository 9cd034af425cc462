//! Inodes.

use super::checksum;
use super::error::{XfsCorruption, XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, range, value};
use super::superblock::XfsSuperblock;
use crate::fields;
use crate::time::Time;
use crate::xfs::spec::{INODE_CORE, INODE_MAGIC, SYMLINK_MOST, inode_flag};

/// First byte of the checksum.
const CHECKSUM_AT: usize = 100;
/// First byte of the next inode of a list of those without a name.
pub(crate) const NEXT_UNLINKED: u64 = 96;
/// Bits of the mode that are permissions.
const PERMISSIONS: u16 = 0o7777;
/// Seconds before 1970 that wide times are counted from.
const BIGTIME_EPOCH: i64 = 1 << 31;
const NANOS: u64 = 1_000_000_000;
/// Bits of the minor number of a device.
const MINOR_BITS: u32 = 18;

/// The kinds of inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XfsFileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A symbolic link.
    Symlink,
}

impl XfsFileKind {
    /// By the upper four bits of a mode.
    fn of_mode(mode: u16) -> Option<Self> {
        Some(match mode >> 12 {
            1 => Self::Fifo,
            2 => Self::CharDevice,
            4 => Self::Dir,
            6 => Self::BlockDevice,
            8 => Self::File,
            10 => Self::Symlink,
            12 => Self::Socket,
            _ => return None,
        })
    }

    /// The type byte of a directory entry.
    pub fn entry_byte(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Dir => 2,
            Self::CharDevice => 3,
            Self::BlockDevice => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Symlink => 7,
        }
    }

    /// Whether it has a data fork with blocks or bytes.
    fn has_content(self) -> bool {
        matches!(self, Self::File | Self::Dir | Self::Symlink)
    }
}

/// How a fork is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XfsForkFormat {
    /// The number of a device.
    Device,
    /// The bytes themselves.
    Local,
    /// Extents.
    Extents,
    /// The root of a tree of extents.
    Tree,
}

/// A fork of an inode: its content or its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XfsFork {
    /// How it is stored.
    pub format: XfsForkFormat,
    /// Its bytes in the inode.
    pub bytes: Vec<u8>,
    /// Extents that it has by the inode's count.
    pub extents: u64,
}

/// An inode in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XfsInode {
    /// Its number.
    pub number: u64,
    /// First byte in the image.
    pub offset: u64,
    /// Kind.
    pub kind: XfsFileKind,
    /// Permissions with set-id and sticky bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names that lead to it, as it counts them.
    pub links: u32,
    /// Modification time.
    pub mtime: Time,
    /// Length in bytes.
    pub size: u64,
    /// Blocks in use, those of attributes and maps included.
    pub blocks: u64,
    /// `di_flags`.
    pub flags: u16,
    /// `di_flags2`.
    pub flags2: u64,
    /// Content.
    pub data: XfsFork,
    /// Attributes, if there is a fork for them.
    pub attributes: Option<XfsFork>,
}

impl XfsInode {
    /// Decodes and checks an inode. What makes reading on impossible ends it, the rest is reported.
    pub(super) fn read(
        superblock: &XfsSuperblock,
        number: u64,
        offset: u64,
        raw: &[u8],
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Self, XfsReadError> {
        let corrupt = |why| XfsCorruption { location: XfsLocation::Inode { inode: number }, offset, why };
        let refuse = |why: Option<XfsDefect>| why.map_or(Ok(()), |why| Err(XfsReadError::from(corrupt(why))));
        refuse(value("di_magic", fields::be16(raw, 0).into(), INODE_MAGIC.into()))?;
        refuse(value("di_version", fields::u8(raw, 4).into(), 3))?;
        let mode = fields::be16(raw, 2);
        let Some(kind) = XfsFileKind::of_mode(mode) else {
            return Err(corrupt(XfsDefect::Meaningless { field: "di_mode", found: mode.into() }).into());
        };
        let uuid: [u8; 16] = fields::array(raw, 160);
        let flags2 = fields::be64(raw, 120);
        let (mtime, is_time) = time(raw, 40, flags2);
        let size = fields::be64(raw, 56);
        let defects = [
            checksum::verify(raw, CHECKSUM_AT),
            value("di_ino", fields::be64(raw, 152), number),
            (uuid != superblock.meta_uuid.to_bytes()).then_some(XfsDefect::Uuid),
            range("di_size", size, 0, i64::MAX as u64),
            is_time,
        ];
        for why in defects.into_iter().flatten() {
            sink.report(corrupt(why))?;
        }
        let (data, attributes) = forks(raw, flags2, kind).map_err(corrupt)?;
        refuse(size_defect(superblock, kind, size, &data))?;
        Ok(Self {
            number,
            offset,
            kind,
            mode: mode & PERMISSIONS,
            uid: fields::be32(raw, 8),
            gid: fields::be32(raw, 12),
            links: fields::be32(raw, 16),
            mtime,
            size,
            blocks: fields::be64(raw, 64),
            flags: fields::be16(raw, 90),
            flags2,
            data,
            attributes,
        })
    }

    /// A corruption of this inode.
    pub(crate) fn corruption(&self, why: XfsDefect) -> XfsCorruption {
        XfsCorruption { location: XfsLocation::Inode { inode: self.number }, offset: self.offset, why }
    }

    /// Reports a corruption of this inode.
    pub(crate) fn report(
        &self,
        why: XfsDefect,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<(), XfsReadError> {
        sink.report(self.corruption(why))
    }

    /// Major and minor number of a device; zeros for other kinds.
    pub fn device(&self) -> (u32, u32) {
        if self.data.format != XfsForkFormat::Device {
            return (0, 0);
        }
        let device = fields::be32(&self.data.bytes, 0);
        (device >> MINOR_BITS, device & ((1 << MINOR_BITS) - 1))
    }

    /// Whether its content is on the real-time device.
    pub fn is_real_time(&self) -> bool {
        self.flags & inode_flag::REALTIME != 0
    }

    /// Whether it may share blocks with others.
    pub fn may_share(&self) -> bool {
        self.flags2 & inode_flag::REFLINK != 0
    }
}

/// A time, and what is wrong with it.
fn time(raw: &[u8], at: usize, flags2: u64) -> (Time, Option<XfsDefect>) {
    if flags2 & inode_flag::BIGTIME != 0 {
        let nanos = fields::be64(raw, at);
        let secs = (nanos / NANOS) as i64 - BIGTIME_EPOCH;
        return (Time { secs, nanos: (nanos % NANOS) as u32 }, None);
    }
    let (secs, nanos) = (fields::be32(raw, at) as i32, fields::be32(raw, at + 4));
    let why = range("nanoseconds of di_mtime", nanos.into(), 0, NANOS - 1);
    (Time { secs: secs.into(), nanos: if why.is_some() { 0 } else { nanos } }, why)
}

/// The forks of an inode.
fn forks(raw: &[u8], flags2: u64, kind: XfsFileKind) -> Result<(XfsFork, Option<XfsFork>), XfsDefect> {
    let wide = flags2 & inode_flag::NREXT64 != 0;
    let (extents, attribute_extents) = if wide {
        (fields::be64(raw, 24), u64::from(fields::be32(raw, 76)))
    } else {
        (u64::from(fields::be32(raw, 76)), u64::from(fields::be16(raw, 80)))
    };
    let literal = raw.get(INODE_CORE..).unwrap_or(&[]);
    let split = usize::from(fields::u8(raw, 82)) * 8;
    if split >= literal.len() {
        let most = (literal.len() as u64 - 1) / 8;
        return Err(XfsDefect::Range { field: "di_forkoff", found: split as u64 / 8, least: 0, most });
    }
    let (data, rest) = if split == 0 { (literal, &[][..]) } else { literal.split_at(split) };
    let format = match fields::u8(raw, 5) {
        0 if !kind.has_content() => XfsForkFormat::Device,
        1 if matches!(kind, XfsFileKind::Dir | XfsFileKind::Symlink) => XfsForkFormat::Local,
        2 if kind.has_content() => XfsForkFormat::Extents,
        3 if matches!(kind, XfsFileKind::Dir | XfsFileKind::File) => XfsForkFormat::Tree,
        found => return Err(XfsDefect::Meaningless { field: "di_format", found: found.into() }),
    };
    let data = XfsFork { format, bytes: data.into(), extents };
    let attributes_format = match fields::u8(raw, 83) {
        1 => XfsForkFormat::Local,
        2 => XfsForkFormat::Extents,
        3 => XfsForkFormat::Tree,
        // An inode that was never given one has no format for it.
        0 if split == 0 => XfsForkFormat::Extents,
        found => return Err(XfsDefect::Meaningless { field: "di_aformat", found: found.into() }),
    };
    if split == 0 {
        return match value("extents of attributes without a fork", attribute_extents, 0) {
            Some(why) => Err(why),
            None => Ok((data, None)),
        };
    }
    let attributes = XfsFork { format: attributes_format, bytes: rest.into(), extents: attribute_extents };
    Ok((data, Some(attributes)))
}

/// What is wrong with a size.
fn size_defect(
    superblock: &XfsSuperblock,
    kind: XfsFileKind,
    size: u64,
    data: &XfsFork,
) -> Option<XfsDefect> {
    let local = data.format == XfsForkFormat::Local;
    let most = data.bytes.len() as u64;
    match kind {
        XfsFileKind::Dir if local => range("di_size of a directory in its inode", size, 6, most),
        XfsFileKind::Dir => {
            value("di_size modulo a directory's block", size % u64::from(superblock.dir_block), 0)
                .or_else(|| range("di_size of a directory", size, 1, i64::MAX as u64))
        }
        XfsFileKind::Symlink if local => {
            range("di_size of a link in its inode", size, 1, most.min(SYMLINK_MOST))
        }
        XfsFileKind::Symlink => range("di_size of a link", size, 1, SYMLINK_MOST),
        XfsFileKind::File => None,
        _ => value("di_size of a node without content", size, 0),
    }
}
