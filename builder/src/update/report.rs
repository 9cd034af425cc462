//! The report of an update: what it changed and made. Its JSON is the result of the command.

use amiforge_image::diff::PathCounts;
use serde::Serialize;

use crate::outdated::{HeldBackJson, PackageJson};

/// How an update ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOutcome {
    /// The new version was published; the lock and the bundle are those of the new version.
    Published,
    /// The new version was built and not published, as requested; the lock and the bundle are those of the new version.
    Built,
    /// The new version would have the bytes of the old one.
    Unchanged,
    /// The new version did not boot as requested; the lock and the bundle are the old ones.
    BootFailed,
    /// The publication was planned and not done; the lock and the bundle are the old ones.
    Planned,
}

/// The report of an update.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateReport {
    /// How it ended.
    pub outcome: UpdateOutcome,
    /// Name of the image in its recipe.
    pub image: String,
    /// SHA-256 of the new image.
    pub sha256: String,
    /// Merkle root of its blocks.
    pub merkle_root: String,
    /// SHA-256 of the old image, if the old bundle or its manifest is there.
    pub sha256_before: Option<String>,
    /// The bundle of the new image.
    pub bundle: String,
    /// The lock, if the recipe has one.
    pub lock: Option<String>,
    /// Whether the new lock pins something else than the old one, or is of another recipe. One that brings newer archives
    /// alone does not take the place of the old one when the image is unchanged.
    pub lock_changed: bool,
    /// The packages that changed.
    pub packages: Vec<PackageJson>,
    /// Packages for which a suite of security updates has a newer version than the new image.
    pub held_back: Vec<HeldBackJson>,
    /// Number of packages whose change takes a security update.
    pub security: usize,
    /// Number of files that changed, if both bundles are there.
    pub files: Option<FileChanges>,
    /// Blocks of the new image that hold data.
    pub blocks: u64,
    /// Blocks that differ from the old image, if its manifest is there.
    pub blocks_changed: Option<u64>,
    /// The test boot, if there was one.
    pub boot: Option<BootResult>,
    /// The published version.
    pub published: Option<PublishedVersion>,
    /// The AMI that has this content already, when nothing is published for that reason.
    pub present: Option<String>,
    /// Duration in seconds.
    pub seconds: f64,
}

/// Numbers of paths that differ between two images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FileChanges {
    /// Paths that only the new image has.
    pub added: usize,
    /// Paths that only the old image has.
    pub removed: usize,
    /// Paths with another content.
    pub changed: usize,
    /// Paths with the same content and another owner, mode, time or attribute.
    pub attributes: usize,
}

/// The result of the test boot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BootResult {
    /// Whether all checks passed.
    pub passed: bool,
    /// The machine, such as `x86_64 by UEFI from NVMe`.
    pub machine: String,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// The checks that passed.
    pub checks: Vec<String>,
    /// The checks that did not.
    pub unmet: Vec<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Duration in seconds.
    pub seconds: f64,
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublishedVersion {
    /// Its AMI.
    pub image_id: String,
    /// The AMI's name.
    pub name: String,
    /// The region.
    pub region: String,
    /// The snapshot of its root volume.
    pub snapshot_id: Option<String>,
    /// The snapshot that it is a delta of.
    pub parent: Option<String>,
    /// Blocks that were sent in this run.
    pub blocks_sent: u64,
    /// The copies.
    pub copies: Vec<CopiedImage>,
}

/// A copy in another region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopiedImage {
    /// The region.
    pub region: String,
    /// The AMI.
    pub image_id: String,
}

impl From<PathCounts> for FileChanges {
    fn from(PathCounts { added, removed, changed, attributes }: PathCounts) -> Self {
        Self { added, removed, changed, attributes }
    }
}

impl UpdateReport {
    /// Number of packages with this change.
    pub fn count(&self, change: &str) -> usize {
        self.packages.iter().filter(|package| package.change == change).count()
    }
}
