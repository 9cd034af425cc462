//! Interprets a request: texts to versions, base sets to packages, pins to candidates.

use crate::deb::index::Priority;
use crate::deb::relation;

use super::policy;
use super::universe::{DependencyKind, NATIVE, Pkg, Universe, Ver};
use super::{BasePackages, Request, ResolveError, Suite};

/// A request as versions: candidates and requested ones.
#[derive(Debug, Clone)]
pub(super) struct ResolveRequest {
    /// The version that may be installed of every package.
    pub(super) candidates: Vec<Option<Ver>>,
    /// Essential packages, if a base set is requested; over an installed system all that is installed.
    pub(super) essential: Vec<Ver>,
    /// The rest of the base.
    pub(super) base: Vec<Ver>,
    /// Named versions, in the order of the request.
    pub(super) named: Vec<Ver>,
    /// Whether there is an installed system below.
    pub(super) over_installed: bool,
}

/// An item of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequestWord<'r> {
    name: &'r str,
    arch: Option<&'r str>,
    version: Option<&'r str>,
    suite: Option<&'r str>,
}

/// Reads a request.
pub(super) fn read(
    universe: &Universe<'_>,
    suites: &[Suite<'_>],
    request: &Request,
) -> Result<ResolveRequest, ResolveError> {
    let without = left_out(universe, request)?;
    let mut candidates: Vec<Option<Ver>> = universe
        .pkgs()
        .map(|pkg| {
            let available = !without.contains(&pkg) && !universe.pkg(pkg).versions.is_empty();
            available.then(|| policy::candidate(universe, suites, &request.pins, pkg)).flatten()
        })
        .collect();
    prefer(universe, suites, request, &mut candidates);
    let mut named = Vec::new();
    let mut of_suites = Vec::new();
    for text in &request.packages {
        let word = word(text)?;
        let pkg = package(universe, &word, &candidates)?;
        if without.contains(&pkg) {
            return Err(ResolveError::RequestedAndExcluded(universe.label(pkg)));
        }
        let ver = version(universe, suites, &word, pkg, &candidates)?;
        candidates[pkg.0 as usize] = Some(ver);
        named.push(ver);
        of_suites.extend(word.suite.map(|suite| (ver, suite)));
    }
    for (ver, suite) in of_suites {
        follow_suite(universe, suites, suite, ver, &mut candidates)?;
    }
    let (essential, base) = match request.installed {
        Some(suite) => (installed(universe, suite, &candidates), Vec::new()),
        None => base(universe, request.base, &candidates),
    };
    Ok(ResolveRequest { candidates, essential, base, named, over_installed: request.installed.is_some() })
}

/// What is installed and stays, in the version that it is to have.
fn installed(universe: &Universe<'_>, suite: usize, candidates: &[Option<Ver>]) -> Vec<Ver> {
    let is_installed = |ver: &Ver| universe.ver(*ver).suites.contains(&suite);
    let installed = universe.pkgs().filter(|pkg| universe.pkg(*pkg).versions.iter().any(is_installed));
    installed.filter_map(|pkg| candidates.get(pkg.0 as usize).copied().flatten()).collect()
}

fn word(text: &str) -> Result<RequestWord<'_>, ResolveError> {
    let wrong = || ResolveError::NotARequest(text.to_owned());
    let (full, version, suite) = match (text.split_once('='), text.split_once('/')) {
        (Some((full, version)), _) => (full, Some(version), None),
        (None, Some((full, suite))) => (full, None, Some(suite)),
        (None, None) => (text, None, None),
    };
    let (name, arch) = full.split_once(':').map_or((full, None), |(name, arch)| (name, Some(arch)));
    let full = [Some(name), arch].into_iter().flatten().all(relation::is_name);
    if !full || version == Some("") || suite == Some("") {
        return Err(wrong());
    }
    Ok(RequestWord { name, arch, version, suite })
}

/// The packages that must not come.
fn left_out(universe: &Universe<'_>, request: &Request) -> Result<Vec<Pkg>, ResolveError> {
    let mut out = Vec::new();
    for text in &request.without {
        let word = word(text)?;
        if word.version.or(word.suite).is_some() {
            return Err(ResolveError::NotARequest(text.clone()));
        }
        let archs = match word.arch {
            Some(arch) => universe.arch(arch).into_iter().collect(),
            None => universe.archs(),
        };
        out.extend(archs.into_iter().filter_map(|arch| universe.find(word.name, arch)));
    }
    Ok(out)
}

