//! From repositories to a lock: metadata is read and checked, packages are chosen, and each chosen one is verified by its header.

use std::collections::{BTreeMap, BTreeSet};

use super::available::AvailablePackage;
use super::groups;
use super::keys;
use super::over::{self, OverChoice, OverRequest, RpmBase, RpmOverError};
use super::place::PackagePlaces;
use super::relation::RpmDependency;
use super::repository::comps::RpmGroup;
use super::repository::error::RepodataError;
use super::repository::updateinfo::SecurityUpdates;
use super::repository::{self, OpenedRepository};
use super::resolve::{self, ChosenRpm, InstalledPolicy, RpmRequest, RpmResolveError, RpmUniverse};
use super::source::{MetadataSignature, RepositorySigners, RpmRepository, RpmSource};
use super::verify::{self, CheckedPackage, UnverifiedPackage};
use crate::PackageKind;
use crate::backend::{
    KindError, LockFailure, LockRequest, LockedSets, PackageRecord, PackageSet, Recommends, RepositoryAccess,
    RepositoryError, SetContent,
};
use crate::locked::{LockedArchive, LockedPackage, PackageId};
use crate::over::UpgradePolicy;
use crate::signature::Keyring;

/// A repository that was read.
struct ReadRepository<'a> {
    repository: &'a RpmRepository,
    keyrings: Vec<Keyring>,
    opened: OpenedRepository,
}

/// Makes the lock of a source.
pub(super) fn lock(
    source: &RpmSource,
    request: &LockRequest<'_>,
    access: &dyn RepositoryAccess,
) -> Result<LockedSets, LockFailure> {
    let read = open(source, request, access)?;
    let (packages, mut notes) = packages(&read, access)?;
    let groups = wanted_groups(source, request, &read, access)?;
    let security = security(&read, access)?;
    let base = request.installed.as_ref().map(|system| RpmBase::read(system, &source.arch)).transpose();
    let base = base.map_err(|error| of_system(Box::new(error)))?;
    let over = base.as_ref().zip(request.installed.map(|system| system.upgrade));
    access.progress().begin("choosing packages", None);
    let chosen =
        choose(source, request, (packages, &groups), over.map(|over| (over, &security)), &read, access);
    access.progress().end();
    let ChosenSets { universe, sets, removed, notes: of_system } = chosen?;
    notes.extend(of_system);
    let all: BTreeSet<usize> = sets.iter().flatten().map(|chosen| chosen.index).collect();
    let verified = verified(source, &universe, &all, &read, access)?;
    let locked = |set: &Vec<ChosenRpm>| {
        set.iter().map(|chosen| locked(&universe, *chosen, &verified, &read)).collect::<Vec<_>>()
    };
    notes.extend(read.iter().map(trust));
    Ok(LockedSets {
        archives: read.iter().enumerate().map(|(index, one)| archive(one, index, &verified)).collect(),
        sets: sets.iter().map(locked).collect(),
        removed,
        records: all.iter().map(|index| record(&universe.packages()[*index], &security)).collect(),
        notes,
    })
}

/// Opens every repository.
fn open<'a>(
    source: &'a RpmSource,
    request: &LockRequest<'_>,
    access: &dyn RepositoryAccess,
) -> Result<Vec<ReadRepository<'a>>, LockFailure> {
    let one = |repository: &'a RpmRepository| {
        let before = request.previous.iter();
        let mut before = before.filter(|one| one.name == repository.name && one.suite == source.release);
        let keyrings = keys::keyrings(&repository.keys, source, access)?;
        let opened = repository::open(source, repository, before.next(), &keyrings, access)?;
        Ok(ReadRepository { repository, keyrings, opened })
    };
    let open = |repository| one(repository).map_err(|error| of_repository(&repository.name, error));
    source.repositories.iter().map(open).collect()
}

