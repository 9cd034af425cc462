//! The packages of a system as the resolver takes them, from the headers of its database.

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::error::RpmOverError;
use crate::over::{InstalledSystem, other_packages};
use crate::rpm::available::{AvailablePackage, RpmRequirement, StatedChecksum};
use crate::rpm::database::files::PathRoom;
use crate::rpm::database::identity::{HeaderIdentity, is_key, text};
use crate::rpm::database::{self, RpmDatabaseError};
use crate::rpm::header::{RpmHeader, RpmTag, tag};
use crate::rpm::relation::{RpmCapability, RpmDependency};
use crate::rpm::stated::relations;

/// Packages that dnf 4 protects besides those of its files.
const PROTECTED: &str = "dnf";
/// The folder of lists of protected packages, a name a line.
const PROTECTED_LISTS: &str = "/etc/dnf/protected.d";
/// Where dnf is configured.
const CONFIGURATION: &str = "/etc/dnf/dnf.conf";
/// Number of versions of an installonly package that stay where nothing is set (`installonly_limit`, dnf.conf(5)).
const LIMIT: usize = 3;

/// A system that packages go over.
#[derive(Debug)]
pub struct RpmBase {
    /// Its packages, in the order of its database.
    pub packages: Vec<AvailablePackage>,
    /// Names of packages that do not go with others.
    pub(super) protected: Vec<String>,
    /// Most versions of an installonly package; none where there is no limit.
    pub(super) limit: Option<usize>,
}

impl RpmBase {
    /// Reads a system for images of an architecture.
    ///
    /// # Errors
    /// A system without packages of this kind, a database that is damaged or of a kind that is not read.
    pub fn read(system: &InstalledSystem<'_>, arch: &str) -> Result<Self, RpmOverError> {
        let InstalledSystem { tree, sources, .. } = *system;
        let others = || other_packages(tree);
        let database = database::read(tree, sources)?.ok_or_else(|| RpmOverError::NoDatabase(others()))?;
        let mut room = PathRoom::of_database();
        let headers = database.headers.iter().map(|stored| &stored.header).filter(|header| !is_key(header));
        let packages = headers.map(|header| package(header, &mut room)).collect::<Result<Vec<_>, _>>()?;
        if packages.is_empty() {
            return Err(RpmOverError::NoPackages(others()));
        }
        check_architecture(&packages, arch)?;
        Ok(Self { packages, protected: protected(tree, sources)?, limit: limit(tree, sources)? })
    }
}

/// An installed package by its header.
///
/// # Errors
/// Paths that take more room than those of any system.
pub fn installed_package(header: &RpmHeader) -> Result<AvailablePackage, RpmDatabaseError> {
    package(header, &mut PathRoom::of_database())
}

fn package(header: &RpmHeader, room: &mut PathRoom) -> Result<AvailablePackage, RpmDatabaseError> {
    let HeaderIdentity { name, evr, arch } = HeaderIdentity::of(header);
    let of = |[name, flags, version]: [RpmTag; 3]| relations(header, name, flags, version);
    let files = room.files(header)?;
    let requirement = |dependency| RpmRequirement { dependency, before_scripts: false };
    let requires = of([tag::REQUIRENAME, tag::REQUIREFLAGS, tag::REQUIREVERSION]);
    Ok(AvailablePackage {
        name,
        evr,
        arch,
        // It is in none.
        repository: usize::MAX,
        checksum: StatedChecksum { algorithm: String::new(), hex: String::new() },
        size: 0,
        path: String::new(),
        base: None,
        header_range: None,
        source: text(header, tag::SOURCERPM),
        provides: plain(of([tag::PROVIDENAME, tag::PROVIDEFLAGS, tag::PROVIDEVERSION])),
        requires: requires.into_iter().map(requirement).collect(),
        conflicts: of([tag::CONFLICTNAME, tag::CONFLICTFLAGS, tag::CONFLICTVERSION]),
        obsoletes: plain(of([tag::OBSOLETENAME, tag::OBSOLETEFLAGS, tag::OBSOLETEVERSION])),
        recommends: of([tag::RECOMMENDNAME, tag::RECOMMENDFLAGS, tag::RECOMMENDVERSION]),
        suggests: of([tag::SUGGESTNAME, tag::SUGGESTFLAGS, tag::SUGGESTVERSION]),
        supplements: of([tag::SUPPLEMENTNAME, tag::SUPPLEMENTFLAGS, tag::SUPPLEMENTVERSION]),
        enhances: of([tag::ENHANCENAME, tag::ENHANCEFLAGS, tag::ENHANCEVERSION]),
        files: files.into_iter().map(|file| String::from_utf8_lossy(&file.path).into_owned()).collect(),
    })
}

/// What is provided or obsoleted is never boolean.
fn plain(all: Vec<RpmDependency>) -> Vec<RpmCapability> {
    let plain = |one| match one {
        RpmDependency::Capability(capability) => Some(capability),
        _ => None,
    };
    all.into_iter().filter_map(plain).collect()
}

/// Refuses a system none of whose packages is of the architecture, where some are of others.
fn check_architecture(packages: &[AvailablePackage], wanted: &str) -> Result<(), RpmOverError> {
    let mut archs = packages.iter().map(|package| package.arch.as_str());
    if archs.clone().any(|arch| arch == wanted) {
        return Ok(());
    }
    match archs.find(|arch| !matches!(*arch, "noarch" | "")) {
        Some(found) => Err(RpmOverError::Architecture { found: found.to_owned(), wanted: wanted.to_owned() }),
        None => Ok(()),
    }
}

/// Names of packages that dnf does not remove because of others.
fn protected(tree: &Tree, sources: &dyn Sources) -> Result<Vec<String>, RpmOverError> {
    let mut names = vec![PROTECTED.to_owned()];
    let folder = path::find(tree, PROTECTED_LISTS.as_bytes())?;
    let entries = folder.and_then(|folder| tree.entries(folder)).into_iter().flatten();
    let lists: Vec<Vec<u8>> = entries.map(|(name, _)| name.as_bytes().to_vec()).collect();
    for list in lists.iter().filter(|list| list.ends_with(b".conf")) {
        let at = [PROTECTED_LISTS.as_bytes(), b"/", list].concat();
        let bytes = path::read(tree, sources, &at)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        names.extend(lines.map(str::to_owned));
    }
    Ok(names)
}

/// `installonly_limit` of the system's dnf: 0 is no limit, and 1 is none either, because a new kernel would replace the running
/// one.
fn limit(tree: &Tree, sources: &dyn Sources) -> Result<Option<usize>, RpmOverError> {
    let bytes = path::read(tree, sources, CONFIGURATION.as_bytes())?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let set = text.lines().filter_map(|line| line.split_once('='));
    let mut set = set.filter(|(key, _)| key.trim() == "installonly_limit").map(|(_, value)| value.trim());
    let limit = match set.next_back() {
        Some("<off>") => 0,
        Some(value) => value.parse().unwrap_or(LIMIT),
        None => LIMIT,
    };
    Ok((limit > 1).then_some(limit))
}
