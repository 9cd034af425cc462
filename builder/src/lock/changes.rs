//! What differs between two locks, for people.

use std::collections::BTreeMap;
use std::fmt;

use amiforge_packages::locked::LockedPackage;
use amiforge_rootfs::version;

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
                list.push((part.clone(), name.clone(), InputChange::Removed { version: was.0.clone() }));
            }
        }
        for ((part, name), is) in &after {
            let change = match before.get(&(part.clone(), name.clone())) {
                None => InputChange::Added { version: is.0.clone() },
                Some(was) if was == is => continue,
                Some(was) if was.0 == is.0 => InputChange::Rebuilt { version: is.0.clone() },
                Some(was) => {
                    let (from, to) = (was.0.clone(), is.0.clone());
                    if version::compare(&from, &to).is_lt() {
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

/// Version (or nothing, for sources) and digest of each input, by whose it is and its name.
fn entries(lock: &Lock) -> BTreeMap<(String, String), (String, String)> {
    let mut entries = BTreeMap::new();
    let foreign = |package: &LockedPackage| {
        // Two architectures of one package are two inputs.
        let several = lock.image.iter().filter(|other| other.name == package.name).count() > 1;
        if several { format!("{}:{}", package.name, package.arch) } else { package.name.clone() }
    };
    for package in &lock.image {
        let value = (package.version.clone(), package.sha256.to_string());
        entries.insert(("image".to_owned(), foreign(package)), value);
    }
    for stage in &lock.stages {
        let part = format!("stage {}", stage.name);
        for package in &stage.packages {
            let name = format!("{}:{}", package.name, package.arch);
            entries.insert((part.clone(), name), (package.version.clone(), package.sha256.to_string()));
        }
        for source in &stage.sources {
            let value = (String::new(), source.sha256.to_string());
            entries.insert((part.clone(), source.label.clone()), value);
        }
    }
    entries
}
