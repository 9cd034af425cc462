//! Why no set satisfies a request, as a message for users: the shortest path from a requested package to what is missing,
//! or the two ways to packages that exclude each other.

use std::collections::VecDeque;

use super::ResolveError;
use super::requested::ResolveRequest;
use super::universe::{Dep, DependencyKind, Pkg, Universe, Ver};

/// The reasons, one to a line, each indented below what led to it.
pub(super) fn why(
    universe: &Universe<'_>,
    requested: &ResolveRequest,
    roots: &[Ver],
) -> Result<Vec<String>, ResolveError> {
    let needed = NeededPackages::of(universe, requested, roots)?;
    if let Some((at, dep)) = &needed.missing {
        let mut lines = needed.way(*at, requested);
        let (verb, what) = (needs(dep.kind), required(universe, dep));
        lines.push(indented(lines.len(), &format!("which {verb} {what}")));
        lines.push(indented(lines.len(), &nothing(universe, dep)));
        return Ok(lines);
    }
    if let Some((one, other, dep)) = needed.conflict()? {
        let mut lines = needed.way(one, requested);
        let what = required(universe, &dep);
        let verb = if dep.kind == DependencyKind::Breaks { "breaks" } else { "conflicts with" };
        lines.push(indented(lines.len(), &format!("which {verb} {what}")));
        lines.extend(needed.way(other, requested));
        return Ok(lines);
    }
    Ok(vec!["every choice among alternatives ends in a conflict".to_owned()])
}

/// Everything that has to be there, whichever alternatives are chosen, and through what.
struct NeededPackages<'u, 'a> {
    universe: &'u Universe<'a>,
    /// Each with the index of what needs it; requested packages have none.
    all: Vec<(Ver, Option<(usize, DependencyKind)>)>,
    missing: Option<(usize, Dep<'a>)>,
}

impl<'u, 'a> NeededPackages<'u, 'a> {
    /// Breadth first, so that ways are short. Stops at the first dependency that nothing answers.
    fn of(
        universe: &'u Universe<'a>,
        requested: &ResolveRequest,
        roots: &[Ver],
    ) -> Result<Self, ResolveError> {
        let mut needed = Self { universe, all: Vec::new(), missing: None };
        // A named package explains more than one of the base set.
        let base = roots.iter().filter(|ver| !requested.named.contains(ver));
        for ver in requested.named.iter().chain(base) {
            needed.add(*ver, None);
        }
        let chosen = |pkg: Pkg| requested.candidates.get(pkg.0 as usize).copied().flatten();
        let mut queue: VecDeque<usize> = (0..needed.all.len()).collect();
        while let Some(at) = queue.pop_front() {
            let ver = needed.all[at].0;
            let deps = universe.deps(ver)?;
            for dep in deps.iter().filter(|dep| dep.kind.is_critical() && !dep.kind.is_negative()) {
                let mut answers: Vec<Ver> = dep
                    .targets
                    .iter()
                    .flat_map(|target| universe.answers(ver, dep.kind, target, chosen))
                    .collect();
                answers.dedup();
                match answers.as_slice() {
                    [] => {
                        needed.missing = Some((at, dep.clone()));
                        return Ok(needed);
                    }
                    [only] => queue.extend(needed.add(*only, Some((at, dep.kind)))),
                    _ => {}
                }
            }
        }
        Ok(needed)
    }

    fn add(&mut self, ver: Ver, through: Option<(usize, DependencyKind)>) -> Option<usize> {
        if self.all.iter().any(|(known, _)| *known == ver) {
            return None;
        }
        self.all.push((ver, through));
        Some(self.all.len() - 1)
    }

    /// Two that must be there and exclude each other.
    fn conflict(&self) -> Result<Option<(usize, usize, Dep<'a>)>, ResolveError> {
        let chosen = |pkg: Pkg| {
            let found = self.all.iter().find(|(ver, _)| self.universe.ver(*ver).pkg == pkg);
            found.map(|(ver, _)| *ver)
        };
        for (at, (ver, _)) in self.all.iter().enumerate() {
            for dep in self.universe.deps(*ver)?.iter().filter(|dep| dep.kind.is_negative()) {
                let hit = dep.targets.iter().find_map(|target| {
                    self.universe.answers(*ver, dep.kind, target, chosen).first().copied()
                });
                if let Some(other) = hit.and_then(|hit| self.all.iter().position(|(ver, _)| *ver == hit)) {
                    return Ok(Some((at, other, dep.clone())));
                }
            }
        }
        Ok(None)
    }

    /// The way from a wish to a package.
    fn way(&self, to: usize, requested: &ResolveRequest) -> Vec<String> {
        let mut steps = vec![to];
        let mut at = to;
        while let Some((from, _)) = self.all[at].1 {
            steps.push(from);
            at = from;
        }
        steps.reverse();
        let line = |(depth, at): (usize, &usize)| {
            let (ver, through) = self.all[*at];
            let label = self.universe.label_ver(ver);
            let text = match through {
                Some((_, kind)) => format!("which {} {label}", needs(kind)),
                None if requested.named.contains(&ver) => format!("{label} is requested"),
                None => format!("{label} belongs to the base"),
            };
            indented(depth, &text)
        };
        steps.iter().enumerate().map(line).collect()
    }
}

fn needs(kind: DependencyKind) -> &'static str {
    if kind == DependencyKind::PreDepends { "needs before it is unpacked" } else { "needs" }
}

fn required(universe: &Universe<'_>, dep: &Dep<'_>) -> String {
    let all = dep.targets.iter().map(|target| universe.label_target(target));
    let text = all.collect::<Vec<_>>().join(" or ");
    if text.is_empty() { "a package of an architecture that is not requested".to_owned() } else { text }
}

/// The available versions instead.
fn nothing(universe: &Universe<'_>, dep: &Dep<'_>) -> String {
    let there: Vec<String> = dep
        .targets
        .iter()
        .flat_map(|target| &universe.pkg(target.pkg).versions)
        .map(|ver| universe.label_ver(*ver))
        .collect();
    if there.is_empty() {
        "which no suite has".to_owned()
    } else {
        format!("of which there is only {}, that does not fit or may not be installed", there.join(", "))
    }
}

fn indented(depth: usize, text: &str) -> String {
    format!("{}{text}", "  ".repeat(depth))
}
