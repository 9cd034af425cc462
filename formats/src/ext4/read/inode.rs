//! Inodes: every field decoded, with the times in their long form (kernel documentation,
//! `filesystems/ext4/inodes.rst`).

use super::checksum;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError};
use super::features;
use super::fields;
use super::superblock::ReadSuperblock;
use crate::time::Time;

/// The inode of the root directory.
pub const ROOT: u32 = 2;
/// The inode that holds the blocks reserved for growth.
pub const RESIZE: u32 = 7;
/// The usual inode of the journal.
pub const JOURNAL: u32 = 8;

/// Flag of an inode: a directory with an index of hashes.
pub const INDEX_FL: u32 = 0x1000;
/// Flag of an inode: `i_blocks` counts file-system blocks instead of 512-byte units.
pub const HUGE_FILE_FL: u32 = 0x4_0000;
/// Flag of an inode: its blocks are mapped by extents.
pub const EXTENTS_FL: u32 = 0x8_0000;
/// Flag of an inode: the content is in the inode.
pub const INLINE_DATA_FL: u32 = 0x1000_0000;

/// What an inode is, by its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
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

impl FileKind {
    /// The byte of this kind in directory entries.
    pub(crate) fn entry_byte(self) -> u8 {
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
}

/// An inode, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadInode {
    /// Its number.
    pub number: u32,
    /// First byte of the inode in the image.
    pub offset: u64,
    /// All its bytes.
    pub raw: Box<[u8]>,
    /// Type and permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Names.
    pub links: u16,
    /// Flag bits.
    pub flags: u32,
    /// `i_blocks` as stored, 48 bits; its unit depends on [`HUGE_FILE_FL`].
    pub stored_blocks: u64,
    /// Access time.
    pub atime: Time,
    /// Change time.
    pub ctime: Time,
    /// Modification time.
    pub mtime: Time,
    /// Creation time, where the inode is long enough to have one.
    pub crtime: Option<Time>,
    /// Deletion time in seconds, or the next orphan.
    pub dtime: u32,
    /// Generation.
    pub generation: u32,
    /// Version, 64 bits where the inode is long enough.
    pub version: u64,
    /// The 60 bytes of `i_block`: extents, block numbers, a device number or a short link.
    pub block: [u8; 60],
    /// Block of attributes, 0 without one.
    pub xattr_block: u64,
    /// Bytes used beyond the first 128.
    pub extra_size: u16,
    /// Project.
    pub project: u32,
}

impl ReadInode {
    /// Decodes an inode and checks its checksum and the fields that bound others.
    pub(crate) fn read(
        superblock: &ReadSuperblock,
        number: u32,
        offset: u64,
        raw: &[u8],
        sink: &mut dyn CorruptionSink,
    ) -> Result<Self, Ext4ReadError> {
        let inode = Self::decode(superblock, number, offset, raw);
        if superblock.has_checksums() {
            inode.verify(superblock.checksum_seed, sink)?;
        }
        let room = raw.len().saturating_sub(128) as u64;
        let extra = u64::from(inode.extra_size);
        if extra > room || extra % 4 != 0 || (extra != 0 && extra < 4) {
            inode
                .report(Defect::Range { field: "i_extra_isize", found: extra, least: 4, most: room }, sink)?;
        }
        for (field, time) in [("i_atime", inode.atime), ("i_ctime", inode.ctime), ("i_mtime", inode.mtime)] {
            if time.nanos > 999_999_999 {
                let found = u64::from(time.nanos);
                inode.report(Defect::Range { field, found, least: 0, most: 999_999_999 }, sink)?;
            }
        }
        Ok(inode)
    }

