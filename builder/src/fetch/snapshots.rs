//! Disks of snapshots: fetched into the store as one file each, by the caller's client of the service. Knows no service.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};

use amiforge_formats::arch::Arch;
use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_store::{Objects, Store};

use super::Fetcher;
use super::error::FetchError;
use super::measure::measure;
use crate::recipe::DiskChoice;

/// Reads snapshots of regions.
pub trait SnapshotFiles: Sync {
    /// The snapshot that is meant, with its region. Asked once, by what makes a lock: what it answers can be another
    /// snapshot tomorrow.
    ///
    /// # Errors
    /// The error of the service, or that no AMI or no single one can be meant.
    fn identify(
        &self,
        wanted: &WantedDisk<'_>,
        monitor: Monitor<'_>,
    ) -> Result<FoundDisk, Box<dyn Error + Send + Sync>>;

    /// Writes the disk of a snapshot into a new file: a qcow2 of its blocks (`amiforge_formats::container::PackedDisk`). What
    /// a stopped call leaves beside it is continued. A copy that was made for it stays.
    ///
    /// # Errors
    /// The error of the service.
    fn download(
        &self,
        snapshot: &NamedSnapshot,
        files: &SnapshotPlace,
        monitor: Monitor<'_>,
    ) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Deletes the copies that were made for a snapshot. Not called without a ledger.
    ///
    /// # Errors
    /// The error of the service; the next call goes on.
    fn delete_copies(
        &self,
        snapshot: &NamedSnapshot,
        files: &SnapshotPlace,
        monitor: Monitor<'_>,
    ) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// What a recipe says of a disk in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedDisk<'a> {
    /// What names it.
    pub choice: &'a DiskChoice,
    /// The architecture that its AMI has to have, where an AMI is chosen.
    pub arch: Option<Arch>,
    /// The region, if the recipe names one.
    pub region: Option<&'a str>,
}

/// The disk that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDisk {
    /// Its snapshot.
    pub name: NamedSnapshot,
    /// The AMI, if one was named or chosen.
    pub image: Option<String>,
    /// How it was chosen, and what is to be said of it, as sentences.
    pub notes: Vec<String>,
}

/// A snapshot with its region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSnapshot {
    /// The snapshot.
    pub snapshot: String,
    /// Its region.
    pub region: String,
}

/// The files of a snapshot in the store while it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPlace {
    /// Its disk.
    pub disk: PathBuf,
    /// The ledger of copies that were made to read it; it is there only while a copy may be.
    pub copies: PathBuf,
}

/// Asks for the snapshot that is meant.
///
/// # Errors
/// [`FetchError::Snapshot`], [`FetchError::NoSnapshots`].
pub(crate) fn identify(wanted: &WantedDisk<'_>, fetcher: &Fetcher<'_>) -> Result<FoundDisk, FetchError> {
    let id = || wanted.choice.to_string();
    let Some(access) = fetcher.snapshots else { return Err(FetchError::NoSnapshots { id: id() }) };
    access.identify(wanted, fetcher.monitor).map_err(|source| FetchError::Snapshot { id: id(), source })
}

/// Fetches the disk of a snapshot into the store; `expected` is what a lock pins. Gives digest and length of its file.
///
/// # Errors
/// [`FetchError::Snapshot`], [`FetchError::Other`] for another file than the lock pins.
pub(crate) fn fetch_snapshot(
    name: &NamedSnapshot,
    expected: Option<(Digest, &str)>,
    fetcher: &Fetcher<'_>,
) -> Result<(Digest, u64), FetchError> {
    let id = || name.snapshot.clone();
    let Some(access) = fetcher.snapshots else { return Err(FetchError::NoSnapshots { id: id() }) };
    let local = |source| FetchError::Local { name: format!("the file of {}", name.snapshot), source };
    let failed = |source| FetchError::Snapshot { id: id(), source };
    let place = place(fetcher.store, name);
    std::fs::create_dir_all(place.disk.parent().unwrap_or(Path::new("."))).map_err(local)?;
    // A complete file that was not stored any more is fetched anew: it is not known to be that of the snapshot.
    let _ = std::fs::remove_file(&place.disk);
    access.download(name, &place, fetcher.monitor).map_err(failed)?;
    let mut file = File::open(&place.disk).map_err(local)?;
    let (sha256, size) = measure(&mut file).map_err(local)?;
    if let Some((pinned, label)) = expected.filter(|(pinned, _)| *pinned != sha256) {
        let _ = std::fs::remove_file(&place.disk);
        clean_up(name, fetcher)?;
        return Err(FetchError::Other {
            url: id(),
            label: label.to_owned(),
            found: format!("digest {sha256}"),
            expected: pinned.to_string(),
        });
    }
    let objects: Objects = fetcher.store.objects();
    objects.take(sha256, &place.disk)?;
    objects.sync()?;
    clean_up(name, fetcher)?;
    Ok((sha256, size))
}

/// Deletes what an earlier run, or this one, copied to read a snapshot. Makes no call if there is no ledger.
///
/// # Errors
/// [`FetchError::Snapshot`].
pub(crate) fn clean_up(name: &NamedSnapshot, fetcher: &Fetcher<'_>) -> Result<(), FetchError> {
    let place = place(fetcher.store, name);
    if place.copies.symlink_metadata().is_err() {
        return Ok(());
    }
    let Some(access) = fetcher.snapshots else {
        return Err(FetchError::NoSnapshots { id: name.snapshot.clone() });
    };
    let deleted = access.delete_copies(name, &place, fetcher.monitor);
    deleted.map_err(|source| FetchError::Snapshot { id: name.snapshot.clone(), source })
}

/// Where the files of a snapshot are while it is fetched, so that the next call continues them.
fn place(store: &Store, name: &NamedSnapshot) -> SnapshotPlace {
    let stem = format!("{}-{}", name.region.replace('/', "-"), name.snapshot);
    let folder = store.folder().join("snapshots");
    SnapshotPlace { disk: folder.join(&stem), copies: folder.join(format!("{stem}.copies")) }
}
