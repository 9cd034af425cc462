//! What differs between two locks, for people.

use std::collections::BTreeMap;
use std::fmt;

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageKind;
use amiforge_packages::locked::LockedPackage;

use super::Lock;

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputChange {
    /// It is new.
    Added {
        /// The version that it has.
        version: String,
    },
    /// It is gone.
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
    /// It has the same version and other bytes.
    Rebuilt {
        /// The version.
        version: String,
    },
}

/// The differences between two locks. The states of the archives play no part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What changed: whose it is (`image`, or a stage), its name, how.
    pub list: Vec<(String, String, InputChange)>,
    /// Bytes to fetch for all of it, before and after.
    pub size: (u64, u64),
}

impl Changes {
    /// The differences that lead from one lock to another; from nothing, everything is added.
    pub fn between(old: Option<&Lock>, new: &Lock) -> Self {
        let before = old.map(entries).unwrap_or_default();
        let after = entries(new);
        let mut list = Vec::new();
        for ((part, name), was) in &before {
            if !after.contains_key(&(part.clone(), name.clone())) {
                list.push((
                    part.clone(),
                    name.clone(),
                    InputChange::Removed { version: was.version.clone() },
                ));
            }
        }
        for ((part, name), is) in &after {
            let change = match before.get(&(part.clone(), name.clone())) {
                None => InputChange::Added { version: is.version.clone() },
                Some(was) if was == is => continue,
                Some(was) if was.version == is.version => {
                    InputChange::Rebuilt { version: is.version.clone() }
                }
                Some(was) => {
                    let (from, to) = (was.version.clone(), is.version.clone());
                    if is.kind.format().compare_versions(&from, &to).is_lt() {
                        InputChange::Upgraded { from, to }
                    } else {
                        InputChange::Downgraded { from, to }
                    }
                }
            };
            list.push((part.clone(), name.clone(), change));
        }
        list.sort();
        let size = |lock: &Lock| lock.needs().iter().map(|needed| needed.size).sum();
        Self { list, size: (old.map_or(0, size), size(new)) }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
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
        }
    }
}

/// What two locks can have differently of one input.
#[derive(Debug, PartialEq, Eq)]
struct InputVersion {
    /// Whose order its versions have; that of a source plays no part.
    kind: PackageKind,
    /// The version of a package; nothing for a source.
    version: String,
    sha256: Digest,
}

impl InputVersion {
    fn of(package: &LockedPackage) -> Self {
        Self { kind: package.kind, version: package.version.clone(), sha256: package.sha256 }
    }
}

/// Every input, by whose it is and its name.
fn entries(lock: &Lock) -> BTreeMap<(String, String), InputVersion> {
    let mut entries = BTreeMap::new();
    let foreign = |package: &LockedPackage| {
        // Two architectures of one package are two inputs.
        let several = lock.image.iter().filter(|other| other.name == package.name).count() > 1;
        if several { format!("{}:{}", package.name, package.arch) } else { package.name.clone() }
    };
    for package in &lock.image {
        entries.insert(("image".to_owned(), foreign(package)), InputVersion::of(package));
    }
    for stage in &lock.stages {
        let part = format!("stage {}", stage.name);
        for package in &stage.packages {
            let name = format!("{}:{}", package.name, package.arch);
            entries.insert((part.clone(), name), InputVersion::of(package));
        }
        for source in &stage.sources {
            let (kind, version) = (PackageKind::default(), String::new());
            let value = InputVersion { kind, version, sha256: source.sha256 };
            entries.insert((part.clone(), source.label.clone()), value);
        }
    }
    entries
}
