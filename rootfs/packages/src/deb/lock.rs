//! From the archives of a recipe to the packages that it gets: reads every suite and resolves each set.

use super::repository::{self, ReadSuite};
use super::resolve::{self, Request, Suite};
use super::source::{BasePackages, DebSource};
use super::{over, records};
use crate::backend::{
    LockFailure, LockRequest, LockedSets, PackageSet, Recommends, RepositoryAccess, RepositoryError,
    SetContent,
};
use crate::locked::{LockedArchive, PackageId};
use crate::over::other_packages;

/// Priority of what is installed, below that of any archive: apt-get(8) has it so.
const INSTALLED: i32 = 100;

/// Reads the archives and chooses the packages of each set.
///
/// # Errors
/// [`LockFailure`].
pub(super) fn lock(
    source: &DebSource,
    request: &LockRequest<'_>,
    access: &dyn RepositoryAccess,
) -> Result<LockedSets, LockFailure> {
    let read = read(source, request.previous, access)?;
    access.progress().begin("choosing packages", None);
    let indexes = read.iter().map(|suite| suite.packages().map_err(|error| failure(&suite.locked, error)));
    let indexes = indexes.collect::<Result<Vec<_>, _>>()?;
    let is_security = |suite: &ReadSuite| {
        let archive = source.archive(&suite.locked.name);
        archive.is_some_and(|archive| records::is_security(archive, &suite.locked.suite))
    };
    let described = read.iter().zip(&indexes);
    let described: Vec<_> =
        described.map(|(suite, indexes)| (is_security(suite), indexes.as_slice())).collect();
    let archives = read.iter().zip(&indexes).map(|(suite, indexes)| Suite {
        archive: &suite.locked.name,
        names: suite.names.iter().map(String::as_str).collect(),
        priority: suite.priority,
        indexes: indexes.iter().collect(),
    });
    let mut suites: Vec<_> = archives.collect();
    let status = status(request)?;
    let below = status.as_deref().map(over::installed_packages).transpose();
    let below = below.map_err(|error| of_system(Box::new(error)))?;
    let kept = match (&below, &request.installed) {
        (Some(below), Some(system)) => over::preferred(&below.packages, &described, system.upgrade),
        _ => Vec::new(),
    };
    let installed = below.as_ref().map(|below| {
        suites.push(Suite { archive: "", names: Vec::new(), priority: INSTALLED, indexes: vec![below] });
        suites.len() - 1
    });
    let choose = |set: &PackageSet<'_>| {
        let over =
            installed.filter(|_| matches!(set.content, SetContent::Image)).map(|at| (at, kept.as_slice()));
        // Tools of a stage are a system of their own.
        let suites = if over.is_some() { &suites[..] } else { suites.get(..read.len()).unwrap_or_default() };
        let resolved = resolve::resolve(suites, &wish(source, set, over));
        resolved
            .map(|resolved| resolved.packages)
            .map_err(|error| LockFailure::Resolve { what: set.label.clone(), source: Box::new(error) })
    };
    let sets: Vec<_> = request.sets.iter().map(choose).collect::<Result<_, _>>()?;
    access.progress().end();
    let records = records::records(&described, &sets);
    let archives = read.iter().map(|suite| suite.locked.clone()).collect();
    Ok(LockedSets { archives, sets, removed: Vec::new(), records, notes: Vec::new() })
}

/// The dpkg status of the system below; an error where there is a system without one.
fn status(request: &LockRequest<'_>) -> Result<Option<Vec<u8>>, LockFailure> {
    let Some(system) = &request.installed else { return Ok(None) };
    match over::status(system.tree, system.sources) {
        Ok(Some(status)) => Ok(Some(status)),
        Ok(None) => {
            let others = other_packages(system.tree);
            Err(of_system(format!("it has no `/var/lib/dpkg/status`, and {others}").into()))
        }
        Err(error) => Err(of_system(Box::new(error))),
    }
}

fn of_system(source: crate::backend::KindError) -> LockFailure {
    LockFailure::Resolve { what: "the image over its base".to_owned(), source }
}

/// Reads every suite; none may be older than in an earlier lock.
fn read(
    source: &DebSource,
    previous: &[LockedArchive],
    access: &dyn RepositoryAccess,
) -> Result<Vec<ReadSuite>, LockFailure> {
    let mut all = Vec::new();
    for archive in &source.archives {
        for suite in &archive.suites {
            let before = previous.iter().find(|before| before.name == archive.name && before.suite == *suite);
            let read = repository::read(source, archive, suite, before.map(|before| before.date), access);
            all.push(read.map_err(|error| of_suite(&archive.name, suite, error))?);
        }
    }
    Ok(all)
}

/// The request of a set; over a system with its suite, and the versions that its packages keep.
fn wish(source: &DebSource, set: &PackageSet<'_>, over: Option<(usize, &[PackageId])>) -> Request {
    let (base, packages, recommends, without) = match set.content {
        SetContent::Image => {
            (source.base, source.packages.clone(), source.recommends, source.without.clone())
        }
        SetContent::Tools { packages, recommends } => {
            (BasePackages::Required, packages.to_vec(), recommends, Vec::new())
        }
    };
    // What an earlier lock had goes before what is installed.
    let kept = over.map(|(_, kept)| kept).unwrap_or_default();
    Request {
        arch: source.arch.clone(),
        foreign: source.foreign.clone(),
        base,
        packages,
        recommends: recommends == Recommends::Take,
        without,
        pins: source.pins.clone(),
        prefer: kept.iter().chain(&set.prefer).cloned().collect(),
        installed: over.map(|(at, _)| at),
    }
}

fn of_suite(archive: &str, suite: &str, error: RepositoryError) -> LockFailure {
    LockFailure::Archive {
        archive: archive.to_owned(),
        what: format!("the suite `{suite}` of the archive `{archive}`"),
        source: Box::new(error),
    }
}

fn failure(locked: &LockedArchive, error: RepositoryError) -> LockFailure {
    of_suite(&locked.name, &locked.suite, error)
}
