//! The order in which packages are installed, which is the order of their scripts: what a package requires comes before
//! it. In a loop of requirements those go first that no script needs; a requirement of a script (`Requires(pre)`,
//! `Requires(post)`, the interpreter) is broken only by a loop of such.
//!
//! rpm, `docs/man/rpm-scriptlets.7` and `rpm-dependencies.7`. rpm breaks ties by the order in which it was given the packages; here they are
//! broken by the order of the list, so the same packages always have the same order.

mod components;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::components::components;
use crate::rpm::evr::Evr;
use crate::rpm::header::{RpmHeader, tag};
use crate::rpm::package::UnpackedRpm;

/// Names of packages for ordering only (`OrderWithRequires`).
const ORDERNAME: u32 = 5035;
const ORDERFLAGS: u32 = 5037;

/// Flags of requirements (rpm, `include/rpm/rpmds.h`).
mod sense {
    pub(super) const LESS: u64 = 1 << 1;
    pub(super) const GREATER: u64 = 1 << 2;
    pub(super) const EQUAL: u64 = 1 << 3;
    pub(super) const PREREQ: u64 = 1 << 6;
    pub(super) const INTERPRETER: u64 = 1 << 8;
    pub(super) const PRE: u64 = 1 << 9;
    pub(super) const POST: u64 = 1 << 10;
    pub(super) const PREUN: u64 = 1 << 11;
    pub(super) const POSTUN: u64 = 1 << 12;
    pub(super) const RPMLIB: u64 = 1 << 24;
}

/// The packages that a package needs before it, by their indexes.
#[derive(Debug, Clone, Default)]
struct Needs {
    /// Before its scripts.
    scripts: BTreeSet<usize>,
    /// All of them, those included.
    all: BTreeSet<usize>,
}

/// The order of installation, as indexes of the packages.
pub fn order(packages: &[UnpackedRpm]) -> Vec<usize> {
    let needs = needs(packages);
    let edges: Vec<Vec<usize>> = needs.iter().map(|needs| needs.all.iter().copied().collect()).collect();
    let mut order = Vec::with_capacity(packages.len());
    for component in components(&edges) {
        order.extend(within(component, &needs));
    }
    order
}

/// Orders the packages of a loop: one whose scripts have what they need comes first, of several the one that misses the
/// fewest of its requirements, then the first of the list.
fn within(mut component: Vec<usize>, needs: &[Needs]) -> Vec<usize> {
    component.sort_unstable();
    if component.len() == 1 {
        return component;
    }
    let mut left: BTreeSet<usize> = component.into_iter().collect();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let missing = |of: &BTreeSet<usize>, at: usize| {
            let (few, many) = if of.len() < left.len() { (of, &left) } else { (&left, of) };
            few.iter().filter(|need| **need != at && many.contains(need)).count()
        };
        let next = left.iter().copied().min_by_key(|&at| {
            let needs = &needs[at];
            (missing(&needs.scripts, at), missing(&needs.all, at), at)
        });
        let Some(next) = next else { break };
        left.remove(&next);
        order.push(next);
    }
    order
}

/// A package that provides a name, with flags and version.
type Provision<'a> = (usize, u64, &'a [u8]);

/// What the packages provide: names with versions, and paths.
struct Providers<'a> {
    names: BTreeMap<&'a [u8], Vec<Provision<'a>>>,
    paths: BTreeMap<&'a [u8], usize>,
}

impl<'a> Providers<'a> {
    fn of(packages: &'a [UnpackedRpm]) -> Self {
        let mut providers = Self { names: BTreeMap::new(), paths: BTreeMap::new() };
        for (at, package) in packages.iter().enumerate() {
            let header = &package.header;
            let mut flags = header.numbers(tag::PROVIDEFLAGS);
            let mut versions = header.texts(tag::PROVIDEVERSION);
            for name in header.texts(tag::PROVIDENAME) {
                let given = (at, flags.next().unwrap_or(0), versions.next().unwrap_or_default());
                providers.names.entry(name).or_default().push(given);
            }
            for file in &package.files {
                providers.paths.entry(&file.path).or_insert(at);
            }
        }
        providers
    }

    /// The package that satisfies a requirement: the requiring one itself if it does, else the first.
    fn find(&self, user: usize, name: &[u8], flags: u64, version: &[u8]) -> Option<usize> {
        let given = self.names.get(name).into_iter().flatten();
        let mut fitting = given.filter(|(_, own, at)| overlap((*own, at), (flags, version)));
        let first = fitting.next().map(|(at, ..)| *at);
        if first == Some(user) || fitting.any(|(at, ..)| *at == user) {
            return Some(user);
        }
        first.or_else(|| self.path(name))
    }

