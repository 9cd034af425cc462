//! The packages that differ between two locks, with what the archives say of them: source packages and security updates.

use std::collections::BTreeMap;

use amiforge_packages::backend::PackageRecord;
use amiforge_packages::locked::LockedPackage;

use crate::lock::resolve::BaseUpgrades;
use crate::lock::{InputChange, Lock, LockDiff, named_packages};

/// A package that differs between two locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// The owner: [`crate::lock::IMAGE`], or `stage NAME`.
    pub owner: String,
    /// Its name; with the architecture if the owner has it for several.
    pub name: String,
    /// The change.
    pub change: InputChange,
    /// Its source package; `None` if it is no longer among the packages.
    pub source: Option<String>,
    /// The newest version in a suite of security updates, if the older lock has a version before that.
    pub security: Option<String>,
}

/// A package of a lock for which a suite of security updates has a newer version: a pin or a dependency holds it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The owner, as of [`PackageChange`]; or `base image`, for a package of the image that others are installed over.
    pub owner: String,
    /// Its name, as of [`PackageChange`].
    pub name: String,
    /// The version in the lock, or in the base image.
    pub version: String,
    /// The version in the suite of security updates.
    pub security: String,
    /// Its source package.
    pub source: String,
}

/// The packages that differ, by owner and name; all are new without an older lock. `records` are of the packages of `new`.
pub fn package_changes(old: Option<&Lock>, new: &Lock, records: &[PackageRecord]) -> Vec<PackageChange> {
    let packages: BTreeMap<_, _> =
        named_packages(new).map(|(owner, name, package)| ((owner, name), package)).collect();
    let before: BTreeMap<_, _> = old
        .into_iter()
        .flat_map(named_packages)
        .map(|(owner, name, package)| ((owner, name), package))
        .collect();
    let records = RecordIndex::of(records);
    let changes = LockDiff::between(old, new).list.into_iter().filter_map(|(owner, name, change)| {
        let key = (owner, name);
        let (package, older) = (packages.get(&key), before.get(&key));
        // Sources of stages are among the differences too.
        package.or(older)?;
        let record = package.and_then(|package| records.get(package));
        let security = record
            .and_then(|record| record.security.clone())
            .filter(|version| older.is_some_and(|older| is_older(older, version)));
        let (owner, name) = key;
        Some(PackageChange {
            owner,
            name,
            change,
            source: record.map(|record| record.source.clone()),
            security,
        })
    });
    changes.collect()
}

/// The packages of a lock for which a suite of security updates has a newer version.
pub fn held_back(lock: &Lock, records: &[PackageRecord]) -> Vec<HeldBack> {
    let records = RecordIndex::of(records);
    let held = named_packages(lock).filter_map(|(owner, name, package)| {
        let record = records.get(package)?;
        let security = record.security.clone().filter(|version| is_older(package, version))?;
        Some(HeldBack {
            owner,
            name,
            version: package.version.clone(),
            security,
            source: record.source.clone(),
        })
    });
    held.collect()
}

/// The owner of packages of an image that others are installed over.
const BELOW: &str = "base image";

/// The packages of the image below for which a suite of security updates has a newer version, and which the lock leaves as they are.
pub fn held_back_below(lock: &Lock, below: &BaseUpgrades) -> Vec<HeldBack> {
    let records = RecordIndex::of(&below.records);
    let held = below.installed.iter().filter_map(|package| {
        let is_new = lock.image.iter().any(|new| (&new.name, &new.arch) == (&package.name, &package.arch));
        let record = records.0.get(&(package.name.as_str(), package.arch.as_str())).filter(|_| !is_new)?;
        let is_newer =
            |version: &String| package.kind.format().compare_versions(&package.version, version).is_lt();
        let security = record.security.clone().filter(is_newer)?;
        Some(HeldBack {
            owner: BELOW.to_owned(),
            name: package.name.clone(),
            version: package.version.clone(),
            security,
            source: record.source.clone(),
        })
    });
    held.collect()
}

/// Whether a package is older than a version of it.
fn is_older(package: &LockedPackage, version: &str) -> bool {
    package.kind.format().compare_versions(&package.version, version).is_lt()
}

