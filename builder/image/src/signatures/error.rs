//! Why the signatures of a bundle are not accepted, or could not be looked at.

use std::io;
use std::path::PathBuf;

use amiforge_trust::policy::PolicyDecision;
use amiforge_trust::sshsig::SshsigError;

use super::statement::StatementProblem;
use crate::manifest::ManifestError;
use crate::verify::VerifyError;

/// Why the signatures of a bundle are not accepted, or could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleSignatureError {
    /// It is no folder of a bundle.
    #[error("`{}` is not a bundle: it has no `SHA256SUMS`, which is what is signed", path.display())]
    NotABundle {
        /// The path.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("reading or writing `{}`", path.display())]
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
    /// What is signed is no list of the files of a bundle.
    #[error("reading `SHA256SUMS`")]
    Statement(#[source] StatementProblem),
    /// A file or folder of the bundle is not in `SHA256SUMS`, so nobody signed it.
    #[error("`{name}` is not in `SHA256SUMS`, so no signature covers it")]
    Unlisted {
        /// Its name, printable.
        name: String,
    },
    /// A file of `SHA256SUMS` is not there.
    #[error("`{name}` is in `SHA256SUMS`, and is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A link, a folder or a device where a file should be.
    #[error("`{name}` is not a regular file")]
    NotAFile {
        /// Its name, printable.
        name: String,
    },
    /// A file has another digest than the statement says.
    #[error("`{name}` has SHA-256 {found}, and `SHA256SUMS` says {expected}")]
    Differs {
        /// The file.
        name: String,
        /// What the statement says.
        expected: String,
        /// What it has.
        found: String,
    },
    /// The image cannot be digested.
    #[error("digesting `disk.raw`")]
    Disk(#[source] VerifyError),
    /// The manifest cannot be read.
    #[error("reading `manifest.json`")]
    Manifest(#[source] ManifestError),
    /// The manifest is of another image than the statement.
    #[error("`manifest.json` is of an image with SHA-256 {manifest}, and `SHA256SUMS` says {statement}")]
    OtherImage {
        /// The digest of the image in the manifest.
        manifest: String,
        /// The digest in the statement.
        statement: String,
    },
    /// The policy does not accept what was signed.
    #[error("{}", .decision.refusal().unwrap_or_default())]
    NotMet {
        /// What the policy says.
        decision: Box<PolicyDecision>,
        /// Files that are no signatures of the statement, with the reasons.
        refused: Vec<String>,
    },
    /// A signature that was given is none of the statement.
    #[error("the signature is not one of the bundle's `SHA256SUMS`")]
    NotASignature(#[source] SshsigError),
}

impl BundleSignatureError {
    /// Whether the bundle is not what was signed, or not signed by those whom a policy asks: a difference, rather than a
    /// failure to look.
    pub fn is_difference(&self) -> bool {
        !matches!(self, Self::NotABundle { .. } | Self::File { .. } | Self::Disk(_) | Self::NotASignature(_))
    }
}
