//! The 512-byte header: POSIX ustar, the GNU variant, and the version 7 form without a magic
//! (POSIX.1-2017 *pax*; GNU tar manual, *Basic Tar Format*).

use amiforge_formats::time::Time;

use super::number::{bounded, field};
use super::window::BLOCK;
use crate::sources::entry_error::EntryError;

/// A view of one header block whose checksum is right.
#[derive(Clone, Copy)]
pub(super) struct TarHeader<'a>(&'a [u8; BLOCK]);

impl<'a> TarHeader<'a> {
    /// Checks the checksum: the sum of all bytes, its own field taken as spaces. Some old writers summed signed
    /// bytes; that sum is taken too, as every reader does.
    pub(super) fn new(block: &'a [u8; BLOCK]) -> Result<Self, EntryError> {
        let header = Self(block);
        let stored = field("chksum", header.part(148, 8))?;
        let own: u32 = header.part(148, 8).iter().map(|byte| u32::from(*byte)).sum();
        let all: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let computed = all.wrapping_sub(own).wrapping_add(8 * 32);
        if stored == i128::from(computed) {
            return Ok(header);
        }
        let high =
            block.iter().enumerate().filter(|(at, byte)| !(148..156).contains(at) && **byte >= 128).count();
        let signed = i128::from(computed).wrapping_sub((high as i128).wrapping_mul(256));
        if stored == signed {
            return Ok(header);
        }
        Err(EntryError::Checksum { stored: i64::try_from(stored).unwrap_or(i64::MAX), computed })
    }

    /// Bytes of the block; the callers' ranges are constants within it.
    fn part(self, at: usize, len: usize) -> &'a [u8] {
        self.0.get(at..at.saturating_add(len)).unwrap_or(&[])
    }

    pub(super) fn typeflag(self) -> u8 {
        self.part(156, 1).first().copied().unwrap_or(0)
    }

    /// The path: `prefix/name` in POSIX headers, `name` in the others, whose bytes there mean something else.
    pub(super) fn path(self, path: &mut Vec<u8>) {
        path.clear();
        if self.part(257, 6) == b"ustar\0" {
            // Headers of `star` end in `tar\0` and keep two times behind a shorter prefix.
            let longest = if self.part(508, 4) == b"tar\0" { 131 } else { 155 };
            let prefix = text(self.part(345, longest));
            path.extend_from_slice(prefix);
            if !prefix.is_empty() {
                path.push(b'/');
            }
        }
        path.extend_from_slice(text(self.part(0, 100)));
    }

    pub(super) fn link(self) -> &'a [u8] {
        text(self.part(157, 100))
    }

    pub(super) fn mode(self) -> Result<u16, EntryError> {
        // Old writers keep the file type above the permission bits.
        let mode = bounded("mode", self.part(100, 8), 0, i128::from(u32::MAX))?;
        Ok(u16::try_from(mode & 0o7777).unwrap_or(0))
    }

    pub(super) fn uid(self) -> Result<u32, EntryError> {
        narrow(bounded("uid", self.part(108, 8), 0, i128::from(u32::MAX))?)
    }

    pub(super) fn gid(self) -> Result<u32, EntryError> {
        narrow(bounded("gid", self.part(116, 8), 0, i128::from(u32::MAX))?)
    }

    pub(super) fn size(self) -> Result<u64, EntryError> {
        let size = bounded("size", self.part(124, 12), 0, i128::from(i64::MAX))?;
        Ok(u64::try_from(size).unwrap_or(u64::MAX))
    }

    pub(super) fn mtime(self) -> Result<Time, EntryError> {
        let secs = bounded("mtime", self.part(136, 12), i128::from(i64::MIN), i128::from(i64::MAX))?;
        Ok(Time::from_secs(i64::try_from(secs).unwrap_or(0)))
    }

    /// Major and minor number of a device, within what the kernel's `dev_t` holds.
    pub(super) fn device(self) -> Result<(u32, u32), EntryError> {
        let major = bounded("devmajor", self.part(329, 8), 0, 0xfff)?;
        let minor = bounded("devminor", self.part(337, 8), 0, 0xf_ffff)?;
        Ok((narrow(major)?, narrow(minor)?))
    }

    /// The four entries of a sparse map in an old GNU header.
    pub(super) fn sparse_map(self) -> &'a [u8] {
        self.part(386, 96)
    }

    /// Whether a block with more of the sparse map follows.
    pub(super) fn sparse_goes_on(self) -> bool {
        self.part(482, 1) != [0]
    }

    /// Length of the sparse file with its holes.
    pub(super) fn sparse_size(self) -> Result<u64, EntryError> {
        let size = bounded("realsize", self.part(483, 12), 0, i128::from(i64::MAX))?;
        Ok(u64::try_from(size).unwrap_or(u64::MAX))
    }
}

fn narrow(value: i128) -> Result<u32, EntryError> {
    let max = i128::from(u32::MAX);
    u32::try_from(value).map_err(|_| EntryError::OutOfRange { field: "id", value, min: 0, max })
}

/// A text field: up to its first NUL, or all of it.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}
