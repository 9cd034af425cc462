//! Which rpm packages an image gets: the requested ones and all that they need, in the versions and by the choices that dnf would
//! make. Pure: lists of packages and wishes in, a list out.
//!
//! Every relation becomes a clause ([`formula`]); decisions are taken in libsolv's order ([`choose`]) and by its preferences
//! ([`policy`]), and what contradicts itself is learned from ([`search`]): the search ends with a set that is whole, or with the
//! clauses that leave none ([`reasons`]).

mod assignment;
mod choose;
mod error;
mod formula;
mod normal;
mod pattern;
mod policy;
mod pool;
mod reasons;
mod request;
mod requested;
mod search;
mod universe;
mod wishes;

pub use error::RpmResolveError;
pub use request::{ChosenRpm, InstalledPolicy, RequestNeed, RequestedRpm, RpmRequest};
pub use universe::RpmUniverse;
pub(in crate::rpm) use universe::{is_install_only, is_install_only_name};

use crate::locked::LockReason;

use formula::{ClauseOrigin, Formula};
use pool::RpmPool;
use requested::WantedRpm;
use search::SearchFailure;
use universe::RpmIndex;

/// Resolves a request: the packages to be there in the end, installed ones included, sorted by name, architecture and version.
///
/// [`RpmResolveError::NeedsFileLists`] is no failure: the caller reads the lists of all files and asks again.
pub fn resolve(universe: &RpmUniverse, request: &RpmRequest) -> Result<Vec<ChosenRpm>, RpmResolveError> {
    let pool = RpmPool::new(universe, request);
    let mut wanted = requested::read(&pool, request)?;
    let (formula, chosen) = loop {
        let mut formula = Formula::new(&pool, request, &wanted)?;
        match choose::choose(&pool, &mut formula, request) {
            Ok(chosen) => break (formula, chosen),
            Err(SearchFailure::TooManySteps(steps)) => return Err(RpmResolveError::TooManySteps(steps)),
            Err(SearchFailure::Contradiction(clauses)) => {
                let Some(at) = optional_request(&formula, &clauses) else {
                    let reasons = reasons::why(&pool, &formula, &wanted, &clauses);
                    return Err(RpmResolveError::Unsolvable { reasons });
                };
                wanted.remove(at);
            }
        }
    };
    needs_file_lists(&formula, &chosen)?;
    let mut answer: Vec<ChosenRpm> = chosen
        .into_iter()
        .map(|index| ChosenRpm { index: index as usize, reason: reason(&wanted, index) })
        .collect();
    answer.sort_by(|a, b| {
        let key = |chosen: &ChosenRpm| {
            let package = universe.package(chosen.index as RpmIndex);
            (package.name.as_str(), package.arch.as_str(), chosen.index)
        };
        key(a).cmp(&key(b))
    });
    Ok(answer)
}

/// The last request among contradicting clauses that may be given up.
fn optional_request(formula: &Formula<'_>, contradiction: &[u32]) -> Option<usize> {
    let last = contradiction.iter().rev().find(|clause| formula.optional.contains(clause))?;
    match formula.clauses[*last as usize].origin {
        ClauseOrigin::Request(at) | ClauseOrigin::Best(at) => Some(at),
        _ => None,
    }
}

/// Refuses a choice that holds only if some package has the paths that a chosen package wants.
fn needs_file_lists(formula: &Formula<'_>, chosen: &[RpmIndex]) -> Result<(), RpmResolveError> {
    let unanswered = formula.unanswered.iter().filter(|(index, _)| chosen.contains(index));
    let mut paths: Vec<String> = unanswered.map(|(_, path)| (*path).to_owned()).collect();
    paths.sort_unstable();
    paths.dedup();
    if paths.is_empty() { Ok(()) } else { Err(RpmResolveError::NeedsFileLists(paths)) }
}

/// Why a package is there: a request that means it, or others that need it.
fn reason(wanted: &[WantedRpm], index: RpmIndex) -> LockReason {
    let mut meaning = wanted.iter().filter(|wanted| wanted.candidates.contains(&index));
    let named = meaning.clone().any(|wanted| wanted.reason == LockReason::Named);
    if named {
        LockReason::Named
    } else {
        meaning.next().map_or(LockReason::Dependency, |wanted| wanted.reason)
    }
}

#[cfg(test)]
mod tests;
