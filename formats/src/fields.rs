//! Little-endian fields of a structure, read without ever leaving its bytes.
//!
//! A field past the end reads as zero. Callers read whole structures of a known length first, so that zero is never
//! a value of the structure; it only means that no offset can make a reader panic.

/// The `N` bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let end = at.saturating_add(N);
    bytes.get(at..end).and_then(|field| field.try_into().ok()).unwrap_or([0; N])
}

/// The byte at `at`.
pub(crate) fn u8(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The 16-bit number at `at`.
pub(crate) fn u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// The 32-bit number at `at`.
pub(crate) fn u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// The 64-bit number at `at`.
pub(crate) fn u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// The big-endian 32-bit number at `at` (XFS and the journal of ext4 are big-endian).
pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

/// The big-endian 16-bit number at `at`.
pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(bytes, at))
}

/// The big-endian 64-bit number at `at`.
pub(crate) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

/// The 32-bit number of a low and a high half.
pub(crate) fn halves16(low: u16, high: u16) -> u32 {
    u32::from(low) | u32::from(high) << 16
}

/// The 64-bit number of a low and a high half.
pub(crate) fn halves32(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}
