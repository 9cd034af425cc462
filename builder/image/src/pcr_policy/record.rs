//! What a manifest says of PCR policies: the key `pcr_policy`.

use serde::{Deserialize, Serialize};

/// The PCR policies of an image. Digests are in hexadecimal.
// The fields of the structures below are in the order of their names, which makes the keys of the text sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcrPolicyRecord {
    /// SHA-256 of the key's `RSAPublicKey`: `pkfp` of `.pcrsig`.
    pub key: String,
    /// Path of the unified kernel image on the EFI system partition, without `/` at its start.
    pub path: String,
    /// The policies, in the order of `.pcrsig`.
    pub policies: Vec<PolicyRecord>,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRecord {
    /// The bank of PCR 11: `sha256` or `sha384`.
    pub bank: String,
    /// The phases of the boot, joined by colons; empty before the first.
    pub phases: String,
    /// The digest of the policy: `pol` of `.pcrsig`.
    pub policy: String,
    /// SHA-256 of the detached signature; none for a policy that is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl PcrPolicyRecord {
    /// Whether every policy has its signature.
    pub fn is_signed(&self) -> bool {
        self.policies.iter().all(|policy| policy.signature.is_some())
    }
}
