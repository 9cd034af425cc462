//! A valid recipe: the specs that the libraries take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use amiforge_formats::arch::{Arch, BootMode};
use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use amiforge_formats::volume::{FsKind, VolumeOptions};
use amiforge_image::disk::{DiskSize, PartitionSize};
use amiforge_image::manifest::AllowedLeak;
use amiforge_image::seal::WritableFolders;
use amiforge_packages::PackageSource;
use amiforge_packages::over::UpgradePolicy;
use amiforge_rootfs::glob::Globs;
use amiforge_rootfs::normalize::NormalizeRule;
use amiforge_rootfs::sources::SourceSpec;
use amiforge_rootfs::steps::accounts::{GroupSpec, Principal, UserSpec};
use amiforge_rootfs::steps::files::{IfMissing, XattrValue};
use amiforge_rootfs::steps::kernel_hook::{InitrdSource, UefiLoader};
use amiforge_rootfs::steps::system::SystemSpec;
use amiforge_rootfs::steps::units::UnitsSpec;
use amiforge_sandbox::{SandboxClock, SandboxLimits};

use super::PcrPolicyRecipe;
use super::deb::{RunStep, Stage};
use super::disk_choice::DiskChoice;
use super::keys::{FirstBoot, Fstab, TrustProfile};
use super::lines::RecipeLines;
use super::secure_boot::SecureBootRecipe;

/// A source that is the disk of a snapshot. Its path is only known with the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSource {
    /// Index among the sources of the recipe.
    pub source: usize,
    /// Its name, that of the source.
    pub label: String,
    /// What names the snapshot, or the AMI whose root volume it is.
    pub choice: DiskChoice,
    /// The region, if the recipe names one.
    pub region: Option<String>,
}

/// A valid recipe. Paths of the host are joined to the recipe's folder.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Digest of its text.
    pub digest: Digest,
    /// The lines of its text on which its tables begin.
    pub lines: RecipeLines,
    /// Its text.
    pub text: Arc<str>,
    /// Name, version, architecture and time of the image.
    pub image: ImageSpec,
    /// Length of the disk.
    pub size: DiskSize,
    /// GUID of the disk, else derived.
    pub guid: Option<Guid>,
    /// How it boots; `None` without `[boot]`.
    pub boot: Option<BootRecipe>,
    /// Whether the disk of the first source, an image, stays as it is but for the files that change. Then the partitions
    /// follow from it.
    pub keep: bool,
    /// Whether a disk that is kept gets zeros where no file has bytes.
    pub erase_free_space: bool,
    /// What can be proven of its machines.
    pub trust: TrustRecipe,
    /// The partitions, in their order on the disk.
    pub partitions: Vec<RecipePartition>,
    /// The source of packages, which is merged before the others, or over the first one (see `upgrade`).
    pub packages: Option<PackageSource>,
    /// Of packages over the first source, an image with a package database of its own: which of its packages get newer
    /// versions.
    pub upgrade: Option<UpgradePolicy>,
    /// The other sources, in the order of merging.
    pub sources: Vec<SourceSpec>,
    /// Those of the sources that are disks of snapshots, in the order of the sources.
    pub snapshots: Vec<SnapshotSource>,
    /// The `[[stage]]`s.
    pub stages: Vec<Stage>,
    /// The `[[file]]`s.
    pub files: Vec<FileEntry>,
    /// The `[[group]]`s.
    pub groups: Vec<GroupSpec>,
    /// The `[[user]]`s.
    pub users: Vec<UserSpec>,
    /// Host name, time zone and locale.
    pub system: SystemSpec,
    /// The units to enable, disable and mask.
    pub units: UnitsSpec,
    /// How `/etc/fstab` is written.
    pub fstab: Fstab,
    /// The `[[run]]`s.
    pub runs: Vec<RunStep>,
    /// The clock in sandboxes.
    pub clock: SandboxClock,
    /// Answers to debconf questions, by the name of the question.
    pub debconf: BTreeMap<String, String>,
    /// The limits of each sandbox.
    pub limits: SandboxLimits,
    /// The cleaning rules that apply.
    pub rules: BTreeSet<NormalizeRule>,
    /// The rules for secrets in the image.
    pub secrets: Secrets,
    /// The `[[allow]]`s: what the leak gate finds and may leave.
    pub allow: Vec<AllowedLeak>,
}

/// The rules for secrets in the image.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The secrets that are allowed.
    pub allow: Vec<Allowed>,
    /// Whether scripts run a second time with other random numbers, to find the files that depend on them.
    pub second_run: bool,
}

/// Secrets that are allowed in the image.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// The glob of their paths, as in the recipe.
    pub path: String,
    /// The compiled glob.
    pub globs: Globs,
    /// Why they do no harm.
    pub reason: String,
}

