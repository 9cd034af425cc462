//! Constants and small rules of the specification that the writer and the reader both follow.

/// Bytes in a sector; no other size is written.
pub(super) const SECTOR: u64 = 512;

/// Bytes in a directory entry.
pub(super) const ENTRY: usize = 32;

/// Entries that a directory can have.
pub(super) const ENTRIES_MAX: usize = 65_536;

/// Directories within each other that are written and believed: FAT sets no limit, but a path longer than any system takes
/// is a damaged volume's.
pub(super) const DEPTH_MAX: usize = 255;

/// Clusters at which a volume becomes FAT32: whoever reads it decides by this number alone.
pub(super) const FAT32_CLUSTERS: u64 = 65_525;

/// The least value that ends a chain in a FAT32 table.
pub(super) const END_OF_CHAIN: u32 = 0x0fff_fff8;

/// Attribute: not to be written.
pub(super) const READ_ONLY: u8 = 0x01;
/// Attribute: the volume's label.
pub(super) const VOLUME_ID: u8 = 0x08;
/// Attribute: a directory.
pub(super) const DIRECTORY: u8 = 0x10;
/// Attribute: changed since it was last backed up.
pub(super) const ARCHIVE: u8 = 0x20;
/// Attributes of an entry that holds part of a long name.
pub(super) const LONG_NAME: u8 = 0x0f;

/// UTF-16 units in an entry of a long name.
pub(super) const LONG_UNITS: usize = 13;

/// Offsets of the units in such an entry.
pub(super) const LONG_OFFSETS: [usize; LONG_UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// The mark of the last part of a long name, which comes first.
pub(super) const LONG_LAST: u8 = 0x40;

/// Characters that no long name has.
pub(super) const FORBIDDEN: &[u8] = b"\"*/:<>?\\|";

/// The checksum by which entries of a long name know their short one.
pub(super) fn short_sum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// A name as it is compared: FAT ignores case. Characters are folded one to one.
pub(super) fn fold(units: &[u16]) -> Vec<u16> {
    let folded = char::decode_utf16(units.iter().copied()).map(|unit| match unit {
        Ok(character) => {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => Ok(single),
                _ => Ok(character),
            }
        }
        Err(lone) => Err(lone.unpaired_surrogate()),
    });
    let mut out = Vec::with_capacity(units.len());
    for unit in folded {
        match unit {
            Ok(character) => out.extend_from_slice(character.encode_utf16(&mut [0; 2])),
            Err(lone) => out.push(lone),
        }
    }
    out
}
