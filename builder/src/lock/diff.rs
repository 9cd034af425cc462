//! The differences between two locks, for output.

use std::collections::BTreeMap;
use std::fmt;

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageKind;
use amiforge_packages::locked::LockedPackage;

use super::model::Lock;

/// The owner of the packages of the image.
pub const IMAGE: &str = "image";

/// The change of an input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputChange {
    /// It is new.
    Added {
        /// The version that it has.
        version: String,
    },
    /// It was removed.
    Removed {
        /// The version that it had.
        version: String,
    },
    /// It is newer than it was.
    Upgraded {
        /// The version that it had.
        from: String,
        /// The version that it has.
        to: String,
    },
    /// It is older than it was.
    Downgraded {
        /// The version that it had.
        from: String,
        /// The version that it has.
        to: String,
    },
    /// It has the same version and another digest.
    Rebuilt {
        /// The version.
        version: String,
    },
    /// Another one took its place, and neither is the newer by its name: the snapshot of an image.
    Replaced {
        /// What was there.
        from: String,
        /// What is there.
        to: String,
    },
}

/// The differences between two locks. Dates and digests of archives are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockDiff {
    /// The changes: the owner of the input (`image`, or a stage), the name of the input, the change.
    pub list: Vec<(String, String, InputChange)>,
    /// Total bytes of the inputs, before and after.
    pub size: (u64, u64),
}

impl LockDiff {
    /// The differences between two locks; without an old lock, every input is added.
    pub fn between(old: Option<&Lock>, new: &Lock) -> Self {
        let before = old.map(entries).unwrap_or_default();
        let after = entries(new);
        let mut list = Vec::new();
        for ((part, name), old_entry) in &before {
            if !after.contains_key(&(part.clone(), name.clone())) {
                list.push((
                    part.clone(),
                    name.clone(),
                    InputChange::Removed { version: old_entry.version.clone() },
                ));
            }
        }
        for ((part, name), new_entry) in &after {
            let change = match before.get(&(part.clone(), name.clone())) {
                None => InputChange::Added { version: new_entry.version.clone() },
                Some(old_entry) if old_entry == new_entry => continue,
                Some(old_entry) if old_entry.version == new_entry.version => {
                    InputChange::Rebuilt { version: new_entry.version.clone() }
                }
                Some(old_entry) => {
                    let (from, to) = (old_entry.version.clone(), new_entry.version.clone());
                    match new_entry.kind {
                        None => InputChange::Replaced { from, to },
                        Some(kind) if kind.format().compare_versions(&from, &to).is_lt() => {
                            InputChange::Upgraded { from, to }
                        }
                        Some(_) => InputChange::Downgraded { from, to },
                    }
                }
            };
            list.push((part.clone(), name.clone(), change));
        }
        list.sort();
        let size = |lock: &Lock| lock.files().iter().map(|file| file.size).sum();
        Self { list, size: (old.map_or(0, size), size(new)) }
    }

    /// Whether the locks have the same inputs.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl InputChange {
    /// The kind of the change as one word, the version before, and the version after.
    pub fn parts(&self) -> (&'static str, Option<&str>, Option<&str>) {
        match self {
            Self::Added { version } => ("added", None, Some(version)),
            Self::Removed { version } => ("removed", Some(version), None),
            Self::Upgraded { from, to } => ("upgraded", Some(from), Some(to)),
            Self::Downgraded { from, to } => ("downgraded", Some(from), Some(to)),
            Self::Rebuilt { version } => ("rebuilt", Some(version), Some(version)),
            Self::Replaced { from, to } => ("replaced", Some(from), Some(to)),
        }
    }
}

impl fmt::Display for InputChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { version } => write!(f, "added {version}"),
            Self::Removed { version } => write!(f, "removed {version}"),
            Self::Upgraded { from, to } => write!(f, "upgraded {from} to {to}"),
            Self::Downgraded { from, to } => write!(f, "downgraded {from} to {to}"),
            Self::Rebuilt { version } => write!(f, "has other bytes, {version}"),
            Self::Replaced { from, to } => write!(f, "is {to}, was {from}"),
        }
    }
}

/// The parts of an input in which two locks can differ.
#[derive(Debug, PartialEq, Eq)]
struct InputVersion {
    /// The kind of package, which orders its versions; none for a source.
    kind: Option<PackageKind>,
    /// The version of a package, the snapshot of an image; empty for another source.
    version: String,
    sha256: Digest,
}

impl InputVersion {
    fn of(package: &LockedPackage) -> Self {
        Self { kind: Some(package.kind), version: package.version.clone(), sha256: package.sha256 }
    }
}

/// Every package of a lock, with its owner and its name among the owner's.
pub(crate) fn named_packages(lock: &Lock) -> impl Iterator<Item = (String, String, &LockedPackage)> {
    let image_name = |package: &LockedPackage| {
        // Two architectures of one package are two inputs.
        let several = lock.image.iter().filter(|other| other.name == package.name).count() > 1;
        if several { format!("{}:{}", package.name, package.arch) } else { package.name.clone() }
    };
    let image = lock.image.iter().map(move |package| (IMAGE.to_owned(), image_name(package), package));
    let tools = lock.stages.iter().flat_map(|stage| {
        let owner = format!("stage {}", stage.name);
        let name = |package: &LockedPackage| format!("{}:{}", package.name, package.arch);
        stage.packages.iter().map(move |package| (owner.clone(), name(package), package))
    });
    image.chain(tools)
}

/// Every input, by owner and name.
fn entries(lock: &Lock) -> BTreeMap<(String, String), InputVersion> {
    let packages =
        named_packages(lock).map(|(owner, name, package)| ((owner, name), InputVersion::of(package)));
    let mut entries: BTreeMap<_, _> = packages.collect();
    for snapshot in &lock.snapshots {
        let version = snapshot.snapshot.clone();
        let value = InputVersion { kind: None, version, sha256: snapshot.sha256 };
        entries.insert((IMAGE.to_owned(), snapshot.label.clone()), value);
    }
    for stage in &lock.stages {
        let part = format!("stage {}", stage.name);
        for source in &stage.sources {
            let value = InputVersion { kind: None, version: String::new(), sha256: source.sha256 };
            entries.insert((part.clone(), source.label.clone()), value);
        }
    }
    entries
}
