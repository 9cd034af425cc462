//! Disks of snapshots: fetched into the store as one file each, by the caller's client of the service. Knows no service.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_store::{Objects, Store};

use super::Fetcher;
use super::error::FetchError;
use super::measure::measure;

/// Reads snapshots of regions.
pub trait SnapshotFiles: Sync {
    /// The snapshot of an id, which may be that of an AMI, with its region.
    ///
    /// # Errors
    /// The error of the service.
    fn identify(
        &self,
        id: &str,
        region: Option<&str>,
        monitor: Monitor<'_>,
    ) -> Result<NamedSnapshot, Box<dyn Error + Send + Sync>>;

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

/// A snapshot whose file is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedSnapshot {
    pub(crate) name: NamedSnapshot,
    /// Digest of the file.
    pub(crate) sha256: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
}

/// Fetches the disk of a snapshot into the store; `expected` is what a lock pins.
///
/// # Errors
/// [`FetchError::Snapshot`], [`FetchError::Other`] for another file than the lock pins.
pub(crate) fn fetch_snapshot(
    id: &str,
    region: Option<&str>,
    expected: Option<(Digest, &str)>,
    fetcher: &Fetcher<'_>,
) -> Result<FetchedSnapshot, FetchError> {
    let Some(access) = fetcher.snapshots else { return Err(FetchError::NoSnapshots { id: id.to_owned() }) };
    let local = |source| FetchError::Local { name: format!("the file of {id}"), source };
    let failed = |source| FetchError::Snapshot { id: id.to_owned(), source };
    let name = access.identify(id, region, fetcher.monitor).map_err(failed)?;
    let place = place(fetcher.store, &name);
    std::fs::create_dir_all(place.disk.parent().unwrap_or(Path::new("."))).map_err(local)?;
    // A complete file that was not stored any more is fetched anew: it is not known to be that of the snapshot.
    let _ = std::fs::remove_file(&place.disk);
    access.download(&name, &place, fetcher.monitor).map_err(failed)?;
    let mut file = File::open(&place.disk).map_err(local)?;
    let (sha256, size) = measure(&mut file).map_err(local)?;
    if let Some((pinned, label)) = expected.filter(|(pinned, _)| *pinned != sha256) {
        let _ = std::fs::remove_file(&place.disk);
        clean_up(&name, fetcher)?;
        return Err(FetchError::Other {
            url: id.to_owned(),
            label: label.to_owned(),
            found: format!("digest {sha256}"),
            expected: pinned.to_string(),
        });
    }
    let objects: Objects = fetcher.store.objects();
    objects.take(sha256, &place.disk)?;
    objects.sync()?;
    clean_up(&name, fetcher)?;
    Ok(FetchedSnapshot { name, sha256, size })
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
