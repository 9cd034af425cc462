//! A set of packages that is whole, wherever there is one: a complete search (the solver of the crate *resolvo*) for
//! what marking could not find, among the same candidates and those of an older lock instead of them. Where there is
//! none, the chain of reasons.

use std::cell::RefCell;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, Dependencies, DependencyProvider, HintDependenciesAvailable,
    Interner, KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver, SolverCache, StringId,
    UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::reasons;
use super::requested::ResolveRequest;
use super::universe::{Dep, Pkg, Universe, Ver};
use super::{Request, ResolveError, Suite, policy};

/// Finds a version of each package that is needed, or the reasons why there is none.
pub(super) fn solve(
    universe: &Universe<'_>,
    suites: &[Suite<'_>],
    request: &Request,
    requested: &ResolveRequest,
) -> Result<Vec<Ver>, ResolveError> {
    let roots: Vec<Ver> =
        requested.essential.iter().chain(&requested.base).chain(&requested.named).copied().collect();
    let choice = SolverView {
        universe,
        suites,
        request,
        requested,
        sets: RefCell::default(),
        unions: RefCell::default(),
        error: RefCell::default(),
    };
    let requirements = roots.iter().map(|ver| choice.root(*ver).into()).collect();
    let mut solver = Solver::new(choice);
    let solved = solver.solve(Problem::new().requirements(requirements));
    if let Some(error) = solver.provider().error.take() {
        return Err(error);
    }
    match solved {
        Ok(found) => Ok(found.into_iter().map(|id| Ver(id.into_raw())).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(_) | UnsolvableOrCancelled::Cancelled(_)) => {
            Err(ResolveError::Unsolvable { reasons: reasons::why(universe, requested, &roots)? })
        }
    }
}

/// Versions of one package.
type Set = (Pkg, Vec<Ver>);

/// The universe as the solver sees it: a name is a package, a set of versions is a list of them.
struct SolverView<'c, 'a> {
    universe: &'c Universe<'a>,
    suites: &'c [Suite<'c>],
    request: &'c Request,
    requested: &'c ResolveRequest,
    sets: RefCell<Vec<Set>>,
    unions: RefCell<Vec<Vec<VersionSetId>>>,
    /// The first field that could not be read.
    error: RefCell<Option<ResolveError>>,
}

impl<'a> SolverView<'_, 'a> {
    fn set(&self, pkg: Pkg, versions: Vec<Ver>) -> VersionSetId {
        let mut sets = self.sets.borrow_mut();
        sets.push((pkg, versions));
        VersionSetId(sets.len().saturating_sub(1) as u32)
    }

    /// The requirement: the version that is named, or for others any that may be installed.
    fn root(&self, ver: Ver) -> Requirement {
        let pkg = self.universe.ver(ver).pkg;
        let versions = if self.requested.named.contains(&ver) { vec![ver] } else { self.versions(pkg) };
        self.set(pkg, versions).into()
    }

    /// The versions that may be installed, the likeliest first: what marking would take, then what apt would take
    /// where an older lock has something else.
    fn versions(&self, pkg: Pkg) -> Vec<Ver> {
        let Some(first) = self.requested.candidates.get(pkg.0 as usize).copied().flatten() else {
            return Vec::new();
        };
        let second = policy::candidate(self.universe, self.suites, &self.request.pins, pkg);
        let second = second.filter(|second| *second != first && !self.requested.named.contains(&first));
        std::iter::once(first).chain(second).collect()
    }

    /// Every version that answers a dependency, package by package in the order of preference.
    fn answers(&self, of: Ver, dep: &Dep<'a>) -> Vec<Set> {
        let mut answers: Vec<Set> = Vec::new();
        for target in &dep.targets {
            // A version is an answer on its own, whatever else is chosen: one round for each rank of versions.
            for rank in 0..2 {
                let chosen = |pkg: Pkg| self.versions(pkg).get(rank).copied();
                for ver in self.universe.answers(of, dep.kind, target, chosen) {
                    let pkg = self.universe.ver(ver).pkg;
                    match answers.iter_mut().find(|(known, _)| *known == pkg) {
                        Some((_, versions)) if versions.contains(&ver) => {}
                        Some((_, versions)) => versions.push(ver),
                        None => answers.push((pkg, vec![ver])),
                    }
                }
            }
        }
        answers
    }

    fn dependencies(&self, of: Ver) -> Result<KnownDependencies, ResolveError> {
        let mut known = KnownDependencies::default();
        for dep in self.universe.deps(of)?.iter().filter(|dep| dep.kind.is_critical()) {
            let answers = self.answers(of, dep);
            if dep.kind.is_negative() {
                for (pkg, barred) in answers {
                    let mut versions = self.versions(pkg);
                    versions.retain(|ver| !barred.contains(ver));
                    known.constrains.push(self.set(pkg, versions));
                }
                continue;
            }
            let sets = answers.into_iter().map(|(pkg, versions)| self.set(pkg, versions)).collect();
            let mut unions = self.unions.borrow_mut();
            unions.push(sets);
            let union = VersionSetUnionId(unions.len().saturating_sub(1) as u32);
            known.requirements.push(Requirement::Union(union).into());
        }
        Ok(known)
    }

    fn set_of(&self, set: VersionSetId) -> Set {
        self.sets.borrow().get(set.0 as usize).cloned().unwrap_or((Pkg(0), Vec::new()))
    }
}

impl Interner for SolverView<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.universe.label_ver(Ver(solvable.into_raw()))
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.universe.label(Pkg(name.into_raw()))
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        let (_, versions) = self.set_of(version_set);
        versions.iter().map(|ver| self.universe.label_ver(*ver)).collect::<Vec<_>>().join(" | ")
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        NameId::from_raw(self.set_of(version_set).0.0)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(self.universe.ver(Ver(solvable.into_raw())).pkg.0)
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.unions.borrow().get(union.0 as usize).cloned().unwrap_or_default().into_iter()
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        // None is ever made.
        Condition::Requirement(VersionSetId(condition.as_u32()))
    }
}

impl DependencyProvider for SolverView<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let (_, versions) = self.set_of(version_set);
        let required = |id: &&SolvableId| versions.contains(&Ver(id.into_raw())) != inverse;
        candidates.iter().filter(required).copied().collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let candidates =
            self.versions(Pkg(name.into_raw())).into_iter().map(|ver| SolvableId::from_raw(ver.0));
        Some(Candidates {
            candidates: candidates.collect(),
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|id| {
            let ver = Ver(id.into_raw());
            self.versions(self.universe.ver(ver).pkg).iter().position(|known| *known == ver)
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        match self.dependencies(Ver(solvable.into_raw())) {
            Ok(known) => Dependencies::Known(known),
            Err(error) => {
                self.error.borrow_mut().get_or_insert(error);
                Dependencies::Unknown(StringId(0))
            }
        }
    }
}
