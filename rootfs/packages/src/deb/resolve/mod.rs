//! Which packages an image gets: the requested ones and all that they need, in the versions and by the choices that apt
//! would make. Pure: indexes and wishes in, a list out.
//!
//! As mmdebstrap has it, the essential packages come first and all else on top of them. Each phase marks as apt marks
//! ([`marks`]); where that leaves a package broken, a complete solver looks for a set that is whole ([`solve`]), and
//! where there is none, explains why.

mod error;
mod marks;
mod policy;
mod providers;
mod reasons;
mod request;
mod requested;
mod solve;
mod universe;

pub use super::source::BasePackages;
pub use error::ResolveError;
pub use request::{Request, Resolved, Suite};

use crate::PackageKind;
use crate::locked::{LockReason, LockedPackage};

use marks::{Marks, Recommended};
use requested::ResolveRequest;
use universe::{Universe, Ver};

/// Resolves a request among the packages of the suites; where suites are equal, the first counts.
pub fn resolve(suites: &[Suite<'_>], request: &Request) -> Result<Resolved, ResolveError> {
    let universe = Universe::new(suites, &request.arch, &request.foreign)?;
    let requested = requested::read(&universe, suites, request)?;
    let recommended = if request.recommends { Recommended::Install } else { Recommended::Leave };
    let installed = match mark(&universe, &requested, recommended, &[])? {
        Some(installed) => installed,
        None => search(&universe, suites, request, &requested, recommended)?,
    };
    let mut packages: Vec<LockedPackage> = installed
        .into_iter()
        .filter(|ver| !is_there(&universe, request, *ver))
        .map(|ver| locked(&universe, suites, &requested, ver))
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    Ok(Resolved { packages })
}

/// Whether a version is installed already.
fn is_there(universe: &Universe<'_>, request: &Request, ver: Ver) -> bool {
    request.installed.is_some_and(|at| universe.ver(ver).suites.contains(&at))
}

/// The set that apt would install with `also` requested besides; none if it is broken.
fn mark(
    universe: &Universe<'_>,
    requested: &ResolveRequest,
    recommended: Recommended,
    also: &[Ver],
) -> Result<Option<Vec<Ver>>, ResolveError> {
    // What is installed already has what it recommends, or shall not have it.
    let first = if requested.over_installed { Recommended::Leave } else { recommended };
    let mut marks = Marks::new(universe, &requested.candidates, first);
    // Named packages choose first, as on mmdebstrap's command line.
    let rest: Vec<Ver> = requested.named.iter().chain(&requested.base).copied().collect();
    for required in [&requested.essential, &rest].into_iter().filter(|required| !required.is_empty()) {
        let with: Vec<Ver> = required.iter().chain(also).copied().collect();
        marks.phase(&with, &requested.candidates)?;
        if marks.broken()?.is_some()
            || !with.iter().all(|ver| marks.installed(universe.ver(*ver).pkg) == Some(*ver))
        {
            return Ok(None);
        }
        marks.sweep(required)?;
        marks.follow(recommended);
    }
    Ok(Some(marks.all_installed().collect()))
}

/// A set that is whole, found by the solver; recommended packages are then marked on top of it.
fn search(
    universe: &Universe<'_>,
    suites: &[Suite<'_>],
    request: &Request,
    requested: &ResolveRequest,
    recommended: Recommended,
) -> Result<Vec<Ver>, ResolveError> {
    let found = solve::solve(universe, suites, request, requested)?;
    let mut narrowed = requested.clone();
    for ver in &found {
        narrowed.candidates[universe.ver(*ver).pkg.0 as usize] = Some(*ver);
    }
    for required in [&mut narrowed.essential, &mut narrowed.base, &mut narrowed.named] {
        for ver in required.iter_mut() {
            let pkg = universe.ver(*ver).pkg;
            *ver = narrowed.candidates[pkg.0 as usize].unwrap_or(*ver);
        }
    }
    Ok(mark(universe, &narrowed, recommended, &found)?.unwrap_or(found))
}

fn locked(
    universe: &Universe<'_>,
    suites: &[Suite<'_>],
    requested: &ResolveRequest,
    ver: Ver,
) -> LockedPackage {
    let version = universe.ver(ver);
    let record = version.record;
    let is_in = |list: &[Ver]| list.iter().any(|other| universe.ver(*other).pkg == version.pkg);
    let reason = if is_in(&requested.named) {
        LockReason::Named
    } else if is_in(&requested.essential) || is_in(&requested.base) {
        LockReason::Base
    } else {
        LockReason::Dependency
    };
    let archive = version.suites.first().and_then(|at| suites.get(*at)).map_or("", |suite| suite.archive);
    LockedPackage {
        kind: PackageKind::Deb,
        name: record.name.to_owned(),
        version: record.version.to_owned(),
        arch: record.arch.to_owned(),
        sha256: record.sha256,
        size: record.size,
        path: record.path.to_owned(),
        archive: archive.to_owned(),
        header: None,
        reason,
    }
}

#[cfg(test)]
mod tests;
