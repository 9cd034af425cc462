//! The superblock: geometry, features and counters.

use super::error::{XfsCorruption, XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, range, value};
use super::features::{self, XfsFeatures};
use super::{checksum, read_exact};
use crate::fields;
use crate::guid::Guid;
use crate::read_at::ReadAt;
use crate::xfs::spec::{
    AG_BLOCKS_LEAST, BLOCK_LOG, DIR_BLOCK_LOG_MOST, INODE_LOG, NONE64, SECTOR_LOG, SUPERBLOCK_MAGIC,
    SUPERBLOCK_SIZE,
};

/// First byte of the checksum.
const CHECKSUM_AT: usize = 224;

/// A superblock. Addresses of blocks count group and block within the group in one number, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XfsSuperblock {
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks of the file system.
    pub blocks: u64,
    /// Blocks of the real-time device.
    pub realtime_blocks: u64,
    /// UUID as tools show it.
    pub uuid: Guid,
    /// UUID that metadata carries.
    pub meta_uuid: Guid,
    /// Label.
    pub label: Vec<u8>,
    /// First block of the log; 0 when it is on another device.
    pub log_start: u64,
    /// Blocks of the log.
    pub log_blocks: u32,
    /// Inode of the root.
    pub root: u64,
    /// Inodes that hold no files: bitmap and summary of the real-time device, quotas of users, groups and projects.
    pub reserved: Vec<u64>,
    /// Blocks of a group; the last one may have fewer.
    pub group_blocks: u32,
    /// Groups.
    pub groups: u32,
    /// Bytes of a sector.
    pub sector_size: u16,
    /// Bytes of an inode.
    pub inode_size: u16,
    /// log2 of a block, of the inodes of a block, and of the blocks of a group rounded up.
    pub logs: XfsLogs,
    /// Bytes of a block of a directory.
    pub dir_block: u32,
    /// Inodes that have been allocated.
    pub inodes: u64,
    /// Of those, free ones.
    pub free_inodes: u64,
    /// Free blocks.
    pub free_blocks: u64,
    /// Features.
    pub features: XfsFeatures,
}

/// Binary logarithms of sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XfsLogs {
    /// Of a block in bytes.
    pub block: u8,
    /// Of the inodes of a block.
    pub inodes: u8,
    /// Of the blocks of a group, rounded up.
    pub group: u8,
}

