//! The checksum of a stored object: its algorithm, its value and what it is of. Computes nothing.

use serde::{Deserialize, Serialize};

/// How a checksum is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    /// Of Ethernet and zip.
    Crc32,
    /// Castagnoli's.
    Crc32c,
    /// What S3 takes when nobody asks for another.
    Crc64Nvme,
    /// Old.
    Sha1,
    /// Sound.
    Sha256,
}

/// What a checksum is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChecksumScope {
    /// All bytes.
    FullObject,
    /// The checksums of the parts.
    Composite,
}

/// A checksum of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    /// How it was taken.
    pub(crate) algorithm: Algorithm,
    /// In base64; of a composite one with the number of parts.
    pub(crate) value: String,
    /// What of.
    pub(crate) scope: ChecksumScope,
}
