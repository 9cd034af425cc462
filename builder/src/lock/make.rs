//! Makes a lock: archives are read, packages are chosen, sources are fetched to know their digests.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use amiforge_formats::digest::Digest;
use amiforge_packages::deb::resolve::{self, PackageId, PinPreference, PinTo, Request, Suite};
use amiforge_packages::locked::LockedPackage;
use amiforge_progress::Interrupt;
use amiforge_progress::Progress;
use amiforge_store::Store;
use sha2::{Digest as _, Sha256};

use super::error::{ArchiveFault, LockError};
use super::suites::{self, ReadSuite};
use super::{Lock, LockedSource, LockedStage, inputs};
use crate::fetch::{self, FetchError, FileLocation, Mirrors, Want, Wire};
use crate::recipe::{Base, DebSource, PinnedTo, Recipe, Recommends, Stage, StageSource};

/// What making a lock and fetching work with.
#[derive(Clone, Copy)]
pub struct Fetching<'a> {
    /// Where what is fetched goes.
    pub store: &'a Store,
    /// The connections.
    pub wire: &'a Wire,
    /// Where archives are.
    pub mirrors: &'a Mirrors,
    /// Files fetched at a time.
    pub jobs: usize,
    /// The time in seconds since 1970, which tells whether archives and keys have expired.
    pub now: i64,
    /// Hears of progress.
    pub progress: &'a dyn Progress,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
}

/// Which versions a new lock takes, where an older one has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Those of the older lock, as far as they are still to be had.
    Nothing,
    /// Newer ones of these packages.
    These(Vec<String>),
    /// Newer ones of all.
    All,
}

/// Makes the lock of a recipe.
///
/// # Errors
/// [`LockError`].
pub fn make(
    recipe: &Recipe,
    old: Option<&Lock>,
    update: &Update,
    with: &Fetching<'_>,
) -> Result<Lock, LockError> {
    known(old, update)?;
    let mut lock =
        Lock { inputs: inputs::digest(recipe), archives: Vec::new(), image: Vec::new(), stages: Vec::new() };
    let read = match &recipe.deb {
        Some(deb) => read(deb, old, with)?,
        None => Vec::new(),
    };
    lock.archives = read.iter().map(|suite| suite.locked.clone()).collect();
    with.progress.begin("choosing packages", None);
    let indexes = read.iter().map(|suite| suite.packages().map_err(|fault| failed(suite, fault)));
    let indexes = indexes.collect::<Result<Vec<_>, _>>()?;
    let suites: Vec<_> = read
        .iter()
        .zip(&indexes)
        .map(|(suite, indexes)| Suite {
            archive: &suite.locked.name,
            names: suite.names.iter().map(String::as_str).collect(),
            priority: suite.priority,
            indexes: indexes.iter().collect(),
        })
        .collect();
    let choose = |request: Request, what: String| {
        let resolved = resolve::resolve(&suites, &request);
        resolved
            .map(|resolved| resolved.packages)
            .map_err(|source| LockError::Resolve { what, source: Box::new(source) })
    };
    if let Some(deb) = &recipe.deb {
        let kept = old.map(|old| keep(&old.image, update)).unwrap_or_default();
        lock.image = choose(of_image(deb, kept), "the image".to_owned())?;
        for stage in &recipe.stages {
            let before = old.and_then(|old| old.stages.iter().find(|other| other.name == stage.name));
            let kept = before.map(|before| keep(&before.packages, update)).unwrap_or_default();
            let packages = choose(of_stage(stage, deb, kept), format!("the stage `{}`", stage.name))?;
            let sources = Vec::new();
            lock.stages.push(LockedStage { name: stage.name.clone(), packages, sources });
        }
    }
    with.progress.end();
    for (locked, stage) in lock.stages.iter_mut().zip(&recipe.stages) {
        locked.sources = sources(stage, recipe.deb.as_ref(), old, with)?;
    }
    Ok(lock)
}

/// Whether the packages that shall be updated are there at all.
fn known(old: Option<&Lock>, update: &Update) -> Result<(), LockError> {
    let (Some(old), Update::These(names)) = (old, update) else { return Ok(()) };
    let packages = || old.image.iter().chain(old.stages.iter().flat_map(|stage| &stage.packages));
    match names.iter().find(|name| !packages().any(|package| package.name == **name)) {
        Some(name) => Err(LockError::Unknown { name: name.clone() }),
        None => Ok(()),
    }
}

fn read(deb: &DebSource, old: Option<&Lock>, with: &Fetching<'_>) -> Result<Vec<ReadSuite>, LockError> {
    let mut all = Vec::new();
    for archive in &deb.archives {
        for suite in &archive.suites {
            let before = old.and_then(|old| {
                old.archives.iter().find(|before| before.name == archive.name && before.suite == *suite)
            });
            let read = suites::read(deb, archive, suite, before.map(|before| before.date), with);
            all.push(read.map_err(|fault| LockError::Archive {
                archive: archive.name.clone(),
                suite: suite.clone(),
                source: Box::new(fault),
            })?);
        }
    }
    Ok(all)
}

