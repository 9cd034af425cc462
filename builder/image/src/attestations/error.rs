//! Why nothing can be stated of a bundle, or a statement cannot be stored.

use std::io;
use std::path::PathBuf;

use amiforge_trust::dsse::EnvelopeError;
use amiforge_trust::policy::PolicyDecision;

use crate::manifest::ManifestError;
use crate::signatures::BundleSignatureError;
use crate::verify::VerifyError;

/// Why nothing can be stated of a bundle, or a statement cannot be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// It is no folder of a bundle.
    #[error("`{}` is not a bundle: it has no `manifest.json`", path.display())]
    NotABundle {
        /// The path.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("reading `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is longer than it may be.
    #[error("`{}` has more than {most} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most bytes.
        most: u64,
    },
    /// The manifest cannot be read.
    #[error("reading `manifest.json`")]
    Manifest(#[source] ManifestError),
    /// The bundle has nothing that could be stated.
    #[error("the bundle has no `{document}`")]
    Nothing {
        /// The file that the statement would be made of.
        document: &'static str,
    },
    /// A document is not the one that the manifest binds.
    #[error("`{name}` has SHA-256 {found}, and the manifest says {expected}")]
    Differs {
        /// The file.
        name: String,
        /// The value in the manifest.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// The statement of how the image was built is not one of this bundle.
    #[error("`provenance.json`: {problem}")]
    Provenance {
        /// The first difference.
        problem: String,
    },
    /// A document is no JSON.
    #[error("reading `{name}`")]
    Json {
        /// The file.
        name: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The image cannot be digested.
    #[error("digesting `disk.raw`")]
    Disk(#[source] VerifyError),
    /// An envelope that cannot be stored: it is none with one signature.
    #[error("storing the envelope")]
    Envelope(#[from] EnvelopeError),
    /// A policy requires an attestation that is not signed by those whom it asks.
    #[error("the policy requires `{kind}`: {}", .decision.refusal().unwrap_or_default())]
    NotMet {
        /// What is required.
        kind: String,
        /// What the policy says of those who signed it.
        decision: Box<PolicyDecision>,
        /// Files that are no attestations of the bundle, with the reasons.
        refused: Vec<String>,
    },
    /// A file that is no attestation of this bundle.
    #[error("`{name}` is no attestation of this bundle: {problem}")]
    Refused {
        /// The file.
        name: String,
        /// Why.
        problem: String,
    },
    /// The folder of signatures cannot be read or written.
    #[error("using the folder `signatures`")]
    Folder(#[from] BundleSignatureError),
}
