//! The checksum of metadata: CRC-32C over a structure with the field itself taken as zero, stored little-endian.

use super::error::XfsDefect;
use crate::fields;

/// The checksum of a structure whose checksum is at `at`.
pub(crate) fn compute(bytes: &[u8], at: usize) -> u32 {
    let (before, after) = (bytes.get(..at), bytes.get(at.saturating_add(4)..));
    let crc = crc32c::crc32c(before.unwrap_or(bytes));
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &[0; 4]), after.unwrap_or(&[]))
}

/// A wrong checksum.
pub(crate) fn verify(bytes: &[u8], at: usize) -> Option<XfsDefect> {
    let (stored, computed) = (fields::u32(bytes, at), compute(bytes, at));
    (stored != computed).then_some(XfsDefect::Checksum { stored, computed })
}
