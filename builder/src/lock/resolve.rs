//! Makes a lock: reads the archives, resolves the packages, and fetches sources to learn their digests.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use amiforge_formats::digest::Digest;
use amiforge_rootfs::packages::locked::LockedPackage;
use amiforge_rootfs::packages::resolve::{self, PackageId, PinPreference, PinTo, Request, Suite};
use sha2::{Digest as _, Sha256};

use super::error::{LockError, SuiteError};
use super::inputs;
use super::model::{Lock, LockedSource, LockedStage};
use super::suites::{self, ReadSuite};
use crate::fetch::{self, FetchError, Fetcher, FileLocation, FileRequest};
use crate::recipe::{DebSource, PinTarget, Recipe, Recommends, Stage, StageSource};

/// Which packages of an older lock get newer versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// None: versions of the older lock stay as long as the archives have them.
    None,
    /// These.
    Packages(Vec<String>),
    /// All.
    All,
}

/// Makes the lock of a recipe.
///
/// # Errors
/// [`LockError`].
pub fn resolve(
    recipe: &Recipe,
    old: Option<&Lock>,
    update: &Update,
    fetcher: &Fetcher<'_>,
) -> Result<Lock, LockError> {
    check_update(old, update)?;
    let mut lock =
        Lock { inputs: inputs::digest(recipe), archives: Vec::new(), image: Vec::new(), stages: Vec::new() };
    let read = match &recipe.deb {
        Some(deb) => read(deb, old, fetcher)?,
        None => Vec::new(),
    };
    lock.archives = read.iter().map(|suite| suite.locked.clone()).collect();
    fetcher.monitor.progress.begin("choosing packages", None);
    let indexes = read.iter().map(|suite| suite.packages().map_err(|error| failed(suite, error)));
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
        let preferred_ids = old.map(|old| preferred(&old.image, update)).unwrap_or_default();
        lock.image = choose(image_request(deb, preferred_ids), "the image".to_owned())?;
        for stage in &recipe.stages {
            let before = old.and_then(|old| old.stages.iter().find(|other| other.name == stage.name));
            let preferred_ids = before.map(|before| preferred(&before.packages, update)).unwrap_or_default();
            let packages =
                choose(stage_request(stage, deb, preferred_ids), format!("the stage `{}`", stage.name))?;
            let sources = Vec::new();
            lock.stages.push(LockedStage { name: stage.name.clone(), packages, sources });
        }
    }
    fetcher.monitor.progress.end();
    for (locked, stage) in lock.stages.iter_mut().zip(&recipe.stages) {
        locked.sources = sources(stage, recipe.deb.as_ref(), old, fetcher)?;
    }
    Ok(lock)
}

/// Checks that the packages to update are in the lock.
fn check_update(old: Option<&Lock>, update: &Update) -> Result<(), LockError> {
    let (Some(old), Update::Packages(names)) = (old, update) else { return Ok(()) };
    let packages = || old.image.iter().chain(old.stages.iter().flat_map(|stage| &stage.packages));
    match names.iter().find(|name| !packages().any(|package| package.name == **name)) {
        Some(name) => Err(LockError::UnknownPackage { name: name.clone() }),
        None => Ok(()),
    }
}

fn read(deb: &DebSource, old: Option<&Lock>, fetcher: &Fetcher<'_>) -> Result<Vec<ReadSuite>, LockError> {
    let mut all = Vec::new();
    for archive in &deb.archives {
        for suite in &archive.suites {
            let before = old.and_then(|old| {
                old.archives.iter().find(|before| before.name == archive.name && before.suite == *suite)
            });
            let read = suites::read(deb, archive, suite, before.map(|before| before.date), fetcher);
            all.push(read.map_err(|error| LockError::Archive {
                archive: archive.name.clone(),
                suite: suite.clone(),
                source: Box::new(error),
            })?);
        }
    }
    Ok(all)
}

fn failed(suite: &ReadSuite, error: SuiteError) -> LockError {
    let (archive, suite) = (suite.locked.name.clone(), suite.locked.suite.clone());
    LockError::Archive { archive, suite, source: Box::new(error) }
}

