//! Which packages of a system go: those that are named, those that need them, and the oldest versions of what may be there
//! several times.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::base::RpmBase;
use super::present::PresentPackages;
use crate::rpm::available::AvailablePackage;
use crate::rpm::relation::RpmDependency;
use crate::rpm::resolve::is_install_only;

/// A package that goes because what it needs goes.
pub(super) struct StrandedPackage {
    /// Its index in the base.
    pub(super) index: usize,
    /// What it requires and nothing has any more.
    pub(super) relation: String,
}

/// The packages that `without` names, by name or `name.arch`.
pub(super) fn named(base: &RpmBase, without: &[String]) -> BTreeSet<usize> {
    let fits = |package: &AvailablePackage| {
        let mut names = without.iter();
        names.any(|name| *name == package.name || *name == format!("{}.{}", package.name, package.arch))
    };
    let all = base.packages.iter().enumerate().filter(|(_, package)| fits(package));
    all.map(|(index, _)| index).collect()
}

/// Packages of the base that stay as they are and require what the base has and `present` has not. `stays` has those that stay,
/// by their indexes.
pub(super) fn stranded(
    base: &RpmBase,
    stays: &BTreeSet<usize>,
    present: &[&AvailablePackage],
) -> Vec<StrandedPackage> {
    let paths: HashSet<&str> = base.packages.iter().flat_map(required_paths).collect();
    let before = PresentPackages::new(base.packages.iter().collect(), &paths);
    let after = PresentPackages::new(present.to_vec(), &paths);
    let of = |(index, package): (usize, &AvailablePackage)| {
        let mut requires = package.requires.iter().map(|requirement| &requirement.dependency);
        let lost = requires.find(|dependency| !after.meet(dependency) && before.meet(dependency))?;
        Some(StrandedPackage { index, relation: lost.to_string() })
    };
    base.packages.iter().enumerate().filter(|(index, _)| stays.contains(index)).filter_map(of).collect()
}

/// Paths that a package requires.
fn required_paths(package: &AvailablePackage) -> Vec<&str> {
    let names = package.requires.iter().flat_map(|one| RpmDependency::capabilities(&one.dependency));
    names.map(|capability| capability.name.as_str()).filter(|name| name.starts_with('/')).collect()
}

/// The oldest versions of packages of which several may be there, where a new one comes and there are more than the limit then.
pub(super) fn beyond_limit(
    base: &RpmBase,
    stays: &BTreeSet<usize>,
    new: &[&AvailablePackage],
) -> BTreeSet<usize> {
    let Some(limit) = base.limit else { return BTreeSet::new() };
    let mut coming: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for package in new.iter().filter(|package| is_install_only(package)) {
        *coming.entry((&package.name, &package.arch)).or_default() += 1;
    }
    let mut gone = BTreeSet::new();
    for ((name, arch), count) in coming {
        let same = |index: &&usize| {
            base.packages.get(**index).is_some_and(|package| package.name == name && package.arch == arch)
        };
        let mut there: Vec<usize> = stays.iter().filter(same).copied().collect();
        there.sort_by(|a, b| {
            let evr = |index: &usize| base.packages.get(*index).map(|package| &package.evr);
            evr(a).zip(evr(b)).map_or(std::cmp::Ordering::Equal, |(a, b)| a.compare(b))
        });
        let surplus = (there.len() + count).saturating_sub(limit);
        gone.extend(there.into_iter().take(surplus));
    }
    gone
}
