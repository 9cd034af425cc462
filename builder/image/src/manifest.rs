//! The manifest: the JSON that vouches for an image: its inputs, its partitions, and every block of it.
//!
//! Owns the text and its version. It knows neither files nor recipes: the build passes the values, and
//! `verify` compares it with the bytes. Keys are sorted in the text, and a manifest has exactly one text.

mod text;

use std::collections::BTreeMap;
use std::fmt;

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;

use crate::disk::{Disk, PartitionLayout, VerityLayout};
use crate::image::{Aggregate, BlockMap, Emitted};
use crate::measure::Measurements;
use crate::pcr_policy::PcrPolicyRecord;
use crate::secure_boot::SecureBootRecord;

pub use text::{ManifestError, TEXT_MAX};

/// Version of the text that this program writes, and the only one that it reads.
pub const SCHEMA: u64 = 1;

/// The kind of an input that is a signature for firmware.
pub(crate) const SIGNATURE_INPUT: &str = "signature";

/// What the image is and what it was made from: the part of a manifest that the build hands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOrigin {
    /// Name of the image.
    pub name: String,
    /// Version of the image, as the recipe gives it.
    pub version: Option<String>,
    /// Architecture: `x86_64` or `aarch64`.
    pub arch: String,
    /// The time of the build for all outputs, in seconds since 1970.
    pub epoch: i64,
    /// Its boot mode, where the image has one (`uefi`, `legacy-bios`, `uefi-preferred`).
    pub boot_mode: Option<String>,
    /// Digest of the recipe.
    pub recipe: Digest,
    /// Digest of the lock, if the build used one.
    pub lock: Option<Digest>,
    /// The inputs, in the order of the recipe.
    pub inputs: Vec<ManifestInput>,
    /// What was cleaned out of the tree, in order.
    pub cleaned: Vec<Cleaned>,
    /// Secrets that every machine of the image would share, sorted by path.
    pub secrets: Vec<Secret>,
    /// What could not be checked about secrets, as text.
    pub secrets_unknown: Vec<String>,
    /// Leaks that the recipe allows, and those that it asks for itself, in the order of the recipe.
    pub leaks_allowed: Vec<AllowedLeak>,
    /// What was not done of what the packages' scripts would have done.
    pub skipped: Vec<String>,
    /// The PCRs of its machines; none where nothing is to be proven of them.
    pub measurements: Option<Measurements>,
}

/// Something that was cleaned out of the tree.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cleaned {
    /// `removed` or `emptied`.
    pub outcome: String,
    /// Its path.
    pub path: String,
    /// The rule of `[normalize]`.
    pub rule: String,
}

/// A finding of the leak gate that may leave: by rule, path and digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedLeak {
    /// A glob of absolute paths in the image, or of names of the bundle's files.
    pub path: String,
    /// Why it does no harm.
    pub reason: String,
    /// The name of the rule, or `*`.
    pub rule: String,
    /// SHA-256 of the content of the file, or first digits of that of the secret; none where every content may leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A secret in the image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Why it is allowed, if the recipe allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// Its path.
    pub path: String,
    /// What it is, sorted: [`Secret::RANDOM`], [`Secret::RANDOM_OR_TIME`], or the kind of a private key
    /// (`amiforge_formats::private_key::KeyKind`).
    pub what: Vec<String>,
}

impl Secret {
    /// It depends on the random numbers of the build, which anybody can draw again.
    pub const RANDOM: &str = "random";

    /// It depends on them or on the time: where the clock is not fixed, these cannot be distinguished.
    pub const RANDOM_OR_TIME: &str = "random-or-time";

    /// Whether an image with it is refused.
    pub fn is_refused(&self) -> bool {
        self.allowed.is_none() && self.what.iter().any(|what| what != Self::RANDOM_OR_TIME)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.what.iter().map(|what| match what.as_str() {
            Self::RANDOM => "depends on the random numbers of the build".to_owned(),
            Self::RANDOM_OR_TIME => "depends on the random numbers or the time of the build".to_owned(),
            kind => {
                let article = if kind.starts_with(['e', 'o']) { "an" } else { "a" };
                format!("holds {article} {}", kind.replace('-', " "))
            }
        });
        let reasons: Vec<_> = reasons.collect();
        write!(f, "`{}` {}", self.path, reasons.join(" and "))
    }
}

/// Something that the image was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestInput {
    /// What it is: `tar`, `dir`, `oci`, `file`.
    pub kind: String,
    /// How the recipe names it.
    pub name: String,
    /// Its digest, or nothing where the input is not pinned by one.
    pub sha256: Option<Digest>,
}

/// The kind of an input that is the snapshot whose disk an image keeps.
const BASE_INPUT: &str = "base-snapshot";

