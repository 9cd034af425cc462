//! The checksums of ext4 metadata: CRC-32C as `metadata_csum` uses it, CRC-16 as `uninit_bg` does.

use super::fields;

/// CRC-32C carried on from `seed` without inversions, as ext4 chains it.
pub(crate) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// CRC-32C of `bytes` with the four bytes at `at` taken as zero.
pub(crate) fn crc32c_without(seed: u32, bytes: &[u8], at: usize) -> u32 {
    let (before, after) = (bytes.get(..at), bytes.get(at.saturating_add(4)..));
    let crc = crc32c(crc32c(seed, before.unwrap_or(bytes)), &[0; 4]);
    crc32c(crc, after.unwrap_or(&[]))
}

/// CRC-16 (polynomial 0x8005, reflected), carried on from `seed`.
pub(crate) fn crc16(seed: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(seed, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

/// The seed of everything that belongs to an inode: its number and generation.
pub(crate) fn inode_seed(seed: u32, inode: u32, generation: u32) -> u32 {
    crc32c(crc32c(seed, &inode.to_le_bytes()), &generation.to_le_bytes())
}

/// The checksum of a whole inode, its own checksum fields taken as zero.
pub(crate) fn inode(seed: u32, number: u32, raw: &[u8]) -> u32 {
    const LOW: usize = 0x7c;
    const HIGH: usize = 0x82;
    let crc = inode_seed(seed, number, fields::u32(raw, 0x64));
    let part = |from: usize, to: usize| raw.get(from..to.min(raw.len())).unwrap_or(&[]);
    let crc = crc32c(crc32c(crc, part(0, LOW)), &[0; 2]);
    let crc = crc32c(crc, part(LOW + 2, HIGH.min(raw.len())));
    if raw.len() <= 128 {
        return crc;
    }
    let high: &[u8] = if fields::u16(raw, 0x80) >= 4 { &[0; 2] } else { part(HIGH, HIGH + 2) };
    crc32c(crc32c(crc, high), part(HIGH + 2, raw.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue_come_out() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        assert_eq!(crc16(0, b"123456789"), 0xbb3d);
        assert_eq!(crc32c_without(!0, b"abcdEFGHij", 4), crc32c(!0, b"abcd\0\0\0\0ij"));
    }
}
