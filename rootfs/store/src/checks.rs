//! Digests that are taken while the build goes on: nothing waits for them but the last step.
//!
//! One thread does them one after the other. It is slower than two would be and leaves the other core to the build,
//! which is what the user waits for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use amiforge_formats::digest::Digest;
use sha2::{Digest as _, Sha256};

use crate::{Naming, StoreError};

/// Bytes hashed at a time.
const PIECE: usize = 1 << 20;

/// What a digest is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// It is the input's own, to be compared with what the recipe names, if it does.
    Input(Option<Digest>),
    /// It is that of a part of the input, such as a layer; named so in errors.
    Part(String, Digest),
    /// It is that of an entry of the store, which is removed if it is wrong.
    Entry(PathBuf, Digest),
}

/// Something to be done before the build is finished.
#[derive(Debug)]
pub enum DeferredTask {
    /// Hash `len` bytes of `file` from `at` on.
    Hash {
        /// The file.
        file: File,
        /// First byte.
        at: u64,
        /// Length in bytes.
        len: u64,
        /// What for.
        purpose: Purpose,
    },
    /// Hash an entry of the store, which is removed if its digest is wrong. It is opened then, because there may be
    /// more entries than a program may have open.
    Entry {
        /// The entry.
        path: PathBuf,
        /// Bytes of it, from the first on.
        len: u64,
        /// Their digest.
        digest: Digest,
    },
    /// Give an entry of the store its name.
    Name(Naming),
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The bytes cannot be read.
    #[error("hashing the input")]
    Read(#[source] io::Error),
    /// The input is not the one that the recipe names.
    #[error("its sha256 is {actual}, expected {expected}")]
    Input {
        /// What the recipe names.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A part of the input is not what its manifest says.
    #[error("the sha256 of {part} is {actual}, expected {expected}")]
    Part {
        /// Which part.
        part: String,
        /// What the manifest says.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was told to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Digests that are still to be taken, and entries of the store that are still to get their names. Dropped, they are
/// not taken, and what needed them must not be used.
#[derive(Debug, Default)]
#[must_use = "what was read is not checked before these are"]
pub struct Outstanding(Vec<DeferredTask>);

/// Checks that have been started. Dropped, they stop.
#[derive(Debug)]
#[must_use = "what was read is not checked before these are"]
pub struct Settling(Checks);

impl Outstanding {
    /// Checks that are still to be started.
    pub fn new(tasks: Vec<DeferredTask>) -> Self {
        Self(tasks)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over those of another.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Starts on them, on a thread of their own.
    pub fn start(self) -> Settling {
        Settling(Checks::start(self.0.into_iter().map(|task| (0, task)).collect()))
    }
}

impl Settling {
    /// Waits for the rest. To be called after the last content was read and before anything that was made from it is
    /// given its final name.
    ///
    /// # Errors
    /// The first that is not as it should be.
    pub fn wait(mut self) -> Result<(), CheckError> {
        self.0.wait().map(|_| ()).map_err(|(_, error)| error)
    }
}

type Done = Result<Vec<(usize, Digest)>, (usize, CheckError)>;

/// Checks that are under way; dropped, they stop.
#[derive(Debug, Default)]
pub struct Checks {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Done>>,
}

impl Checks {
    /// Starts on the tasks, each with the number of the input that it belongs to.
    pub fn start(tasks: Vec<(usize, DeferredTask)>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = (!tasks.is_empty()).then(|| std::thread::spawn(move || all(tasks, &flag)));
        Self { stop, thread }
    }

    /// Waits for the rest; gives the digests of inputs by their number.
    pub fn wait(&mut self) -> Done {
        let Some(thread) = self.thread.take() else { return Ok(Vec::new()) };
        let stopped = || Err((0, CheckError::Read(io::Error::other("the thread that hashes ended early"))));
        thread.join().unwrap_or_else(|_| stopped())
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn all(tasks: Vec<(usize, DeferredTask)>, stop: &AtomicBool) -> Done {
    let mut digests = Vec::new();
    for (input, task) in tasks {
        if let Some(digest) = one(task, stop).map_err(|error| (input, error))? {
            digests.push((input, digest));
        }
    }
    Ok(digests)
}

fn one(task: DeferredTask, stop: &AtomicBool) -> Result<Option<Digest>, CheckError> {
    let (file, at, len, purpose) = match task {
        DeferredTask::Hash { file, at, len, purpose } => (file, at, len, purpose),
        DeferredTask::Entry { path, len, digest } => {
            let file = amiforge_progress::regular::open(&path).map_err(CheckError::Read)?;
            (file, 0, len, Purpose::Entry(path, digest))
        }
        DeferredTask::Name(naming) => return naming.finish().map(|()| None).map_err(CheckError::Store),
    };
    let actual = hash(&file, at, len, stop)?;
    match purpose {
        Purpose::Input(Some(expected)) if expected != actual => Err(CheckError::Input { expected, actual }),
        Purpose::Input(_) => Ok(Some(actual)),
        Purpose::Part(_, expected) | Purpose::Entry(_, expected) if expected == actual => Ok(None),
        Purpose::Part(part, expected) => Err(CheckError::Part { part, expected, actual }),
        Purpose::Entry(path, expected) => {
            let _ = std::fs::remove_file(&path);
            let (found, expected) = (format!("sha256 {actual}"), expected.to_string());
            Err(StoreError::Damaged { path, found, expected }.into())
        }
    }
}

/// The digest of a stretch of a file.
fn hash(file: &File, mut at: u64, mut len: u64, stop: &AtomicBool) -> Result<Digest, CheckError> {
    let mut hasher = Sha256::new();
    let mut buf = vec![0; PIECE];
    while len > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(CheckError::Interrupted);
        }
        let piece = usize::try_from(len).unwrap_or(PIECE).min(PIECE);
        file.read_exact_at(&mut buf[..piece], at).map_err(CheckError::Read)?;
        hasher.update(&buf[..piece]);
        at += piece as u64;
        len -= piece as u64;
    }
    Ok(Digest(hasher.finalize().into()))
}