fn failed(suite: &ReadSuite, fault: ArchiveFault) -> LockError {
    let (archive, suite) = (suite.locked.name.clone(), suite.locked.suite.clone());
    LockError::Archive { archive, suite, source: Box::new(fault) }
}

/// The versions of an older lock that a new one shall have.
fn keep(packages: &[LockedPackage], update: &Update) -> Vec<PackageId> {
    let kept = |package: &&LockedPackage| match update {
        Update::Nothing => true,
        Update::These(names) => !names.contains(&package.name),
        Update::All => false,
    };
    let id = |package: &LockedPackage| PackageId {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
    };
    packages.iter().filter(kept).map(id).collect()
}

fn of_image(deb: &DebSource, prefer: Vec<PackageId>) -> Request {
    Request {
        arch: deb.arch.clone(),
        foreign: deb.foreign.clone(),
        base: match deb.base {
            Base::None => resolve::BasePackages::None,
            Base::Essential => resolve::BasePackages::Essential,
            Base::Required => resolve::BasePackages::Required,
            Base::Important => resolve::BasePackages::Important,
            Base::Standard => resolve::BasePackages::Standard,
        },
        packages: deb.packages.clone(),
        recommends: deb.recommends == Recommends::Take,
        without: deb.without.clone(),
        pins: pins(deb),
        prefer,
    }
}

/// A stage has the tools that it names and what every system requires, on the architecture of the image.
fn of_stage(stage: &Stage, deb: &DebSource, prefer: Vec<PackageId>) -> Request {
    Request {
        arch: deb.arch.clone(),
        foreign: deb.foreign.clone(),
        base: resolve::BasePackages::Required,
        packages: stage.packages.clone(),
        recommends: stage.recommends == Recommends::Take,
        without: Vec::new(),
        pins: pins(deb),
        prefer,
    }
}

fn pins(deb: &DebSource) -> Vec<PinPreference> {
    let pin = |pin: &crate::recipe::Pinned| PinPreference {
        package: pin.package.clone(),
        to: match &pin.to {
            PinnedTo::Version(version) => PinTo::Version(version.clone()),
            PinnedTo::Suite(suite) => PinTo::Suite(suite.clone()),
        },
        priority: i32::from(pin.priority),
    };
    deb.pins.iter().map(pin).collect()
}

/// The sources of a stage.
fn sources(
    stage: &Stage,
    deb: Option<&DebSource>,
    old: Option<&Lock>,
    with: &Fetching<'_>,
) -> Result<Vec<LockedSource>, LockError> {
    let one = |source: &StageSource| {
        let pinned =
            FileLocation::of(&source.from, deb, with.mirrors).and_then(|from| pin(source, from, old, with));
        pinned.map_err(|fault| LockError::Source {
            stage: stage.name.clone(),
            label: source.label.clone(),
            source: Box::new(fault),
        })
    };
    stage.sources.iter().map(one).collect()
}

/// Digest and length of a source, which is in the store afterwards.
fn pin(
    source: &StageSource,
    from: FileLocation,
    old: Option<&Lock>,
    with: &Fetching<'_>,
) -> Result<LockedSource, FetchError> {
    let label = source.label.clone();
    let (sha256, size) = match known_size(source, old) {
        None => first_time(source, &from, with)?,
        Some((sha256, size)) => {
            let want = Want { sha256, size, label: label.clone(), from };
            let objects = with.store.objects();
            fetch::fetch(&[want], &objects, with.wire, 1, with.progress, with.interrupt)?;
            (sha256, size)
        }
    };
    Ok(LockedSource { label, sha256, size })
}

/// What an older lock knows of a source whose digest the recipe gives.
fn known_size(source: &StageSource, old: Option<&Lock>) -> Option<(Digest, u64)> {
    let digest = source.sha256?;
    let known = old?.stages.iter().flat_map(|stage| &stage.sources).find(|known| known.sha256 == digest)?;
    Some((digest, known.size))
}

/// Fetches a source of unknown length beside the store, to learn what it is.
fn first_time(
    source: &StageSource,
    from: &FileLocation,
    with: &Fetching<'_>,
) -> Result<(Digest, u64), FetchError> {
    let mut file = fetch::copy(from, with.store.folder(), with.wire, with.interrupt, with.progress)?;
    let (found, size) = measured(&mut file)
        .map_err(|error| FetchError::Local { name: source.label.clone(), source: error })?;
    if let Some(expected) = source.sha256.filter(|&expected| expected != found) {
        return Err(FetchError::Other {
            url: source.label.clone(),
            label: "by the recipe".to_owned(),
            found: format!("digest {found}"),
            expected: expected.to_string(),
        });
    }
    with.store.objects().put(found, size, &mut file)?;
    Ok((found, size))
}

/// Digest and length of a file, which is at its start afterwards.
fn measured(file: &mut File) -> std::io::Result<(Digest, u64)> {
    file.flush()?;
    file.rewind()?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        size += count as u64;
    }
    file.rewind()?;
    Ok((Digest(hash.finalize().into()), size))
}
