//! The files of an update until they take their final names: the bundle with its receipt and its publish in a folder
//! `OUT.update` beside the old bundle, and the lock in `recipe.lock.next` beside the old lock.
//!
//! One rename cannot give all of them their names, because the lock may be on another file system. So the decision is one
//! file, `commit.json`: once it is there, the renames follow, and the next update completes those that a kill left out.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use amiforge_image::bundle::{self, ExistingBundle};
use amiforge_publish::ami;
use amiforge_publish::ami::ledger::{AmiLedger, PublishStage, read_entry};
use amiforge_publish::folder::{FolderError, LockedFolder};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use super::error::StagedError;
use super::files::{
    beside, failed, manifest_digest, move_file, names, parent, regions, remove_file, remove_tree, sync,
    with_suffix,
};
use crate::lock::Lock;
use crate::outdated::PackageChanges;

/// The file of the changes of packages.
const CHANGES: &str = "packages.json";
/// The file that decides.
const COMMIT: &str = "commit.json";
/// Version of its format.
const SCHEMA: u64 = 1;
/// Attempts to lock the folder; each fails only when another update removed it in between.
const TRIES: usize = 10;

/// An update in progress, which no other process can work on at the same time.
#[derive(Debug)]
pub struct StagedUpdate {
    /// The bundle that is replaced.
    out: PathBuf,
    /// The lock that is replaced.
    lock: PathBuf,
    folder: LockedFolder,
    /// Whether an earlier update was completed when this one was opened.
    resumed_commit: bool,
}

/// A publish of the staged bundle that has made something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunPublish {
    /// The region.
    pub region: String,
    /// The AMI's name.
    pub name: String,
    /// The resources that it made and that no finished publish has, as text.
    pub created: Vec<String>,
}

/// The decision that the new version takes the place of the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commit {
    schema: u64,
    /// SHA-256 of the new bundle's manifest, which distinguishes it from the old bundle.
    manifest: String,
    /// Whether the new bundle has a receipt of a boot.
    receipt: bool,
}

impl StagedUpdate {
    /// Opens the folder of an update of the bundle at `out`; completes an earlier update whose renames a kill cut off.
    ///
    /// # Errors
    /// [`StagedError`].
    pub fn open(recipe: &Path, out: &Path) -> Result<Self, StagedError> {
        let out = bundle::resolve(out, ExistingBundle::Replace)?;
        bundle::check_vacant(&out, ExistingBundle::Replace)?;
        let parent = parent(&out);
        fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
        let folder = locked(&beside(&out, ".update")?)?;
        let mut staged = Self { out, lock: Lock::path(recipe), folder, resumed_commit: false };
        if let Some(commit) = staged.decision()? {
            staged.roll_forward(&commit)?;
            staged.resumed_commit = true;
            let Self { out, lock, folder, .. } = staged;
            let path = folder.path().to_owned();
            drop(folder);
            staged = Self { out, lock, folder: locked(&path)?, resumed_commit: true };
        }
        staged.refuse_old_publish()?;
        Ok(staged)
    }

    /// Whether an earlier update was completed when this one was opened.
    pub fn resumed_commit(&self) -> bool {
        self.resumed_commit
    }

    /// The old bundle, which the new one replaces.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The new bundle until it takes the place of the old one.
    pub fn bundle(&self) -> PathBuf {
        self.folder().join(self.out.file_name().unwrap_or_default())
    }

    /// The old lock, which the new one replaces.
    pub fn lock(&self) -> &Path {
        &self.lock
    }

    /// The new lock until it takes the place of the old one.
    pub fn next_lock(&self) -> PathBuf {
        with_suffix(&self.lock, ".next")
    }

    /// Keeps how the packages of the new lock differ, for the run that continues this one.
    ///
    /// # Errors
    /// [`StagedError::File`].
    pub fn keep_changes(&self, changes: &PackageChanges) -> Result<(), StagedError> {
        let path = self.folder().join(CHANGES);
        let text = serde_json::to_vec(changes).map_err(|error| failed(&path, error.into()))?;
        fs::write(&path, text).map_err(|source| failed(&path, source))
    }

