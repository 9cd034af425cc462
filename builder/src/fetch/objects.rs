//! Fetches many files into the store in parallel. Each continues from a partial file and is checked by its digest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use amiforge_packages::host::without_credentials;
use amiforge_progress::Monitor;
use amiforge_store::{CreatedObject, Objects, PartialObject, StoreError};

use super::error::FetchError;
use super::git;
use super::http::{ATTEMPTS, HttpClient, TransferError, broken, pause};
use super::requests::{FileLocation, FileRequest};

/// Bytes per read.
const CHUNK: usize = 1 << 17;

/// The result of a fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchOutcome {
    /// Files that were in the store.
    pub there: usize,
    /// Files that were fetched.
    pub fetched: usize,
    /// Length of the fetched files.
    pub bytes: u64,
}

/// Fetches files into the store, `jobs` in parallel. Files in the store are not fetched again; partial files are
/// continued.
///
/// # Errors
/// [`FetchError`]: of several the first in the order of `requests`. Files that were fetched until then stay in the store.
pub fn fetch(
    requests: &[FileRequest],
    objects: &Objects,
    client: &HttpClient,
    jobs: usize,
    monitor: Monitor<'_>,
) -> Result<FetchOutcome, FetchError> {
    let mut outcome = FetchOutcome::default();
    let mut missing = Vec::new();
    for request in requests {
        // `find` removes a damaged file, so that it is fetched again.
        if let Ok(Some(_)) = objects.find(request.sha256, request.size) {
            outcome.there += 1;
        } else {
            missing.push(request);
        }
    }
    outcome.fetched = missing.len();
    outcome.bytes = missing.iter().map(|request| request.size).sum();
    if missing.is_empty() {
        return Ok(outcome);
    }
    monitor.progress.begin("fetching", Some(outcome.bytes));
    let work = FetchWork { objects, client, monitor, failed: AtomicBool::new(false) };
    let (next, errors) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, missing.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = missing.get(index).filter(|_| !work.stop()) else { break };
                    if let Err(error) = work.fetch_one(request) {
                        work.failed.store(true, Ordering::Relaxed);
                        errors.lock().unwrap_or_else(PoisonError::into_inner).insert(index, error);
                    }
                }
            });
        }
    });
    monitor.progress.end();
    let errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    // After a failure the other threads end as interrupted, so the failure takes precedence.
    let is_interrupt = |error: &FetchError| matches!(error, FetchError::Interrupted);
    let (interrupted, real): (Vec<_>, Vec<_>) = errors.into_values().partition(is_interrupt);
    if let Some(error) = real.into_iter().chain(interrupted).next() {
        return Err(error);
    }
    if monitor.cancel.is_cancelled() {
        return Err(FetchError::Interrupted);
    }
    objects.sync()?;
    Ok(outcome)
}

/// Fetches a file of unknown length and digest into an unnamed file in `folder`.
pub(crate) fn fetch_unpinned(
    from: &FileLocation,
    folder: &Path,
    client: &HttpClient,
    monitor: Monitor<'_>,
) -> Result<File, FetchError> {
    let local = |name: &str| {
        let name = name.to_owned();
        move |source| FetchError::Local { name, source }
    };
    match from {
        FileLocation::Path(path, name) => amiforge_progress::regular::open(path).map_err(local(name)),
        FileLocation::Git(url, commit) => {
            let failed =
                |source| FetchError::Git { url: without_credentials(url), commit: commit.clone(), source };
            let output = git::export(url, commit, folder).map_err(failed)?;
            output.reopen().map_err(failed)
        }
        FileLocation::Urls(urls) => {
            let url = urls.first().map(String::as_str).unwrap_or_default();
            let output = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
            let mut file = output.map_err(local("a new file of the store"))?;
            monitor.progress.begin(&format!("fetching {}", without_credentials(url)), None);
            let copied = copy_url(url, &mut file, client, monitor);
            monitor.progress.end();
            copied.map(|()| file)
        }
    }
}

fn copy_url(url: &str, file: &mut File, client: &HttpClient, monitor: Monitor<'_>) -> Result<(), FetchError> {
    let failed = |source| FetchError::Url { url: without_credentials(url), source };
    let (mut at, mut attempt) = (0, 1);
    let mut buffer = vec![0; CHUNK];
    loop {
        let tried = (|| {
            let mut download = client.open(url, at)?;
            if download.from != at {
                at = 0;
                file.set_len(0).and_then(|()| file.rewind()).map_err(TransferError::File)?;
            }
            loop {
                let count = download.body.read(&mut buffer).map_err(|error| broken(&error))?;
                if count == 0 || monitor.cancel.is_cancelled() {
                    let size = download.size.unwrap_or(at);
                    return if at == size { Ok(()) } else { Err(TransferError::Cut { got: at, size }) };
                }
                file.write_all(&buffer[..count]).map_err(TransferError::File)?;
                at += count as u64;
                monitor.progress.advance(count as u64);
            }
        })();
        match tried {
            _ if monitor.cancel.is_cancelled() => return Err(FetchError::Interrupted),
            Err(error) if error.is_temporary() && attempt < ATTEMPTS => {
                pause(attempt, monitor.cancel);
                attempt += 1;
            }
            done => return done.map_err(failed),
        }
    }
}