/// The kind of an input that is a file whose disk an image keeps.
const BASE_FILE: &str = "base-disk";

/// The snapshot whose disk an image keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseSnapshot<'a> {
    /// The snapshot (`snap-…`).
    pub id: &'a str,
    /// The region that it was read from.
    pub region: &'a str,
    /// Digest of the file of its blocks, which the lock pins.
    pub sha256: Digest,
}

impl ManifestInput {
    /// The input that is the snapshot whose disk an image keeps.
    pub fn of_base(snapshot: &str, region: &str, sha256: Digest) -> Self {
        Self { kind: BASE_INPUT.to_owned(), name: format!("{snapshot} in {region}"), sha256: Some(sha256) }
    }

    /// The input that is the file, named as its source, whose disk an image keeps.
    pub fn of_base_file(name: &str, sha256: Option<Digest>) -> Self {
        Self { kind: BASE_FILE.to_owned(), name: name.to_owned(), sha256 }
    }

    /// The snapshot, if the input is one whose disk an image keeps.
    pub fn base_snapshot(&self) -> Option<BaseSnapshot<'_>> {
        let (id, region) = self.name.split_once(" in ").filter(|_| self.kind == BASE_INPUT)?;
        Some(BaseSnapshot { id, region, sha256: self.sha256? })
    }
}

impl ImageOrigin {
    /// Whether the image keeps the disk of another, with whatever is in the space that no file of it has.
    pub fn keeps_disk(&self) -> bool {
        self.inputs.iter().any(|input| matches!(input.kind.as_str(), BASE_INPUT | BASE_FILE))
    }

    /// The snapshot whose disk the image keeps, if it keeps one.
    pub fn base_snapshot(&self) -> Option<BaseSnapshot<'_>> {
        self.inputs.iter().find_map(ManifestInput::base_snapshot)
    }
}

/// A partition in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestPartition {
    /// Name of the partition in the recipe.
    pub id: String,
    /// Number in the GPT.
    pub number: u32,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// GPT partition name.
    pub label: String,
    /// GPT partition type.
    pub type_guid: Guid,
    /// GPT partition GUID.
    pub guid: Guid,
    /// `fat32`, `ext4`, `swap`, or nothing.
    pub file_system: Option<String>,
    /// UUID or volume id of the file system, where it has one.
    pub uuid: Option<String>,
}

impl From<&PartitionLayout> for ManifestPartition {
    fn from(partition: &PartitionLayout) -> Self {
        Self {
            id: partition.id.clone(),
            number: partition.number,
            start: partition.start,
            len: partition.len,
            label: partition.label.clone(),
            type_guid: partition.type_guid,
            guid: partition.guid,
            file_system: partition.file_system.map(str::to_owned),
            uuid: partition.uuid.clone(),
        }
    }
}

/// The manifest of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Version of the program that made the image.
    pub tool: String,
    /// What the image is and what it was made from.
    pub origin: ImageOrigin,
    /// Length of the disk in bytes.
    pub size: u64,
    /// GUID of the disk.
    pub disk: Guid,
    /// The partitions, in their order on the disk.
    pub partitions: Vec<ManifestPartition>,
    /// SHA-256 of the texts beside the image (the listing, bills of materials), by their names in the bundle. Manifests of
    /// older builds have none.
    pub documents: BTreeMap<String, Digest>,
    /// Secure Boot, where the image has it.
    pub secure_boot: Option<SecureBootRecord>,
    /// The signed policies for PCR 11, where the image has some.
    pub pcr_policy: Option<PcrPolicyRecord>,
    /// Every block.
    pub blocks: BlockMap,
    /// SHA-256 of the whole image.
    pub plain: Digest,
    /// [`BlockMap::merkle_root`].
    pub merkle_root: Digest,
    /// [`BlockMap::without_free`].
    pub without_free: Aggregate,
    /// [`BlockMap::without_zero`].
    pub without_zero: Aggregate,
    /// The partitions that hash trees cover; none where the root is not verified.
    pub verity: Vec<VerityLayout>,
}

impl Manifest {
    /// The manifest of a disk that was written, and of the texts beside it.
    pub fn new(
        origin: ImageOrigin,
        disk: &Disk,
        emitted: &Emitted,
        documents: BTreeMap<String, Digest>,
    ) -> Self {
        Self {
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            origin,
            size: emitted.len,
            disk: disk.guid,
            partitions: disk.partitions.iter().map(ManifestPartition::from).collect(),
            documents,
            secure_boot: None,
            pcr_policy: None,
            merkle_root: emitted.blocks.merkle_root(),
            without_free: emitted.blocks.without_free(),
            without_zero: emitted.blocks.without_zero(),
            blocks: emitted.blocks.clone(),
            plain: emitted.plain,
            verity: disk.verity.clone(),
        }
    }
}
