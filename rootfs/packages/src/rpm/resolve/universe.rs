//! Every package that there is to choose from, with the indexes that answer relations. Decides nothing.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use crate::rpm::available::AvailablePackage;
use crate::rpm::evr::Evr;
use crate::rpm::relation::{RpmCapability, RpmDependency};

/// A package by its index in the universe.
pub(super) type RpmIndex = u32;

/// Names of what may be there in several versions at once (dnf, `installonlypkgs`): packages with such a name, or that
/// provide it.
const INSTALL_ONLY: [&str; 6] = [
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
];

/// Everything that repositories list and an image has: the same for all requests.
#[derive(Debug)]
pub struct RpmUniverse {
    packages: Vec<AvailablePackage>,
    arch: String,
    /// Of each repository; the lower, the rather it is chosen from.
    priorities: Vec<i32>,
    /// The first of the installed packages, which come after the available ones.
    installed: usize,
    complete_files: bool,
    /// Sorted by name, then index.
    by_name: Vec<RpmIndex>,
    /// Package and index among what it provides, sorted by the provided name, then package.
    provided: Vec<(RpmIndex, u32)>,
    /// The owners of those paths that a relation names, ascending.
    owners: HashMap<String, Vec<RpmIndex>>,
}

impl RpmUniverse {
    /// The universe of `packages`, in the order in which their repositories list them, for images of the architecture `arch` (as
    /// rpm names it: `x86_64`, `aarch64`). `priorities` has one number for each repository: the lower, the rather a package is
    /// chosen from it (dnf's `priority`; 99 where none is set).
    pub fn new(packages: Vec<AvailablePackage>, arch: &str, priorities: Vec<i32>) -> Self {
        let mut universe = Self {
            installed: packages.len(),
            packages,
            arch: arch.to_owned(),
            priorities,
            complete_files: false,
            by_name: Vec::new(),
            provided: Vec::new(),
            owners: HashMap::new(),
        };
        universe.index();
        universe
    }

    /// With packages that are installed already. Their `repository` means nothing.
    #[must_use]
    pub fn on_top_of(mut self, installed: Vec<AvailablePackage>) -> Self {
        self.set_installed(installed);
        self
    }

    /// Puts packages that are installed already in place of those that were. The indexes of the others stay.
    pub(in crate::rpm) fn set_installed(&mut self, installed: Vec<AvailablePackage>) {
        self.packages.truncate(self.installed);
        self.packages.extend(installed);
        self.index();
    }

    /// Says that [`AvailablePackage::files`] has all paths of every package, not only those of the primary metadata.
    #[must_use]
    pub fn with_complete_files(mut self) -> Self {
        self.complete_files = true;
        self
    }

    /// The packages; [`super::ChosenRpm::index`] counts in them. Those that are installed already are last.
    pub fn packages(&self) -> &[AvailablePackage] {
        &self.packages
    }

    fn index(&mut self) {
        let mut by_name: Vec<RpmIndex> = self.all().collect();
        by_name.sort_by(|a, b| self.package(*a).name.cmp(&self.package(*b).name));
        self.by_name = by_name;
        self.provided = self
            .all()
            .flat_map(|index| (0..self.package(index).provides.len() as u32).map(move |at| (index, at)))
            .collect();
        let packages = &self.packages;
        let name = |(index, at): &(RpmIndex, u32)| {
            packages
                .get(*index as usize)
                .and_then(|package| package.provides.get(*at as usize))
                .map(|provided| provided.name.as_str())
        };
        self.provided.sort_by(|a, b| name(a).cmp(&name(b)));
        self.owners = owners_of_named_paths(&self.packages);
    }

    /// The number of packages that are installed already.
    pub(in crate::rpm) fn installed_count(&self) -> usize {
        self.packages.len() - self.installed
    }

