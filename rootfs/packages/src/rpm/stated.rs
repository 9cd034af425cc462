//! Whether a signed header is what the metadata of its repository, which may be unsigned, says of the package: name and
//! version, what it requires, conflicts with and obsoletes, and that it provides nothing more. What `createrepo_c` leaves out
//! (requirements on rpm itself, doubled ones, ones that the package meets itself, older symbols of `libc.so.6`) may be missing.

use std::collections::BTreeSet;

use super::available::AvailablePackage;
use super::evr::Evr;
use super::header::{RpmHeader, RpmTag, tag};
use super::relation::{RpmCapability, RpmDependency, VersionComparison};

/// Flags of a relation (rpm, `include/rpm/rpmds.h`).
const LESS: u64 = 2;
const GREATER: u64 = 4;
const EQUAL: u64 = 8;

/// Checks a header; an error is what differs.
pub(super) fn check(package: &AvailablePackage, header: &RpmHeader) -> Result<(), String> {
    identity(package, header)?;
    let provides = relations(header, tag::PROVIDENAME, tag::PROVIDEFLAGS, tag::PROVIDEVERSION);
    let stated = package.provides.iter().cloned().map(RpmDependency::Capability);
    within(stated, &texts(&provides), "its metadata says that it provides")?;
    let requires = relations(header, tag::REQUIRENAME, tag::REQUIREFLAGS, tag::REQUIREVERSION);
    let stated: Vec<_> = package.requires.iter().map(|one| one.dependency.clone()).collect();
    within(stated.iter().cloned(), &texts(&requires), "its metadata says that it requires")?;
    let met = met_by_itself(package, &provides, header);
    let needed = requires.into_iter().filter(|one| !is_left_out(one, &met));
    within(needed, &texts(&stated), "its metadata leaves out that it requires")?;
    let conflicts = relations(header, tag::CONFLICTNAME, tag::CONFLICTFLAGS, tag::CONFLICTVERSION);
    same(&conflicts, &package.conflicts, "conflicts with")?;
    let obsoletes = relations(header, tag::OBSOLETENAME, tag::OBSOLETEFLAGS, tag::OBSOLETEVERSION);
    let stated: Vec<_> = package.obsoletes.iter().cloned().map(RpmDependency::Capability).collect();
    same(&obsoletes, &stated, "obsoletes")
}

fn identity(package: &AvailablePackage, header: &RpmHeader) -> Result<(), String> {
    let text = |tag| header.text(tag).map(|text| String::from_utf8_lossy(text).into_owned());
    let evr = Evr {
        epoch: Some(header.number(tag::EPOCH).and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(0)),
        version: text(tag::VERSION).unwrap_or_default(),
        release: text(tag::RELEASE),
    };
    let found =
        format!("{}-{evr}.{}", text(tag::NAME).unwrap_or_default(), text(tag::ARCH).unwrap_or_default());
    let stated = format!("{}-{}.{}", package.name, package.evr, package.arch);
    if found == stated { Ok(()) } else { Err(format!("its header is that of `{found}`")) }
}

/// The relations of a header. A boolean one that cannot be read is kept as a name, so that it is compared.
pub(super) fn relations(
    header: &RpmHeader,
    names: RpmTag,
    flags: RpmTag,
    versions: RpmTag,
) -> Vec<RpmDependency> {
    let mut flags = header.numbers(flags);
    let mut versions = header.texts(versions);
    let one = |name: &[u8]| {
        let name = String::from_utf8_lossy(name).into_owned();
        let (flags, version) = (flags.next().unwrap_or(0), versions.next().unwrap_or_default());
        if name.starts_with('(')
            && let Ok(dependency) = RpmDependency::parse(&name)
        {
            return dependency;
        }
        let comparison = match (flags & LESS != 0, flags & GREATER != 0, flags & EQUAL != 0) {
            (true, _, false) => Some(VersionComparison::Less),
            (true, _, true) => Some(VersionComparison::LessOrEqual),
            (_, true, false) => Some(VersionComparison::Greater),
            (_, true, true) => Some(VersionComparison::GreaterOrEqual),
            (_, _, true) => Some(VersionComparison::Equal),
            _ => None,
        };
        let versions = comparison.map(|one| (one, Evr::parse(&String::from_utf8_lossy(version))));
        RpmDependency::Capability(RpmCapability { name, versions })
    };
    header.texts(names).map(one).collect()
}

/// A text that is the same for the same relation: an epoch of 0 counts as none.
fn text(dependency: &RpmDependency) -> String {
    match dependency {
        RpmDependency::Capability(capability) => capability.to_string(),
        other => format!("{other:?}"),
    }
}

fn texts(all: &[RpmDependency]) -> BTreeSet<String> {
    all.iter().map(text).collect()
}

/// Whether each is among others.
fn within(
    all: impl Iterator<Item = RpmDependency>,
    others: &BTreeSet<String>,
    what: &str,
) -> Result<(), String> {
    match all.map(|one| text(&one)).find(|one| !others.contains(one)) {
        None => Ok(()),
        Some(one) => Err(format!("{what} `{one}`, and its header does not say the same")),
    }
}

fn same(header: &[RpmDependency], stated: &[RpmDependency], what: &str) -> Result<(), String> {
    within(stated.iter().cloned(), &texts(header), &format!("its metadata says that it {what}"))?;
    within(header.iter().cloned(), &texts(stated), &format!("its metadata leaves out that it {what}"))
}

/// Names that the package has itself: what it provides, and its files.
fn met_by_itself(
    package: &AvailablePackage,
    provides: &[RpmDependency],
    header: &RpmHeader,
) -> BTreeSet<String> {
    let names = provides.iter().filter_map(|one| match one {
        RpmDependency::Capability(capability) => Some(capability.name.clone()),
        _ => None,
    });
    let mut all: BTreeSet<String> = names.chain(package.files.iter().cloned()).collect();
    let folders: Vec<&[u8]> = header.texts(tag::DIRNAMES).collect();
    let indexes = header.numbers(tag::DIRINDEXES);
    for (name, folder) in header.texts(tag::BASENAMES).zip(indexes) {
        let folder =
            usize::try_from(folder).ok().and_then(|folder| folders.get(folder)).copied().unwrap_or_default();
        all.insert(format!("{}{}", String::from_utf8_lossy(folder), String::from_utf8_lossy(name)));
    }
    all
}

/// Whether metadata may leave out a requirement.
fn is_left_out(dependency: &RpmDependency, met: &BTreeSet<String>) -> bool {
    let RpmDependency::Capability(capability) = dependency else { return false };
    let name = &capability.name;
    name.starts_with("rpmlib(") || name.starts_with("libc.so.6") || met.contains(name)
}