    /// Decodes the fields.
    pub(crate) fn decode(superblock: &ReadSuperblock, number: u32, offset: u64, raw: &[u8]) -> Self {
        let room = raw.len().saturating_sub(128);
        let extra_size = if room == 0 { 0 } else { fields::u16(raw, 0x80) };
        let end = 128 + usize::from(extra_size).min(room);
        let extra = |at: usize| if at + 4 <= end { fields::u32(raw, at) } else { 0 };
        let time = |at: usize, extra_at: usize| long_time(fields::u32(raw, at), extra(extra_at));
        let huge = superblock.features.ro_compat(features::HUGE_FILE);
        let blocks_high = if huge { u32::from(fields::u16(raw, 0x74)) } else { 0 };
        let size_high = fields::u32(raw, 0x6c);
        let acl_high = u32::from(fields::u16(raw, 0x76));
        Self {
            number,
            offset,
            mode: fields::u16(raw, 0),
            uid: fields::halves16(fields::u16(raw, 2), fields::u16(raw, 0x78)),
            gid: fields::halves16(fields::u16(raw, 0x18), fields::u16(raw, 0x7a)),
            size: fields::halves32(fields::u32(raw, 4), size_high),
            links: fields::u16(raw, 0x1a),
            flags: fields::u32(raw, 0x20),
            stored_blocks: fields::halves32(fields::u32(raw, 0x1c), blocks_high),
            atime: time(8, 0x8c),
            ctime: time(0xc, 0x84),
            mtime: time(0x10, 0x88),
            crtime: (end >= 0x94).then(|| time(0x90, 0x94)),
            dtime: fields::u32(raw, 0x14),
            generation: fields::u32(raw, 0x64),
            version: fields::halves32(fields::u32(raw, 0x24), extra(0x98)),
            block: fields::array(raw, 0x28),
            xattr_block: fields::halves32(fields::u32(raw, 0x68), acl_high),
            extra_size,
            project: extra(0x9c),
            raw: raw.into(),
        }
    }

    fn verify(&self, seed: u32, sink: &mut dyn CorruptionSink) -> Result<(), Ext4ReadError> {
        let whole = self.raw.len() > 128 && self.extra_size >= 4;
        let high = if whole { fields::u16(&self.raw, 0x82) } else { 0 };
        let stored = fields::halves16(fields::u16(&self.raw, 0x7c), high);
        let computed = checksum::inode(seed, self.number, &self.raw);
        let computed = if whole { computed } else { computed & 0xffff };
        if stored == computed {
            return Ok(());
        }
        self.report(Defect::Checksum { stored, computed }, sink)
    }

    /// Reports a corruption of this inode.
    pub(crate) fn report(&self, why: Defect, sink: &mut dyn CorruptionSink) -> Result<(), Ext4ReadError> {
        sink.report(self.corruption(why))
    }

    /// A corruption of this inode.
    pub(crate) fn corruption(&self, why: Defect) -> Corruption {
        Corruption { location: Ext4Location::Inode { inode: self.number }, offset: self.offset, why }
    }

    /// What the inode is; `None` when the mode names no type.
    pub fn kind(&self) -> Option<FileKind> {
        match self.mode >> 12 {
            1 => Some(FileKind::Fifo),
            2 => Some(FileKind::CharDevice),
            4 => Some(FileKind::Dir),
            6 => Some(FileKind::BlockDevice),
            8 => Some(FileKind::File),
            10 => Some(FileKind::Symlink),
            12 => Some(FileKind::Socket),
            _ => None,
        }
    }

    /// Whether a flag is set.
    pub fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Space taken in units of 512 bytes, whatever the unit on disk.
    pub fn sectors(&self, superblock: &ReadSuperblock) -> u64 {
        let huge = self.is(HUGE_FILE_FL) && superblock.features.ro_compat(features::HUGE_FILE);
        self.stored_blocks * if huge { u64::from(superblock.block_size / 512) } else { 1 }
    }

    /// Whether a link's target is in the inode: it is when the inode has no block of data.
    pub fn is_fast_symlink(&self) -> bool {
        self.kind() == Some(FileKind::Symlink) && !self.is(EXTENTS_FL) && self.size < 60
    }

    /// Major and minor number of a device.
    pub fn device(&self) -> (u32, u32) {
        let old = fields::u32(&self.block, 0);
        if old != 0 {
            return (old >> 8 & 0xff, old & 0xff);
        }
        let new = fields::u32(&self.block, 4);
        (new >> 8 & 0xfff, new & 0xff | new >> 12 & 0xf_ff00)
    }

    /// The seed of checksums of what belongs to this inode.
    pub(crate) fn seed(&self, superblock: &ReadSuperblock) -> u32 {
        checksum::inode_seed(superblock.checksum_seed, self.number, self.generation)
    }
}

/// A time of 32 signed bits of seconds, two more above them, and 30 of nanoseconds.
fn long_time(secs: u32, extra: u32) -> Time {
    Time { secs: i64::from(secs as i32) + (i64::from(extra & 3) << 32), nanos: extra >> 2 }
}
