//! Why no set of packages meets a request, as a message for users: from each request that has a part in it to what is missing
//! or excludes something else, every step indented below what led to it.

use std::collections::HashSet;

use super::formula::{Clause, ClauseOrigin, Formula};
use super::pool::RpmPool;
use super::requested::WantedRpm;
use super::universe::RpmIndex;
use crate::rpm::relation::RpmDependency;

/// The most lines; the rest adds nothing that a reader could use.
const LONGEST: usize = 40;

/// The reasons, from the clauses that contradict each other.
pub(super) fn why<'u>(
    pool: &RpmPool<'u>,
    formula: &Formula<'u>,
    wanted: &[WantedRpm],
    contradiction: &[u32],
) -> Vec<String> {
    let clauses = contradiction.iter().map(|clause| &formula.clauses[*clause as usize]).collect();
    let mut explaining = Explaining { pool, clauses, lines: Vec::new(), explained: HashSet::new() };
    explaining.requests(wanted);
    if explaining.lines.len() > LONGEST {
        explaining.lines.truncate(LONGEST);
        explaining.lines.push("and so on".to_owned());
    }
    explaining.lines
}

struct Explaining<'p, 'u> {
    pool: &'p RpmPool<'u>,
    clauses: Vec<&'p Clause<'u>>,
    lines: Vec<String>,
    explained: HashSet<RpmIndex>,
}

impl<'u> Explaining<'_, 'u> {
    fn requests(&mut self, wanted: &[WantedRpm]) {
        let mut named: Vec<usize> = Vec::new();
        for clause in self.clauses.clone() {
            match &clause.origin {
                ClauseOrigin::Request(at) | ClauseOrigin::Best(at) => {
                    let Some(wanted) = wanted.get(*at).filter(|_| !named.contains(at)) else { continue };
                    named.push(*at);
                    let best = self
                        .clauses
                        .iter()
                        .find(|clause| matches!(clause.origin, ClauseOrigin::Best(best) if best == *at));
                    let packages: Vec<RpmIndex> = best.unwrap_or(&clause).packages().collect();
                    self.line(0, &format!("{} is requested", wanted.text));
                    self.candidates(1, "which is", &packages);
                }
                ClauseOrigin::Stays(index) => {
                    self.line(0, &format!("{} is installed already", self.pool.universe.label(*index)));
                    let packages: Vec<RpmIndex> = clause.packages().collect();
                    self.candidates(1, "which is", &packages);
                }
                _ => {}
            }
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{}{text}", "  ".repeat(depth)));
    }

    /// What is wrong with each of several candidates.
    fn candidates(&mut self, depth: usize, verb: &str, packages: &[RpmIndex]) {
        for (at, index) in packages.iter().copied().enumerate() {
            if self.lines.len() > LONGEST {
                return;
            }
            let verb = if at == 0 { verb } else { "or" };
            let again = self.explained.contains(&index) && self.has_reasons(index);
            let note = if again { ", see above" } else { "" };
            self.line(depth, &format!("{verb} {}{note}", self.pool.universe.label(index)));
            self.package(depth + 1, index);
        }
    }

    fn has_reasons(&self, index: RpmIndex) -> bool {
        self.clauses.iter().any(|clause| owner(clause) == Some(index))
    }

    /// What a package needs that is not there, or excludes.
    fn package(&mut self, depth: usize, index: RpmIndex) {
        if !self.explained.insert(index) {
            return;
        }
        for clause in self.clauses.clone() {
            let others = || clause.literals.iter().filter(|literal| literal.package() != index);
            match &clause.origin {
                ClauseOrigin::Requires(of, dependency) if *of == index => {
                    self.line(depth, &format!("which needs {dependency}"));
                    let packages: Vec<RpmIndex> = clause.packages().collect();
                    match packages.as_slice() {
                        [] if others().next().is_some() => {
                            self.line(depth + 1, "which other packages exclude");
                        }
                        [] => self.missing(depth + 1, dependency),
                        packages => self.candidates(depth + 1, "that is", packages),
                    }
                }
                ClauseOrigin::Conflicts(of, dependency) if *of == index => {
                    self.line(depth, &format!("which conflicts with {dependency}"));
                }
                ClauseOrigin::Obsoletes(of, capability) if *of == index => {
                    self.line(depth, &format!("which takes the place of {capability}"));
                }
                ClauseOrigin::SameName
                    if clause.literals.iter().any(|literal| literal.package() == index) =>
                {
                    let universe = self.pool.universe;
                    let labels: Vec<String> =
                        others().map(|literal| universe.label(literal.package())).collect();
                    self.line(depth, &format!("which cannot be there together with {}", labels.join(", ")));
                }
                ClauseOrigin::OtherArchitecture if owner(clause) == Some(index) => {
                    let arch = self.pool.universe.arch();
                    self.line(depth, &format!("which can only come with the same version for {arch}"));
                    let packages: Vec<RpmIndex> = clause.packages().collect();
                    self.candidates(depth + 1, "that is", &packages);
                }
                _ => {}
            }
        }
    }

    /// That nothing answers a relation, with what there is instead.
    fn missing(&mut self, depth: usize, dependency: &'u RpmDependency) {
        let universe = self.pool.universe;
        let mut there: Vec<String> = Vec::new();
        let mut left_out: Vec<String> = Vec::new();
        for capability in dependency.capabilities() {
            let named = universe.named(&capability.name).iter().copied();
            there
                .extend(named.filter(|index| self.pool.is_usable(*index)).map(|index| universe.label(index)));
            let providers = universe.providers(capability).into_iter();
            left_out.extend(
                providers.filter(|index| !self.pool.is_usable(*index)).map(|index| universe.label(index)),
            );
        }
        let text = if !left_out.is_empty() {
            format!("which only {} would answer, that may not be installed", left_out.join(", "))
        } else if there.is_empty() {
            "which no repository has".to_owned()
        } else {
            format!("of which there is only {}, that does not fit", there.join(", "))
        };
        self.line(depth, &text);
    }
}

/// The package whose clause it is.
fn owner(clause: &Clause<'_>) -> Option<RpmIndex> {
    match &clause.origin {
        ClauseOrigin::Requires(of, _) | ClauseOrigin::Conflicts(of, _) | ClauseOrigin::Obsoletes(of, _) => {
            Some(*of)
        }
        ClauseOrigin::OtherArchitecture => clause.literals.first().map(|literal| literal.package()),
        _ => None,
    }
}
