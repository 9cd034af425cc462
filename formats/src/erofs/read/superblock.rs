//! The superblock.

use super::error::{ErofsCorruption, ErofsCorruptionSink, ErofsDefect, ErofsLocation, ErofsReadError};
use super::read_exact;
use crate::erofs::spec::{
    EXTENSION_SLOT, MAGIC, NID_UNIT, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, compat, incompat,
};
use crate::fields;
use crate::guid::Guid;
use crate::read_at::ReadAt;
use crate::time::Time;

/// Names of the features that a reader may ignore.
const COMPAT: [(u32, &str); 3] =
    [(compat::SB_CHKSUM, "sb_chksum"), (compat::MTIME, "mtime"), (4, "xattr_filter")];

/// Names of the features that a reader has to know, by bit. Some bits have two meanings.
const INCOMPAT: [(u32, &str); 9] = [
    (1, "zero_padding"),
    (2, "compr_cfgs/big_pcluster"),
    (incompat::CHUNKED_FILE, "chunked_file"),
    (incompat::DEVICE_TABLE, "device_table/compr_head2"),
    (0x10, "ztailpacking"),
    (0x20, "fragments/dedupe"),
    (incompat::XATTR_PREFIXES, "xattr_prefixes"),
    (incompat::BITS_48, "48bit"),
    (incompat::METABOX, "metabox"),
];

/// The features that this reader reads: of compressed inodes it only reads that they are.
const READ: u32 = incompat::CHUNKED_FILE | incompat::COMPRESSION;

/// What the superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErofsSuperblock {
    /// Features that may be ignored.
    pub compat: u32,
    /// Features that have to be known.
    pub incompat: u32,
    /// Bytes of a block.
    pub block_size: u32,
    /// Number of the root inode.
    pub root_nid: u64,
    /// Inodes.
    pub inodes: u64,
    /// When it was made.
    pub build_time: Time,
    /// Blocks.
    pub blocks: u32,
    /// First byte of the metadata area, from which nids count.
    pub metadata: u64,
    /// First byte of the shared attributes.
    pub xattrs: u64,
    /// UUID.
    pub uuid: Guid,
    /// Label without trailing NULs.
    pub label: Vec<u8>,
    /// Least of the image's length and of what the superblock counts: nothing is behind it.
    pub end: u64,
}

impl ErofsSuperblock {
    /// Reads and checks it.
    pub(super) fn read<R: ReadAt + ?Sized>(
        image: &R,
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<Self, ErofsReadError> {
        let mut raw = [0; SUPERBLOCK_SIZE];
        read_exact(image, SUPERBLOCK_OFFSET, &mut raw)?;
        let found = fields::u32(&raw, 0);
        if found != MAGIC {
            return Err(ErofsReadError::NotErofs { found });
        }
        let corrupt =
            |why| ErofsCorruption { location: ErofsLocation::Superblock, offset: SUPERBLOCK_OFFSET, why };
        let bits = fields::u8(&raw, 12);
        if !(9..=16).contains(&bits) {
            let why = ErofsDefect::Range { field: "blkszbits", found: bits.into(), least: 9, most: 16 };
            return Err(corrupt(why).into());
        }
        let features = fields::u32(&raw, 80);
        let unread = features & !READ;
        if unread != 0 {
            return Err(ErofsReadError::Features { names: names(unread, &INCOMPAT).join(", ") });
        }
        let block_size = 1u32 << bits;
        let blocks = fields::u32(&raw, 36);
        let counted = u64::from(blocks) * u64::from(block_size);
        if counted > image.size() {
            let most = image.size() / u64::from(block_size);
            sink.report(corrupt(ErofsDefect::Range {
                field: "blocks",
                found: blocks.into(),
                least: 1,
                most,
            }))?;
        }
        let label = fields::array::<16>(&raw, 64);
        let used = label.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let superblock = Self {
            compat: fields::u32(&raw, 8),
            incompat: features,
            block_size,
            root_nid: fields::u16(&raw, 14).into(),
            inodes: fields::u64(&raw, 16),
            build_time: Time { secs: fields::u64(&raw, 24) as i64, nanos: fields::u32(&raw, 32) },
            blocks,
            metadata: u64::from(fields::u32(&raw, 40)) * u64::from(block_size),
            xattrs: u64::from(fields::u32(&raw, 44)) * u64::from(block_size),
            uuid: Guid::from_bytes(fields::array(&raw, 48)),
            label: label[..used].to_vec(),
            end: counted.min(image.size()),
        };
        superblock.verify(image, &raw, sink)?;
        Ok(superblock)
    }

    /// Checks what has one right value, and the checksum.
    fn verify<R: ReadAt + ?Sized>(
        &self,
        image: &R,
        raw: &[u8],
        sink: &mut dyn ErofsCorruptionSink,
    ) -> Result<(), ErofsReadError> {
        let mut report = |why| {
            sink.report(ErofsCorruption {
                location: ErofsLocation::Superblock,
                offset: SUPERBLOCK_OFFSET,
                why,
            })
        };
        let slots = usize::from(fields::u8(raw, 13));
        let size = (SUPERBLOCK_SIZE + slots * EXTENSION_SLOT) as u64;
        if SUPERBLOCK_OFFSET + size > self.end {
            let most =
                self.end.saturating_sub(SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE as u64) / EXTENSION_SLOT as u64;
            report(ErofsDefect::Range { field: "sb_extslots", found: slots as u64, least: 0, most })?;
        }
        if fields::u8(raw, 90) != 0 {
            report(ErofsDefect::Value {
                field: "dirblkbits",
                found: fields::u8(raw, 90).into(),
                expected: 0,
            })?;
        }
        if self.build_time.nanos >= 1_000_000_000 {
            let found = self.build_time.nanos.into();
            report(ErofsDefect::Range { field: "build_time_nsec", found, least: 0, most: 999_999_999 })?;
        }
        if self.compat & compat::SB_CHKSUM == 0 {
            return Ok(());
        }
        // The rest of the block that the superblock begins in, or a block, where blocks are not longer than 1024 bytes.
        let block = u64::from(self.block_size);
        let len = if block > SUPERBLOCK_OFFSET { block - SUPERBLOCK_OFFSET } else { block };
        let mut covered = vec![0; len as usize];
        read_exact(image, SUPERBLOCK_OFFSET, &mut covered)?;
        let stored = fields::u32(&covered, 4);
        covered.iter_mut().skip(4).take(4).for_each(|byte| *byte = 0);
        let computed = !crc32c::crc32c(&covered);
        if stored != computed {
            report(ErofsDefect::Checksum { stored, computed })?;
        }
        Ok(())
    }

    /// First byte of an inode; `None` when it would be past the end of the numbers.
    pub(super) fn inode_offset(&self, nid: u64) -> Option<u64> {
        nid.checked_mul(NID_UNIT)?.checked_add(self.metadata)
    }

    /// All features by name.
    pub fn features(&self) -> Vec<String> {
        [names(self.compat, &COMPAT), names(self.incompat, &INCOMPAT)].concat()
    }
}

/// The names of bits; those without one as numbers.
fn names(bits: u32, table: &[(u32, &str)]) -> Vec<String> {
    let known = table.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| (*name).to_owned());
    let rest = table.iter().fold(bits, |rest, (bit, _)| rest & !bit);
    known.chain((rest != 0).then(|| format!("{rest:#x}"))).collect()
}
