//! The snapshots of a region: their records, their blocks, and the client tokens that started them.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use super::atomic;
use super::block_map::BlockMap;
use super::recycle_bin::{BinnedSnapshot, Retained};
use super::snapshot::{Snapshot, SnapshotOutcome, StartToken};
use super::table::Table;
use crate::clock::Timestamp;
use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::state::config::Windows;
use crate::sync;

/// The snapshots of a region.
#[derive(Debug)]
pub(crate) struct SnapshotTable {
    folder: PathBuf,
    records: Table<Snapshot>,
    maps: RwLock<BTreeMap<String, Arc<Mutex<BlockMap>>>>,
    /// The time of the last write into each pending snapshot.
    writes: Mutex<BTreeMap<String, Timestamp>>,
    /// The client tokens of deleted snapshots: a token cannot be reused.
    used_tokens: Table<StartToken>,
    /// Snapshots in the recycle bin, which keep their blocks.
    bin: Table<BinnedSnapshot>,
    /// Held while a snapshot is started, so that one token starts one snapshot.
    start_lock: Mutex<()>,
}

/// The failure reason of a snapshot that was not completed in time.
const CANCELLED: &str = "Snapshot was cancelled: its timeout passed before it was completed";

impl SnapshotTable {
    /// Opens a region's snapshots; `region` is its folder.
    pub(crate) fn open(region: &Path) -> Result<Self, Error> {
        let folder = region.join("snapshots");
        let records = Table::open(folder.clone())?;
        let bin = Table::open(region.join("snapshot-bin"))?;
        remove_orphans(&folder, &records, &bin)?;
        Ok(Self {
            records,
            bin,
            used_tokens: Table::open(region.join("snapshot-tokens"))?,
            folder,
            maps: RwLock::default(),
            writes: Mutex::default(),
            start_lock: Mutex::default(),
        })
    }

