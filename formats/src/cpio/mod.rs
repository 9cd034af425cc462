//! cpio archives of the `newc` form, which the kernel unpacks as its first root (Documentation/driver-api/early-userspace/
//! buffer-format.rst).

pub mod read;
pub mod write;

#[cfg(test)]
mod tests;

/// What an entry begins with.
pub const MAGIC: &[u8; 6] = b"070701";

/// Name of the entry that ends an archive.
pub const TRAILER: &[u8] = b"TRAILER!!!";

/// Bytes of an entry before its name: the magic and thirteen numbers of eight hexadecimal digits.
pub const HEADER: usize = 110;
