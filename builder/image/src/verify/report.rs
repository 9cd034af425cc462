//! What a verification gives, and why there may be none.

use std::io;
use std::path::PathBuf;

use super::difference::BundleDifference;
use crate::attestations::AttestationSummary;
use crate::bundle;
use crate::image::EmitError;
use crate::inspect::InspectError;
use crate::signatures::SignatureSummary;

/// The extent of a verification and its differences.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// Blocks that were compared with the manifest.
    pub blocks: u64,
    /// Bytes of the image that were digested, holes included.
    pub bytes: u64,
    /// Formats that were checked, with their partition, such as `GPT` or ``ext4 in partition 2 `root` ``.
    pub checked: Vec<String>,
    /// Names that `tree.txt` and the image agree on or should.
    pub names: u64,
    /// Who signed the bundle: the files with signatures, good ones and others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureSummary>,
    /// The files with attestations, good ones and others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<AttestationSummary>,
    /// Everything that differs.
    pub differences: Vec<BundleDifference>,
}

/// Why a bundle could not be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no such directory, or it cannot be looked into.
    #[error("reading the directory `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a bundle, or another file, and not the folder.
    #[error("`{}` is a file, and what is verified is the folder of a bundle", path.display())]
    AFile {
        /// The file.
        path: PathBuf,
    },
    /// It holds no file of a bundle.
    #[error("`{}` is not a bundle: it holds none of {}", path.display(), bundle::FILES.join(", "))]
    NotABundle {
        /// The directory.
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
    /// The image cannot be opened.
    #[error("opening the image")]
    Open(#[source] InspectError),
    /// The image cannot be read.
    #[error("digesting the image")]
    Image(#[source] EmitError),
    /// The caller requested to stop.
    #[error("interrupted")]
    Interrupted,
}
