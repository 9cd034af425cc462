//! The recipe: the user's TOML file that says what an image should be.
//!
//! A recipe goes through three sieves, and each tells of all the mistakes that it finds: TOML itself, the *shape* (keys,
//! types and words, by the JSON Schema of the key types), and the *values*. What comes out is a [`Recipe`] of specs that
//! the libraries understand. Only the file itself is read here: what it names is opened by the build.

mod advice;
mod boot;
mod check;
mod contents;
mod deb;
mod keys;
mod mistake;
mod nearest;
mod packages;
mod partitions;
mod reference;
mod shape;
mod sources;
mod stages;
mod starter;
pub(crate) mod values;
pub(crate) mod words;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use amiforge_formats::digest::Digest;
use amiforge_formats::ext4::write::JournalSize;
use amiforge_formats::guid::Guid;
use amiforge_image::disk::{DiskSize, PartitionSize};
use amiforge_rootfs::glob::Globs;
use amiforge_rootfs::normalize::NormalizeRule;
use amiforge_rootfs::sources::SourceSpec;
use amiforge_rootfs::steps::accounts::{GroupSpec, Principal, UserSpec};
use amiforge_rootfs::steps::files::{IfMissing, XattrValue};
use amiforge_rootfs::steps::system::SystemSpec;
use amiforge_rootfs::steps::units::UnitsSpec;
use amiforge_sandbox::{SandboxClock, SandboxLimits};

pub use amiforge_packages::PackageSource;
pub use amiforge_packages::backend::{Recommends, Scripts};
pub use boot::{BootMode, BootRecipe, FirstBoot, InitrdChoice, Loader};
pub use deb::{RunStep, SourceFrom, Stage, StageSource};
pub use mistake::{Mistake, Mistakes};
pub use reference::{reference, schema};
pub use starter::{StartError, start};

/// Longest recipe that is read.
const LONGEST: u64 = 4 << 20;

/// A recipe without mistakes; paths of the host are joined to its folder.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Digest of its text.
    pub digest: Digest,
    /// What the image is.
    pub image: ImageSpec,
    /// Length of the disk.
    pub size: DiskSize,
    /// GUID of the disk, else derived.
    pub guid: Option<Guid>,
    /// How it boots, if the build is to see to that.
    pub boot: Option<BootRecipe>,
    /// The partitions, in their order on the disk.
    pub partitions: Vec<RecipePartition>,
    /// The source of packages, which goes before the others.
    pub packages: Option<PackageSource>,
    /// The other sources, in the order of merging.
    pub sources: Vec<SourceSpec>,
    /// The `[[stage]]`s.
    pub stages: Vec<Stage>,
    /// The `[[file]]`s.
    pub files: Vec<FileEntry>,
    /// The `[[group]]`s.
    pub groups: Vec<GroupSpec>,
    /// The `[[user]]`s.
    pub users: Vec<UserSpec>,
    /// Host name and the like.
    pub system: SystemSpec,
    /// Units.
    pub units: UnitsSpec,
    /// What to do about `/etc/fstab`.
    pub fstab: Fstab,
    /// The `[[run]]`s.
    pub runs: Vec<RunStep>,
    /// Which time scripts, stages and commands see.
    pub clock: SandboxClock,
    /// Answers to questions of debconf, by question.
    pub debconf: std::collections::BTreeMap<String, String>,
    /// What each thing that is run in a sandbox may use.
    pub limits: SandboxLimits,
    /// Rules of cleaning.
    pub rules: std::collections::BTreeSet<NormalizeRule>,
    /// Secrets in the image.
    pub secrets: Secrets,
}

/// What is done about secrets in the image.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Those that may be there.
    pub allow: Vec<Allowed>,
    /// Whether what depends on random numbers is looked for.
    pub second_run: bool,
}

/// Secrets that may be in the image.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// The glob, as the recipe has it.
    pub path: String,
    /// The same, ready to be matched.
    pub globs: Globs,
    /// Why.
    pub reason: String,
}

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// Its name, such as an AMI may have.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Architecture of its machines.
    pub arch: Arch,
    /// The time that stands for the build, in seconds since 1970.
    pub epoch: Option<i64>,
}