    /// What an earlier run kept; `None` if there is none that can be read.
    pub fn kept_changes(&self) -> Option<PackageChanges> {
        let text = amiforge_progress::regular::read(&self.folder().join(CHANGES)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The publish of the staged bundle that an earlier run began, if it made anything.
    ///
    /// # Errors
    /// [`StagedError::Ledger`], [`StagedError::File`].
    pub fn begun_publish(&self) -> Result<Option<BegunPublish>, StagedError> {
        let bundle = self.bundle();
        for region in regions(&with_suffix(&bundle, ".publish"))? {
            let folder = AmiLedger::path_for(&bundle, &region).map_err(StagedError::Ledger)?;
            let Some(entry) = read_entry(&folder).map_err(StagedError::Ledger)? else { continue };
            let unfinished = ami::unfinished(&bundle, &region).map_err(StagedError::Ledger)?;
            if entry.stage == PublishStage::Done || !unfinished.created.is_empty() {
                let name = entry.request.name;
                return Ok(Some(BegunPublish { region, name, created: unfinished.created }));
            }
        }
        Ok(None)
    }

    /// Copies the manifests of snapshots that were uploaded with the old bundle, so that a parent need not be read back.
    ///
    /// # Errors
    /// [`StagedError::File`].
    pub fn copy_parent_manifests(&self, region: &str) -> Result<(), StagedError> {
        let (from, to) = (publish_folder(&self.out, region)?, publish_folder(&self.bundle(), region)?);
        for name in names(&from)? {
            let is_manifest = name
                .to_str()
                .is_some_and(|name| name.starts_with("snap-") && name.ends_with(".manifest.json"));
            let (from, to) = (from.join(&name), to.join(&name));
            if is_manifest && !to.exists() {
                let aside = to.with_extension("new");
                let copied = fs::create_dir_all(parent(&to))
                    .and_then(|()| fs::copy(&from, &aside))
                    .and_then(|_| fs::rename(&aside, &to));
                copied.map_err(|source| failed(&to, source))?;
            }
        }
        Ok(())
    }

    /// Gives the new lock and the new bundle the places of the old ones. From its first write on, this update is completed
    /// by the next one if this process is killed.
    ///
    /// # Errors
    /// [`StagedError`].
    pub fn commit(self) -> Result<(), StagedError> {
        let receipt = with_suffix(&self.bundle(), ".boot.json").is_file();
        let commit = Commit { schema: SCHEMA, manifest: manifest_digest(&self.bundle())?, receipt };
        let path = self.folder().join(COMMIT);
        let aside = self.folder().join(format!(".{COMMIT}.new"));
        let text = serde_json::to_vec(&commit).map_err(|error| failed(&path, error.into()))?;
        let write = || {
            let mut file = File::create(&aside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&aside, &path)
        };
        write().map_err(|source| failed(&path, source))?;
        self.folder.sync()?;
        self.roll_forward(&commit)
    }

    /// Gives the new lock alone the place of the old one: another lock can give the same image.
    ///
    /// # Errors
    /// [`StagedError::File`].
    pub fn take_lock(&self) -> Result<(), StagedError> {
        move_file(&self.next_lock(), &self.lock)?;
        sync(parent(&self.lock))
    }

    /// Removes the new lock, so that the old one stays.
    ///
    /// # Errors
    /// [`StagedError::File`].
    pub fn drop_lock(&self) -> Result<(), StagedError> {
        remove_file(&self.next_lock())
    }

    /// Removes everything staged.
    ///
    /// # Errors
    /// [`StagedError::File`].
    pub fn discard(self) -> Result<(), StagedError> {
        self.drop_lock()?;
        self.remove_folder()
    }

    /// Closes an update that failed: removes the folder if there is nothing in it. Returns whether anything is left.
    ///
    /// # Errors
    /// [`StagedError::File`].
    pub fn leave(self) -> Result<bool, StagedError> {
        let empty = names(self.folder())?.iter().all(|name| name == "lock") && !self.next_lock().exists();
        if empty {
            self.remove_folder()?;
        }
        Ok(!empty)
    }

    fn decision(&self) -> Result<Option<Commit>, StagedError> {
        let path = self.folder().join(COMMIT);
        let text = match amiforge_progress::regular::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| failed(&path, source))?,
        };
        match serde_json::from_slice::<Commit>(&text) {
            Ok(commit) if commit.schema == SCHEMA => Ok(Some(commit)),
            _ => Err(StagedError::Foreign { path }),
        }
    }