    /// The package that has a path, the folders of the root and those of `/usr` being the same.
    fn path(&self, path: &[u8]) -> Option<usize> {
        let other = match path.strip_prefix(b"/usr") {
            Some(rest) => rest.to_vec(),
            None => [b"/usr", path].concat(),
        };
        let found = self.paths.get(path).or_else(|| self.paths.get(other.as_slice()));
        found.copied().filter(|_| path.starts_with(b"/"))
    }
}

/// Whether two ranges of versions have one in common; what names no version has all.
fn overlap(provided: (u64, &[u8]), required: (u64, &[u8])) -> bool {
    let comparison = |flags| flags & (sense::LESS | sense::GREATER | sense::EQUAL);
    let (own, wanted) = (comparison(provided.0), comparison(required.0));
    if own == 0 || wanted == 0 || provided.1.is_empty() || required.1.is_empty() {
        return true;
    }
    let evr = |text| Evr::parse(&String::from_utf8_lossy(text));
    let both = |flag| own & wanted & flag != 0;
    match evr(provided.1).compare(&evr(required.1)) {
        std::cmp::Ordering::Less => own & sense::GREATER != 0 || wanted & sense::LESS != 0,
        std::cmp::Ordering::Greater => own & sense::LESS != 0 || wanted & sense::GREATER != 0,
        std::cmp::Ordering::Equal => both(sense::LESS) || both(sense::GREATER) || both(sense::EQUAL),
    }
}

fn needs(packages: &[UnpackedRpm]) -> Vec<Needs> {
    let providers = Providers::of(packages);
    let mut all = Vec::with_capacity(packages.len());
    for (at, package) in packages.iter().enumerate() {
        let mut needs = Needs::default();
        for requirement in requirements(&package.header) {
            for name in names(requirement.name) {
                let whole = name.len() == requirement.name.len();
                let (flags, version) =
                    if whole { (requirement.flags, requirement.version) } else { (0, &b""[..]) };
                let Some(provider) = providers.find(at, name, flags, version) else { continue };
                if provider != at {
                    needs.all.insert(provider);
                    if requirement.of_script {
                        needs.scripts.insert(provider);
                    }
                }
            }
        }
        all.push(needs);
    }
    all
}

struct Requirement<'a> {
    name: &'a [u8],
    flags: u64,
    version: &'a [u8],
    of_script: bool,
}

/// What a package requires at its installation, and what it is only ordered behind.
fn requirements(header: &RpmHeader) -> Vec<Requirement<'_>> {
    let mut all = Vec::new();
    let mut flags = header.numbers(tag::REQUIREFLAGS);
    let mut versions = header.texts(tag::REQUIREVERSION);
    for name in header.texts(tag::REQUIRENAME) {
        let flags = flags.next().unwrap_or(0);
        let version = versions.next().unwrap_or_default();
        let of_removal = flags & (sense::PREUN | sense::POSTUN) != 0;
        let of_install = flags & (sense::PRE | sense::POST) != 0;
        if flags & sense::RPMLIB != 0 || name.starts_with(b"rpmlib(") || of_removal && !of_install {
            continue;
        }
        let of_script = of_install || flags & (sense::PREREQ | sense::INTERPRETER) != 0;
        all.push(Requirement { name, flags, version, of_script });
    }
    let mut flags = header.numbers(ORDERFLAGS);
    for name in header.texts(ORDERNAME) {
        let of_script = flags.next().unwrap_or(0) & (sense::PRE | sense::POST) != 0;
        all.push(Requirement { name, flags: 0, version: b"", of_script });
    }
    all
}

/// The names in a requirement: itself, or the operands of a boolean one. Which of those hold has been decided by the
/// choice of packages; one that is not installed orders nothing.
fn names(requirement: &[u8]) -> Vec<&[u8]> {
    if !requirement.starts_with(b"(") {
        return vec![requirement];
    }
    let mut names = Vec::new();
    let mut expects_version = false;
    for word in requirement.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        let start = word.iter().take_while(|byte| **byte == b'(').count();
        let word = word.get(start..).unwrap_or_default();
        match word {
            b"and" | b"or" | b"if" | b"else" | b"unless" | b"with" | b"without" => {}
            b"<" | b"<=" | b"=" | b">=" | b">" => expects_version = true,
            _ if std::mem::take(&mut expects_version) => {}
            word => names.extend(Some(unclosed(word)).filter(|name| !name.is_empty())),
        }
    }
    names
}

/// A word without the closing brackets that it does not open.
fn unclosed(word: &[u8]) -> &[u8] {
    let mut depth = 0_u32;
    for (at, byte) in word.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return word.get(..at).unwrap_or_default(),
            b')' => depth -= 1,
            _ => {}
        }
    }
    word
}
