//! The checksum of a stored object: algorithm, value and scope. Computes nothing.

use serde::{Deserialize, Serialize};

/// A checksum algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    /// CRC-32 as in Ethernet and zip.
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME, the default of S3.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// The input of a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChecksumScope {
    /// All bytes of the object.
    FullObject,
    /// The checksums of its parts.
    Composite,
}

/// A checksum of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    /// The algorithm.
    pub(crate) algorithm: Algorithm,
    /// The value in Base64; for a composite checksum with the number of parts.
    pub(crate) value: String,
    /// The input.
    pub(crate) scope: ChecksumScope,
}
