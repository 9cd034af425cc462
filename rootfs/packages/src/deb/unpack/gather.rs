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
use amiforge_store::{Committed, PendingRename, Store, StoreError};

use super::error::UnpackError;
use super::read::{self, ReadPackage};
use crate::backend::PackageFile;
use crate::deb::file::{self, DebError};
use crate::locked::LockedPackage;
use amiforge_rootfs::sources::expand::ExpandError;

/// Threads that wait for the disk.
const NAMERS: usize = 4;

/// A package that was read, and the file of its contents.
pub(super) struct GatheredPackage {
    pub(super) read: ReadPackage,
    pub(super) path: PathBuf,
    pub(super) stamp: FileStamp,
    /// The check of the entry, if the bytes come from the store.
    pub(super) deferred: Deferred,
}

/// A package that was read; its entry of the store may still lack its name.
struct PendingPackage {
    read: ReadPackage,
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

/// Results of naming entries.
type Names = Mutex<Vec<Result<Committed, StoreError>>>;

/// Reads all packages, in the order of the call.
pub(super) fn gather(
    debs: &[PackageFile<'_>],
    store: &Store,
    monitor: Monitor<'_>,
) -> Result<Vec<GatheredPackage>, UnpackError> {
    monitor.progress.begin("unpacking the packages", Some(debs.iter().map(|deb| deb.package.size).sum()));
    let mut largest: Vec<usize> = (0..debs.len()).collect();
    largest.sort_by_key(|number| debs.get(*number).map(|deb| std::cmp::Reverse(deb.package.size)));
    let slots: Vec<Mutex<Option<Result<PendingPackage, UnpackError>>>> =
        debs.iter().map(|_| Mutex::new(None)).collect();
    let named = Names::default();
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel::<PendingRename>();
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        for _ in 0..NAMERS {
            scope.spawn(|| name(&receive, &named));
        }
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(debs.len());
        for _ in 0..workers {
            let send = send.clone();
            let (largest, next, slots) = (&largest, &next, &slots);
            scope.spawn(move || {
                while let Some(number) = largest.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (Some(deb), Some(slot)) = (debs.get(*number), slots.get(*number)) else { break };
                    let package = read_package(deb, store, &send, monitor);
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
    pending.into_iter().map(|package| finish(package, &theirs)).collect()
}

/// Completes a package whose entry of the store has its name.
fn finish(package: PendingPackage, theirs: &HashSet<PathBuf>) -> Result<GatheredPackage, UnpackError> {
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

/// Reads one package, from the store if that has it.
fn read_package(
    deb: &PackageFile<'_>,
    store: &Store,
    renames: &mpsc::Sender<PendingRename>,
    monitor: Monitor<'_>,
) -> Result<PendingPackage, UnpackError> {
    if monitor.cancel.is_cancelled() {
        return Err(UnpackError::Interrupted);
    }
    let (spool, parts, from) = if let Some((spool, parts)) = file::find(deb.package, store)? {
        monitor.progress.advance(deb.package.size);
        (spool, parts, ContentSource::Store)
    } else {
        let expanded = file::expand(&deb.path, deb.package, store, monitor);
        let (spool, parts, rename) = expanded.map_err(|error| refused(deb, error))?;
        // The receivers live until all senders are gone.
        let _ = renames.send(rename);
        (spool, parts, ContentSource::File)
    };
    let read = read::read(deb.package, &spool, parts, monitor)
        .map_err(|source| UnpackError::Package { package: title(deb.package), source: Box::new(source) })?;
    Ok(PendingPackage { read, path: spool.path, len: spool.len, digest: spool.digest, from })
}

fn refused(deb: &PackageFile<'_>, error: DebError) -> UnpackError {
    match error {
        DebError::Store(error) | DebError::Expand { source: ExpandError::Store(error), .. } => error.into(),
        DebError::Hash(ExpandError::Interrupted)
        | DebError::Expand { source: ExpandError::Interrupted, .. } => UnpackError::Interrupted,
        error => {
            UnpackError::Deb { package: title(deb.package), path: deb.path.clone(), source: Box::new(error) }
        }
    }
}

fn title(package: &LockedPackage) -> String {
    format!("{}:{} {}", package.name, package.arch, package.version)
}
