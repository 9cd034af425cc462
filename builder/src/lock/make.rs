//! Makes a lock: archives are read, packages are chosen, sources are fetched to know their digests.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use amiforge_formats::digest::Digest;
use amiforge_packages::backend::{
    LockRequest, PackageSet, RepositoryAccess, RepositoryError, RepositoryFile, SetContent,
};
use amiforge_packages::host::{HostSettings, without_credentials};
use amiforge_packages::locked::{LockedPackage, PackageId};
use amiforge_progress::Interrupt;
use amiforge_progress::Progress;
use amiforge_store::Store;
use sha2::{Digest as _, Sha256};

use super::error::LockError;
use super::{Lock, LockedSource, LockedStage, inputs};
use crate::fetch::{self, FetchError, FileLocation, Want, Wire};
use crate::recipe::{PackageSource, Recipe, Stage, StageSource};

/// What making a lock and fetching work with.
#[derive(Clone, Copy)]
pub struct Fetching<'a> {
    /// Where what is fetched goes.
    pub store: &'a Store,
    /// The connections.
    pub wire: &'a Wire,
    /// The settings of this machine, which may name mirrors of archives.
    pub host: &'a HostSettings,
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
    if let Some(packages) = &recipe.packages {
        let sets = sets(recipe, old, update);
        let previous = old.map(|old| old.archives.as_slice()).unwrap_or_default();
        let chosen = packages.backend().lock(&LockRequest { sets: &sets, previous }, with)?;
        lock.archives = chosen.archives;
        let mut chosen = chosen.sets.into_iter();
        lock.image = chosen.next().unwrap_or_default();
        for (stage, packages) in recipe.stages.iter().zip(chosen) {
            lock.stages.push(LockedStage { name: stage.name.clone(), packages, sources: Vec::new() });
        }
    }
    for (locked, stage) in lock.stages.iter_mut().zip(&recipe.stages) {
        locked.sources = sources(stage, recipe.packages.as_ref(), old, with)?;
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

/// The packages to choose: those of the image, then the tools of each stage.
fn sets<'a>(recipe: &'a Recipe, old: Option<&Lock>, update: &Update) -> Vec<PackageSet<'a>> {
    let image = PackageSet {
        label: "the image".to_owned(),
        content: SetContent::Image,
        prefer: old.map(|old| keep(&old.image, update)).unwrap_or_default(),
    };
    let stage = |stage: &'a Stage| {
        let before = old.and_then(|old| old.stages.iter().find(|other| other.name == stage.name));
        PackageSet {
            label: format!("the stage `{}`", stage.name),
            content: SetContent::Tools { packages: &stage.packages, recommends: stage.recommends },
            prefer: before.map(|before| keep(&before.packages, update)).unwrap_or_default(),
        }
    };
    std::iter::once(image).chain(recipe.stages.iter().map(stage)).collect()
}

impl RepositoryAccess for Fetching<'_> {
    fn read(&self, url: &str, most: u64) -> Result<Vec<u8>, RepositoryError> {
        self.wire.read(url, most, self.interrupt).map_err(|source| {
            let missing = source.is_missing();
            let error = Box::new(FetchError::Url { url: without_credentials(url), source });
            if missing { RepositoryError::Missing(error) } else { RepositoryError::Fetch(error) }
        })
    }

    fn fetch(&self, files: &[RepositoryFile]) -> Result<(), RepositoryError> {
        let want = |file: &RepositoryFile| Want {
            sha256: file.sha256,
            size: file.size,
            label: file.label.clone(),
            from: FileLocation::Urls(file.urls.clone()),
        };
        let wants: Vec<_> = files.iter().map(want).collect();
        let objects = self.store.objects();
        fetch::fetch(&wants, &objects, self.wire, self.jobs, self.progress, self.interrupt)
            .map_err(|error| RepositoryError::Fetch(Box::new(error)))?;
        Ok(())
    }

    fn stored(&self, sha256: Digest, size: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
        match self.store.objects().find(sha256, size)? {
            Some(object) => Ok(Some(object.read()?)),
            None => Ok(None),
        }
    }

    fn host(&self) -> &HostSettings {
        self.host
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn progress(&self) -> &dyn Progress {
        self.progress
    }
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

/// The sources of a stage.
fn sources(
    stage: &Stage,
    packages: Option<&PackageSource>,
    old: Option<&Lock>,
    with: &Fetching<'_>,
) -> Result<Vec<LockedSource>, LockError> {
    let one = |source: &StageSource| {
        let pinned =
            FileLocation::of(&source.from, packages, with.host).and_then(|from| pin(source, from, old, with));
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