/// Architecture of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// Intel and AMD, 64 bit.
    X86_64,
    /// Arm, 64 bit.
    Aarch64,
}

impl Arch {
    /// As recipes and manifests name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipePartition {
    /// Name in words, unique in the recipe.
    pub id: String,
    /// Number in the GPT, else the next that is free.
    pub number: Option<u32>,
    /// Partition name in the GPT.
    pub label: String,
    /// Type in the GPT.
    pub type_guid: Guid,
    /// GUID, else derived.
    pub guid: Option<Guid>,
    /// Attribute bits.
    pub attributes: u64,
    /// Length.
    pub size: PartitionSize,
    /// What stands in it.
    pub holds: RecipeContent,
    /// Where the system mounts it.
    pub mount: Option<String>,
    /// Options for the mount; nothing: those that suit the file system.
    pub mount_options: Option<Vec<String>>,
    /// Folder of the merged tree that goes on it.
    pub tree: Option<String>,
}

/// What stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipeContent {
    /// FAT32.
    Fat32 {
        /// Volume label.
        label: String,
        /// Volume id, else derived.
        volume_id: Option<u32>,
    },
    /// ext4.
    Ext4 {
        /// Volume label.
        label: String,
        /// UUID, else derived.
        uuid: Option<Guid>,
        /// Journal.
        journal: JournalSize,
        /// Blocks reserved for root, in hundredths of a percent.
        reserved: u16,
    },
    /// A swap area.
    Swap {
        /// Label.
        label: String,
        /// UUID, else derived.
        uuid: Option<Guid>,
    },
    /// The bytes of a file of the host.
    Raw {
        /// The file.
        path: PathBuf,
        /// As the recipe names it.
        name: String,
    },
    /// The loader for a legacy BIOS, with kernel and initrd.
    Loader,
    /// Nothing.
    Nothing,
}

/// Something put into the tree, or taken out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Absolute path in the image.
    pub path: String,
    /// What to put there.
    pub put: FilePut,
    /// Permission bits, if given.
    pub mode: Option<u16>,
    /// Owner, if given.
    pub user: Option<Principal>,
    /// Group, if given.
    pub group: Option<Principal>,
    /// Extended attributes by full name.
    pub xattrs: std::collections::BTreeMap<String, XattrValue>,
}

/// What a `[[file]]` puts at its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePut {
    /// A regular file with these bytes.
    Bytes(Arc<[u8]>),
    /// A regular file with the bytes of a file of the host.
    HostFile {
        /// The file.
        path: PathBuf,
        /// As the recipe names it.
        name: String,
    },
    /// A symbolic link with this target.
    Symlink(String),
    /// A folder.
    Folder,
    /// Nothing.
    Remove(IfMissing),
}

/// What to do about `/etc/fstab`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fstab {
    /// Write it, unless the sources have one that says something.
    Write,
    /// Write it in the place of any other.
    Replace,
    /// Leave it alone.
    Keep,
}

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Too long to be a recipe.
    #[error("`{}` is longer than {LONGEST} bytes, which no recipe is", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Not a text.
    #[error("`{}` is not UTF-8: byte {at} is not part of a character", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first wrong byte.
        at: usize,
    },
    /// What it says cannot be.
    #[error("{0}")]
    Mistakes(Mistakes),
}

impl Recipe {
    /// Reads and checks the recipe at `path`.
    ///
    /// # Errors
    /// [`RecipeError`], with every mistake that was found.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        let failed = |source| RecipeError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        amiforge_progress::regular::open(path)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
        if bytes.len() as u64 > LONGEST {
            return Err(RecipeError::TooLong { path: path.to_owned() });
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| RecipeError::NotText { path: path.to_owned(), at: error.valid_up_to() })?;
        Self::parse(text, path)
    }

    /// Checks the text of a recipe; `path` names it in mistakes, and its folder is what paths are relative to.
    ///
    /// # Errors
    /// [`RecipeError::Mistakes`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        check::recipe(text, folder)
            .map_err(|mistakes| RecipeError::Mistakes(Mistakes::new(path.to_owned(), mistakes)))
    }
}
