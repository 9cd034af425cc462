//! An attestation as reports show it.

use serde::Serialize;

/// An attestation as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttestationSummary {
    /// Its name in the bundle.
    pub file: String,
    /// What it states, as options name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Why it is no attestation of the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
