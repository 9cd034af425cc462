//! The computation and the names of S3's checksums: five algorithms, for whole objects or composed of the
//! checksums of parts.

use crate::state::checksum::{Algorithm, ChecksumScope};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc, Digest as CrcDigest, Table};
use sha1::Digest as _;

static CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);

const ALL: [Algorithm; 5] =
    [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

impl Algorithm {
    /// The value of `x-amz-checksum-algorithm`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header with the checksum.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The XML element with the checksum.
    pub(crate) fn element(self) -> String {
        format!("Checksum{}", self.as_str())
    }

    /// The algorithm with this name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(name))
    }

    /// The algorithm with this header.
    pub(crate) fn of_header(name: &str) -> Option<Self> {
        ALL.into_iter().find(|one| one.header().eq_ignore_ascii_case(name))
    }

    /// The default scope for an object of several parts.
    pub(crate) fn scope_of_parts(self) -> ChecksumScope {
        if self == Self::Crc64Nvme { ChecksumScope::FullObject } else { ChecksumScope::Composite }
    }

    /// All algorithms.
    pub(crate) fn all() -> [Self; 5] {
        ALL
    }
}

impl ChecksumScope {
    /// The value of `x-amz-checksum-type`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

/// A checksum that is being computed.
pub(crate) enum RunningChecksum {
    Crc32(CrcDigest<'static, u32, Table<16>>),
    Crc32c(CrcDigest<'static, u32, Table<16>>),
    Crc64(CrcDigest<'static, u64, Table<16>>),
    Sha1(Box<sha1::Sha1>),
    Sha256(Box<sha2::Sha256>),
}

impl RunningChecksum {
    /// Starts a checksum.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(CRC32.digest()),
            Algorithm::Crc32c => Self::Crc32c(CRC32C.digest()),
            Algorithm::Crc64Nvme => Self::Crc64(CRC64.digest()),
            Algorithm::Sha1 => Self::Sha1(Box::default()),
            Algorithm::Sha256 => Self::Sha256(Box::default()),
        }
    }

    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(sum) | Self::Crc32c(sum) => sum.update(bytes),
            Self::Crc64(sum) => sum.update(bytes),
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha256(sum) => sha2::Digest::update(&mut **sum, bytes),
        }
    }

    /// Returns the checksum in Base64.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Crc32(sum) | Self::Crc32c(sum) => STANDARD.encode(sum.finalize().to_be_bytes()),
            Self::Crc64(sum) => STANDARD.encode(sum.finalize().to_be_bytes()),
            Self::Sha1(sum) => STANDARD.encode(sum.finalize()),
            Self::Sha256(sum) => STANDARD.encode(sha2::Digest::finalize(*sum)),
        }
    }
}

/// The composite checksum of the checksums of parts.
pub(crate) fn composite(algorithm: Algorithm, parts: &[String]) -> Option<String> {
    let mut sum = RunningChecksum::new(algorithm);
    for part in parts {
        sum.update(&STANDARD.decode(part).ok()?);
    }
    Some(format!("{}-{}", sum.finish(), parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, text: &str) -> String {
        let mut sum = RunningChecksum::new(algorithm);
        sum.update(text.as_bytes());
        sum.finish()
    }

    #[test]
    fn sums_of_the_check_string() {
        // The check values of the catalogue of parametrised CRC algorithms, big-endian, in Base64.
        assert_eq!(of(Algorithm::Crc32, "123456789"), STANDARD.encode([0xcb, 0xf4, 0x39, 0x26]));
        assert_eq!(of(Algorithm::Crc32c, "123456789"), STANDARD.encode([0xe3, 0x06, 0x92, 0x83]));
        assert_eq!(
            of(Algorithm::Crc64Nvme, "123456789"),
            STANDARD.encode([0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88])
        );
        assert_eq!(of(Algorithm::Sha1, ""), "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
        assert_eq!(of(Algorithm::Sha256, ""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn a_composite_checksum_ends_with_the_number_of_parts() {
        let parts = [of(Algorithm::Crc32, "a"), of(Algorithm::Crc32, "b")];
        assert!(composite(Algorithm::Crc32, &parts).unwrap().ends_with("==-2"));
    }
}
