//! Many files at once into the store: in parallel, each continued from what is there, each held against its digest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use amiforge_progress::Interrupt;
use amiforge_progress::Progress;
use amiforge_store::{Begun, ObjectPart, Objects, StoreError};

use super::wire::{ATTEMPTS, broken, pause};
use amiforge_packages::host::without_credentials;

use super::{FetchError, FileLocation, Want, Wire, WireError, git};

/// Bytes read at a time.
const CHUNK: usize = 1 << 17;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchOutcome {
    /// Files that were there already.
    pub there: usize,
    /// Files that were fetched.
    pub fetched: usize,
    /// Length of the fetched files.
    pub bytes: u64,
}

/// Puts files into the store, `jobs` at a time. What is there is left alone; what was begun is continued.
///
/// # Errors
/// [`FetchError`]: the first in the order of `wants` of those that happened. What was fetched until then stays.
pub fn fetch(
    wants: &[Want],
    objects: &Objects,
    wire: &Wire,
    jobs: usize,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<FetchOutcome, FetchError> {
    let mut outcome = FetchOutcome::default();
    let mut missing = Vec::new();
    for want in wants {
        // A damaged one has been removed by looking, so that it is fetched anew.
        if let Ok(Some(_)) = objects.find(want.sha256, want.size) {
            outcome.there += 1;
        } else {
            missing.push(want);
        }
    }
    outcome.fetched = missing.len();
    outcome.bytes = missing.iter().map(|want| want.size).sum();
    if missing.is_empty() {
        return Ok(outcome);
    }
    progress.begin("fetching", Some(outcome.bytes));
    let work = Work { objects, wire, progress, interrupt, failed: AtomicBool::new(false) };
    let (next, errors) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, missing.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(want) = missing.get(index).filter(|_| !work.stop()) else { break };
                    if let Err(error) = work.one(want) {
                        work.failed.store(true, Ordering::Relaxed);
                        errors.lock().unwrap_or_else(PoisonError::into_inner).insert(index, error);
                    }
                }
            });
        }
    });
    progress.end();
    let errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    // An interruption is what became of the others when one failed; that one is the news.
    let told = |error: &FetchError| matches!(error, FetchError::Interrupted);
    let (interrupted, real): (Vec<_>, Vec<_>) = errors.into_values().partition(told);
    if let Some(error) = real.into_iter().chain(interrupted).next() {
        return Err(error);
    }
    if interrupt.raised() {
        return Err(FetchError::Interrupted);
    }
    objects.settle()?;
    Ok(outcome)
}

/// Copies a file of unknown length and digest to a file without a name in `folder`.
pub(crate) fn copy(
    from: &FileLocation,
    folder: &Path,
    wire: &Wire,
    interrupt: &Interrupt,
    progress: &dyn Progress,
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
            let made = git::export(url, commit, folder).map_err(failed)?;
            made.reopen().map_err(failed)
        }
        FileLocation::Urls(urls) => {
            let url = urls.first().map(String::as_str).unwrap_or_default();
            let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
            let mut file = made.map_err(local("a new file of the store"))?;
            progress.begin(&format!("fetching {}", without_credentials(url)), None);
            let copied = copy_url(url, &mut file, wire, interrupt, progress);
            progress.end();
            copied.map(|()| file)
        }
    }
}

fn copy_url(
    url: &str,
    file: &mut File,
    wire: &Wire,
    interrupt: &Interrupt,
    progress: &dyn Progress,
) -> Result<(), FetchError> {
    let failed = |source| FetchError::Url { url: without_credentials(url), source };
    let (mut at, mut attempt) = (0, 1);
    let mut buffer = vec![0; CHUNK];
    loop {
        let tried = (|| {
            let mut answer = wire.open(url, at)?;
            if answer.from != at {
                at = 0;
                file.set_len(0).and_then(|()| file.rewind()).map_err(WireError::File)?;
            }
            loop {
                let count = answer.body.read(&mut buffer).map_err(|error| broken(&error))?;
                if count == 0 || interrupt.raised() {
                    let size = answer.size.unwrap_or(at);
                    return if at == size { Ok(()) } else { Err(WireError::Cut { got: at, size }) };
                }
                file.write_all(&buffer[..count]).map_err(WireError::File)?;
                at += count as u64;
                progress.advance(count as u64);
            }
        })();
        match tried {
            _ if interrupt.raised() => return Err(FetchError::Interrupted),
            Err(error) if error.passes() && attempt < ATTEMPTS => {
                pause(attempt, interrupt);
                attempt += 1;
            }
            done => return done.map_err(failed),
        }
    }
}

