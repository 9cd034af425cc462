//! The clauses of a resolution: what every solution must meet.

use std::collections::{HashSet, VecDeque};

use super::assignment::PackageLiteral;
use super::error::RpmResolveError;
use super::normal::{self, NormalForm, TooManyLiterals};
use super::policy;
use super::pool::RpmPool;
use super::request::{RequestNeed, RpmRequest};
use super::requested::WantedRpm;
use super::universe::RpmIndex;
use crate::rpm::relation::{RpmCapability, RpmDependency};

/// Where a clause comes from.
#[derive(Debug, Clone)]
pub(super) enum ClauseOrigin<'u> {
    Requires(RpmIndex, &'u RpmDependency),
    Conflicts(RpmIndex, &'u RpmDependency),
    Obsoletes(RpmIndex, &'u RpmCapability),
    SameName,
    /// Only with the same version for the image's own architecture, if there is that package at all.
    OtherArchitecture,
    /// The request of that index.
    Request(usize),
    /// That a requested package has its best version.
    Best(usize),
    /// An installed package stays, in this or another version.
    Stays(RpmIndex),
    /// Follows from these clauses.
    Learned(Vec<u32>),
}

/// One of its literals must hold.
#[derive(Debug, Clone)]
pub(super) struct Clause<'u> {
    /// Ascending.
    pub(super) literals: Vec<PackageLiteral>,
    pub(super) origin: ClauseOrigin<'u>,
}

impl Clause<'_> {
    /// The packages any of which would do.
    pub(super) fn packages(&self) -> impl Iterator<Item = RpmIndex> + '_ {
        self.literals.iter().filter_map(|literal| literal.installed())
    }
}

/// All clauses: those of packages sorted by their literals, then those of requests.
#[derive(Debug)]
pub(super) struct Formula<'u> {
    pub(super) clauses: Vec<Clause<'u>>,
    /// The clauses of requests, in their order.
    pub(super) requests: Vec<u32>,
    /// Clauses that may be given up.
    pub(super) optional: HashSet<u32>,
    /// By package: whether its clauses are here.
    pub(super) reached: Vec<bool>,
    /// Packages with a path that only a list of all files can answer; the clause is left out.
    pub(super) unanswered: Vec<(RpmIndex, &'u str)>,
}

impl<'u> Formula<'u> {
    /// The clauses of a request and of every package that it may lead to.
    pub(super) fn new(
        pool: &RpmPool<'u>,
        request: &RpmRequest,
        wanted: &[WantedRpm],
    ) -> Result<Self, RpmResolveError> {
        let mut building = FormulaBuilder::new(pool);
        let installed = pool.universe.installed();
        let updates: Vec<Vec<RpmIndex>> =
            installed.clone().map(|index| policy::successors(pool, index)).collect();
        building.reach(installed.clone());
        building.reach(updates.iter().flatten().copied());
        building.reach(wanted.iter().flat_map(|wanted| wanted.candidates.iter().copied()));
        building.close()?;
        let mut formula = building.finish();
        for (index, successors) in installed.zip(&updates) {
            let origin = ClauseOrigin::Stays(index);
            formula.add(
                successors.iter().copied().chain([index]).map(PackageLiteral::install).collect(),
                origin,
            );
        }
        for (index, wanted) in wanted.iter().enumerate() {
            formula.add_request(pool, index, wanted, request);
        }
        Ok(formula)
    }

    fn add(&mut self, mut literals: Vec<PackageLiteral>, origin: ClauseOrigin<'u>) -> u32 {
        literals.sort_unstable();
        literals.dedup();
        self.clauses.push(Clause { literals, origin });
        self.clauses.len() as u32 - 1
    }

    /// One of the candidates, and with `best` one of the best; where a condition is set, only with any of its packages.
    fn add_request(&mut self, pool: &RpmPool<'u>, index: usize, wanted: &WantedRpm, request: &RpmRequest) {
        let mut lists = vec![(wanted.candidates.clone(), ClauseOrigin::Request(index))];
        let best = policy::best_or_preferred(pool, &wanted.candidates);
        if request.best && wanted.condition.is_none() && best.len() < wanted.candidates.len() {
            lists.push((best, ClauseOrigin::Best(index)));
        }
        for (candidates, origin) in lists {
            let cases: Vec<Option<RpmIndex>> = match &wanted.condition {
                Some(packages) => packages.iter().copied().map(Some).collect(),
                None => vec![None],
            };
            for case in cases {
                let literals = candidates.iter().copied().map(PackageLiteral::install);
                let clause =
                    self.add(literals.chain(case.map(PackageLiteral::leave)).collect(), origin.clone());
                if matches!(origin, ClauseOrigin::Request(_)) {
                    self.requests.push(clause);
                }
                if wanted.need == RequestNeed::IfPossible {
                    self.optional.insert(clause);
                }
            }
        }
    }
}

