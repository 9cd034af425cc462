//! Inodes of 256 bytes (kernel documentation: `struct ext4_inode`).

use super::{INODE_SIZE, PutField, crc32c};
use crate::time::Time;

/// Kinds of a node in `i_mode`.
pub mod kind {
    /// Named pipe.
    pub const FIFO: u16 = 0x1000;
    /// Character device.
    pub const CHAR: u16 = 0x2000;
    /// Directory.
    pub const DIR: u16 = 0x4000;
    /// Block device.
    pub const BLOCK: u16 = 0x6000;
    /// Regular file.
    pub const FILE: u16 = 0x8000;
    /// Symbolic link.
    pub const SYMLINK: u16 = 0xa000;
    /// Socket.
    pub const SOCKET: u16 = 0xc000;
}

/// `i_flags`: the directory is hashed.
pub const INDEX_FL: u32 = 0x1000;

/// `i_flags`: `i_block` is an extent tree.
pub const EXTENTS_FL: u32 = 0x8_0000;

/// Bytes of the inode beyond the first 128 that are fields.
pub const EXTRA_ISIZE: u16 = 32;

/// Bytes of `i_block`.
pub const I_BLOCK_SIZE: usize = 60;

/// Where attributes begin in an inode.
pub const XATTR_OFFSET: usize = 128 + EXTRA_ISIZE as usize;

/// First second that an inode can hold: 1901-12-13.
pub const FIRST_SECOND: i64 = i32::MIN as i64;

/// Last second that an inode can hold: 2446-05-10.
pub const LAST_SECOND: i64 = i32::MAX as i64 + 3 * (1 << 32);

/// A time as an inode holds it: the low 32 bits of the seconds, and the nanoseconds with two bits of epoch.
/// `None` outside [`FIRST_SECOND`]`..=`[`LAST_SECOND`].
pub fn encode_time(time: Time) -> Option<(u32, u32)> {
    if !(FIRST_SECOND..=LAST_SECOND).contains(&time.secs) {
        return None;
    }
    let low = time.secs as i32;
    let epoch = ((time.secs - i64::from(low)) >> 32) as u32;
    Some((low as u32, time.nanos << 2 | epoch))
}

/// A device number as `i_block` holds it: the old form where it fits, otherwise the new one in the second 32 bits.
pub fn encode_device(major: u32, minor: u32) -> [u8; I_BLOCK_SIZE] {
    let mut out = [0; I_BLOCK_SIZE];
    if major < 256 && minor < 256 {
        out[..].put32(0, major << 8 | minor);
    } else {
        out[..].put32(4, minor & 0xff | major << 8 | (minor & !0xff) << 12);
    }
    out
}

/// An inode. Access, change, modification and creation time are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode<'a> {
    /// Kind and permissions.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// The time, by [`encode_time`].
    pub time: (u32, u32),
    /// Links, as `i_links_count` has it.
    pub links_count: u16,
    /// Blocks held, in units of 512 bytes.
    pub blocks: u64,
    /// `INDEX_FL`, `EXTENTS_FL`.
    pub flags: u32,
    /// Extents, blocks, target or device.
    pub block: [u8; I_BLOCK_SIZE],
    /// Block of attributes, or 0.
    pub file_acl: u64,
    /// The bytes from [`XATTR_OFFSET`] on, at most 96; empty for no attributes.
    pub xattrs: &'a [u8],
}

impl Inode<'_> {
    /// Writes inode number `ino` over `out`, 256 bytes, with its checksum.
    pub fn encode(&self, seed: u32, ino: u32, out: &mut [u8]) {
        let b = &mut out[..INODE_SIZE];
        b.fill(0);
        b.put16(0x00, self.mode);
        b.put16(0x02, self.uid as u16);
        b.put32(0x04, self.size as u32);
        b.put32(0x08, self.time.0); // atime
        b.put32(0x0c, self.time.0); // ctime
        b.put32(0x10, self.time.0); // mtime
        b.put16(0x18, self.gid as u16);
        b.put16(0x1a, self.links_count);
        b.put32(0x1c, self.blocks as u32);
        b.put32(0x20, self.flags);
        b[0x28..0x64].copy_from_slice(&self.block);
        b.put32(0x68, self.file_acl as u32);
        b.put32(0x6c, (self.size >> 32) as u32);
        b.put16(0x74, (self.blocks >> 32) as u16);
        b.put16(0x76, (self.file_acl >> 32) as u16);
        b.put16(0x78, (self.uid >> 16) as u16);
        b.put16(0x7a, (self.gid >> 16) as u16);
        b.put16(0x80, EXTRA_ISIZE);
        b.put32(0x84, self.time.1); // ctime_extra
        b.put32(0x88, self.time.1); // mtime_extra
        b.put32(0x8c, self.time.1); // atime_extra
        b.put32(0x90, self.time.0); // crtime
        b.put32(0x94, self.time.1); // crtime_extra
        b[XATTR_OFFSET..XATTR_OFFSET + self.xattrs.len()].copy_from_slice(self.xattrs);
        let checksum = crc32c(inode_seed(seed, ino), b);
        b.put16(0x7c, checksum as u16);
        b.put16(0x82, (checksum >> 16) as u16);
    }
}

/// The seed of the checksums of an inode, its extent blocks and its directory blocks (`i_generation` is 0).
pub fn inode_seed(seed: u32, ino: u32) -> u32 {
    crc32c(crc32c(seed, &ino.to_le_bytes()), &[0; 4])
}

#[cfg(test)]
mod tests {
    use super::super::csum_seed;
    use super::*;

    /// Inode 11 of `mke2fs -t ext4` 1.47.0 on 600 MiB: its checksum as debugfs shows it.
    #[test]
    fn the_inode_of_lost_and_found_has_the_checksum_of_mke2fs() {
        let uuid = *b"\x11\x11\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x55";
        let mut block = [0; I_BLOCK_SIZE];
        block[..].put32(0, 0x0001_f30a);
        block[..].put32(4, 4);
        block[..].put32(16, 4);
        block[..].put32(20, 2487);
        let inode = Inode {
            mode: kind::DIR | 0o700,
            uid: 0,
            gid: 0,
            size: 16384,
            time: (0x6b01_12c5, 0),
            links_count: 2,
            blocks: 32,
            flags: EXTENTS_FL,
            block,
            file_acl: 0,
            xattrs: &[],
        };
        let mut out = [0xff; 256];
        inode.encode(csum_seed(&uuid), 11, &mut out);
        assert_eq!((&out[0x7c..0x7e], &out[0x82..0x84]), (&[0xa5, 0xa2][..], &[0x5a, 0xf0][..]));
    }

    #[test]
    fn times_reach_from_1901_to_2446() {
        let at = |secs| encode_time(Time { secs, nanos: 999_999_999 });
        assert_eq!(at(-1), Some((u32::MAX, 0xee6b_27fc)));
        assert_eq!(at(1 << 31), Some((1 << 31, 0xee6b_27fd)));
        assert_eq!(at(LAST_SECOND), Some((0x7fff_ffff, 0xee6b_27ff)));
        assert_eq!((at(LAST_SECOND + 1), at(FIRST_SECOND - 1)), (None, None));
        assert_eq!(at(FIRST_SECOND), Some((1 << 31, 0xee6b_27fc)));
    }

    #[test]
    fn device_numbers_take_the_new_form_only_when_they_must() {
        assert_eq!(encode_device(8, 1)[..8], [1, 8, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encode_device(259, 70000)[..8], [0, 0, 0, 0, 0x70, 0x03, 0x11, 0x11]);
    }
}
