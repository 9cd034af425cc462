//! The values of a lock. Knows neither its text nor a recipe.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_packages::locked::{LockedArchive, LockedPackage, PackageId};

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Digest of the inputs that the recipe requested when the lock was made.
    pub inputs: Digest,
    /// The suites that were read, in the order of the recipe.
    pub archives: Vec<LockedArchive>,
    /// The packages of the image, by name and architecture.
    pub image: Vec<LockedPackage>,
    /// Packages of the image below that are erased, for kinds whose lock decides that.
    pub removed: Vec<PackageId>,
    /// The snapshots whose disks are sources, in the order of the recipe.
    pub snapshots: Vec<LockedSnapshot>,
    /// The stages, in the order of the recipe.
    pub stages: Vec<LockedStage>,
}

/// A snapshot whose disk is a source. Its file is a qcow2 of the blocks that the snapshot lists, in their order, whose
/// bytes follow from index and content of the blocks alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedSnapshot {
    /// Name of the source.
    pub label: String,
    /// The AMI whose root volume it is, if one was named.
    pub image: Option<String>,
    /// What chose the AMI, if that can be another one tomorrow: a parameter, or a name with its owner.
    pub chosen_by: Option<String>,
    /// The snapshot; of an AMI that of its root volume.
    pub snapshot: String,
    /// The region that it was read from.
    pub region: String,
    /// Digest of the file.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// What a lock pins for a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedStage {
    /// Its name.
    pub name: String,
    /// The packages of its tools, by name and architecture.
    pub packages: Vec<LockedPackage>,
    /// Its sources, in the order of the recipe.
    pub sources: Vec<LockedSource>,
}

/// A source of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedSource {
    /// Its name.
    pub label: String,
    /// Digest of the archive.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A file that a lock pins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedFile {
    /// Its digest.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Its name in messages.
    pub label: String,
}

impl Lock {
    /// Every pinned file, once each, sorted by digest.
    pub fn files(&self) -> Vec<LockedFile> {
        let mut files = BTreeMap::new();
        let stages = self.stages.iter();
        let packages = self.image.iter().chain(stages.clone().flat_map(|stage| &stage.packages));
        for package in packages {
            let label = format!("{} {} {}", package.name, package.version, package.arch);
            files.insert(package.sha256, (package.size, label));
        }
        for snapshot in &self.snapshots {
            files.insert(snapshot.sha256, (snapshot.size, snapshot.label.clone()));
        }
        for source in stages.flat_map(|stage| &stage.sources) {
            files.insert(source.sha256, (source.size, source.label.clone()));
        }
        files.into_iter().map(|(sha256, (size, label))| LockedFile { sha256, size, label }).collect()
    }
}