/// Packages and their clauses, as far as they are reached.
struct FormulaBuilder<'p, 'u> {
    pool: &'p RpmPool<'u>,
    reached: Vec<bool>,
    queue: VecDeque<RpmIndex>,
    clauses: Vec<Clause<'u>>,
    unanswered: Vec<(RpmIndex, &'u str)>,
}

impl<'p, 'u> FormulaBuilder<'p, 'u> {
    fn new(pool: &'p RpmPool<'u>) -> Self {
        Self {
            pool,
            reached: vec![false; pool.universe.len()],
            queue: VecDeque::new(),
            clauses: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    fn reach(&mut self, packages: impl Iterator<Item = RpmIndex>) {
        for index in packages {
            if !std::mem::replace(&mut self.reached[index as usize], true) {
                self.queue.push_back(index);
            }
        }
    }

    /// Adds the clauses of everything reached, and of what may come along by its own *Supplements* or *Enhances*.
    fn close(&mut self) -> Result<(), RpmResolveError> {
        loop {
            while let Some(index) = self.queue.pop_front() {
                self.add_package(index)?;
            }
            let universe = self.pool.universe;
            for index in universe.all() {
                let package = universe.package(index);
                let mut wishes = package.supplements.iter().chain(&package.enhances);
                if !self.reached[index as usize]
                    && self.pool.is_usable(index)
                    && wishes.any(|dependency| self.may_hold(dependency))
                {
                    self.reach(std::iter::once(index));
                }
            }
            if self.queue.is_empty() {
                return Ok(());
            }
        }
    }

    /// Whether a package that was reached may be a part of an answer to a relation.
    fn may_hold(&self, dependency: &'u RpmDependency) -> bool {
        match dependency {
            RpmDependency::And(all) | RpmDependency::Or(all) => all.iter().any(|one| self.may_hold(one)),
            RpmDependency::If { then, otherwise, .. } | RpmDependency::Unless { then, otherwise, .. } => {
                self.may_hold(then) || otherwise.as_deref().is_some_and(|otherwise| self.may_hold(otherwise))
            }
            _ => self
                .pool
                .single_answers(dependency)
                .is_some_and(|packages| packages.iter().any(|index| self.reached[*index as usize])),
        }
    }

    fn add_package(&mut self, index: RpmIndex) -> Result<(), RpmResolveError> {
        let package = self.pool.universe.package(index);
        for requirement in &package.requires {
            self.add_requirement(index, &requirement.dependency)?;
        }
        for dependency in &package.conflicts {
            self.add_conflict(index, dependency)?;
        }
        for (other, capability) in self.pool.obsoleted_by(index) {
            let literals = vec![PackageLiteral::leave(index), PackageLiteral::leave(other)];
            self.push(literals, ClauseOrigin::Obsoletes(index, capability));
        }
        self.add_places(index);
        for dependency in package.recommends.iter().chain(&package.suggests) {
            self.is_unanswered(index, dependency);
            let packages: Vec<RpmIndex> = dependency
                .capabilities()
                .into_iter()
                .flat_map(|capability| self.pool.providers(capability).to_vec())
                .collect();
            self.reach(packages.into_iter());
        }
        Ok(())
    }

    fn add_requirement(
        &mut self,
        of: RpmIndex,
        dependency: &'u RpmDependency,
    ) -> Result<(), RpmResolveError> {
        let universe = self.pool.universe;
        if self.is_unanswered(of, dependency) {
            return Ok(());
        }
        if let RpmDependency::Capability(capability) = dependency {
            if capability.name.starts_with("rpmlib(") {
                return Ok(());
            }
            // What an image lacks already does not keep it from being extended.
            let found = self.pool.providers(capability);
            if universe.is_installed(of) && !found.iter().any(|index| universe.is_installed(*index)) {
                return Ok(());
            }
        }
        let clauses = match self.normal(of, dependency, true)? {
            NormalForm::Always => return Ok(()),
            NormalForm::Never => vec![Vec::new()],
            NormalForm::Clauses(clauses) => clauses,
        };
        for mut literals in clauses {
            if !literals.contains(&PackageLiteral::install(of)) {
                self.reach(literals.iter().filter_map(|literal| literal.installed()));
                literals.push(PackageLiteral::leave(of));
                self.push(literals, ClauseOrigin::Requires(of, dependency));
            }
        }
        Ok(())
    }

    /// Whether a relation names a path that only a list of all files can answer; it is noted.
    fn is_unanswered(&mut self, of: RpmIndex, dependency: &'u RpmDependency) -> bool {
        let beyond = |capability: &&RpmCapability| self.pool.universe.is_beyond_primary(&capability.name);
        let found = dependency.capabilities().into_iter().filter(beyond);
        let missing = found.filter(|capability| self.pool.providers(capability).is_empty());
        let paths: Vec<&'u str> = missing.map(|capability| capability.name.as_str()).collect();
        self.unanswered.extend(paths.iter().map(|path| (of, *path)));
        !paths.is_empty()
    }

    /// A package does not conflict with itself.
    fn add_conflict(&mut self, of: RpmIndex, dependency: &'u RpmDependency) -> Result<(), RpmResolveError> {
        let clauses = match self.normal(of, dependency, false)? {
            NormalForm::Always => return Ok(()),
            NormalForm::Never => vec![Vec::new()],
            NormalForm::Clauses(clauses) => clauses,
        };
        let itself = PackageLiteral::leave(of);
        for mut literals in clauses {
            if literals != [itself] && !literals.contains(&itself.opposite()) {
                self.reach(literals.iter().filter_map(|literal| literal.installed()));
                literals.push(itself);
                self.push(literals, ClauseOrigin::Conflicts(of, dependency));
            }
        }
        Ok(())
    }

    fn add_places(&mut self, index: RpmIndex) {
        let universe = self.pool.universe;
        let name = &universe.package(index).name;
        let same: Vec<RpmIndex> =
            universe.named(name).iter().copied().filter(|other| self.pool.is_usable(*other)).collect();
        for other in same.iter().copied().filter(|other| *other > index) {
            if self.pool.share_a_place(index, other) {
                self.push(
                    vec![PackageLiteral::leave(index), PackageLiteral::leave(other)],
                    ClauseOrigin::SameName,
                );
            }
        }
        let class = |index: RpmIndex| universe.arch_class(&universe.package(index).arch).unwrap_or(0);
        let own = |other: &&RpmIndex| universe.package(**other).arch == universe.arch();
        if class(index) > 0 && !universe.is_installed(index) && same.iter().any(|other| own(&other)) {
            let twins =
                same.iter().filter(own).filter(|other| universe.compare_versions(index, **other).is_eq());
            let twins: Vec<RpmIndex> = twins.copied().collect();
            self.reach(twins.iter().copied());
            let literals =
                twins.into_iter().map(PackageLiteral::install).chain([PackageLiteral::leave(index)]);
            self.push(literals.collect(), ClauseOrigin::OtherArchitecture);
        }
    }

    fn normal(
        &self,
        of: RpmIndex,
        dependency: &'u RpmDependency,
        holds: bool,
    ) -> Result<NormalForm, RpmResolveError> {
        normal::of(self.pool, dependency, holds).map_err(|TooManyLiterals| {
            RpmResolveError::TooManyCombinations {
                package: self.pool.universe.label(of),
                relation: dependency.to_string(),
            }
        })
    }

    fn push(&mut self, mut literals: Vec<PackageLiteral>, origin: ClauseOrigin<'u>) {
        literals.sort_unstable();
        literals.dedup();
        self.clauses.push(Clause { literals, origin });
    }

    /// In the order in which libsolv looks at them: those of the last package first. It is one of the things that choices
    /// depend on.
    fn finish(mut self) -> Formula<'u> {
        self.clauses.sort_by(|a, b| a.literals.cmp(&b.literals));
        self.clauses.dedup_by(|later, kept| later.literals == kept.literals);
        Formula {
            clauses: self.clauses,
            requests: Vec::new(),
            optional: HashSet::new(),
            reached: self.reached,
            unanswered: self.unanswered,
        }
    }
}
