//! Makes a lock: reads the archives, resolves the packages, and fetches sources to learn their digests.

use amiforge_formats::digest::Digest;
use amiforge_packages::backend::{
    LockRequest, PackageRecord, PackageSet, RepositoryAccess, RepositoryError, RepositoryFile, SetContent,
};
use amiforge_packages::host::{HostSettings, without_credentials};
use amiforge_packages::installed::InstalledPackage;
use amiforge_packages::locked::{LockedArchive, LockedPackage, PackageId};
use amiforge_packages::over::{InstalledSystem, UpgradePolicy};
use amiforge_progress::Progress;

use super::base::BaseImage;
use super::error::LockError;
use super::inputs;
use super::model::{Lock, LockedSnapshot, LockedSource, LockedStage};
use super::snapshots::{self, OlderPins};
use crate::fetch::{self, FetchError, Fetcher, FileLocation, FileRequest, TransferError};
use crate::recipe::{PackageSource, Recipe, Stage, StageSource};

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

/// A lock with what the archives say of its packages besides.
#[derive(Debug)]
pub struct Resolved {
    /// The lock.
    pub lock: Lock,
    /// The records of its packages.
    pub records: Vec<PackageRecord>,
    /// How AMIs were chosen, and what the trust in its packages rests on where it is less than a signature of all metadata.
    pub notes: Vec<String>,
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
) -> Result<Resolved, LockError> {
    let mut resolved = choose(recipe, old, update, fetcher)?;
    let Lock { archives, stages, .. } = &mut resolved.lock;
    for (locked, stage) in stages.iter_mut().zip(&recipe.stages) {
        locked.sources = sources(stage, (recipe.packages.as_ref(), archives), old, fetcher)?;
    }
    Ok(resolved)
}

/// Chooses the packages of a recipe. Reads the indexes of the archives, and the image that packages are installed over: the
/// stages of the lock have no sources.
///
/// # Errors
/// [`LockError`].
pub fn choose(
    recipe: &Recipe,
    old: Option<&Lock>,
    update: &Update,
    fetcher: &Fetcher<'_>,
) -> Result<Resolved, LockError> {
    check_update(old, update)?;
    let older = if *update == Update::All { OlderPins::AskedAnew } else { OlderPins::Hold };
    let (pins, notes) = snapshots::pin_all(recipe, (old, older), fetcher)?;
    let (mut resolved, _) = choose_over(recipe, (old, update), pins, fetcher)?;
    resolved.notes.splice(..0, notes);
    Ok(resolved)
}

/// What the archives have newer for the packages of an image that others are installed over.
#[derive(Debug)]
pub struct BaseUpgrades {
    /// The packages that the image has.
    pub installed: Vec<InstalledPackage>,
    /// The records of packages that an upgrade of all would install.
    pub records: Vec<PackageRecord>,
}

/// As [`choose`] with all versions of packages new, over the disks of snapshots that a lock of this recipe pins: none is read
/// again. Says too what an upgrade of all packages of the image below would bring, which the recipe may not ask for; `None` for
/// recipes whose packages go over nothing.
///
/// # Errors
/// [`LockError`].
pub fn choose_and_look_below(
    recipe: &Recipe,
    lock: &Lock,
    fetcher: &Fetcher<'_>,
) -> Result<(Resolved, Option<BaseUpgrades>), LockError> {
    let pins = lock.snapshots.clone();
    let (resolved, base) = choose_over(recipe, (Some(lock), &Update::All), pins, fetcher)?;
    let (Some(base), Some(packages)) = (base, &recipe.packages) else { return Ok((resolved, None)) };
    let backend = packages.backend();
    let below = InstalledSystem { upgrade: UpgradePolicy::All, ..base.system(recipe) };
    let sets = sets(recipe, None, &Update::All);
    let request =
        LockRequest { sets: sets.get(..1).unwrap_or_default(), previous: &[], installed: Some(below) };
    let records = backend.lock(&request, fetcher)?.records;
    let label = || recipe.sources.first().map(|source| source.label.clone()).unwrap_or_default();
    let installed = backend.kind().format().installed(below.tree, below.sources);
    let installed = installed.map_err(|error| LockError::Base { label: label(), source: Box::new(error) })?;
    Ok((resolved, Some(BaseUpgrades { installed, records })))
}

