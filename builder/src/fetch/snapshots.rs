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
    /// Writes the disk of a snapshot, or of the root volume of an AMI, into the new file `out`: a qcow2 of its blocks
    /// (`amiforge_formats::container::PackedDisk`). What a stopped call leaves beside it is continued.
    ///
    /// # Errors
    /// The error of the service.
    fn download(
        &self,
        id: &str,
        region: Option<&str>,
        out: &Path,
        monitor: Monitor<'_>,
    ) -> Result<NamedSnapshot, Box<dyn Error + Send + Sync>>;
}

/// A snapshot with its region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSnapshot {
    /// The snapshot.
    pub snapshot: String,
    /// Its region.
    pub region: String,
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
    let out = place(fetcher.store, id, region);
    let folder = out.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(local)?;
    // A complete file that was not stored any more is fetched anew: it is not known to be that of the snapshot.
    let _ = std::fs::remove_file(&out);
    let name = access
        .download(id, region, &out, fetcher.monitor)
        .map_err(|source| FetchError::Snapshot { id: id.to_owned(), source })?;
    let mut file = File::open(&out).map_err(local)?;
    let (sha256, size) = measure(&mut file).map_err(local)?;
    if let Some((pinned, label)) = expected.filter(|(pinned, _)| *pinned != sha256) {
        let _ = std::fs::remove_file(&out);
        return Err(FetchError::Other {
            url: id.to_owned(),
            label: label.to_owned(),
            found: format!("digest {sha256}"),
            expected: pinned.to_string(),
        });
    }
    let objects: Objects = fetcher.store.objects();
    objects.put(sha256, size, &mut file)?;
    objects.sync()?;
    std::fs::remove_file(&out).map_err(local)?;
    Ok(FetchedSnapshot { name, sha256, size })
}

/// Where the file of a snapshot is while it is fetched, so that the next call continues it.
fn place(store: &Store, id: &str, region: Option<&str>) -> PathBuf {
    store.folder().join("snapshots").join(format!("{}-{id}", region.unwrap_or("default").replace('/', "-")))
}
