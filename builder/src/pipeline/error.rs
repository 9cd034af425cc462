//! Why a build failed.

use std::io;
use std::path::PathBuf;

use amiforge_formats::pcr::{PcrError, PolicyKeyError};
use amiforge_image::bundle::BundleError;
use amiforge_image::disk::{DiskError, HashTreeError};
use amiforge_image::seal::SealError;
use amiforge_image::secure_boot::{KeyFileError, SigningError};
use amiforge_packages::backend::PackageError;
use amiforge_rootfs::assemble::AssembleError;
use amiforge_rootfs::boot::BootFilesError;
use amiforge_rootfs::initrd::InitrdError;
use amiforge_rootfs::insert::InsertError;
use amiforge_rootfs::normalize::NormalizeError;
use amiforge_rootfs::stage::StageError;
use amiforge_rootfs::steps::StepError;
use amiforge_sandbox::SandboxError;
use amiforge_store::StoreError;
use amiforge_store::deferred::DeferredError;
use amiforge_store::layer::LayerError;

use super::epoch::TooLate;
use super::kept::KeptError;
use super::volumes::SplitError;
use crate::vendor::VendorError;

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The sources do not make a tree.
    #[error("assembling the sources")]
    Sources(#[from] AssembleError),
    /// Commands need a shell.
    #[error("`[[run]]` is run by a shell, and the image has no `/bin/sh`")]
    NoShell,
    /// The inputs name no time that the image could have.
    #[error("choosing the time of the build")]
    Epoch(#[from] TooLate),
    /// The recipe has packages or disks of snapshots and there is no lock.
    #[error("the recipe takes packages or the disk of a snapshot, and no lock pins them")]
    NoLock,
    /// Packages of a kind that cannot be installed over an image.
    #[error("`{kind}` packages cannot be installed over an image")]
    NotOver {
        /// The kind.
        kind: &'static str,
    },
    /// The disk of the image cannot be kept with what the recipe changes in it.
    #[error("keeping the disk of the image")]
    Kept(#[from] KeptError),
    /// A file that the lock pins is not in the store.
    #[error("{label} is not in the store")]
    NotFetched {
        /// Which.
        label: String,
    },
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of inputs cannot be used.
    #[error("taking inputs")]
    Vendor(#[from] VendorError),
    /// The packages do not make a tree.
    #[error(transparent)]
    PackageSet(PackageError),
    /// A package is not the one that the lock pins.
    #[error("checking the packages")]
    Packages(#[source] DeferredError),
    /// This program cannot be found again to enter a sandbox.
    #[error("finding this program")]
    Launcher(#[source] io::Error),
    /// Packages could not be configured by their scripts.
    #[error("configuring the packages")]
    Configure(#[source] Box<SandboxError>),
    /// A stage could not be built.
    #[error(transparent)]
    Stage(Box<StageError>),
    /// What a stage built does not fit into the tree.
    #[error("installing what the stage `{stage}` built")]
    InstallStage {
        /// The stage.
        stage: String,
        /// What is wrong.
        #[source]
        source: InsertError,
    },
    /// A command of the recipe failed.
    #[error("running the commands of the recipe")]
    Run(#[source] Box<SandboxError>),
    /// A second run, with other random numbers, failed although the first did not.
    #[error(
        "running scripts or commands a second time, with other random numbers, to find what depends on them"
    )]
    SecondRun(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The trees of two runs could not be compared.
    #[error("comparing what two runs left")]
    Compare(#[source] io::Error),
    /// A layer could not be kept or taken.
    #[error("keeping what was made for the next build")]
    Layer(#[from] LayerError),
    /// Notes of a layer could not be written.
    #[error("writing the notes of a layer: {0}")]
    Notes(String),
    /// Packages or files of the tree could not be read: for the bill of materials, the origins, or the groups of the layout.
    #[error("reading the packages and files of the image")]
    ReadTree(#[source] std::io::Error),
    /// A step could not be done.
    #[error("making the tree a system")]
    Step(#[from] StepError),
    /// A rule of normalization would remove what is needed.
    #[error("normalizing the image")]
    Normalize(#[from] NormalizeError),
    /// Nothing to boot.
    #[error("making the image boot")]
    Boot(#[from] BootFilesError),
    /// An answer to a question that no package has.
    #[error(
        "no package of the image asks the question `{question}` of `[debconf]`; `debconf-show PACKAGE` lists those of a package"
    )]
    UnknownQuestion {
        /// Its name.
        question: String,
    },
    /// A loader that the tree lacks.
    #[error("making the image boot")]
    NoLoader(#[source] NoLoader),
    /// An initrd cannot be made.
    #[error("making an initrd")]
    Initrd(#[from] InitrdError),
    /// A file of certificates is none that can be enrolled.
    #[error("`{key}` under `[trust] secure-boot`: `{name}`")]
    EnrolledKey {
        /// The key of the recipe.
        key: &'static str,
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: KeyFileError,
    },
    /// Requests cannot be made, or the given signatures not be taken.
    #[error("signing what firmware starts")]
    Signing(#[from] SigningError),
    /// A file is no public key of PCR policies.
    #[error("`pcr-policy` under `[trust]`: `{name}`")]
    PolicyKey {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: PolicyKeyError,
    },
    /// It is not known which values PCR 11 will have.
    #[error("making the policies for PCR 11")]
    PcrPolicy(#[source] PcrError),
    /// Signatures of PCR policies for an image that has none.
    #[error("signatures of PCR policies are given, and the recipe has no `pcr-policy` under `[trust]`")]
    NoPcrPolicy,
    /// Signatures for an image that has no place for them.
    #[error("signatures are given, and the recipe has no `secure-boot` under `[trust]`")]
    NoSecureBoot,
    /// What firmware starts cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A file that the recipe names beside its sources.
    #[error("reading `{name}`")]
    HostFile {
        /// As the recipe names it.
        name: String,
        /// Why.
        #[source]
        source: HostFileError,
    },
    /// The tree does not go on the partitions.
    #[error("dividing the tree among the partitions")]
    Split(#[from] SplitError),
    /// The partitions do not go on the disk.
    #[error("laying out the disk")]
    Disk(#[from] DiskError),
    /// The hash tree of a verified partition cannot be made.
    #[error(transparent)]
    HashTree(#[from] HashTreeError),
    /// The folder for the bundle, or the one for unpacked inputs, cannot be made.
    #[error("making the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An input is not what it was or should be.
    #[error("checking the inputs after the last byte was read")]
    Inputs(#[source] InputError),
    /// A text beside the image could not be made.
    #[error("making the texts beside the image")]
    Documents(#[source] Box<Self>),
    /// The bundle cannot be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The user interrupted the build.
    #[error("interrupted")]
    Interrupted,
}

/// Why a file of the host cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostFileError {
    /// It cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a folder, a device or the like.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// What has the name.
        path: PathBuf,
    },
    /// It is longer than any file of its kind.
    #[error("it is {len} bytes long, and at most {most} are read")]
    TooLong {
        /// Its length in bytes.
        len: u64,
        /// The limit in bytes.
        most: u64,
    },
    /// The user interrupted the build.
    #[error("interrupted")]
    Interrupted,
    /// It was written to while the build read it.
    #[error("`{}` changed while it was being read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// A file of a loader that is not there.
#[derive(Debug, thiserror::Error)]
#[error("the image has no `{path}`, which UEFI needs; the package {package} brings it")]
pub struct NoLoader {
    pub(super) path: String,
    pub(super) package: &'static str,
}

/// Why an input cannot be vouched for once the image is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// An input or a layer is not what it should be.
    #[error(transparent)]
    Deferred(#[from] DeferredError),
    /// A file that was read changed meanwhile.
    #[error(transparent)]
    Changed(#[from] AssembleError),
    /// Secrets could not be looked for.
    #[error("looking for secrets in the image")]
    Secrets(#[source] io::Error),
}

impl From<PackageError> for BuildError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Interrupted => Self::Interrupted,
            PackageError::Step(error) => Self::Step(error),
            // Files of the host are opened by the build itself.
            PackageError::HostFile(error) => match error.downcast() {
                Ok(error) => *error,
                Err(error) => Self::PackageSet(PackageError::HostFile(error)),
            },
            error => Self::PackageSet(error),
        }
    }
}
