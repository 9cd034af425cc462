//! Gathering: every package's file decompressed into the store and read, on all processors, the largest first.
//! Entries of the store get their names, which waits for the disk, on threads of their own meanwhile.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_store::blobs::FileStamp;
use amiforge_store::deferred::Deferred;
use amiforge_store::{Committed, OpenEntry, PendingRename, Store, StoreError};

use crate::backend::PackageFile;

/// Threads that wait for the disk.
const NAMERS: usize = 4;

/// A package that was read, and the file of its contents.
pub(crate) struct GatheredPackage<T> {
    pub(crate) read: T,
    pub(crate) path: PathBuf,
    pub(crate) stamp: FileStamp,
    /// The check of the entry, if the bytes come from the store.
    pub(crate) deferred: Deferred,
}

/// What a kind read of a package, and the entry of the store that holds it.
pub(crate) struct EntryRead<T> {
    pub(crate) read: T,
    pub(crate) entry: OpenEntry,
    /// The name of an entry that was just written, hashed on the way; none where the store had it.
    pub(crate) rename: Option<PendingRename>,
}

/// A package that was read; its entry of the store may still lack its name.
struct PendingPackage<T> {
    read: T,
    path: PathBuf,
    len: u64,
    digest: Digest,
    from: ContentSource,
}

/// Origin of an entry of the store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ContentSource {
    /// It was there.
    Store,
    /// It was just written, hashed on the way.
    File,
}

/// Where a thread puts the result of a package.
type Slot<T, E> = Mutex<Option<Result<PendingPackage<T>, E>>>;

/// Results of naming entries.
type Names = Mutex<Vec<Result<Committed, StoreError>>>;

/// Reads all packages by `read`, in the order of the call.
pub(crate) fn gather<T: Send, E: From<StoreError> + Send>(
    files: &[PackageFile<'_>],
    store: &Store,
    monitor: Monitor<'_>,
    read: &(impl Fn(&PackageFile<'_>) -> Result<EntryRead<T>, E> + Sync),
) -> Result<Vec<GatheredPackage<T>>, E> {
    let bytes = files.iter().map(|file| file.package.size).sum();
    monitor.progress.begin("unpacking the packages", Some(bytes));
    let mut largest: Vec<usize> = (0..files.len()).collect();
    largest.sort_by_key(|number| files.get(*number).map(|file| std::cmp::Reverse(file.package.size)));
    let slots: Vec<Slot<T, E>> = files.iter().map(|_| Mutex::new(None)).collect();
    let named = Names::default();
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel::<PendingRename>();
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        for _ in 0..NAMERS {
            scope.spawn(|| name(&receive, &named));
        }
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
        for _ in 0..workers {
            let send = send.clone();
            let (largest, next, slots) = (&largest, &next, &slots);
            scope.spawn(move || {
                while let Some(number) = largest.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (Some(file), Some(slot)) = (files.get(*number), slots.get(*number)) else { break };
                    let package = read(file).map(|entry| pending(entry, &send));
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(package);
                }
            });
        }
        drop(send);
    });
    // Errors by the order of the call, whichever thread was first.
    let pending =
        slots.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
    let pending = pending.collect::<Result<Vec<_>, _>>()?;
    let mut theirs = HashSet::new();
    for named in named.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if let Committed::Theirs(path) = named? {
            theirs.insert(path);
        }
    }
    store.sync()?;
    pending.into_iter().map(|package| finish(package, &theirs).map_err(E::from)).collect()
}

/// Hands the name of an entry to the threads that wait for the disk.
fn pending<T>(entry: EntryRead<T>, renames: &mpsc::Sender<PendingRename>) -> PendingPackage<T> {
    let EntryRead { read, entry, rename } = entry;
    let from = if rename.is_some() { ContentSource::File } else { ContentSource::Store };
    if let Some(rename) = rename {
        // The receivers live until all senders are gone.
        let _ = renames.send(rename);
    }
    PendingPackage { read, path: entry.path, len: entry.len, digest: entry.digest, from }
}

/// Completes a package whose entry of the store has its name.
fn finish<T>(
    package: PendingPackage<T>,
    theirs: &HashSet<PathBuf>,
) -> Result<GatheredPackage<T>, StoreError> {
    let PendingPackage { read, path, len, digest, from } = package;
    let found = std::fs::metadata(&path).map_err(|source| StoreError::Read { path: path.clone(), source })?;
    let unchecked = from == ContentSource::Store || theirs.contains(&path);
    let mut deferred = Deferred::new();
    if unchecked {
        deferred.check_entry(&path, len, digest);
    }
    Ok(GatheredPackage { read, path, stamp: FileStamp::of_entry(&found), deferred })
}

/// Gives names until no more come.
fn name(receive: &Mutex<mpsc::Receiver<PendingRename>>, named: &Names) {
    loop {
        let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(rename) = next else { return };
        let done = rename.rename();
        named.lock().unwrap_or_else(PoisonError::into_inner).push(done);
    }
}