/// The lock with these pins of snapshots, and the image that packages are installed over.
fn choose_over(
    recipe: &Recipe,
    (old, update): (Option<&Lock>, &Update),
    snapshots: Vec<LockedSnapshot>,
    fetcher: &Fetcher<'_>,
) -> Result<(Resolved, Option<BaseImage>), LockError> {
    let mut lock = Lock {
        inputs: inputs::digest(recipe),
        archives: Vec::new(),
        image: Vec::new(),
        removed: Vec::new(),
        snapshots,
        stages: Vec::new(),
    };
    let Some(packages) = &recipe.packages else {
        return Ok((Resolved { lock, records: Vec::new(), notes: Vec::new() }, None));
    };
    let base = BaseImage::open(recipe, &lock.snapshots, fetcher)?;
    let installed = base.as_ref().map(|base| base.system(recipe));
    let sets = sets(recipe, old, update);
    let previous = old.map(|old| old.archives.as_slice()).unwrap_or_default();
    let chosen = packages.backend().lock(&LockRequest { sets: &sets, previous, installed }, fetcher)?;
    lock.archives = chosen.archives;
    lock.removed = chosen.removed;
    let mut sets = chosen.sets.into_iter();
    lock.image = sets.next().unwrap_or_default();
    for (stage, packages) in recipe.stages.iter().zip(sets) {
        lock.stages.push(LockedStage { name: stage.name.clone(), packages, sources: Vec::new() });
    }
    Ok((Resolved { lock, records: chosen.records, notes: chosen.notes }, base))
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

/// The packages to choose: those of the image, then the tools of each stage.
fn sets<'a>(recipe: &'a Recipe, old: Option<&Lock>, update: &Update) -> Vec<PackageSet<'a>> {
    let image = PackageSet {
        label: "the image".to_owned(),
        content: SetContent::Image,
        prefer: old.map(|old| preferred(&old.image, update)).unwrap_or_default(),
    };
    let stage = |stage: &'a Stage| {
        let before = old.and_then(|old| old.stages.iter().find(|other| other.name == stage.name));
        PackageSet {
            label: format!("the stage `{}`", stage.name),
            content: SetContent::Tools { packages: &stage.packages, recommends: stage.recommends },
            prefer: before.map(|before| preferred(&before.packages, update)).unwrap_or_default(),
        }
    };
    std::iter::once(image).chain(recipe.stages.iter().map(stage)).collect()
}

impl RepositoryAccess for Fetcher<'_> {
    fn read(&self, url: &str, most: u64) -> Result<Vec<u8>, RepositoryError> {
        self.client.read(url, most, self.monitor.cancel).map_err(|source| failed_read(url, source))
    }

    fn read_range(&self, url: &str, start: u64, len: u64) -> Result<Vec<u8>, RepositoryError> {
        self.client
            .read_range(url, start, len, self.monitor.cancel)
            .map_err(|source| failed_read(url, source))
    }

    fn jobs(&self) -> usize {
        self.jobs
    }

    fn fetch(&self, files: &[RepositoryFile]) -> Result<(), RepositoryError> {
        let request = |file: &RepositoryFile| FileRequest {
            sha256: file.sha256,
            size: file.size,
            label: file.label.clone(),
            from: FileLocation::Urls(file.urls.clone()),
        };
        let requests: Vec<_> = files.iter().map(request).collect();
        let objects = self.store.objects();
        fetch::fetch(&requests, &objects, self.client, self.jobs, self.monitor)
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
        self.monitor.progress
    }
}

/// The error of a file that could not be read.
fn failed_read(url: &str, source: TransferError) -> RepositoryError {
    let missing = source.is_missing();
    let error = Box::new(FetchError::Url { url: without_credentials(url), source });
    if missing { RepositoryError::Missing(error) } else { RepositoryError::Fetch(error) }
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

/// Pins the sources of a stage.
fn sources(
    stage: &Stage,
    (packages, archives): (Option<&PackageSource>, &[LockedArchive]),
    old: Option<&Lock>,
    fetcher: &Fetcher<'_>,
) -> Result<Vec<LockedSource>, LockError> {
    let one = |source: &StageSource| {
        let pinned = FileLocation::of(&source.from, packages, archives, fetcher.host)
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
    let (sha256, size) = fetch::measure(&mut file)
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
