//! Checksums that metadata states, by algorithms that can be relied on.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::super::available::StatedChecksum;
use super::error::RepodataError;

/// A checksum that is being taken.
pub(in crate::rpm) enum ChecksumInProgress {
    /// SHA-1, which `sha` means: of old repositories.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
}

impl ChecksumInProgress {
    /// Begins one by the algorithm of a stated checksum; `file` is for messages.
    pub(in crate::rpm) fn of(stated: &StatedChecksum, file: &str) -> Result<Self, RepodataError> {
        Ok(match stated.algorithm.as_str() {
            "sha" | "sha1" => Self::Sha1(sha1::Digest::new()),
            "sha256" => Self::Sha256(Sha256::new()),
            "sha384" => Self::Sha384(Sha384::new()),
            "sha512" => Self::Sha512(Sha512::new()),
            other => {
                return Err(RepodataError::Algorithm { file: file.to_owned(), algorithm: other.to_owned() });
            }
        })
    }

    /// Takes more bytes.
    pub(in crate::rpm) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => sha1::Digest::update(hash, bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest in hexadecimal.
    pub(in crate::rpm) fn finish(self) -> String {
        match self {
            Self::Sha1(hash) => hex(&sha1::Digest::finalize(hash)),
            Self::Sha256(hash) => hex(&hash.finalize()),
            Self::Sha384(hash) => hex(&hash.finalize()),
            Self::Sha512(hash) => hex(&hash.finalize()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Checks whole bytes by a stated checksum.
pub(in crate::rpm) fn check(bytes: &[u8], stated: &StatedChecksum, file: &str) -> Result<(), RepodataError> {
    let mut running = ChecksumInProgress::of(stated, file)?;
    running.update(bytes);
    let found = running.finish();
    if found == stated.hex {
        return Ok(());
    }
    Err(RepodataError::Changed { file: file.to_owned(), found, expected: stated.hex.clone() })
}
