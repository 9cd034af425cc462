//! A package as dnf keeps it.

use std::collections::BTreeMap;

use crate::rpm::database::identity::HeaderIdentity;

/// Why a package is there, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rpm) struct DnfPackage {
    pub(in crate::rpm) identity: HeaderIdentity,
    /// Whether it was wished for; otherwise another package needs it.
    pub(in crate::rpm) is_wished: bool,
    /// Name of its repository.
    pub(in crate::rpm) repository: String,
}

/// What changed in a system.
#[derive(Debug)]
pub(in crate::rpm) struct DnfChange {
    /// Packages that came.
    pub(in crate::rpm) added: Vec<DnfPackage>,
    /// Packages that were erased.
    pub(in crate::rpm) erased: Vec<HeaderIdentity>,
    /// Packages that others took the place of: other versions, or what obsoletes them.
    pub(in crate::rpm) replaced: Vec<HeaderIdentity>,
    /// Names of packages that were there already and are wished for now.
    pub(in crate::rpm) wished: Vec<String>,
}

/// The repositories of packages, numbered from 1 in the order of their names.
pub(super) fn repositories(packages: &[DnfPackage]) -> BTreeMap<&str, i64> {
    let mut all: BTreeMap<&str, i64> = packages.iter().map(|one| (one.repository.as_str(), 0)).collect();
    all.values_mut().zip(1..).for_each(|(number, next)| *number = next);
    all
}