/// Keeps what an earlier lock had, where it is still to be had and no pin is against it.
fn prefer(universe: &Universe<'_>, suites: &[Suite<'_>], request: &Request, candidates: &mut [Option<Ver>]) {
    for preferred in &request.prefer {
        let Some(pkg) = universe.arch(&preferred.arch).and_then(|arch| universe.find(&preferred.name, arch))
        else {
            continue;
        };
        let is_kept = |ver: &&Ver| {
            let record = universe.ver(**ver).record;
            record.version == preferred.version
                && record.arch == preferred.arch
                && policy::priority(universe, suites, &request.pins, **ver) > 0
        };
        if let Some(candidate) = candidates.get_mut(pkg.0 as usize).filter(|candidate| candidate.is_some())
            && let Some(ver) = universe.pkg(pkg).versions.iter().find(is_kept)
        {
            *candidate = Some(*ver);
        }
    }
}

/// The package that an item names: a real one, else the only one that provides it.
fn package(
    universe: &Universe<'_>,
    word: &RequestWord<'_>,
    candidates: &[Option<Ver>],
) -> Result<Pkg, ResolveError> {
    let unknown = || ResolveError::UnknownPackage { name: word.name.to_owned(), hint: hint(universe, word) };
    let archs = match word.arch {
        Some(arch) => universe.arch(arch).into_iter().collect(),
        None => universe.archs(),
    };
    let known: Vec<Pkg> = archs.into_iter().filter_map(|arch| universe.find(word.name, arch)).collect();
    if let Some(real) = known.iter().find(|pkg| !universe.pkg(**pkg).versions.is_empty()) {
        return Ok(*real);
    }
    let provided = known.iter().flat_map(|pkg| &universe.pkg(*pkg).provided);
    let mut by: Vec<Pkg> = provided
        .map(|provided| (universe.ver(provided.by).pkg, provided.by))
        .filter(|(pkg, ver)| candidates.get(pkg.0 as usize).copied().flatten() == Some(*ver))
        .map(|(pkg, _)| pkg)
        .collect();
    by.sort_unstable();
    by.dedup();
    match by.as_slice() {
        [] => Err(unknown()),
        [only] => Ok(*only),
        several => {
            let mut providers: Vec<String> = several.iter().map(|pkg| universe.label(*pkg)).collect();
            providers.sort_unstable();
            Err(ResolveError::Ambiguous { name: word.name.to_owned(), providers: providers.join(", ") })
        }
    }
}

/// Names similar to the requested one: equal but for a letter or a part.
fn hint(universe: &Universe<'_>, word: &RequestWord<'_>) -> String {
    if let Some(arch) = word.arch.filter(|arch| universe.arch(arch).is_none()) {
        return format!(" of architecture `{arch}`: name it in `architectures`");
    }
    let mut like: Vec<(usize, &str)> = universe
        .pkgs()
        .map(|pkg| universe.pkg(pkg))
        .filter(|named| named.arch == NATIVE && !named.versions.is_empty())
        .filter_map(|named| Some((distance(named.name, word.name, 2)?, named.name)))
        .collect();
    like.sort_unstable();
    match like.first() {
        Some((_, name)) => format!(": did you mean `{name}`?"),
        None => ": is a component or a suite missing?".to_owned(),
    }
}

/// The number of letters that differ, if not more than `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut corner = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (right, above) in b.iter().zip(row.iter().skip(1)) {
            before = (corner + usize::from(left != right)).min(above + 1).min(before + 1);
            corner = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().filter(|distance| *distance <= most)
}