/// The versions of an older lock that the new one prefers.
fn preferred(packages: &[LockedPackage], update: &Update) -> Vec<PackageId> {
    let stays = |package: &&LockedPackage| match update {
        Update::None => true,
        Update::Packages(names) => !names.contains(&package.name),
        Update::All => false,
    };
    let id = |package: &LockedPackage| PackageId {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
    };
    packages.iter().filter(stays).map(id).collect()
}

fn image_request(deb: &DebSource, prefer: Vec<PackageId>) -> Request {
    Request {
        arch: deb.arch.clone(),
        foreign: deb.foreign.clone(),
        base: deb.base,
        packages: deb.packages.clone(),
        recommends: deb.recommends == Recommends::Take,
        without: deb.without.clone(),
        pins: pins(deb),
        prefer,
    }
}

/// A stage has the packages that it names and the base set `required`, on the architecture of the image.
fn stage_request(stage: &Stage, deb: &DebSource, prefer: Vec<PackageId>) -> Request {
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
    let pin = |pin: &crate::recipe::VersionPin| PinPreference {
        package: pin.package.clone(),
        to: match &pin.to {
            PinTarget::Version(version) => PinTo::Version(version.clone()),
            PinTarget::Suite(suite) => PinTo::Suite(suite.clone()),
        },
        priority: i32::from(pin.priority),
    };
    deb.pins.iter().map(pin).collect()
}

/// Pins the sources of a stage.
fn sources(
    stage: &Stage,
    deb: Option<&DebSource>,
    old: Option<&Lock>,
    fetcher: &Fetcher<'_>,
) -> Result<Vec<LockedSource>, LockError> {
    let one = |source: &StageSource| {
        let pinned = FileLocation::of(&source.from, deb, fetcher.mirrors)
            .and_then(|from| pin(source, from, old, fetcher));
        pinned.map_err(|error| LockError::Source {
            stage: stage.name.clone(),
            label: source.label.clone(),
            source: Box::new(error),
        })
    };
    stage.sources.iter().map(one).collect()
}

/// Fetches a source into the store and returns its digest and length.
fn pin(
    source: &StageSource,
    from: FileLocation,
    old: Option<&Lock>,
    fetcher: &Fetcher<'_>,
) -> Result<LockedSource, FetchError> {
    let label = source.label.clone();
    let (sha256, size) = match known_size(source, old) {
        None => fetch_and_measure(source, &from, fetcher)?,
        Some((sha256, size)) => {
            let request = FileRequest { sha256, size, label: label.clone(), from };
            let objects = fetcher.store.objects();
            fetch::fetch(&[request], &objects, fetcher.client, 1, fetcher.monitor)?;
            (sha256, size)
        }
    };
    Ok(LockedSource { label, sha256, size })
}

/// Digest and length of a source whose digest the recipe names, from an older lock.
fn known_size(source: &StageSource, old: Option<&Lock>) -> Option<(Digest, u64)> {
    let digest = source.sha256?;
    let known = old?.stages.iter().flat_map(|stage| &stage.sources).find(|known| known.sha256 == digest)?;
    Some((digest, known.size))
}

/// Fetches a source of unknown length into a temporary file, measures it and puts it into the store.
fn fetch_and_measure(
    source: &StageSource,
    from: &FileLocation,
    fetcher: &Fetcher<'_>,
) -> Result<(Digest, u64), FetchError> {
    let mut file = fetch::fetch_unpinned(from, fetcher.store.folder(), fetcher.client, fetcher.monitor)?;
    let (sha256, size) = measure(&mut file)
        .map_err(|error| FetchError::Local { name: source.label.clone(), source: error })?;
    if let Some(expected) = source.sha256.filter(|&expected| expected != sha256) {
        return Err(FetchError::Other {
            url: source.label.clone(),
            label: "by the recipe".to_owned(),
            found: format!("digest {sha256}"),
            expected: expected.to_string(),
        });
    }
    fetcher.store.objects().put(sha256, size, &mut file)?;
    Ok((sha256, size))
}

/// Digest and length of a file, which is rewound.
fn measure(file: &mut File) -> std::io::Result<(Digest, u64)> {
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
