//! The keys of a recipe: plain TOML types, from which the reference and the JSON Schema are generated.
//!
//! Values are not checked here; [`super::validate`] turns keys into specs. The doc comments are the users'
//! documentation.

mod boot;
mod contents;
mod packages;
mod partition;
mod source;
mod stage;
mod trust;

use amiforge_formats::arch::Arch;
use schemars::JsonSchema;
use serde::Deserialize;

pub use boot::FirstBoot;
pub(crate) use boot::*;
pub use contents::Fstab;
pub(crate) use contents::*;
pub(crate) use packages::*;
pub(crate) use partition::*;
pub(crate) use source::*;
pub(crate) use stage::*;
pub use trust::TrustProfile;
pub(crate) use trust::*;

/// A recipe says what an image should be. Paths are relative to the folder of the recipe; `~` and environment
/// variables are not expanded.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RecipeKeys {
    pub(crate) image: ImageKeys,
    #[serde(default)]
    pub(crate) disk: DiskKeys,
    pub(crate) boot: Option<BootKey>,
    #[serde(default)]
    pub(crate) trust: TrustKeys,
    #[serde(default)]
    pub(crate) partition: Vec<PartitionKeys>,
    #[serde(default)]
    pub(crate) source: Vec<SourceKeys>,
    #[serde(default)]
    pub(crate) stage: Vec<StageKeys>,
    #[serde(default)]
    pub(crate) file: Vec<FileKeys>,
    #[serde(default)]
    pub(crate) group: Vec<GroupKeys>,
    #[serde(default)]
    pub(crate) user: Vec<UserKeys>,
    #[serde(default)]
    pub(crate) system: SystemKeys,
    /// Answers to questions that packages of a `deb` source ask by debconf, by the name of the question, such as
    /// `"tzdata/Areas" = "Europe"`; the others are answered by their defaults.
    #[serde(default)]
    pub(crate) debconf: std::collections::BTreeMap<String, AnswerKey>,
    #[serde(default)]
    pub(crate) run: Vec<RunKeys>,
    #[serde(default)]
    pub(crate) sandbox: SandboxKeys,
    #[serde(default)]
    pub(crate) normalize: NormalizeKeys,
    #[serde(default)]
    pub(crate) secrets: SecretsKeys,
    #[serde(default)]
    pub(crate) allow: Vec<AllowLeakKeys>,
}

impl RecipeKeys {
    /// The table `[boot]`, if the recipe has one.
    pub(crate) fn boot_table(&self) -> Option<&BootKeys> {
        match &self.boot {
            Some(BootKey::Table(keys)) => Some(keys),
            Some(BootKey::Word(KeepKey::Keep)) | None => None,
        }
    }

    /// Whether the disk of the first source stays as it is.
    pub(crate) fn keeps_disk(&self) -> bool {
        matches!(self.boot, Some(BootKey::Word(KeepKey::Keep)))
    }
}

/// What the image is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ImageKeys {
    /// Name of the image, and later of the AMI: 3 to 128 of the characters `A-Z a-z 0-9 space ( ) [ ] . / - ' @ _`.
    /// Every id that the recipe does not give (of the disk, of partitions, of file systems) is derived from it.
    pub(crate) name: String,
    /// Version of the image, such as `2026.11`; the same characters, 1 to 64 of them.
    pub(crate) version: Option<String>,
    /// Architecture of the machines that it is for.
    pub(crate) arch: ArchKey,
    /// The time of the build, as RFC 3339 (`2026-11-01T00:00:00Z`) or seconds since 1970. No file is
    /// newer than that. `SOURCE_DATE_EPOCH` in the environment goes before it; without both it is the newest time
    /// among the inputs, and what the build itself makes has the first second of that year.
    pub(crate) epoch: Option<EpochKey>,
    /// Whether `/usr/lib/amiforge` of the image gets `recipe.toml` (this file as it is, readable by root alone),
    /// `recipe.lock` and `provenance.json`, from which `amiforge whois` says what an AMI is and `amiforge rebuild` builds it
    /// again. On by default, for an image with `/usr/lib` and `/etc/os-release`. A hash of a password in the recipe is then
    /// in the image twice.
    pub(crate) provenance: Option<bool>,
}

/// Architecture of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum ArchKey {
    /// Intel and AMD, 64 bit.
    #[serde(rename = "x86_64")]
    X86_64,
    /// Arm, 64 bit, such as Graviton.
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl From<ArchKey> for Arch {
    fn from(key: ArchKey) -> Self {
        match key {
            ArchKey::X86_64 => Self::X86_64,
            ArchKey::Aarch64 => Self::Aarch64,
        }
    }
}

/// A point in time.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum EpochKey {
    /// Seconds since 1970-01-01T00:00:00Z.
    Seconds(i64),
    /// RFC 3339.
    Text(String),
    /// A date and time of TOML itself.
    #[schemars(skip)]
    Toml(toml::value::Datetime),
}

/// A number or a text.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum NumberOrText {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// The disk.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DiskKeys {
    /// Length of the disk: a number of GiB (`8`), a size such as `"8 GiB"` or `"1536 MiB"`, or `"minimal"`, which is
    /// the default: as small as the partitions allow.
    pub(crate) size: Option<NumberOrText>,
    /// Bytes in a sector; only 512, which is what EC2 shows to machines.
    pub(crate) sector_size: Option<i64>,
    /// GUID of the disk; derived from the image's name if not given.
    pub(crate) guid: Option<String>,
    /// With `boot = "keep"`: whether zeros are written where no file of the disk has bytes, so that deleted files cannot be read from
    /// there; `false` if not given. Blocks that had such bytes are sent again. A new disk has none.
    pub(crate) erase_free_space: Option<bool>,
}
