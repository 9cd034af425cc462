//! The superblock.

use alloc::format;
use alloc::string::String;

use crate::bytes::{array, byte, le16, le32, part, uuid_text};
use crate::crc::crc32c;
use crate::report::Log;
use crate::source::{bytes_at, ByteSource, ReadFailure};

/// Where it is, and its length.
const AT: u64 = 1024;
const LEN: usize = 1024;

/// Features that are known. Optional: journal, attributes, resize inode, hashed directories, sparse copies 2 is not.
const HAS_JOURNAL: u32 = 0x4;
const RESIZE_INODE: u32 = 0x10;
const COMPATIBLE: u32 = HAS_JOURNAL | 0x8 | RESIZE_INODE | 0x20;
/// Required: types in directories, extents, 64 bit, flexible groups.
const REQUIRED_OF_ALL: u32 = 0x2 | 0x40;
const SIXTY_FOUR: u32 = 0x80;
const REQUIRED: u32 = REQUIRED_OF_ALL | SIXTY_FOUR | 0x200;
/// For writers: sparse copies, large files, huge files, many links, extra fields of inodes, checksums of metadata.
const SPARSE: u32 = 0x1;
const CHECKSUMS: u32 = 0x400;
const WRITERS: u32 = SPARSE | 0x2 | 0x8 | 0x20 | 0x40 | CHECKSUMS;

/// The most blocks that are checked: 16 TiB of 4 KiB.
const BLOCKS_MAX: u64 = 1 << 32;

/// Numbers of the superblock.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "features, each on or off")]
pub(super) struct Superblock {
    pub(super) block: u64,
    pub(super) blocks: u64,
    pub(super) first: u64,
    pub(super) inodes: u32,
    pub(super) blocks_per_group: u64,
    pub(super) inodes_per_group: u32,
    pub(super) inode_len: usize,
    pub(super) descriptor: usize,
    pub(super) reserved_descriptors: u64,
    pub(super) groups: u64,
    pub(super) first_inode: u32,
    pub(super) seed: u32,
    pub(super) uuid: String,
    pub(super) hash_seed: [u32; 4],
    pub(super) unsigned_hash: bool,
    pub(super) journal: bool,
    pub(super) resize: bool,
    pub(super) sparse: bool,
    pub(super) free_blocks: u64,
    pub(super) free_inodes: u32,
    pub(super) journal_map: [u8; 68],
}

impl Superblock {
    /// Whether a group holds a copy of superblock and descriptors: 0, 1 and the powers of 3, 5 and 7.
    pub(super) fn has_copy(&self, group: u64) -> bool {
        let power = |base: u64| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        };
        !self.sparse || group <= 1 || power(3) || power(5) || power(7)
    }

    /// Blocks of descriptors.
    pub(super) fn descriptor_blocks(&self) -> u64 {
        self.groups.saturating_mul(self.descriptor as u64).div_ceil(self.block)
    }

    /// First block of a group.
    pub(super) fn group_start(&self, group: u64) -> u64 {
        self.first.saturating_add(group.saturating_mul(self.blocks_per_group))
    }

    /// Blocks of a group, of which the last one may be short.
    pub(super) fn group_len(&self, group: u64) -> u64 {
        self.blocks.saturating_sub(self.group_start(group)).min(self.blocks_per_group)
    }
}

fn quad(bytes: &[u8], low: usize, high: usize, wide: bool) -> u64 {
    u64::from(le32(bytes, low)) | if wide { u64::from(le32(bytes, high)) << 32 } else { 0 }
}

pub(super) fn read(volume: &dyn ByteSource, log: &mut Log<'_>) -> Result<Option<Superblock>, ReadFailure> {
    let bytes = bytes_at(volume, AT, LEN)?;
    if le16(&bytes, 0x38) != 0xef53 {
        log.wrong(AT + 0x38, "it has no superblock of ext4");
        return Ok(None);
    }
    let (compatible, required, writers) = (le32(&bytes, 0x5c), le32(&bytes, 0x60), le32(&bytes, 0x64));
    if le32(&bytes, 0x4c) != 1
        || compatible & !COMPATIBLE != 0
        || required & !REQUIRED != 0
        || writers & !WRITERS != 0
        || required & REQUIRED_OF_ALL != REQUIRED_OF_ALL
        || writers & CHECKSUMS == 0
    {
        log.unknown(format!(
            "features {compatible:#x}, {required:#x} and {writers:#x} of ext4 are not those that are known"
        ));
        return Ok(None);
    }
    log.equal(
        AT + 0x3fc,
        "the checksum of the superblock",
        crc32c(!0, part(&bytes, 0, 0x3fc)),
        le32(&bytes, 0x3fc),
    );
    log.equal(AT + 0x175, "the kind of checksums (crc32c)", 1, byte(&bytes, 0x175));
    log.equal(AT + 0x3a, "the state: unmounted, without errors", 1, le16(&bytes, 0x3a));
    log.equal(AT + 0xe8, "the first of a list of orphans", 0, le32(&bytes, 0xe8));
    log.equal(AT + 0x1c, "the size of clusters", le32(&bytes, 0x18), le32(&bytes, 0x1c));
    let journal = if compatible & HAS_JOURNAL != 0 { super::JOURNAL } else { 0 };
    log.equal(AT + 0xe0, "the inode of the journal", journal, le32(&bytes, 0xe0));
    if !crate::blocks::is_zero(part(&bytes, 0xd0, 16)) || le32(&bytes, 0xe4) != 0 {
        log.wrong(AT + 0xd0, "the superblock names a journal on another device");
    }
    let wide = required & SIXTY_FOUR != 0;
    let sb = numbers(&bytes, wide, (compatible, writers));
    Ok(check(&sb, le32(&bytes, 0x18), le32(&bytes, 0x24), volume.size(), log).then_some(sb))
}