/// The records by name and architecture.
struct RecordIndex<'a>(BTreeMap<(&'a str, &'a str), &'a PackageRecord>);

impl<'a> RecordIndex<'a> {
    fn of(records: &'a [PackageRecord]) -> Self {
        let keyed = records.iter().map(|record| ((record.name.as_str(), record.arch.as_str()), record));
        Self(keyed.collect())
    }

    fn get(&self, package: &LockedPackage) -> Option<&'a PackageRecord> {
        self.0.get(&(package.name.as_str(), package.arch.as_str())).copied()
    }
}

#[cfg(test)]
mod tests {
    use amiforge_formats::digest::Digest;
    use amiforge_packages::PackageKind;
    use amiforge_packages::installed::InstalledPackage;
    use amiforge_packages::locked::LockReason;

    use super::*;
    use crate::lock::{LockedSource, LockedStage};

    fn package(name: &str, version: &str) -> LockedPackage {
        LockedPackage {
            kind: PackageKind::Deb,
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            sha256: Digest::of(format!("{name} {version}").as_bytes()),
            size: 1,
            path: "pool/x".to_owned(),
            archive: "debian".to_owned(),
            header: None,
            reason: LockReason::Named,
        }
    }

    fn lock(image: Vec<LockedPackage>, source: &[u8]) -> Lock {
        let sources = vec![LockedSource { label: "x.tar".into(), sha256: Digest::of(source), size: 1 }];
        let stage = LockedStage { name: "x".into(), packages: vec![package("gcc", "12")], sources };
        Lock {
            inputs: Digest::of(b""),
            archives: Vec::new(),
            image,
            removed: Vec::new(),
            snapshots: Vec::new(),
            stages: vec![stage],
        }
    }

    fn record(name: &str, security: Option<&str>) -> PackageRecord {
        PackageRecord {
            name: name.to_owned(),
            arch: "amd64".to_owned(),
            source: format!("{name}-source"),
            security: security.map(str::to_owned),
        }
    }

    #[test]
    fn a_change_counts_as_security_if_the_older_version_lacks_the_update() {
        let old =
            lock(vec![package("a", "1"), package("b", "1"), package("c", "1"), package("d", "1")], b"1");
        let new =
            lock(vec![package("a", "3"), package("b", "3"), package("c", "1"), package("e", "1")], b"2");
        let records =
            [record("a", Some("2")), record("b", Some("1")), record("c", Some("2")), record("e", Some("1"))];
        let changes = package_changes(Some(&old), &new, &records);
        let shown: Vec<_> = changes
            .iter()
            .map(|one| {
                (one.name.as_str(), one.change.to_string(), one.source.as_deref(), one.security.as_deref())
            })
            .collect();
        let upgraded = "upgraded 1 to 3".to_owned();
        assert_eq!(
            shown,
            [
                ("a", upgraded.clone(), Some("a-source"), Some("2")),
                ("b", upgraded, Some("b-source"), None),
                ("d", "removed 1".to_owned(), None, None),
                ("e", "added 1".to_owned(), Some("e-source"), None),
            ]
        );
        let installed = |name: &str, version: &str| InstalledPackage {
            kind: PackageKind::Deb,
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            source: (format!("{name}-source"), version.to_owned()),
            summary: String::new(),
            homepage: None,
            licences: Vec::new(),
            files: Vec::new(),
            file: None,
        };
        // `a` is in the new lock, `x` has the update, of `z` no archive knows anything.
        let base = [installed("a", "1"), installed("x", "2"), installed("y", "1"), installed("z", "1")];
        let of_base = [record("a", Some("2")), record("x", Some("2")), record("y", Some("2"))];
        let below = BaseUpgrades { installed: base.into(), records: of_base.into() };
        let found = held_back_below(&new, &below);
        let shown: Vec<_> = found.iter().map(|one| (one.owner.as_str(), one.name.as_str())).collect();
        assert_eq!(shown, [(BELOW, "y")]);
        let held = held_back(&new, &records);
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!((held[0].name.as_str(), held[0].security.as_str()), ("c", "2"));
    }
}
