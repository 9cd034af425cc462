//! What a manifest says of Secure Boot: the key `secure_boot`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Secure Boot of an image. Digests are in hexadecimal.
// The fields of the structures below are in the order of their names, which makes the keys of the text sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecureBootRecord {
    /// What firmware starts, sorted by id.
    pub programs: Vec<SignedProgram>,
    /// SHA-256 of the value of each enrolled variable, by its name.
    pub variables: BTreeMap<String, String>,
}

/// A program that firmware starts when it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedProgram {
    /// Its SHA-256 Authenticode digest, the same with and without a signature.
    pub authenticode: String,
    /// Its id, as requests and signatures name it.
    pub id: String,
    /// Its path on the EFI system partition, without `/` at its start.
    pub path: String,
    /// The ranges of the disk that a signature changes, in order: first byte and length.
    pub ranges: Vec<(u64, u64)>,
    /// The signature; none for a program that is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureRecord>,
}

/// A signature that was attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureRecord {
    /// SHA-256 of the entry of `db` by which firmware trusts it.
    pub authority: String,
    /// SHA-256 of the certificates that come with it, the signer's first.
    pub certificates: Vec<String>,
    /// SHA-256 of the detached signature.
    pub sha256: String,
}

impl SecureBootRecord {
    /// Whether every program has its signature.
    pub fn is_signed(&self) -> bool {
        self.programs.iter().all(|program| program.signature.is_some())
    }

    /// The ids of the programs that are not signed.
    pub fn unsigned(&self) -> Vec<&str> {
        let unsigned = self.programs.iter().filter(|program| program.signature.is_none());
        unsigned.map(|program| program.id.as_str()).collect()
    }
}
