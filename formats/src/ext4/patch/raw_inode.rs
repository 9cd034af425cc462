//! Fields of an inode in its bytes, of any length from 128 bytes on (kernel documentation, `filesystems/ext4/inodes.rst`).

use super::Ext4PatchError;
use super::volume::PatchVolume;
use crate::ext4::read::{EXTENTS_FL, HUGE_FILE_FL, checksum, features, fields};
use crate::ext4::spec::PutField;
use crate::ext4::spec::inode::{FIRST_SECOND, encode_time};
use crate::time::Time;

/// Bytes of the fields that every inode has.
const GOOD_OLD: usize = 128;

/// Bytes of further fields that this writer knows.
const EXTRA: u16 = 32;

/// `i_block`: offset and length.
const BLOCK: std::ops::Range<usize> = 0x28..0x64;

/// The bytes of an inode.
pub(super) struct RawInode<'r> {
    raw: &'r mut [u8],
}

impl<'r> RawInode<'r> {
    /// Takes an inode's bytes.
    pub(super) fn new(raw: &'r mut [u8]) -> Self {
        Self { raw }
    }
}

impl RawInode<'_> {
    /// Makes it a new one: zeros, a generation and the length of the further fields.
    pub(super) fn clear(&mut self, generation: u32, wanted_extra: u16) {
        self.raw.fill(0);
        self.raw.put32(0x64, generation);
        let room = self.raw.len().saturating_sub(GOOD_OLD) as u16;
        if room >= 4 {
            let wanted =
                if wanted_extra < 28 || !wanted_extra.is_multiple_of(4) { EXTRA } else { wanted_extra };
            self.raw.put16(0x80, wanted.min(room));
        }
    }

    /// First byte after the fields.
    pub(super) fn fields_end(&self) -> usize {
        if self.raw.len() <= GOOD_OLD {
            return self.raw.len();
        }
        (GOOD_OLD + usize::from(fields::u16(self.raw, 0x80))).min(self.raw.len())
    }

    /// Bytes after the fields, where attributes can be; empty where the length of the fields is not known.
    pub(super) fn attributes(&mut self) -> &mut [u8] {
        let end = self.fields_end();
        if end <= GOOD_OLD {
            return &mut [];
        }
        self.raw.get_mut(end..).unwrap_or(&mut [])
    }

    fn has(&self, at: usize) -> bool {
        at + 4 <= self.fields_end()
    }

    /// Sets kind and permissions.
    pub(super) fn mode(&mut self, kind: u16, permissions: u16) {
        self.raw.put16(0, kind | permissions);
    }

    /// Sets owner and group.
    pub(super) fn owner(&mut self, uid: u32, gid: u32) {
        self.raw.put16(0x02, uid as u16);
        self.raw.put16(0x78, (uid >> 16) as u16);
        self.raw.put16(0x18, gid as u16);
        self.raw.put16(0x7a, (gid >> 16) as u16);
    }

    /// Sets one time; `false` when the inode cannot hold it. Nanoseconds are dropped where there is no room for them.
    fn time(&mut self, at: usize, extra_at: usize, time: Time) -> bool {
        let Some((low, extra)) = encode_time(time) else { return false };
        if self.has(extra_at) {
            self.raw.put32(extra_at, extra);
        } else if !(FIRST_SECOND..=i64::from(i32::MAX)).contains(&time.secs) {
            return false;
        }
        self.raw.put32(at, low);
        true
    }

    /// Sets the modification time.
    pub(super) fn modified(&mut self, time: Time) -> bool {
        self.time(0x10, 0x88, time)
    }

    /// Sets the change time.
    pub(super) fn changed(&mut self, time: Time) -> bool {
        self.time(0x0c, 0x84, time)
    }

    /// Sets the access time, and the creation time where there is one.
    pub(super) fn accessed_and_created(&mut self, time: Time) -> bool {
        let created = !self.has(0x94) || self.time(0x90, 0x94, time);
        self.time(0x08, 0x8c, time) && created
    }

    /// Sets the time of deletion, in seconds.
    pub(super) fn deleted(&mut self, secs: u32) {
        self.raw.put32(0x14, secs);
    }

    /// Sets the length in bytes.
    pub(super) fn size(&mut self, size: u64) {
        self.raw.put32(0x04, size as u32);
        self.raw.put32(0x6c, (size >> 32) as u32);
    }

    /// Sets the count of names.
    pub(super) fn links(&mut self, links: u16) {
        self.raw.put16(0x1a, links);
    }

    /// Sets and clears flags.
    pub(super) fn flags(&mut self, set: u32, clear: u32) {
        let flags = fields::u32(self.raw, 0x20) & !clear | set;
        self.raw.put32(0x20, flags);
    }

    /// Sets the space in units of 512 bytes.
    pub(super) fn sectors(&mut self, sectors: u64) {
        self.flags(0, HUGE_FILE_FL);
        self.raw.put32(0x1c, sectors as u32);
        self.raw.put16(0x74, (sectors >> 32) as u16);
    }

    /// Sets the block of attributes.
    pub(super) fn attribute_block(&mut self, block: u64) {
        self.raw.put32(0x68, block as u32);
        self.raw.put16(0x76, (block >> 32) as u16);
    }

    /// Sets `i_block`.
    pub(super) fn block(&mut self, block: &[u8; 60], extents: bool) {
        self.raw[BLOCK].copy_from_slice(block);
        let (set, clear) = if extents { (EXTENTS_FL, 0) } else { (0, EXTENTS_FL) };
        self.flags(set, clear);
    }

    /// Sets the project, where there is room for it.
    pub(super) fn project(&mut self, project: u32) {
        if self.has(0x9c) {
            self.raw.put32(0x9c, project);
        }
    }
}

