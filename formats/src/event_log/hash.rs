//! Hash algorithms of the banks of a TPM.

use std::fmt;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// An algorithm (TCG Algorithm Registry 1.34, table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-1, whose digests are read and never computed: nothing is proven by them.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384, the bank of attestation documents of EC2.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// The algorithms that banks are computed for.
    pub const COMPUTED: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The algorithm with a number of the registry.
    pub const fn by_id(id: u16) -> Option<Self> {
        Some(match id {
            0x0004 => Self::Sha1,
            0x000b => Self::Sha256,
            0x000c => Self::Sha384,
            0x000d => Self::Sha512,
            _ => return None,
        })
    }

    /// Its number in the registry.
    pub const fn id(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
            Self::Sha512 => 0x000d,
        }
    }

    /// Length of a digest in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The name in JSON and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of bytes; empty for SHA-1, so that it equals no digest of a log.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Vec::new(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    /// The value of a register after an extension: the digest of the old value and the extended digest
    /// (`TPM2_PCR_Extend`, TPM 2.0 Library part 3, section 22.2).
    pub fn extend(self, value: &[u8], digest: &[u8]) -> Vec<u8> {
        self.digest(&[value, digest].concat())
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