fn numbers(bytes: &[u8], wide: bool, (compatible, writers): (u32, u32)) -> Superblock {
    let uuid: [u8; 16] = array(bytes, 0x68);
    let (blocks, first) = (quad(bytes, 4, 0x150, wide), u64::from(le32(bytes, 0x14)));
    let blocks_per_group = u64::from(le32(bytes, 0x20));
    Superblock {
        block: 1024_u64.checked_shl(le32(bytes, 0x18)).unwrap_or(0),
        blocks,
        first,
        inodes: le32(bytes, 0),
        blocks_per_group,
        inodes_per_group: le32(bytes, 0x28),
        inode_len: usize::from(le16(bytes, 0x58)),
        descriptor: if wide { usize::from(le16(bytes, 0xfe)) } else { 32 },
        reserved_descriptors: u64::from(le16(bytes, 0xce)),
        groups: blocks
            .saturating_sub(first)
            .checked_div(blocks_per_group)
            .map_or(0, |_| blocks.saturating_sub(first).div_ceil(blocks_per_group)),
        first_inode: le32(bytes, 0x54),
        seed: crc32c(!0, &uuid),
        uuid: uuid_text(uuid),
        hash_seed: [le32(bytes, 0xec), le32(bytes, 0xf0), le32(bytes, 0xf4), le32(bytes, 0xf8)],
        unsigned_hash: le32(bytes, 0x160) & 2 != 0,
        journal: compatible & HAS_JOURNAL != 0,
        resize: compatible & RESIZE_INODE != 0,
        sparse: writers & SPARSE != 0,
        free_blocks: quad(bytes, 0xc, 0x158, wide),
        free_inodes: le32(bytes, 0x10),
        journal_map: array(bytes, 0x10c),
    }
}

/// Whether the numbers are those of a file system on a volume of `len` bytes.
fn check(sb: &Superblock, log_block: u32, clusters: u32, len: u64, log: &mut Log<'_>) -> bool {
    let bits = sb.block.saturating_mul(8);
    let mut good = log_block <= 6
        && (sb.first == u64::from(sb.block == 1024))
        && (8..=bits).contains(&sb.blocks_per_group)
        && sb.blocks_per_group % 8 == 0
        && (1..=bits).contains(&u64::from(sb.inodes_per_group))
        && sb.inodes_per_group % 8 == 0
        && sb.inode_len.is_power_of_two()
        && (256..=sb.block as usize).contains(&sb.inode_len)
        && [32, 64].contains(&sb.descriptor);
    if !good {
        log.wrong(AT, "numbers of the superblock cannot be: sizes of blocks, groups, inodes or descriptors");
        return false;
    }
    if sb.blocks > BLOCKS_MAX {
        log.unknown("a file system of more than 16 TiB is not read");
        return false;
    }
    if sb.blocks.saturating_mul(sb.block) > len || sb.blocks <= sb.first {
        log.wrong(
            AT + 4,
            format!("{} blocks of {} bytes are not a volume of {len} bytes", sb.blocks, sb.block),
        );
        return false;
    }
    log.equal(AT + 0x24, "the clusters of a group", sb.blocks_per_group, u64::from(clusters));
    let inodes = sb.groups.saturating_mul(u64::from(sb.inodes_per_group));
    good &= log.equal(AT, "the number of inodes", inodes, u64::from(sb.inodes));
    if sb.first_inode < 11 || sb.first_inode > sb.inodes {
        log.wrong(AT + 0x54, format!("the first inode for files is {}, which cannot be", sb.first_inode));
        good = false;
    }
    good
}