/// The state that the threads share.
struct FetchWork<'a> {
    objects: &'a Objects,
    client: &'a HttpClient,
    monitor: Monitor<'a>,
    failed: AtomicBool,
}

impl FetchWork<'_> {
    fn stop(&self) -> bool {
        self.monitor.cancel.is_cancelled() || self.failed.load(Ordering::Relaxed)
    }

    fn fetch_one(&self, request: &FileRequest) -> Result<(), FetchError> {
        match &request.from {
            FileLocation::Urls(urls) => {
                let mut last = None;
                for url in urls {
                    match self.fetch_url(request, url) {
                        Err(FetchError::Url { url, source }) if source.is_missing() => {
                            last = Some(FetchError::Url { url, source });
                        }
                        done => return done,
                    }
                }
                last.map_or(Ok(()), Err)
            }
            FileLocation::Path(path, name) => {
                let failed = |source| FetchError::Local { name: name.clone(), source };
                let mut file = amiforge_progress::regular::open(path).map_err(failed)?;
                self.put(request, name, &mut file)
            }
            FileLocation::Git(url, commit) => {
                let folder = self.objects.path(request.sha256);
                let folder = folder.parent().map(PathBuf::from).unwrap_or_default();
                let mut output = git::export(url, commit, &folder).map_err(|source| FetchError::Git {
                    url: without_credentials(url),
                    commit: commit.clone(),
                    source,
                })?;
                self.put(request, url, output.as_file_mut())
            }
        }
    }

    /// Puts an open file into the store.
    fn put(&self, request: &FileRequest, name: &str, file: &mut File) -> Result<(), FetchError> {
        self.objects.put(request.sha256, request.size, file).map_err(|error| other(error, request, name))?;
        self.monitor.progress.advance(request.size);
        Ok(())
    }

    fn fetch_url(&self, request: &FileRequest, url: &str) -> Result<(), FetchError> {
        let mut attempt = 1;
        let mut may_restart = true;
        loop {
            if self.stop() {
                return Err(FetchError::Interrupted);
            }
            let mut part = match self.objects.create(request.sha256, request.size)? {
                CreatedObject::Exists(_) => return Ok(()),
                CreatedObject::Locked => {
                    // Another process fetches it: either it completes the file, or this one continues its part.
                    thread::sleep(Duration::from_millis(50));
                    continue;
                }
                CreatedObject::Partial(part) => part,
            };
            let resumed_at = part.len();
            match self.pull(&mut part, request, url) {
                Ok(()) => match part.finish() {
                    Ok(_) => return Ok(()),
                    // The partial file was not the beginning of this file: fetch it once more from its start.
                    Err(StoreError::Other { .. }) if resumed_at > 0 && may_restart => may_restart = false,
                    Err(error) => return Err(other(error, request, url)),
                },
                Err(PullError::Transfer(error)) if error.is_temporary() && attempt < ATTEMPTS => {
                    drop(part);
                    pause(attempt, self.monitor.cancel);
                    attempt += 1;
                }
                Err(PullError::Transfer(source)) => {
                    return Err(FetchError::Url { url: without_credentials(url), source });
                }
                Err(PullError::Store(error)) => return Err(other(error, request, url)),
                Err(PullError::Stopped) => return Err(FetchError::Interrupted),
            }
        }
    }

    /// Fetches the missing bytes of a partial file.
    fn pull(&self, part: &mut PartialObject, request: &FileRequest, url: &str) -> Result<(), PullError> {
        if part.len() == request.size {
            return Ok(());
        }
        let mut download = self.client.open(url, part.len())?;
        if let Some(found) = download.size.filter(|&found| found != request.size) {
            return Err(TransferError::Length { found, size: request.size }.into());
        }
        if download.from != part.len() {
            part.truncate()?;
        }
        let mut buffer = vec![0; CHUNK];
        while part.len() < request.size {
            if self.monitor.cancel.is_cancelled() {
                return Err(PullError::Stopped);
            }
            let count = download.body.read(&mut buffer).map_err(|error| broken(&error))?;
            if count == 0 {
                return Err(TransferError::Cut { got: part.len(), size: request.size }.into());
            }
            part.write(&buffer[..count])?;
            self.monitor.progress.advance(count as u64);
        }
        Ok(())
    }
}

/// Why a partial file was not completed.
enum PullError {
    Transfer(TransferError),
    Store(StoreError),
    Stopped,
}

impl std::convert::From<TransferError> for PullError {
    fn from(error: TransferError) -> Self {
        Self::Transfer(error)
    }
}

impl std::convert::From<StoreError> for PullError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Adds URL and label of the request to a digest error of the store.
fn other(error: StoreError, request: &FileRequest, url: &str) -> FetchError {
    match error {
        StoreError::Other { found, expected } => {
            FetchError::Other { url: without_credentials(url), label: request.label.clone(), found, expected }
        }
        error => FetchError::Store(error),
    }
}