/// The packages of every repository, in their order; and notes on those that are left out.
fn packages(
    read: &[ReadRepository<'_>],
    access: &dyn RepositoryAccess,
) -> Result<(Vec<AvailablePackage>, Vec<String>), LockFailure> {
    let (mut packages, mut notes) = (Vec::new(), Vec::new());
    for (index, one) in read.iter().enumerate() {
        let found = one.opened.packages(one.repository, index, access).map_err(|error| one.failed(error))?;
        packages.extend(found.packages);
        notes.extend(found.left_out.into_iter().map(|what| format!("{}: {what}", one.repository.name)));
    }
    Ok((packages, notes))
}

/// The groups of every repository, if a group is named.
fn wanted_groups(
    source: &RpmSource,
    request: &LockRequest<'_>,
    read: &[ReadRepository<'_>],
    access: &dyn RepositoryAccess,
) -> Result<Vec<RpmGroup>, LockFailure> {
    let tools = request.sets.iter().flat_map(|set| match set.content {
        SetContent::Tools { packages, .. } => packages,
        SetContent::Image => &source.packages,
    });
    let mut groups = Vec::new();
    if tools.into_iter().any(|text| text.starts_with('@')) {
        for one in read {
            groups.extend(one.opened.groups(access).map_err(|error| one.failed(error))?);
        }
    }
    Ok(groups)
}

/// The packages of every set.
struct ChosenSets {
    universe: RpmUniverse,
    sets: Vec<Vec<ChosenRpm>>,
    /// Packages of the system below that are erased.
    removed: Vec<PackageId>,
    notes: Vec<String>,
}

/// A system below, which of its packages get newer versions, and the security updates that there are.
type OverSystem<'a> = ((&'a RpmBase, UpgradePolicy), &'a SecurityUpdates);

/// Chooses the packages of every set. Where a path is wanted that the primary metadata does not list, the lists of all files are
/// read and everything is chosen anew.
fn choose(
    source: &RpmSource,
    request: &LockRequest<'_>,
    (packages, groups): (Vec<AvailablePackage>, &[RpmGroup]),
    over: Option<OverSystem<'_>>,
    read: &[ReadRepository<'_>],
    access: &dyn RepositoryAccess,
) -> Result<ChosenSets, LockFailure> {
    let priorities = || read.iter().map(|one| one.repository.priority).collect::<Vec<_>>();
    let failed = |set: &PackageSet<'_>, source| LockFailure::Resolve { what: set.label.clone(), source };
    let mut universe = RpmUniverse::new(packages, &source.arch, priorities());
    let mut complete = false;
    'again: loop {
        let (mut sets, mut removed, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for set in request.sets {
            let wanted = wishes(source, set, groups).map_err(|error| failed(set, Box::new(error)))?;
            let over = over.filter(|_| matches!(set.content, SetContent::Image));
            match resolved(&mut universe, wanted, over) {
                Ok(choice) => {
                    sets.push(choice.new);
                    removed.extend(choice.removed);
                    notes.extend(choice.notes);
                }
                Err(RpmOverError::Resolve(RpmResolveError::NeedsFileLists(_))) if !complete => {
                    complete = true;
                    let packages = with_owners(universe.packages().to_vec(), read, access)?;
                    universe = RpmUniverse::new(packages, &source.arch, priorities()).with_complete_files();
                    continue 'again;
                }
                Err(error) => return Err(failed(set, Box::new(error))),
            }
        }
        return Ok(ChosenSets { universe, sets, removed, notes });
    }
}

/// The choice of one set; tools of a stage are a system of their own.
fn resolved(
    universe: &mut RpmUniverse,
    request: RpmRequest,
    over: Option<OverSystem<'_>>,
) -> Result<OverChoice, RpmOverError> {
    if let Some(((base, upgrade), security)) = over {
        return over::choose(universe, OverRequest { base, upgrade, security, request });
    }
    let new = resolve::resolve(universe, &request)?;
    Ok(OverChoice { new, removed: Vec::new(), notes: Vec::new() })
}

fn of_system(source: KindError) -> LockFailure {
    LockFailure::Resolve { what: "the image over its base".to_owned(), source }
}

/// The request of a set.
fn wishes(
    source: &RpmSource,
    set: &PackageSet<'_>,
    groups: &[RpmGroup],
) -> Result<RpmRequest, RepodataError> {
    let (packages, recommends, without) = match set.content {
        SetContent::Image => (source.packages.as_slice(), source.recommends, source.without.as_slice()),
        SetContent::Tools { packages, recommends } => (packages, recommends, [].as_slice()),
    };
    Ok(RpmRequest {
        packages: groups::requests(packages, groups)?,
        weak: recommends == Recommends::Take,
        best: true,
        without: without.to_vec(),
        prefer: set.prefer.clone(),
        installed: InstalledPolicy::default(),
    })
}

/// Packages with all of their paths that some relation names.
fn with_owners(
    mut packages: Vec<AvailablePackage>,
    read: &[ReadRepository<'_>],
    access: &dyn RepositoryAccess,
) -> Result<Vec<AvailablePackage>, LockFailure> {
    let wanted: BTreeSet<String> = packages.iter().flat_map(named_paths).collect();
    let mut owners = Vec::new();
    for one in read {
        owners.push(one.opened.owners(&wanted, access).map_err(|error| one.failed(error))?);
    }
    for package in &mut packages {
        let found =
            owners.get_mut(package.repository).and_then(|owners| owners.remove(&package.checksum.hex));
        package.files.extend(found.unwrap_or_default());
        package.files.sort_unstable();
        package.files.dedup();
    }
    Ok(packages)
}

/// The paths that the relations of a package name.
fn named_paths(package: &AvailablePackage) -> Vec<String> {
    let requires = package.requires.iter().map(|one| &one.dependency);
    let weak =
        [&package.conflicts, &package.recommends, &package.suggests, &package.supplements, &package.enhances];
    let names = requires.chain(weak.into_iter().flatten()).flat_map(RpmDependency::capabilities);
    names.map(|capability| &capability.name).filter(|name| name.starts_with('/')).cloned().collect()
}

/// Chosen packages that were verified: by index in the universe.
struct VerifiedPackages {
    checked: BTreeMap<usize, CheckedPackage>,
    /// The signers, by repository.
    signers: BTreeMap<usize, BTreeSet<String>>,
    /// Where packages are, by repository.
    places: Vec<PackagePlaces>,
}

/// Verifies every chosen package.
fn verified(
    source: &RpmSource,
    universe: &RpmUniverse,
    all: &BTreeSet<usize>,
    read: &[ReadRepository<'_>],
    access: &dyn RepositoryAccess,
) -> Result<VerifiedPackages, LockFailure> {
    let chosen: Vec<_> = all.iter().map(|index| (*index, &universe.packages()[*index])).collect();
    let mut places = Vec::new();
    for (index, one) in read.iter().enumerate() {
        let of_it = chosen.iter().map(|(_, package)| *package).filter(|package| package.repository == index);
        let found = PackagePlaces::of(one.base(), of_it).map_err(|reason| one.malformed(reason))?;
        places.push(found);
    }
    let mut candidates = Vec::new();
    for (_, package) in &chosen {
        let (one, place) = (&read[package.repository], &places[package.repository]);
        let path = place.path(one.base(), package).map_err(|reason| one.malformed(reason))?;
        candidates.push(UnverifiedPackage {
            package,
            repository: &one.repository.name,
            keyrings: &one.keyrings,
            url: format!("{}/{path}", place.root(one.base())),
        });
    }
    let checked = verify::check(&candidates, access).map_err(|(index, error)| {
        let at = candidates.get(index).map_or(0, |candidate| candidate.package.repository);
        of_repository(&source.repositories[at].name, error)
    })?;
    let mut signers: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for ((_, package), checked) in chosen.iter().zip(&checked) {
        signers.entry(package.repository).or_default().extend(checked.signer.clone());
    }
    let checked = chosen.iter().map(|(index, _)| *index).zip(checked).collect();
    Ok(VerifiedPackages { checked, signers, places })
}

/// A package as the lock has it.
fn locked(
    universe: &RpmUniverse,
    chosen: ChosenRpm,
    verified: &VerifiedPackages,
    read: &[ReadRepository<'_>],
) -> LockedPackage {
    let package = &universe.packages()[chosen.index];
    let one = &read[package.repository];
    let checked = &verified.checked[&chosen.index];
    let place = &verified.places[package.repository];
    LockedPackage {
        kind: PackageKind::Rpm,
        name: package.name.clone(),
        version: package.evr.to_string(),
        arch: package.arch.clone(),
        sha256: checked.sha256,
        size: package.size,
        // It was a path when the package was verified.
        path: place.path(one.base(), package).unwrap_or_default(),
        archive: one.repository.name.clone(),
        header: Some(checked.header),
        reason: chosen.reason,
    }
}

/// A repository as the lock has it.
fn archive(one: &ReadRepository<'_>, index: usize, verified: &VerifiedPackages) -> LockedArchive {
    let place = &verified.places[index];
    let listed = one.opened.public.as_deref();
    let base = listed.or_else(|| place.climbs().then(|| one.base())).map(|base| place.root(base).to_owned());
    let signers = verified.signers.get(&index).into_iter().flatten();
    LockedArchive { base, package_signers: signers.cloned().collect(), ..one.opened.locked.clone() }
}

/// The newest security updates of all repositories.
fn security(
    read: &[ReadRepository<'_>],
    access: &dyn RepositoryAccess,
) -> Result<SecurityUpdates, LockFailure> {
    let mut all = SecurityUpdates::new();
    for one in read {
        for (key, evr) in one.opened.security(access).map_err(|error| one.failed(error))? {
            let newest = all.entry(key).or_insert_with(|| evr.clone());
            if newest.compare(&evr).is_lt() {
                *newest = evr;
            }
        }
    }
    Ok(all)
}

fn record(package: &AvailablePackage, security: &SecurityUpdates) -> PackageRecord {
    let AvailablePackage { name, arch, .. } = package;
    // `name-version-release.src.rpm`
    let source = package.source.rsplitn(3, '-').nth(2).unwrap_or(name);
    let update = security.get(&(name.clone(), arch.clone()));
    PackageRecord {
        name: name.clone(),
        arch: arch.clone(),
        source: source.to_owned(),
        security: update.map(ToString::to_string),
    }
}

/// What the trust in the packages of a repository rests on.
fn trust(one: &ReadRepository<'_>) -> String {
    let name = &one.repository.name;
    match (&one.repository.keys, one.repository.metadata) {
        (RepositorySigners::Unsigned, _) => {
            format!("the packages of `{name}` are taken unsigned, as the recipe says")
        }
        (_, MetadataSignature::Required) => {
            format!("the metadata and the packages of `{name}` are signed by keys of the recipe")
        }
        (_, MetadataSignature::NotRequired) => format!(
            "the packages of `{name}` are signed, its metadata is not: whoever controls the mirror could offer older packages or \
             fewer, but none of their own"
        ),
    }
}

impl ReadRepository<'_> {
    /// The address that it was read from.
    fn base(&self) -> &str {
        self.opened.bases.first().map(String::as_str).unwrap_or_default()
    }

    fn failed(&self, error: RepositoryError) -> LockFailure {
        of_repository(&self.repository.name, error)
    }

    fn malformed(&self, reason: String) -> LockFailure {
        self.failed(RepodataError::Malformed { file: "primary".to_owned(), reason }.into())
    }
}

fn of_repository(name: &str, error: RepositoryError) -> LockFailure {
    LockFailure::Archive {
        archive: name.to_owned(),
        what: format!("the repository `{name}`"),
        source: Box::new(error),
    }
}
