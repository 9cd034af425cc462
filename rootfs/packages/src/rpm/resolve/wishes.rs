//! Weak dependencies: what the packages that are there recommend or suggest, and what they are supplemented or enhanced by.

use super::assignment::{Assignment, PackageLiteral};
use super::normal::{self, NormalForm};
use super::pool::RpmPool;
use super::universe::RpmIndex;
use crate::rpm::available::AvailablePackage;
use crate::rpm::relation::RpmDependency;

/// The packages that others wish for.
pub(super) struct Wishes<'p, 'u> {
    pool: &'p RpmPool<'u>,
    assignment: &'p Assignment,
    wanted: Vec<bool>,
}

impl<'p, 'u> Wishes<'p, 'u> {
    /// By *Recommends*.
    pub(super) fn recommended(pool: &'p RpmPool<'u>, assignment: &'p Assignment) -> Self {
        Self::of(pool, assignment, |package| &package.recommends)
    }

    /// By *Suggests*.
    pub(super) fn suggested(pool: &'p RpmPool<'u>, assignment: &'p Assignment) -> Self {
        Self::of(pool, assignment, |package| &package.suggests)
    }

    fn of(
        pool: &'p RpmPool<'u>,
        assignment: &'p Assignment,
        wishes: fn(&AvailablePackage) -> &[RpmDependency],
    ) -> Self {
        let mut wanted = vec![false; pool.universe.len()];
        let universe = pool.universe;
        for index in assignment.packages_in() {
            for dependency in wishes(universe.package(index)) {
                for package in wished(pool, assignment, dependency) {
                    wanted[package as usize] = true;
                }
            }
        }
        Self { pool, assignment, wanted }
    }

    pub(super) fn contains(&self, index: RpmIndex) -> bool {
        self.wanted[index as usize]
    }

    /// Whether a package's own *Supplements* are met.
    pub(super) fn supplements(&self, index: RpmIndex) -> bool {
        let mut own = self.pool.universe.package(index).supplements.iter();
        own.any(|dependency| is_met(self.pool, self.assignment, dependency))
    }

    /// Whether a package's own *Enhances* are met.
    pub(super) fn enhances(&self, index: RpmIndex) -> bool {
        let mut own = self.pool.universe.package(index).enhances.iter();
        own.any(|dependency| is_met(self.pool, self.assignment, dependency))
    }
}

/// Every package that would be a part of an answer to a wish, as far as its conditions hold.
fn wished<'u>(pool: &RpmPool<'u>, assignment: &Assignment, dependency: &'u RpmDependency) -> Vec<RpmIndex> {
    if let Some(packages) = pool.single_answers(dependency) {
        return packages.to_vec();
    }
    let applies = |clause: &Vec<PackageLiteral>| {
        let mut conditions = clause.iter().filter(|literal| !literal.is_install());
        conditions.all(|literal| assignment.fails(*literal))
    };
    let clauses = clauses(pool, dependency).into_iter().filter(applies);
    clauses.flatten().filter_map(PackageLiteral::installed).collect()
}

/// The packages that may still be chosen to meet a wish, one list for each that is not met yet.
pub(super) fn open_wishes<'u>(
    pool: &RpmPool<'u>,
    assignment: &Assignment,
    dependency: &'u RpmDependency,
) -> Vec<RpmIndex> {
    let clauses = match pool.single_answers(dependency) {
        Some(packages) => vec![packages.iter().copied().map(PackageLiteral::install).collect()],
        None => clauses(pool, dependency),
    };
    let unmet = |clause: &Vec<PackageLiteral>| {
        let conditions = clause.iter().filter(|literal| !literal.is_install());
        conditions.into_iter().all(|literal| assignment.fails(*literal))
            && !clause.iter().any(|literal| assignment.holds(*literal))
    };
    let packages = clauses.into_iter().filter(unmet).flatten().filter_map(PackageLiteral::installed);
    let mut found: Vec<RpmIndex> = Vec::new();
    for package in packages.filter(|package| assignment.is_open(*package)) {
        if !found.contains(&package) {
            found.push(package);
        }
    }
    found
}

/// The clauses of a wish; none of one that always or never holds, or is too large to be more than a wish.
fn clauses<'u>(pool: &RpmPool<'u>, dependency: &'u RpmDependency) -> Vec<Vec<PackageLiteral>> {
    match normal::of(pool, dependency, true) {
        Ok(NormalForm::Clauses(clauses)) => clauses,
        _ => Vec::new(),
    }
}

/// Whether the packages that are there meet a relation.
pub(super) fn is_met<'u>(pool: &RpmPool<'u>, assignment: &Assignment, dependency: &'u RpmDependency) -> bool {
    let met = |dependency| is_met(pool, assignment, dependency);
    match dependency {
        RpmDependency::And(all) => all.iter().all(met),
        RpmDependency::Or(all) => all.iter().any(met),
        RpmDependency::If { then, condition, otherwise } => {
            if met(condition) {
                met(then)
            } else {
                otherwise.as_deref().is_none_or(met)
            }
        }
        RpmDependency::Unless { then, condition, otherwise } => {
            if met(condition) {
                otherwise.as_deref().is_some_and(met)
            } else {
                met(then)
            }
        }
        _ => pool
            .single_answers(dependency)
            .is_some_and(|packages| packages.iter().any(|index| assignment.is_in(*index))),
    }
}
