//! What a set of packages answers, all of it together.

use std::collections::{HashMap, HashSet};

use crate::rpm::available::AvailablePackage;
use crate::rpm::relation::{RpmCapability, RpmDependency};

/// Packages that are there together.
pub(super) struct PresentPackages<'a> {
    packages: Vec<&'a AvailablePackage>,
    /// By the name of what they provide, their own names included: packages, ascending.
    provided: HashMap<&'a str, Vec<usize>>,
    /// By path.
    owners: HashMap<&'a str, Vec<usize>>,
}

impl<'a> PresentPackages<'a> {
    /// Those packages, with the owners of the paths that `paths` names.
    pub(super) fn new(packages: Vec<&'a AvailablePackage>, paths: &HashSet<&str>) -> Self {
        let mut provided: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut owners: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, package) in packages.iter().enumerate() {
            let names = package.provides.iter().map(|provided| provided.name.as_str());
            for name in names.chain([package.name.as_str()]) {
                let known = provided.entry(name).or_default();
                if known.last() != Some(&at) {
                    known.push(at);
                }
            }
            for file in package.files.iter().filter(|file| paths.contains(file.as_str())) {
                owners.entry(file).or_default().push(at);
            }
        }
        Self { packages, provided, owners }
    }

    /// Whether they meet a relation.
    pub(super) fn meet(&self, dependency: &RpmDependency) -> bool {
        match dependency {
            RpmDependency::And(all) => all.iter().all(|one| self.meet(one)),
            RpmDependency::Or(all) => all.iter().any(|one| self.meet(one)),
            RpmDependency::If { then, condition, otherwise } => {
                if self.meet(condition) {
                    self.meet(then)
                } else {
                    otherwise.as_deref().is_none_or(|otherwise| self.meet(otherwise))
                }
            }
            RpmDependency::Unless { then, condition, otherwise } => {
                if self.meet(condition) {
                    otherwise.as_deref().is_some_and(|otherwise| self.meet(otherwise))
                } else {
                    self.meet(then)
                }
            }
            _ => !self.answers(dependency).is_empty(),
        }
    }

    /// The packages each of which answers a relation on its own.
    fn answers(&self, dependency: &RpmDependency) -> HashSet<usize> {
        match dependency {
            RpmDependency::Capability(capability) => self.providers(capability),
            RpmDependency::Or(all) => all.iter().flat_map(|one| self.answers(one)).collect(),
            RpmDependency::With(one, other) => &self.answers(one) & &self.answers(other),
            RpmDependency::Without(one, other) => &self.answers(one) - &self.answers(other),
            _ => HashSet::new(),
        }
    }

    fn providers(&self, wanted: &RpmCapability) -> HashSet<usize> {
        let answers = |at: &&usize| {
            self.packages.get(**at).is_some_and(|package| {
                let mut provides = package.provides.iter();
                provides.any(|provided| provided.answers(wanted))
                    || package.name == wanted.name && wanted.versions.is_none()
            })
        };
        let named = self.provided.get(wanted.name.as_str()).into_iter().flatten().filter(answers);
        let owners = self.owners.get(wanted.name.as_str()).into_iter().flatten();
        named.chain(owners).copied().collect()
    }
}
