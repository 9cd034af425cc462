//! Why a bundle gets no signature.

use std::io;
use std::path::PathBuf;

use amiforge_formats::pcr::PcrError;
use amiforge_formats::pe::PeError;
use amiforge_formats::uefi_vars::UefiVarsError;

use super::authority::SignatureRefused;
use super::requests::RequestsError;
use crate::bundle::BundleError;
use crate::inspect::InspectError;
use crate::manifest::ManifestError;

/// Why a bundle's requests cannot be read, or its signatures not attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecureBootError {
    /// A file of the bundle cannot be read.
    #[error("reading `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the bundle is longer than any that a build writes.
    #[error("`{}` is longer than {most} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// What is read at most.
        most: u64,
    },
    /// It has no manifest, so it is no bundle.
    #[error("`{}` is not a bundle: it holds no manifest", path.display())]
    NotABundle {
        /// The directory.
        path: PathBuf,
    },
    /// The manifest cannot be read.
    #[error("reading the manifest of `{}`", path.display())]
    Manifest {
        /// The bundle.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// Its recipe does not ask for Secure Boot.
    #[error(
        "the image `{name}` was built without `secure-boot` under `[trust]`, so nothing in it has a place for a signature"
    )]
    NotPrepared {
        /// Name of the image.
        name: String,
    },
    /// A file is not the one that the manifest binds to the image.
    #[error("`{name}` has SHA-256 {found}, and the manifest says {expected}")]
    Unbound {
        /// The file.
        name: String,
        /// The digest in the manifest.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// The variables of the bundle cannot be read.
    #[error("reading the variables of the bundle")]
    Variables(#[source] UefiVarsError),
    /// The requests cannot be read.
    #[error("reading the signing requests")]
    Requests(#[source] RequestsError),
    /// The requests are not those that follow from the image.
    #[error("the request `{id}` {problem}")]
    Request {
        /// The request.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// The documents are not those of one build.
    #[error("the documents of the bundle do not belong together: {problem}")]
    Inconsistent {
        /// What differs.
        problem: &'static str,
    },
    /// The image cannot be opened or read.
    #[error("reading the image")]
    Image(#[source] InspectError),
    /// A program cannot be read.
    #[error("reading `{program}` on the EFI system partition")]
    Program {
        /// Its path.
        program: String,
        /// Why.
        source: PeError,
    },
    /// A program is not there.
    #[error("there is no file `{program}` on the EFI system partition")]
    NoProgram {
        /// Its path.
        program: String,
    },
    /// A program is not the one that was built.
    #[error("`{program}` {problem}")]
    ProgramDiffers {
        /// Its path.
        program: String,
        /// What differs.
        problem: String,
    },
    /// The PCRs of the signed image cannot be predicted.
    #[error("predicting the PCRs of the signed image")]
    Measure(#[source] PcrError),
    /// The signatures that were given cannot be attached.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The new bundle cannot be written.
    #[error("writing the signed bundle")]
    Bundle(#[from] BundleError),
    /// Something else would have changed than the signatures: the image is not what its manifest says.
    #[error("block {block} has SHA-256 {found} without the signatures, and the manifest says {expected}")]
    OtherChange {
        /// Index of the block.
        block: u64,
        /// The digest in the manifest.
        expected: String,
        /// The digest of the block that was read.
        found: String,
    },
}

/// Why signatures cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// A program cannot be read.
    #[error("hashing `{path}` for its signature")]
    Program {
        /// Its path.
        path: String,
        /// Why.
        source: PeError,
    },
    /// The variables are too long.
    #[error("writing the variables")]
    Variables(#[source] UefiVarsError),
    /// There is no such request.
    #[error("there is no request `{id}`; there are {known}")]
    Unknown {
        /// The id that was given.
        id: String,
        /// The ids of the requests.
        known: String,
    },
    /// Two signatures for one request.
    #[error("the request `{id}` was given two signatures")]
    Twice {
        /// The request.
        id: String,
    },
    /// A request has no signature.
    #[error("no signature was given for {}", ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" and "))]
    Missing {
        /// The requests.
        ids: Vec<String>,
    },
    /// The signature is not one of its request, or firmware would not take it.
    #[error("the signature of `{id}` ({len} bytes)")]
    Refused {
        /// The request.
        id: String,
        /// Length of the signature in bytes.
        len: usize,
        /// Why.
        source: SignatureRefused,
    },
    /// No key in db made it, and no certificate was given.
    #[error(
        "the signature of `{id}` ({len} bytes) was made by no key of db ({db}), and no certificate came with it"
    )]
    NoSigner {
        /// The request.
        id: String,
        /// Length of the signature in bytes.
        len: usize,
        /// Names of the certificates in `db`.
        db: String,
    },
    /// The key of the policies did not make the signature.
    #[error(
        "the signature of `{id}` ({len} bytes) was not made by the key of `pcr-policy` over the file of its request"
    )]
    Policy {
        /// The request.
        id: String,
        /// Length of the signature in bytes.
        len: usize,
    },
    /// The signature with its certificates does not fit.
    #[error("the signature of `{id}`")]
    Table {
        /// The request.
        id: String,
        /// Why.
        source: PeError,
    },
}