impl XfsSuperblock {
    /// Reads the superblock of group 0; a corrupt geometry always ends it, a wrong checksum is reported.
    pub(super) fn read<R: ReadAt + ?Sized>(
        image: &R,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Self, XfsReadError> {
        let least = 1 << SECTOR_LOG.0;
        if image.size() < least {
            return Err(XfsReadError::Truncated { found: image.size(), needed: least });
        }
        let mut raw = vec![0; least as usize];
        read_exact(image, 0, &mut raw)?;
        let found = fields::be32(&raw, 0);
        if found != SUPERBLOCK_MAGIC {
            return Err(XfsReadError::NotXfs { found });
        }
        let version = fields::be16(&raw, 100) & 0xf;
        if version != 5 {
            return Err(XfsReadError::Version { version });
        }
        let superblock = Self::decode(&raw);
        let unreadable = superblock.features.unreadable();
        if !unreadable.is_empty() {
            return Err(XfsReadError::Features { names: unreadable.join(", ") });
        }
        if superblock.features.incompat(features::NEEDS_REPAIR) {
            return Err(XfsReadError::NeedsRepair);
        }
        if fields::u8(&raw, 126) != 0 {
            return Err(XfsReadError::InProgress);
        }
        superblock.check_geometry(&raw)?;
        superblock.verify(image, sink)?;
        let needed = superblock.blocks.saturating_mul(u64::from(superblock.block_size));
        if image.size() < needed {
            return Err(XfsReadError::Truncated { found: image.size(), needed });
        }
        Ok(superblock)
    }

    /// Decodes the fields of at least [`SUPERBLOCK_SIZE`] bytes, wrong ones too.
    pub(crate) fn decode(raw: &[u8]) -> Self {
        let features = XfsFeatures {
            version: fields::be16(raw, 100),
            features2: fields::be32(raw, 200),
            compat: fields::be32(raw, 208),
            ro_compat: fields::be32(raw, 212),
            incompat: fields::be32(raw, 216),
            log_incompat: fields::be32(raw, 220),
        };
        let uuid = Guid::from_bytes(fields::array(raw, 32));
        let meta_uuid = if features.incompat(features::META_UUID) {
            Guid::from_bytes(fields::array(raw, 248))
        } else {
            uuid
        };
        let reserved = [64, 72, 160, 168, 232].map(|at| fields::be64(raw, at));
        let label: [u8; 12] = fields::array(raw, 108);
        Self {
            block_size: fields::be32(raw, 4),
            blocks: fields::be64(raw, 8),
            realtime_blocks: fields::be64(raw, 16),
            uuid,
            meta_uuid,
            label: label.split(|&byte| byte == 0).next().unwrap_or(&[]).into(),
            log_start: fields::be64(raw, 48),
            log_blocks: fields::be32(raw, 96),
            root: fields::be64(raw, 56),
            reserved: reserved.into_iter().filter(|inode| ![0, NONE64].contains(inode)).collect(),
            group_blocks: fields::be32(raw, 84),
            groups: fields::be32(raw, 88),
            sector_size: fields::be16(raw, 102),
            inode_size: fields::be16(raw, 104),
            logs: XfsLogs {
                block: fields::u8(raw, 120),
                inodes: fields::u8(raw, 123),
                group: fields::u8(raw, 124),
            },
            dir_block: fields::be32(raw, 4).checked_shl(fields::u8(raw, 192).into()).unwrap_or(0),
            inodes: fields::be64(raw, 128),
            free_inodes: fields::be64(raw, 136),
            free_blocks: fields::be64(raw, 144),
            features,
        }
    }

    /// Refuses what no file system can be laid out by. After it no arithmetic of addresses can overflow.
    fn check_geometry(&self, raw: &[u8]) -> Result<(), XfsReadError> {
        let byte = |at: usize| u64::from(fields::u8(raw, at));
        let (least, most) = BLOCK_LOG;
        refuse(range("sb_blocklog", byte(120), least.into(), most.into()))?;
        refuse(value("sb_blocksize", self.block_size.into(), 1 << self.logs.block))?;
        let most = u64::from(SECTOR_LOG.1.min(self.logs.block));
        refuse(range("sb_sectlog", byte(121), SECTOR_LOG.0.into(), most))?;
        refuse(value("sb_sectsize", self.sector_size.into(), 1 << byte(121)))?;
        refuse(range("sb_inodelog", byte(122), INODE_LOG.0.into(), INODE_LOG.1.min(self.logs.block).into()))?;
        refuse(value("sb_inodesize", self.inode_size.into(), 1 << byte(122)))?;
        refuse(value("sb_inopblog", byte(123), byte(120) - byte(122)))?;
        refuse(value("sb_inopblock", fields::be16(raw, 106).into(), 1 << byte(123)))?;
        let most = u64::from(DIR_BLOCK_LOG_MOST.saturating_sub(self.logs.block));
        refuse(range("sb_dirblklog", byte(192), 0, most))?;
        refuse(range(
            "sb_agblocks",
            self.group_blocks.into(),
            AG_BLOCKS_LEAST.into(),
            (1 << 40) >> self.logs.block,
        ))?;
        let expected = u64::from(self.group_blocks.next_power_of_two().trailing_zeros());
        refuse(value("sb_agblklog", byte(124), expected))?;
        refuse(range("sb_agcount", self.groups.into(), 1, u64::from(u32::MAX)))?;
        let all = u64::from(self.groups).saturating_mul(self.group_blocks.into());
        let before = all - u64::from(self.group_blocks);
        refuse(range("sb_dblocks", self.blocks, before.saturating_add(AG_BLOCKS_LEAST.into()), all))?;
        if self.log_start == 0 {
            return Err(XfsReadError::ExternalLog);
        }
        let log = self.linear(self.log_start, self.log_blocks.into());
        refuse(log.is_none().then_some(XfsDefect::Outside {
            what: "the log",
            start: self.log_start,
            len: self.log_blocks.into(),
        }))
    }

    /// Checks the checksum of the sector.
    fn verify<R: ReadAt + ?Sized>(
        &self,
        image: &R,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<(), XfsReadError> {
        let mut sector = vec![0; self.sector_size.into()];
        read_exact(image, 0, &mut sector)?;
        match checksum::verify(&sector, CHECKSUM_AT) {
            Some(why) => sink.report(corruption(why)),
            None => Ok(()),
        }
    }

    /// Blocks of a group.
    pub(crate) fn group_len(&self, group: u32) -> u32 {
        let start = u64::from(group) * u64::from(self.group_blocks);
        u32::try_from(self.blocks.saturating_sub(start))
            .map_or(self.group_blocks, |left| left.min(self.group_blocks))
    }

    /// The block of the whole file system, without gaps between groups, that a stored address of `len` blocks begins at;
    /// `None` when it is outside or reaches over the end of its group.
    pub(crate) fn linear(&self, address: u64, len: u64) -> Option<u64> {
        let group = u32::try_from(address >> self.logs.group).ok().filter(|group| *group < self.groups)?;
        let block = address & ((1 << self.logs.group) - 1);
        let end = block.checked_add(len)?;
        (end <= u64::from(self.group_len(group))).then(|| self.first_block(group) + block)
    }

    /// The first block of a group, counted without gaps.
    pub(crate) fn first_block(&self, group: u32) -> u64 {
        u64::from(group) * u64::from(self.group_blocks)
    }

    /// First byte of a block counted without gaps.
    pub(crate) fn offset_of(&self, linear: u64) -> u64 {
        linear.saturating_mul(u64::from(self.block_size))
    }

    /// First byte of a sector of a group.
    pub(crate) fn sector_of(&self, group: u32, sector: u64) -> u64 {
        self.offset_of(self.first_block(group)) + sector * u64::from(self.sector_size)
    }

    /// First byte of an inode; `None` when its number is of no block of a group.
    pub(crate) fn inode_offset(&self, inode: u64) -> Option<u64> {
        let block = self.linear(inode >> self.logs.inodes, 1)?;
        let slot = inode & ((1 << self.logs.inodes) - 1);
        Some(self.offset_of(block) + slot * u64::from(self.inode_size))
    }

    /// The number of an inode of a group.
    pub(crate) fn inode_number(&self, group: u32, within: u32) -> u64 {
        u64::from(group) << (self.logs.group + self.logs.inodes) | u64::from(within)
    }

    /// Blocks of the headers of a group: superblock, AGF, AGI and AGFL.
    pub(crate) fn header_blocks(&self) -> u64 {
        (4 * u64::from(self.sector_size)).div_ceil(u64::from(self.block_size))
    }

    /// Blocks of a block of a directory.
    pub(crate) fn dir_blocks(&self) -> u64 {
        u64::from(self.dir_block >> self.logs.block).max(1)
    }
}

/// A corruption of the superblock.
fn corruption(why: XfsDefect) -> XfsCorruption {
    XfsCorruption { location: XfsLocation::Superblock { group: 0 }, offset: 0, why }
}

fn refuse(why: Option<XfsDefect>) -> Result<(), XfsReadError> {
    why.map_or(Ok(()), |why| Err(corruption(why).into()))
}

/// Checks that a copy of the superblock in another group has the geometry of the first.
pub(crate) fn check_copy<R: ReadAt + ?Sized>(
    image: &R,
    first: &XfsSuperblock,
    group: u32,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<(), XfsReadError> {
    let mut raw = vec![0; usize::from(first.sector_size).max(SUPERBLOCK_SIZE)];
    let offset = first.sector_of(group, 0);
    read_exact(image, offset, &mut raw)?;
    let sector = raw.get(..first.sector_size.into()).unwrap_or(&raw);
    let copy = XfsSuperblock::decode(&raw);
    let defects = [
        value("sb_magicnum", fields::be32(&raw, 0).into(), SUPERBLOCK_MAGIC.into()),
        checksum::verify(sector, CHECKSUM_AT),
        value("sb_blocksize", copy.block_size.into(), first.block_size.into()),
        value("sb_dblocks", copy.blocks, first.blocks),
        value("sb_agblocks", copy.group_blocks.into(), first.group_blocks.into()),
        value("sb_agcount", copy.groups.into(), first.groups.into()),
        value("sb_inodesize", copy.inode_size.into(), first.inode_size.into()),
        value("sb_sectsize", copy.sector_size.into(), first.sector_size.into()),
        value("sb_logstart", copy.log_start, first.log_start),
        value("sb_logblocks", copy.log_blocks.into(), first.log_blocks.into()),
        (copy.meta_uuid != first.meta_uuid).then_some(XfsDefect::Uuid),
    ];
    for why in defects.into_iter().flatten() {
        sink.report(XfsCorruption { location: XfsLocation::Superblock { group }, offset, why })?;
    }
    Ok(())
}
