//! The owner of a path that two packages have (Debian policy 7.6.1; deb-control(5), `Replaces` and `Multi-Arch`).

use super::package::UnpackedPackage;
use crate::deb::relation;

/// The owner of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathOwner {
    /// The package's that came first.
    Old,
    /// The package's that came later.
    New,
    /// Both's, if it is the same.
    Both,
    /// Unknown.
    Neither,
}

/// The owner of a path that both packages have.
pub(super) fn claim(old: &UnpackedPackage, new: &UnpackedPackage) -> PathOwner {
    if old.locked.name == new.locked.name {
        return PathOwner::Both;
    }
    if replaces(new, old) {
        PathOwner::New
    } else if replaces(old, new) {
        PathOwner::Old
    } else {
        PathOwner::Neither
    }
}

/// Whether `one` replaces files of `other`. A relation that does not parse replaces nothing.
fn replaces(one: &UnpackedPackage, other: &UnpackedPackage) -> bool {
    let list = one.field("Replaces").unwrap_or_default();
    relation::groups(list).flatten().flatten().any(|relation| {
        relation.name == other.locked.name
            && relation.arch.is_none_or(|arch| arch == "any" || arch == other.locked.arch)
            && relation.admits(Some(&other.locked.version))
    })
}