/// Name, version, architecture and time of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// Its name, which is also valid as the name of an AMI.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Architecture of its machines.
    pub arch: Arch,
    /// The time of the build, in seconds since 1970.
    pub epoch: Option<i64>,
    /// Whether recipe, lock and provenance go into the image.
    pub provenance: bool,
}

/// How an image boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootRecipe {
    /// Firmware of its machines.
    pub mode: BootMode,
    /// What UEFI starts.
    pub loader: UefiLoader,
    /// Release of the kernel; `None` for the newest.
    pub kernel: Option<String>,
    /// Further arguments for the kernel.
    pub cmdline: String,
    /// The initrd.
    pub initrd: InitrdSource,
    /// The drivers that the kernel needs to reach its root; `None` for the usual ones that the kernel has.
    pub drivers: Option<Vec<String>>,
    /// What configures a new machine.
    pub first_boot: FirstBoot,
    /// Whether hooks are installed that start a later kernel.
    pub kernel_hook: bool,
}

/// What can be proven of the machines of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRecipe {
    /// How far the system is protected; `None` for a root that is writable.
    pub profile: Option<TrustProfile>,
    /// Where writes go on a read-only root; without meaning where there is no profile.
    pub writable: WritableFolders,
    /// The certificates that firmware enrols; `None` for firmware that starts whatever it finds.
    pub secure_boot: Option<SecureBootRecipe>,
    /// The policies for PCR 11 that are signed; `None` where none is.
    pub pcr_policy: Option<PcrPolicyRecipe>,
}

impl TrustRecipe {
    /// Whether anything is to be proven of the machines.
    pub fn is_set(&self) -> bool {
        self.profile.is_some() || self.secure_boot.is_some() || self.pcr_policy.is_some()
    }
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipePartition {
    /// Its name in messages and manifests, unique in the recipe.
    pub id: String,
    /// Number in the GPT; `None` for the next free one.
    pub number: Option<u32>,
    /// Partition name in the GPT.
    pub label: String,
    /// Type in the GPT.
    pub type_guid: Guid,
    /// GUID; `None` if it is derived.
    pub guid: Option<Guid>,
    /// Attribute bits (UEFI specification, GPT partition entry).
    pub attributes: u64,
    /// Length.
    pub size: PartitionSize,
    /// Its content.
    pub holds: RecipeContent,
    /// Mount point.
    pub mount: Option<String>,
    /// Mount options; `None` for the defaults of the file system.
    pub mount_options: Option<Vec<String>>,
    /// Folder of the merged tree that is written to it.
    pub tree: Option<String>,
}

/// The content of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipeContent {
    /// A file system or swap space.
    Volume(VolumeOptions),
    /// The bytes of a file of the host.
    Raw {
        /// The file.
        path: PathBuf,
        /// As the recipe names it.
        name: String,
    },
    /// The loader for a legacy BIOS, with kernel and initrd.
    Loader,
    /// The hash tree over another partition.
    HashTree {
        /// The id of that partition.
        of: String,
    },
    /// What a disk holds that stays as it is: a format, if it is one that is known.
    Kept(Option<FsKind>),
    /// Nothing.
    Nothing,
}

impl RecipeContent {
    /// The options of the file system or swap space, if it is one.
    pub fn volume(&self) -> Option<&VolumeOptions> {
        match self {
            Self::Volume(options) => Some(options),
            Self::Raw { .. } | Self::Loader | Self::HashTree { .. } | Self::Kept(_) | Self::Nothing => None,
        }
    }

    /// The format of the file system or swap space, if it is one.
    pub fn kind(&self) -> Option<FsKind> {
        match self {
            Self::Kept(kind) => *kind,
            other => other.volume().map(VolumeOptions::kind),
        }
    }

    /// Whether it has files.
    pub fn holds_files(&self) -> bool {
        self.kind().is_some_and(|kind| kind.format().files().is_some())
    }
}

/// An entry that is put into the tree or removed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Absolute path in the image.
    pub path: String,
    /// The entry.
    pub put: FilePut,
    /// Permission bits, if given.
    pub mode: Option<u16>,
    /// Owner, if given.
    pub user: Option<Principal>,
    /// Group, if given.
    pub group: Option<Principal>,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<String, XattrValue>,
}

/// The kinds of `[[file]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePut {
    /// A regular file with these bytes.
    Bytes(Arc<[u8]>),
    /// A regular file with the bytes of a file of the host.
    HostFile {
        /// The file.
        path: PathBuf,
        /// Its name in the recipe.
        name: String,
    },
    /// A symbolic link with this target.
    Symlink(String),
    /// A folder.
    Folder,
    /// The removal of the entry.
    Remove(IfMissing),
}
