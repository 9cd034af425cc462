//! What a build is asked besides the recipe, and what it gives.

use std::path::PathBuf;

use amiforge_image::bundle::ExistingBundle;
use amiforge_image::manifest::Manifest;
use amiforge_image::secure_boot::GivenSignature;
use amiforge_sandbox::OnFailure;

use crate::lock::Lock;

/// Options of a build besides the recipe. Only `source_date_epoch`, the lock, the signatures and the `OpenVEX` document may
/// change a byte of the result, the last none of the image.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Where the bundle goes.
    pub out: PathBuf,
    /// What to do when that name is taken.
    pub existing: ExistingBundle,
    /// Threads that read, write and hash.
    pub threads: usize,
    /// Folder where unpacked inputs are kept for the next build; without one that can be used they are kept beside the
    /// bundle for as long as the build takes.
    pub store: Option<PathBuf>,
    /// `SOURCE_DATE_EPOCH`: takes precedence over the recipe's own epoch.
    pub source_date_epoch: Option<i64>,
    /// The lock, for a recipe that needs one.
    pub lock: Option<Lock>,
    /// An archive of inputs (see [`crate::vendor`]), from which the store takes what it lacks.
    pub vendor: Option<PathBuf>,
    /// Signatures of what firmware starts and of PCR policies: of each kind none, or one for each request of the image.
    pub signatures: Vec<GivenSignature>,
    /// An `OpenVEX` document that goes into the bundle as it is.
    pub vex: Option<Vec<u8>>,
    /// What happens when a command in the sandbox fails.
    pub on_failure: OnFailure,
}

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// The bundle.
    pub bundle: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The layers, in the order of the build.
    pub layers: Vec<BuildLayer>,
    /// What the image will not be able to do, each with what to do about it.
    pub warnings: Vec<String>,
}

/// A layer of a build, as the report lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildLayer {
    /// What it is: `packages`, `tools of NAME`, `stage NAME` or `run`.
    pub name: String,
    /// Whether it was taken from the store rather than made.
    pub reused: bool,
}