/// What the threads share.
struct Work<'a> {
    objects: &'a Objects,
    wire: &'a Wire,
    progress: &'a dyn Progress,
    interrupt: &'a Interrupt,
    failed: AtomicBool,
}

impl Work<'_> {
    fn stop(&self) -> bool {
        self.interrupt.raised() || self.failed.load(Ordering::Relaxed)
    }

    fn one(&self, want: &Want) -> Result<(), FetchError> {
        match &want.from {
            FileLocation::Urls(urls) => {
                let mut last = None;
                for url in urls {
                    match self.take(want, url) {
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
                self.put(want, name, &mut file)
            }
            FileLocation::Git(url, commit) => {
                let folder = self.objects.path(want.sha256);
                let folder = folder.parent().map(PathBuf::from).unwrap_or_default();
                let mut made = git::export(url, commit, &folder).map_err(|source| FetchError::Git {
                    url: without_credentials(url),
                    commit: commit.clone(),
                    source,
                })?;
                self.put(want, url, made.as_file_mut())
            }
        }
    }

    /// Takes a file that is at hand.
    fn put(&self, want: &Want, name: &str, file: &mut File) -> Result<(), FetchError> {
        self.objects.put(want.sha256, want.size, file).map_err(|error| other(error, want, name))?;
        self.progress.advance(want.size);
        Ok(())
    }

    fn take(&self, want: &Want, url: &str) -> Result<(), FetchError> {
        let mut attempt = 1;
        let mut again = true;
        loop {
            if self.stop() {
                return Err(FetchError::Interrupted);
            }
            let mut part = match self.objects.begin(want.sha256, want.size)? {
                Begun::There(_) => return Ok(()),
                Begun::Busy => {
                    // Somebody else fetches it: it will be there, or theirs to continue.
                    thread::sleep(Duration::from_millis(50));
                    continue;
                }
                Begun::Part(part) => part,
            };
            let found = part.at();
            match self.pull(&mut part, want, url) {
                Ok(()) => match part.finish() {
                    Ok(_) => return Ok(()),
                    // What somebody left was not the beginning of this file: once more from the start.
                    Err(StoreError::Other { .. }) if found > 0 && again => again = false,
                    Err(error) => return Err(other(error, want, url)),
                },
                Err(Pull::Wire(error)) if error.passes() && attempt < ATTEMPTS => {
                    drop(part);
                    pause(attempt, self.interrupt);
                    attempt += 1;
                }
                Err(Pull::Wire(source)) => {
                    return Err(FetchError::Url { url: without_credentials(url), source });
                }
                Err(Pull::Store(error)) => return Err(other(error, want, url)),
                Err(Pull::Stopped) => return Err(FetchError::Interrupted),
            }
        }
    }

    /// Appends to a part what it lacks.
    fn pull(&self, part: &mut ObjectPart, want: &Want, url: &str) -> Result<(), Pull> {
        if part.at() == want.size {
            return Ok(());
        }
        let mut answer = self.wire.open(url, part.at())?;
        if let Some(found) = answer.size.filter(|&found| found != want.size) {
            return Err(WireError::Length { found, size: want.size }.into());
        }
        if answer.from != part.at() {
            part.restart()?;
        }
        let mut buffer = vec![0; CHUNK];
        while part.at() < want.size {
            if self.interrupt.raised() {
                return Err(Pull::Stopped);
            }
            let count = answer.body.read(&mut buffer).map_err(|error| broken(&error))?;
            if count == 0 {
                return Err(WireError::Cut { got: part.at(), size: want.size }.into());
            }
            part.write(&buffer[..count])?;
            self.progress.advance(count as u64);
        }
        Ok(())
    }
}

/// Why a part did not become whole.
enum Pull {
    Wire(WireError),
    Store(StoreError),
    Stopped,
}

impl std::convert::From<WireError> for Pull {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl std::convert::From<StoreError> for Pull {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An error of the store, with what was wanted where the bytes were others.
fn other(error: StoreError, want: &Want, url: &str) -> FetchError {
    match error {
        StoreError::Other { found, expected } => {
            FetchError::Other { url: without_credentials(url), label: want.label.clone(), found, expected }
        }
        error => FetchError::Store(error),
    }
}
