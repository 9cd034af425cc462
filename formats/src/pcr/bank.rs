//! The two banks that are predicted, SHA-256 and SHA-384, side by side: digests of one event and registers.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256, Sha384};

/// A bank of a TPM: its registers in one algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bank {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

impl Bank {
    /// Both, the shorter first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha384];

    /// Its name in systemd, tpm2-tools and the JSON of this project.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
        }
    }

    /// Its number in structures of a TPM (`TPM_ALG_ID`).
    pub(super) fn algorithm(self) -> u16 {
        match self {
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
        }
    }
}

/// The digests of the same bytes, or the values of the same register, in both banks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BankDigests {
    /// In the bank of SHA-256.
    pub sha256: [u8; 32],
    /// In the bank of SHA-384, which attestation documents of NitroTPM hold.
    pub sha384: [u8; 48],
}

impl BankDigests {
    /// The digests of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = BankHasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest in one bank: 32 or 48 bytes.
    pub fn in_bank(&self, bank: Bank) -> &[u8] {
        match bank {
            Bank::Sha256 => &self.sha256,
            Bank::Sha384 => &self.sha384,
        }
    }

    /// The same in lower-case hexadecimal digits.
    pub fn hex(&self, bank: Bank) -> String {
        self.in_bank(bank).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Debug for BankDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BankDigests({}, {})", self.hex(Bank::Sha256), self.hex(Bank::Sha384))
    }
}

/// Takes both digests of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct BankHasher {
    sha256: Sha256,
    sha384: Sha384,
}

impl BankHasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha384.update(bytes);
    }

    /// Takes `len` bytes of zero.
    pub(super) fn update_zeros(&mut self, mut len: u64) {
        const ZEROS: [u8; 4096] = [0; 4096];
        while let Some(part) = ZEROS.get(..len.min(4096) as usize).filter(|part| !part.is_empty()) {
            self.update(part);
            len = len.saturating_sub(part.len() as u64);
        }
    }

    pub(super) fn finish(self) -> BankDigests {
        BankDigests { sha256: self.sha256.finalize().into(), sha384: self.sha384.finalize().into() }
    }
}

/// A register in both banks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pcr(BankDigests);

impl Pcr {
    /// The register before the first event.
    pub const ZERO: Self = Self(BankDigests { sha256: [0; 32], sha384: [0; 48] });

    /// The register after these events.
    pub fn after(events: &[BankDigests]) -> Self {
        let mut pcr = Self::ZERO;
        for event in events {
            pcr.extend(event);
        }
        pcr
    }

    /// Extends the register by the digest of an event (TPM 2.0 Library, part 1, section 17.2).
    pub fn extend(&mut self, event: &BankDigests) {
        let Self(value) = self;
        *self = Self(BankDigests {
            sha256: Sha256::new().chain_update(value.sha256).chain_update(event.sha256).finalize().into(),
            sha384: Sha384::new().chain_update(value.sha384).chain_update(event.sha384).finalize().into(),
        });
    }

    /// Its value.
    pub fn value(&self) -> BankDigests {
        self.0
    }
}