    /// Finds the record of a snapshot.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Snapshot>> {
        self.records.find(id)
    }

    /// All snapshots in the order of their ids.
    pub(crate) fn all(&self) -> Vec<Arc<Snapshot>> {
        self.records.all().into_iter().map(|(_, snapshot)| snapshot).collect()
    }

    /// Changes the record of a snapshot; `None` if it does not exist.
    pub(crate) fn edit<R, E: From<Error>>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Snapshot) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        self.records.edit(id, change)
    }

    /// The blocks of a snapshot.
    pub(crate) fn map(&self, id: &str) -> Result<Arc<Mutex<BlockMap>>, Error> {
        if let Some(map) = sync::read(&self.maps).get(id) {
            return Ok(Arc::clone(map));
        }
        let mut maps = sync::write(&self.maps);
        if let Some(map) = maps.get(id) {
            return Ok(Arc::clone(map));
        }
        let map = Arc::new(Mutex::new(BlockMap::open(self.blocks_path(id))?));
        maps.insert(id.to_owned(), Arc::clone(&map));
        Ok(map)
    }

    /// Locks the starting of snapshots until the guard is dropped.
    pub(crate) fn lock_starts(&self) -> MutexGuard<'_, ()> {
        sync::lock(&self.start_lock)
    }

    /// Finds the request of an account with this client token.
    pub(crate) fn find_start(&self, account: &str, token: &str) -> Option<StartToken> {
        let same = |snapshot: &&Arc<Snapshot>| {
            snapshot.owner == account && snapshot.start.as_ref().is_some_and(|start| start.token == token)
        };
        let existing = self.all();
        let existing = existing.iter().find(same).and_then(|snapshot| snapshot.start.clone());
        existing.or_else(|| self.used_tokens.find(&token_key(account, token)).as_deref().cloned())
    }

    /// Adds a new snapshot with the blocks of its parent.
    pub(crate) fn start(&self, snapshot: Snapshot) -> Result<(), Error> {
        let path = self.blocks_path(&snapshot.id);
        let map = match &snapshot.parent {
            Some(parent) => BlockMap::create(path, Some(&sync::lock(&*self.map(parent)?)))?,
            None => BlockMap::create(path, None)?,
        };
        self.insert(snapshot, map)
    }

    /// Adds a new snapshot with the blocks of another one, which may be in another region.
    pub(crate) fn copy(&self, snapshot: Snapshot, source: &Self, source_id: &str) -> Result<(), Error> {
        let path = self.blocks_path(&snapshot.id);
        let map = BlockMap::copy(path, &sync::lock(&*source.map(source_id)?))?;
        self.insert(snapshot, map)
    }

    /// The blocks come first, so that a snapshot with a record has its blocks whenever the server is killed.
    fn insert(&self, snapshot: Snapshot, map: BlockMap) -> Result<(), Error> {
        let id = snapshot.id.clone();
        sync::write(&self.maps).insert(id.clone(), Arc::new(Mutex::new(map)));
        self.records.put(&id, snapshot)
    }

    /// Records the time of a write into a pending snapshot.
    pub(crate) fn record_write(&self, id: &str, now: Timestamp) {
        sync::lock(&self.writes).insert(id.to_owned(), now);
    }

    /// Cancels the pending snapshots whose idle time is over.
    pub(crate) fn cancel_idle(&self, now: Timestamp, windows: &Windows) -> Result<(), Error> {
        for snapshot in self.all().iter().filter(|snapshot| snapshot.outcome.is_none()) {
            self.cancel_if_idle(snapshot, now, windows)?;
        }
        Ok(())
    }

    /// Cancels a pending snapshot if its idle time is over. Returns whether it did.
    pub(crate) fn cancel_if_idle(
        &self,
        snapshot: &Snapshot,
        now: Timestamp,
        windows: &Windows,
    ) -> Result<bool, Error> {
        let last = sync::lock(&self.writes).get(&snapshot.id).copied();
        let last = last.unwrap_or_else(|| self.last_write(snapshot));
        let Some(at) = snapshot.deadline(last, windows).filter(|&deadline| now >= deadline) else {
            return Ok(false);
        };
        let outcome = SnapshotOutcome { at, failure: Some(CANCELLED.to_owned()), blocks: 0 };
        sync::lock(&*self.map(&snapshot.id)?).seal();
        self.edit(&snapshot.id, |snapshot| {
            snapshot.outcome.get_or_insert(outcome);
            Ok::<_, Error>(())
        })?;
        Ok(true)
    }

    /// The time of the last write, from the file's modification time after a restart of the server.
    fn last_write(&self, snapshot: &Snapshot) -> Timestamp {
        let modified =
            std::fs::metadata(self.blocks_path(&snapshot.id)).and_then(|file| file.modified()).ok();
        let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let at = since.map(|since| Timestamp(since.as_millis() as u64));
        at.map_or(snapshot.start_time, |at| at.max(snapshot.start_time))
    }

    /// Removes a snapshot. Its client token stays used; unused blocks are removed when the folder is opened
    /// again.
    pub(crate) fn remove(&self, id: &str) -> Result<bool, Error> {
        let Some(snapshot) = self.find(id) else { return Ok(false) };
        if let Some(start) = &snapshot.start {
            self.used_tokens.put(&token_key(&snapshot.owner, &start.token), start.clone())?;
        }
        let removed = self.records.remove(id)?.is_some();
        sync::write(&self.maps).remove(id);
        sync::lock(&self.writes).remove(id);
        atomic::remove(&self.blocks_path(id))?;
        Ok(removed)
    }

    /// Moves a snapshot to the recycle bin. Its blocks stay, and its client token stays used.
    pub(crate) fn discard(&self, id: &str, retained: Retained) -> Result<(), Error> {
        let Some(snapshot) = self.find(id) else { return Ok(()) };
        if let Some(start) = &snapshot.start {
            self.used_tokens.put(&token_key(&snapshot.owner, &start.token), start.clone())?;
        }
        // The bin comes first: a server killed in between finds the snapshot in both, and the record counts.
        self.bin.put(id, BinnedSnapshot { retained, snapshot: Snapshot::clone(&snapshot) })?;
        self.records.remove(id)?;
        sync::lock(&self.writes).remove(id);
        Ok(())
    }

    /// The snapshots in the recycle bin at a point in time, in the order of their ids. Removes those whose time is
    /// over.
    pub(crate) fn binned(&self, now: Timestamp) -> Result<Vec<Arc<BinnedSnapshot>>, Error> {
        let mut binned = Vec::new();
        for (id, one) in self.bin.all() {
            if self.find(&id).is_some() {
                self.bin.remove(&id)?;
            } else if one.retained.is_over(now) {
                self.bin.remove(&id)?;
                sync::write(&self.maps).remove(&id);
                atomic::remove(&self.blocks_path(&id))?;
            } else {
                binned.push(one);
            }
        }
        Ok(binned)
    }

    /// A snapshot in the recycle bin, which keeps its tags.
    pub(crate) fn find_binned(&self, id: &str) -> Option<Arc<Snapshot>> {
        self.bin.find(id).map(|one| Arc::new(one.snapshot.clone()))
    }

    /// Takes a snapshot out of the recycle bin; `None` if it is not in it.
    pub(crate) fn restore(&self, id: &str) -> Result<Option<Arc<Snapshot>>, Error> {
        let Some(one) = self.bin.find(id) else { return Ok(None) };
        self.records.put(id, one.snapshot.clone())?;
        self.bin.remove(id)?;
        Ok(self.find(id))
    }

    /// The digests of the blocks of all snapshots, including those in the recycle bin.
    pub(crate) fn digests(&self) -> Result<HashSet<Sha256Digest>, Error> {
        let mut all = HashSet::new();
        let binned = self.bin.all().into_iter().map(|(id, _)| id);
        for id in self.all().iter().map(|snapshot| snapshot.id.clone()).chain(binned) {
            all.extend(sync::lock(&*self.map(&id)?).digests());
        }
        Ok(all)
    }

    fn blocks_path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.blocks"))
    }
}

/// Removes block maps without a record: the server was killed while it started or removed the snapshot.
fn remove_orphans(
    folder: &Path,
    records: &Table<Snapshot>,
    bin: &Table<BinnedSnapshot>,
) -> Result<(), Error> {
    for path in atomic::files(folder)? {
        let of_blocks = path.extension().is_some_and(|extension| extension == "blocks");
        let id = path.file_stem().unwrap_or_default().to_string_lossy();
        if of_blocks && records.find(&id).is_none() && bin.find(&id).is_none() {
            atomic::remove(&path)?;
        }
    }
    Ok(())
}

/// The table key of a client token.
fn token_key(account: &str, token: &str) -> String {
    format!("{account}/{token}")
}
