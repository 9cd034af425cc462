//! What may be chosen in one resolution: the universe without what the request leaves out, answers to relations remembered.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::pattern::matches;
use super::request::RpmRequest;
use super::universe::{RpmIndex, RpmUniverse};
use crate::rpm::relation::{RpmCapability, RpmDependency};

/// The packages of one resolution.
pub(super) struct RpmPool<'u> {
    pub(super) universe: &'u RpmUniverse,
    /// Whether a package may be chosen.
    usable: Vec<bool>,
    /// Whether an earlier lock has it.
    preferred: Vec<bool>,
    answers: RefCell<HashMap<&'u RpmCapability, Rc<[RpmIndex]>>>,
}

impl<'u> RpmPool<'u> {
    pub(super) fn new(universe: &'u RpmUniverse, request: &RpmRequest) -> Self {
        let all = universe.all();
        let foreign = request.packages.iter().any(|requested| names_foreign(universe, &requested.text));
        let usable = |index: RpmIndex| {
            let class = universe.arch_class(&universe.package(index).arch);
            universe.is_installed(index)
                || class.is_some_and(|class| class == 0 || foreign) && !left_out(universe, request, index)
        };
        let preferred = |index: RpmIndex| {
            let package = universe.package(index);
            request.prefer.iter().any(|id| {
                id.name == package.name && id.arch == package.arch && id.version == package.evr.to_string()
            })
        };
        Self {
            universe,
            usable: all.clone().map(usable).collect(),
            preferred: all.map(preferred).collect(),
            answers: RefCell::default(),
        }
    }

    pub(super) fn is_usable(&self, index: RpmIndex) -> bool {
        self.usable[index as usize]
    }

    pub(super) fn is_preferred(&self, index: RpmIndex) -> bool {
        self.preferred[index as usize]
    }

    /// The packages that answer a capability, ascending.
    pub(super) fn providers(&self, wanted: &'u RpmCapability) -> Rc<[RpmIndex]> {
        if let Some(known) = self.answers.borrow().get(wanted) {
            return Rc::clone(known);
        }
        let found: Rc<[RpmIndex]> =
            self.universe.providers(wanted).into_iter().filter(|index| self.is_usable(*index)).collect();
        self.answers.borrow_mut().insert(wanted, Rc::clone(&found));
        found
    }

    /// The packages each of which answers a relation on its own; none of a relation between several packages.
    pub(super) fn single_answers(&self, dependency: &'u RpmDependency) -> Option<Rc<[RpmIndex]>> {
        let merged = |one: &[RpmIndex], other: &[RpmIndex], keep: fn(bool, bool) -> bool| {
            let mut all: Vec<RpmIndex> = one.iter().chain(other).copied().collect();
            all.sort_unstable();
            all.dedup();
            all.retain(|index| keep(one.binary_search(index).is_ok(), other.binary_search(index).is_ok()));
            all
        };
        match dependency {
            RpmDependency::Capability(capability) => Some(self.providers(capability)),
            RpmDependency::Or(all) => {
                let mut found = Vec::new();
                for one in all {
                    found = merged(&found, &self.single_answers(one)?, |a, b| a || b);
                }
                Some(found.into())
            }
            RpmDependency::With(one, other) => {
                Some(merged(&self.single_answers(one)?, &self.single_answers(other)?, |a, b| a && b).into())
            }
            RpmDependency::Without(one, other) => {
                Some(merged(&self.single_answers(one)?, &self.single_answers(other)?, |a, b| a && !b).into())
            }
            _ => None,
        }
    }

    /// Packages that another one takes the place of, by what it declares, ascending.
    pub(super) fn obsoleted_by(&self, index: RpmIndex) -> Vec<(RpmIndex, &'u RpmCapability)> {
        let own = self.universe.package(index);
        let mut found = Vec::new();
        for obsoleted in &own.obsoletes {
            let named = self.universe.named(&obsoleted.name).iter().copied();
            found.extend(
                named
                    .filter(|other| *other != index && self.is_usable(*other))
                    .filter(|other| self.universe.is_called(*other, obsoleted))
                    .map(|other| (other, obsoleted)),
            );
        }
        found
    }

    /// Whether two packages of one name exclude each other because of it: not those of different word sizes, nor different
    /// versions of what may be there several times.
    pub(super) fn share_a_place(&self, one: RpmIndex, other: RpmIndex) -> bool {
        let (a, b) = (self.universe.package(one), self.universe.package(other));
        let classes = (self.universe.arch_class(&a.arch), self.universe.arch_class(&b.arch));
        let apart = classes.0 != classes.1 && a.arch != "noarch" && b.arch != "noarch";
        let several = self.universe.is_install_only(one) || self.universe.is_install_only(other);
        a.name == b.name && !apart && (!several || (&a.evr, &a.arch) == (&b.evr, &b.arch))
    }
}

/// Whether a request is for a package of another word size by name.
fn names_foreign(universe: &RpmUniverse, text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(_, arch)| universe.arch_class(arch).is_some_and(|class| class > 0))
}

fn left_out(universe: &RpmUniverse, request: &RpmRequest, index: RpmIndex) -> bool {
    let package = universe.package(index);
    let of_arch = || format!("{}.{}", package.name, package.arch);
    request.without.iter().any(|pattern| matches(pattern, &package.name) || matches(pattern, &of_arch()))
}