    pub(in crate::rpm) fn package(&self, index: RpmIndex) -> &AvailablePackage {
        &self.packages[index as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.packages.len()
    }

    pub(super) fn arch(&self) -> &str {
        &self.arch
    }

    /// Every package.
    pub(super) fn all(&self) -> Range<RpmIndex> {
        0..self.packages.len() as RpmIndex
    }

    /// The packages that are installed already.
    pub(super) fn installed(&self) -> Range<RpmIndex> {
        self.installed as RpmIndex..self.packages.len() as RpmIndex
    }

    pub(super) fn is_installed(&self, index: RpmIndex) -> bool {
        index as usize >= self.installed
    }

    pub(in crate::rpm) fn priority(&self, index: RpmIndex) -> i32 {
        self.priorities.get(self.package(index).repository).copied().unwrap_or(99)
    }

    /// The packages of that name, ascending.
    pub(in crate::rpm) fn named(&self, name: &str) -> &[RpmIndex] {
        let from = self.by_name.partition_point(|index| self.package(*index).name.as_str() < name);
        let rest = self.by_name.get(from..).unwrap_or_default();
        let count = rest.partition_point(|index| self.package(*index).name == name);
        rest.get(..count).unwrap_or_default()
    }

    /// Every package that answers a capability, ascending: by what it provides, by its name, by a path of its own.
    pub(super) fn providers(&self, wanted: &RpmCapability) -> Vec<RpmIndex> {
        let name = |(index, at): &(RpmIndex, u32)| &self.package(*index).provides[*at as usize].name;
        let from = self.provided.partition_point(|entry| *name(entry) < wanted.name);
        let provided = self.provided.get(from..).unwrap_or_default().iter();
        let mut found: Vec<RpmIndex> = provided
            .take_while(|entry| *name(entry) == wanted.name)
            .filter(|(index, at)| self.package(*index).provides[*at as usize].versions_meet(wanted))
            .map(|(index, _)| *index)
            .collect();
        let named = self.named(&wanted.name).iter().copied();
        found.extend(named.filter(|index| self.is_called(*index, wanted)));
        if wanted.name.starts_with('/') && wanted.versions.is_none() {
            found.extend(self.owners(&wanted.name));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The packages that have a path.
    fn owners(&self, path: &str) -> Vec<RpmIndex> {
        if let Some(owners) = self.owners.get(path) {
            return owners.clone();
        }
        self.all().filter(|index| self.package(*index).files.iter().any(|file| file == path)).collect()
    }

    /// Whether a package has that name and one of those versions: its provisions do not count (as for *Obsoletes*).
    pub(super) fn is_called(&self, index: RpmIndex, wanted: &RpmCapability) -> bool {
        let package = self.package(index);
        let itself = |evr: &Evr| match &wanted.versions {
            None => true,
            Some((comparison, version)) => {
                let own = (crate::rpm::relation::VersionComparison::Equal, evr.clone());
                let own = RpmCapability { name: String::new(), versions: Some(own) };
                own.versions_meet(&RpmCapability {
                    name: String::new(),
                    versions: Some((*comparison, version.clone())),
                })
            }
        };
        package.name == wanted.name && itself(&package.evr)
    }

    /// Whether several versions of it may be there at once.
    pub(super) fn is_install_only(&self, index: RpmIndex) -> bool {
        is_install_only(self.package(index))
    }

    /// Whether only a list of all files can say who has a path.
    pub(super) fn is_beyond_primary(&self, path: &str) -> bool {
        let in_primary = path.starts_with("/etc/") || path.contains("bin/") || path == "/usr/lib/sendmail";
        !self.complete_files && path.starts_with('/') && !in_primary
    }

    /// `name-version-release.arch`.
    pub(super) fn label(&self, index: RpmIndex) -> String {
        let package = self.package(index);
        format!("{}-{}.{}", package.name, package.evr, package.arch)
    }

    pub(super) fn compare_versions(&self, one: RpmIndex, other: RpmIndex) -> Ordering {
        self.package(one).evr.compare(&self.package(other).evr)
    }

    /// How far an architecture is from the image's: 0 its own and packages for all, greater ones are of another word size;
    /// none where the image cannot run it.
    pub(super) fn arch_class(&self, arch: &str) -> Option<u8> {
        if arch == "noarch" || arch == self.arch {
            return Some(0);
        }
        let of_x86 = ["athlon", "i686", "i586", "i486", "i386"];
        match (self.arch.as_str(), arch) {
            ("x86_64", "amd64" | "ia32e") => Some(0),
            ("x86_64", arch) if of_x86.contains(&arch) => Some(1),
            ("i686", arch) if of_x86.contains(&arch) => Some(0),
            _ => None,
        }
    }
}

/// Whether several versions of a package may be there at once.
pub(in crate::rpm) fn is_install_only(package: &AvailablePackage) -> bool {
    is_install_only_name(&package.name)
        || package.provides.iter().any(|provided| is_install_only_name(&provided.name))
}

/// Whether several versions of what has or provides a name may be there at once.
pub(in crate::rpm) fn is_install_only_name(name: &str) -> bool {
    INSTALL_ONLY.contains(&name)
}

/// Who has the paths that some relation names.
fn owners_of_named_paths(packages: &[AvailablePackage]) -> HashMap<String, Vec<RpmIndex>> {
    let mut owners: HashMap<String, Vec<RpmIndex>> = HashMap::new();
    for package in packages {
        let paths = relations(package).flat_map(RpmDependency::capabilities);
        for path in paths.filter(|capability| capability.name.starts_with('/')) {
            owners.entry(path.name.clone()).or_default();
        }
    }
    for (index, package) in packages.iter().enumerate() {
        for file in &package.files {
            if let Some(owners) = owners.get_mut(file) {
                owners.push(index as RpmIndex);
            }
        }
    }
    owners
}

/// Every relation of a package to others.
fn relations(package: &AvailablePackage) -> impl Iterator<Item = &RpmDependency> {
    let requires = package.requires.iter().map(|requirement| &requirement.dependency);
    let weak = package.recommends.iter().chain(&package.suggests).chain(&package.supplements);
    requires.chain(weak).chain(&package.enhances).chain(&package.conflicts)
}