impl PatchVolume<'_> {
    /// Changes an inode and seals it with its checksum.
    pub(super) fn edit_inode<T>(
        &mut self,
        number: u32,
        change: impl FnOnce(&mut RawInode<'_>) -> T,
    ) -> Result<T, Ext4PatchError> {
        let (block, at) = self.inode_block(number)?;
        let len = usize::from(self.superblock.inode_size);
        let (sealed, seed) = (self.superblock.has_checksums(), self.superblock.checksum_seed);
        self.touch_inode(number)?;
        let bytes = self.edit(block)?;
        let raw = &mut bytes[at..at + len];
        let result = change(&mut RawInode::new(raw));
        if sealed {
            let sum = checksum::inode(seed, number, raw);
            raw.put16(0x7c, sum as u16);
            if raw.len() > GOOD_OLD && fields::u16(raw, 0x80) >= 4 {
                raw.put16(0x82, (sum >> 16) as u16);
            }
        }
        Ok(result)
    }

    /// Makes an inode that was given back zeros, as mke2fs leaves those that were never used: without a checksum.
    pub(super) fn erase_inode(&mut self, number: u32) -> Result<(), Ext4PatchError> {
        let (block, at) = self.inode_block(number)?;
        let len = usize::from(self.superblock.inode_size);
        self.touch_inode(number)?;
        self.edit(block)?[at..at + len].fill(0);
        Ok(())
    }

    /// Seed of the checksums of what belongs to an inode as it is now.
    pub(super) fn inode_seed(&self, number: u32) -> Result<u32, Ext4PatchError> {
        let (block, at) = self.inode_block(number)?;
        let generation = fields::u32(&self.block(block)?, at + 0x64);
        Ok(checksum::inode_seed(self.superblock.checksum_seed, number, generation))
    }

    /// Whether sizes of 2 GiB and more are declared; declares them.
    pub(super) fn declare_large_file(&mut self, size: u64) {
        if size >= 1 << 31 {
            self.features.ro_compat |= features::LARGE_FILE;
        }
    }
}