    /// Performs the renames that have not been done yet. Each can be repeated.
    fn roll_forward(&self, commit: &Commit) -> Result<(), StagedError> {
        self.move_publishes()?;
        self.exchange_bundles(&commit.manifest)?;
        self.move_receipt(commit.receipt)?;
        move_file(&self.next_lock(), &self.lock)?;
        sync(parent(&self.lock))?;
        sync(parent(&self.out))?;
        self.remove_folder()
    }

    /// The folders of the publish replace those of the old bundle, region by region.
    fn move_publishes(&self) -> Result<(), StagedError> {
        for region in regions(&with_suffix(&self.bundle(), ".publish"))? {
            let from = with_suffix(&self.bundle(), ".publish").join(&region);
            let to = with_suffix(&self.out, ".publish").join(&region);
            // While another process publishes the old bundle, its ledger stays.
            let held = to.exists().then(|| LockedFolder::open(&to)).transpose()?;
            remove_tree(&to)?;
            let moved = fs::create_dir_all(parent(&to)).and_then(|()| fs::rename(&from, &to));
            moved.map_err(|source| failed(&to, source))?;
            drop(held);
        }
        Ok(())
    }

    /// The new bundle takes the name of the old one, which is left in the folder.
    fn exchange_bundles(&self, manifest: &str) -> Result<(), StagedError> {
        let staged = self.bundle();
        if !staged.exists() || manifest_digest(&staged)? != manifest {
            return Ok(());
        }
        let flags = if self.out.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        let renamed = match renameat_with(CWD, &staged, CWD, &self.out, flags) {
            // The file system does not support the flag; a directory that is there still stops a plain rename.
            Err(rustix::io::Errno::INVAL) if flags == RenameFlags::NOREPLACE => {
                fs::rename(&staged, &self.out)
            }
            other => other.map_err(io::Error::from),
        };
        renamed.map_err(|source| failed(&self.out, source))
    }

    /// The receipt of the new bundle replaces that of the old one, which is of other bytes.
    fn move_receipt(&self, has_receipt: bool) -> Result<(), StagedError> {
        let to = with_suffix(&self.out, ".boot.json");
        if has_receipt {
            move_file(&with_suffix(&self.bundle(), ".boot.json"), &to)
        } else {
            remove_file(&to)
        }
    }

    /// Removes the folder with its decision, after everything else in it.
    fn remove_folder(&self) -> Result<(), StagedError> {
        for name in names(self.folder())? {
            if name != COMMIT {
                let path = self.folder().join(&name);
                if path.is_dir() { remove_tree(&path)? } else { remove_file(&path)? }
            }
        }
        remove_file(&self.folder().join(COMMIT))?;
        fs::remove_dir(self.folder()).map_err(|source| failed(self.folder(), source))
    }

    /// Refuses an old bundle whose ledger is the only record of resources in the account.
    fn refuse_old_publish(&self) -> Result<(), StagedError> {
        for region in regions(&with_suffix(&self.out, ".publish"))? {
            if !self.out.exists() {
                break;
            }
            let unfinished = ami::unfinished(&self.out, &region).map_err(StagedError::Ledger)?;
            if !unfinished.created.is_empty() {
                let created = unfinished.created.join(", ");
                return Err(StagedError::OldPublish { out: self.out.clone(), region, created });
            }
        }
        Ok(())
    }
}

/// The folder of the publish of a bundle to a region. The bundle itself may be gone.
fn publish_folder(bundle: &Path, region: &str) -> Result<PathBuf, StagedError> {
    if !bundle.exists() {
        return Ok(with_suffix(bundle, ".publish").join(region));
    }
    Ok(LockedFolder::path_for(bundle, region)?)
}

/// Makes and locks the folder; one that another update removed just now is made again.
fn locked(path: &Path) -> Result<LockedFolder, StagedError> {
    let mut last = None;
    for _ in 0..TRIES {
        match LockedFolder::open(path) {
            // Locked, and still the folder of that name.
            Ok(folder) if names(path)?.iter().any(|name| name == "lock") => return Ok(folder),
            Ok(_) => {}
            Err(FolderError::File { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                last = Some(FolderError::File { path, source });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.unwrap_or(FolderError::Busy { path: path.to_owned() }).into())
}

#[cfg(test)]
mod tests;
