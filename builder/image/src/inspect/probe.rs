//! What stands in a partition, told by its magic numbers. It parses nothing.

use std::io;

use amiforge_formats::read_at::ReadAt;

/// What a stretch of a disk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FsKind {
    /// ext4, or its forerunners ext2 and ext3.
    Ext4,
    /// FAT of any width.
    Fat,
    /// A swap area.
    Swap,
    /// Something that has a name but no reader here.
    Other(&'static str),
    /// Nothing but zeros, as far as was looked.
    Zeros,
    /// Bytes without a magic number that is known.
    Unknown,
}

impl FsKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Fat => "fat",
            Self::Swap => "swap",
            Self::Other(word) => word,
            Self::Zeros => "empty",
            Self::Unknown => "unknown",
        }
    }
}

/// A magic number: where, which bytes, what it means.
const MAGICS: [(u64, &[u8], &str); 9] = [
    (0, b"hsqs", "squashfs"),
    (0, b"XFSB", "xfs"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"verity\0\0", "verity"),
    (1024, b"\xe2\xe1\xf5\xe0", "erofs"),
    (1024, b"H+\x00\x04", "hfs+"),
    (0x10040, b"_BHRfS_M", "btrfs"),
    (0x8001, b"CD001", "iso9660"),
    (512, b"LABELONE", "lvm"),
];

/// Bytes at the start that are looked at to call something empty.
const LOOK: usize = 64 * 1024;

/// Tells what `image` holds.
///
/// # Errors
/// What the medium says.
pub fn probe(image: &impl ReadAt) -> io::Result<FsKind> {
    let len = usize::try_from(image.size()).unwrap_or(LOOK).min(LOOK);
    let mut head = vec![0; len];
    image.read_exact_at(0, &mut head)?;
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    if at(4086, b"SWAPSPACE2") {
        return Ok(FsKind::Swap);
    }
    if at(1080, &[0x53, 0xef]) {
        return Ok(FsKind::Ext4);
    }
    let jump = at(0, &[0xeb]) || at(0, &[0xe9]);
    if jump && at(510, &[0x55, 0xaa]) && (at(82, b"FAT32   ") || at(54, b"FAT")) {
        return Ok(FsKind::Fat);
    }
    for (offset, magic, word) in MAGICS {
        let mut found = vec![0; magic.len()];
        if image.read_exact_at(offset, &mut found).is_ok() && found == magic {
            return Ok(FsKind::Other(word));
        }
    }
    Ok(if head.iter().all(|&byte| byte == 0) { FsKind::Zeros } else { FsKind::Unknown })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(len: usize, at: usize, magic: &[u8]) -> FsKind {
        let mut image = vec![0; len];
        image[at..at + magic.len()].copy_from_slice(magic);
        probe(&image).unwrap()
    }

    #[test]
    fn magic_numbers_name_what_they_stand_for_and_short_images_are_safe() {
        assert_eq!(with(4096, 4086, b"SWAPSPACE2"), FsKind::Swap);
        assert_eq!(with(2048, 1080, &[0x53, 0xef]), FsKind::Ext4);
        assert_eq!(with(1 << 17, 0x10040, b"_BHRfS_M"), FsKind::Other("btrfs"));
        assert_eq!(with(512, 0, b"hsqs"), FsKind::Other("squashfs"));
        assert_eq!(with(512, 100, b"x"), FsKind::Unknown);
        assert_eq!(probe(&Vec::new()).unwrap(), FsKind::Zeros);
        assert_eq!(probe(&vec![0; 100]).unwrap(), FsKind::Zeros);
    }
}
