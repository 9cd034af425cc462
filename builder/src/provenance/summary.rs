//! The summary of a verification: who did not verify a bundle can rely on somebody who did.
//!
//! Follows the SLSA Verification Summary 1.0 (<https://slsa.dev/spec/v1.0/verification_summary>). A local builder is SLSA
//! Build L1: there is provenance, and nobody but its signer vouches for it.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_formats::time::Time;
use amiforge_image::bundle;
use amiforge_image::manifest::Manifest;
use amiforge_image::verify::VerifyReport;
use amiforge_trust::in_toto::InTotoStatement;
use serde_json::{Value, json};

use super::percent_encoded;

/// The type of the predicate.
pub const SUMMARY_TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// The verifier: this program, with all checks of `verify`.
pub const VERIFIER_ID: &str = "https://github.com/amiforge/amiforge/verify/v1";

/// What was verified against where no policy was given: the bundle against itself.
const SELF_POLICY: &str = "https://github.com/amiforge/amiforge/verify/consistency/v1";

/// A verification.
#[derive(Debug, Clone, Copy)]
pub struct Verification<'a> {
    /// The manifest of the bundle.
    pub manifest: &'a Manifest,
    /// SHA-256 of its text.
    pub manifest_sha256: Digest,
    /// What was compared, and what differs.
    pub report: &'a VerifyReport,
    /// When.
    pub at: Time,
    /// The policy: its name and the SHA-256 of its text; and whether the signatures meet it.
    pub policy: Option<(&'a str, Digest, bool)>,
    /// The files of the bundle that were read as attestations, with their SHA-256.
    pub attestations: &'a [(String, Digest)],
    /// What the image is to its users, as a URI.
    pub resource: &'a str,
    /// Whether there is provenance.
    pub provenance: bool,
}

impl Verification<'_> {
    /// Whether nothing differs and the policy, if there is one, is met.
    pub fn passed(&self) -> bool {
        self.report.differences.is_empty() && self.policy.is_none_or(|(_, _, met)| met)
    }

    /// The statement.
    pub fn summary(&self) -> InTotoStatement {
        let passed = self.passed();
        let level = match (passed, self.provenance) {
            (false, _) => "FAILED",
            (true, true) => "SLSA_BUILD_LEVEL_1",
            (true, false) => "SLSA_BUILD_LEVEL_0",
        };
        let policy = match self.policy {
            Some((name, sha256, _)) => json!({
                "digest": { "sha256": sha256.to_string() },
                "uri": format!("file:{}", percent_encoded(name)),
            }),
            None => json!({ "uri": SELF_POLICY }),
        };
        let attestation = |(name, sha256): &(String, Digest)| {
            let uri = format!("file:{}", percent_encoded(name));
            json!({ "digest": { "sha256": sha256.to_string() }, "uri": uri })
        };
        let attestations: Vec<Value> = self.attestations.iter().map(attestation).collect();
        let predicate = json!({
            "inputAttestations": attestations,
            "policy": policy,
            "resourceUri": self.resource,
            "slsaVersion": "1.0",
            "timeVerified": self.at.utc().to_string(),
            "verificationResult": if passed { "PASSED" } else { "FAILED" },
            "verifiedLevels": [level],
            "verifier": { "id": VERIFIER_ID, "version": { "amiforge": env!("CARGO_PKG_VERSION") } },
            // An extension field is named by a URI.
            VERIFIER_ID: {
                "blocks": self.report.blocks,
                "bytes": self.report.bytes,
                "checked": self.report.checked,
                "differences": self.report.differences.len(),
                "names": self.report.names,
            },
        });
        let subjects = BTreeMap::from([
            (bundle::DISK.to_owned(), self.manifest.plain),
            (bundle::MANIFEST.to_owned(), self.manifest_sha256),
        ]);
        InTotoStatement { subjects, predicate_type: SUMMARY_TYPE.to_owned(), predicate }
    }
}

/// What an image is to its users where they give no URI: a package URL with its name, version and architecture.
pub fn resource_uri(manifest: &Manifest) -> String {
    let origin = &manifest.origin;
    let name = percent_encoded(&origin.name).replace('/', "%2F").replace('@', "%40");
    let version = origin.version.as_ref().map(|version| format!("@{}", percent_encoded(version)));
    format!("pkg:generic/{name}{}?arch={}", version.unwrap_or_default(), origin.arch)
}
