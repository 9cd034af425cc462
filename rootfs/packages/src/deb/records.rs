//! What the indexes say of chosen packages besides what a lock pins: source packages, and the versions that suites of
//! security updates have. Chooses nothing.

use std::collections::BTreeMap;

use amiforge_rootfs::version;

use super::index::PackageIndex;
use super::source::{ArchiveRole, DebArchive};
use crate::backend::PackageRecord;
use crate::locked::LockedPackage;

/// Whether a suite holds security updates: Debian has an archive of its own for them, Ubuntu and others a suite whose
/// name says so (`bookworm-security`, `noble-security`; `buster/updates` before Debian 11).
pub(super) fn is_security(archive: &DebArchive, suite: &str) -> bool {
    archive.role == ArchiveRole::Security
        || archive.name.ends_with("-security")
        || suite.ends_with("-security")
        || suite.ends_with("/updates")
}

/// The records of the packages of all sets, from the indexes of each suite and whether it holds security updates.
pub(super) fn records(
    suites: &[(bool, &[PackageIndex<'_>])],
    sets: &[Vec<LockedPackage>],
) -> Vec<PackageRecord> {
    let mut records = BTreeMap::new();
    for package in sets.iter().flatten() {
        let record = PackageRecord {
            name: package.name.clone(),
            arch: package.arch.clone(),
            source: package.name.clone(),
            security: None,
        };
        records.insert((package.name.as_str(), package.arch.as_str()), (package.version.as_str(), record));
    }
    for (is_security, indexes) in suites {
        for package in indexes.iter().flat_map(|index| &index.packages) {
            let Some((chosen, record)) = records.get_mut(&(package.name, package.arch)) else { continue };
            if *chosen == package.version {
                package.source.clone_into(&mut record.source);
            }
            let newest = record.security.as_deref();
            if *is_security && newest.is_none_or(|newest| version::compare(newest, package.version).is_lt()) {
                record.security = Some(package.version.to_owned());
            }
        }
    }
    records.into_values().map(|(_, record)| record).collect()
}

#[cfg(test)]
mod tests {
    use amiforge_formats::digest::Digest;

    use super::super::testing::archive;
    use super::*;
    use crate::PackageKind;
    use crate::locked::LockReason;

    fn index(packages: &[(&str, &str, &str)]) -> String {
        let stanza = |(name, version, source): &(&str, &str, &str)| {
            format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nSource: {source}\nFilename: pool/{name}\nSize: 1\n\
                 SHA256: {}\n\n",
                Digest::of(name.as_bytes())
            )
        };
        packages.iter().map(stanza).collect()
    }

    fn locked(name: &str, version: &str) -> LockedPackage {
        LockedPackage {
            kind: PackageKind::Deb,
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            sha256: Digest::of(b""),
            size: 1,
            path: "pool/x".to_owned(),
            archive: "debian".to_owned(),
            header: None,
            reason: LockReason::Named,
        }
    }

    #[test]
    fn the_newest_security_version_is_named_whatever_was_chosen() {
        let stable = index(&[("libssl3", "3.0.15-1", "openssl (3.0.15-1)"), ("vim", "9-1", "vim")]);
        let security = index(&[
            ("libssl3", "3.0.9-1", "openssl"),
            ("libssl3", "3.0.14-1~deb12u2", "openssl"),
            ("other", "1", "other"),
        ]);
        let stable = [PackageIndex::parse(stable.as_bytes()).unwrap()];
        let security = [PackageIndex::parse(security.as_bytes()).unwrap()];
        let sets = [vec![locked("libssl3", "3.0.15-1"), locked("vim", "9-1")], vec![locked("vim", "9-1")]];
        let records = records(&[(false, &stable), (true, &security)], &sets);
        let shown: Vec<_> = records
            .iter()
            .map(|record| (record.name.as_str(), record.source.as_str(), record.security.as_deref()))
            .collect();
        assert_eq!(shown, [("libssl3", "openssl", Some("3.0.14-1~deb12u2")), ("vim", "vim", None)]);
    }

    #[test]
    fn suites_of_security_updates_are_known_by_role_or_name() {
        let debian = archive("debian", ArchiveRole::Distribution, &["bookworm"]);
        assert!(!is_security(&debian, "bookworm") && !is_security(&debian, "bookworm-updates"));
        let ubuntu = archive("ubuntu", ArchiveRole::Distribution, &["noble"]);
        assert!(is_security(&ubuntu, "noble-security") && !is_security(&ubuntu, "noble-updates"));
        let apart = archive("debian-security", ArchiveRole::Security, &["buster/updates"]);
        assert!(is_security(&apart, "buster/updates") && is_security(&apart, "x"));
    }
}