/// The version that an item names.
fn version(
    universe: &Universe<'_>,
    suites: &[Suite<'_>],
    word: &RequestWord<'_>,
    pkg: Pkg,
    candidates: &[Option<Ver>],
) -> Result<Ver, ResolveError> {
    let candidate = candidates.get(pkg.0 as usize).copied().flatten();
    let versions = &universe.pkg(pkg).versions;
    let record = |ver: &Ver| universe.ver(*ver).record;
    let list = |words: Vec<&str>| {
        let mut words = words;
        words.dedup();
        words.join(", ")
    };
    if let Some(required) = word.version {
        let fits = |ver: &&Ver| policy::matches(required, record(ver).version);
        // The candidate, where it fits: it may be pinned above a newer one.
        return candidate
            .filter(|ver| fits(&ver))
            .or_else(|| versions.iter().find(fits).copied())
            .ok_or_else(|| ResolveError::NoVersion {
                name: universe.label(pkg),
                required: required.to_owned(),
                available: list(versions.iter().map(|ver| record(ver).version).collect()),
            });
    }
    if let Some(required) = word.suite {
        let names = |ver: &Ver| -> Vec<&str> {
            universe
                .ver(*ver)
                .suites
                .iter()
                .filter_map(|at| suites.get(*at))
                .flat_map(|suite| suite.names.clone())
                .collect()
        };
        return versions.iter().find(|ver| names(ver).contains(&required)).copied().ok_or_else(|| {
            ResolveError::NotInSuite {
                name: universe.label(pkg),
                required: required.to_owned(),
                available: list(versions.iter().filter_map(|ver| names(ver).first().copied()).collect()),
            }
        });
    }
    candidate.ok_or_else(|| ResolveError::PinnedAway { name: universe.label(pkg) })
}

/// Dependencies of a package from a named suite come from that suite too where no other satisfies them.
fn follow_suite(
    universe: &Universe<'_>,
    suites: &[Suite<'_>],
    suite: &str,
    ver: Ver,
    candidates: &mut [Option<Ver>],
) -> Result<(), ResolveError> {
    let in_suite = |ver: &Ver| {
        let at = &universe.ver(*ver).suites;
        at.iter().filter_map(|at| suites.get(*at)).any(|one| one.names.contains(&suite))
    };
    let mut heap = vec![ver];
    while let Some(ver) = heap.pop() {
        for dep in universe
            .deps(ver)?
            .iter()
            .filter(|dep| !dep.kind.is_negative() && dep.kind != DependencyKind::Suggests)
        {
            let chosen = |pkg: Pkg| candidates.get(pkg.0 as usize).copied().flatten();
            if dep.targets.iter().any(|target| !universe.answers(ver, dep.kind, target, chosen).is_empty()) {
                continue;
            }
            let other = dep.targets.iter().find_map(|target| {
                let versions = &universe.pkg(target.pkg).versions;
                versions.iter().filter(|other| in_suite(other)).find(|other| {
                    let chosen = |pkg: Pkg| (pkg == target.pkg).then_some(**other);
                    universe.answers(ver, dep.kind, target, chosen).contains(other)
                })
            });
            if let Some(other) = other
                && let Some(candidate) = candidates.get_mut(universe.ver(*other).pkg.0 as usize)
                && *candidate != Some(*other)
            {
                *candidate = Some(*other);
                heap.push(*other);
            }
        }
    }
    Ok(())
}

/// The packages of a base set, in the order of the archive: the essential ones and the others. A package belongs to it
/// if any version of it does: the field may differ from suite to suite.
fn base(universe: &Universe<'_>, base: BasePackages, candidates: &[Option<Ver>]) -> (Vec<Ver>, Vec<Ver>) {
    let least = match base {
        BasePackages::None => return (Vec::new(), Vec::new()),
        BasePackages::Essential => None,
        BasePackages::Required => Some(Priority::Required),
        BasePackages::Important => Some(Priority::Important),
        BasePackages::Standard => Some(Priority::Standard),
    };
    let (mut essential, mut others) = (Vec::new(), Vec::new());
    for pkg in universe.pkgs().filter(|pkg| universe.pkg(*pkg).arch == NATIVE) {
        let Some(candidate) = candidates.get(pkg.0 as usize).copied().flatten() else { continue };
        let mut records = universe.pkg(pkg).versions.iter().map(|ver| universe.ver(*ver).record);
        if records.clone().any(|record| record.essential) {
            essential.push(candidate);
        } else if least.is_some_and(|least| records.any(|record| record.priority <= least)) {
            others.push(candidate);
        }
    }
    (essential, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart() {
        let read = |text| word(text).map(|word| (word.name, word.arch, word.version, word.suite));
        assert_eq!(read("a"), Ok(("a", None, None, None)));
        assert_eq!(read("a:i386=1:2/3"), Ok(("a", Some("i386"), Some("1:2/3"), None)));
        assert_eq!(read("a/b-backports"), Ok(("a", None, None, Some("b-backports"))));
        for text in ["", "a=", "a/", "=1", "a b", "a:"] {
            assert_eq!(read(text), Err(ResolveError::NotARequest(text.to_owned())));
        }
    }

    #[test]
    fn distances_are_counted() {
        assert_eq!(distance("apache2", "apche2", 2), Some(1));
        assert_eq!(distance("nginx", "ngnix", 2), Some(2));
        assert_eq!(distance("abc", "xyz", 2), None);
        assert_eq!(distance("a", "a", 0), Some(0));
    }
}
