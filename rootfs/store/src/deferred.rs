//! Deferred work: digests that are checked, and entries that get their names, while the build goes on. Only the last
//! step, the name of the bundle, waits for it. Knows files, digests and entries of the store; neither recipes nor images.
//!
//! One thread takes the tasks of a [`Deferred::start`] one after another. It is slower than two would be and leaves the
//! other core to the build, which is what the user waits for.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use amiforge_formats::digest::Digest;
use amiforge_progress::{CancelToken, Monitor};

use crate::entry::{OpenEntry, PendingRename};
use crate::error::StoreError;
use crate::hash::hash_range;
use crate::stamps::{PendingStamp, Stamps};

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
        /// The digest in the recipe.
        expected: Digest,
        /// The digest of the bytes.
        actual: Digest,
    },
    /// A part of the input is not the one that its manifest names.
    #[error("the sha256 of {part} is {actual}, expected {expected}")]
    Part {
        /// Name of the part.
        part: String,
        /// The digest in the manifest.
        expected: Digest,
        /// The digest of the bytes.
        actual: Digest,
    },
    /// An entry of the store is damaged, or the store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was cancelled.
    #[error("interrupted")]
    Interrupted,
}

/// The first deferred task that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeferredError {
    /// It belongs to an input.
    #[error("checking {input}")]
    Input {
        /// Label of the input, see [`Deferred::label`].
        input: String,
        /// Why it failed.
        #[source]
        source: CheckError,
    },
    /// It belongs to none, such as an entry of the store.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// The digests of inputs that were taken, each with the label of its input.
pub type InputDigests = Vec<(String, Digest)>;

/// Checks and renames that a build puts off, and joins once: after the last content was read and before anything made
/// from it gets its final name.
///
/// A layer gets its name after every check has passed, so one that was made from damaged bytes never has one. Dropped
/// without [`Deferred::join`], checks that run are cancelled, the others are not made, and no layer gets its name:
/// nothing made from what was read may be used then.
#[derive(Debug, Default)]
#[must_use = "what was read is not checked before this is joined"]
pub struct Deferred {
    running: Vec<Running>,
    tasks: Vec<LabelledTask>,
    layers: Vec<PendingRename>,
}

#[derive(Debug)]
struct LabelledTask {
    input: Option<String>,
    task: Task,
}

#[derive(Debug)]
enum Task {
    /// Hashes an open file and compares.
    Range { file: File, at: u64, len: u64, expected: Expected },
    /// Hashes an input and compares; its digest gets the stamp that it had.
    Input { file: File, len: u64, expected: Option<Digest>, stamp: Option<(Stamps, PendingStamp)> },
    /// Hashes an entry of the store that is opened then: there may be more of them than a program may have open.
    Entry { path: PathBuf, len: u64, digest: Digest },
    /// Gives an entry its name.
    Rename(PendingRename),
}

/// The digest that a range must have.
#[derive(Debug)]
enum Expected {
    Part(String, Digest),
    Entry(PathBuf, Digest),
}

impl Deferred {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do or to wait for.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty() && self.tasks.is_empty() && self.layers.is_empty()
    }

    /// Hashes the first `len` bytes of an input, and compares their digest with the expected one, if there is one.
    /// [`Deferred::join`] returns the digest under the label of the input.
    pub fn check_input(&mut self, file: File, len: u64, expected: Option<Digest>) {
        self.push(Task::Input { file, len, expected, stamp: None });
    }

    /// Checks an input as [`Deferred::check_input`] does, unless the expected digest is the one that the file has by its stamp;
    /// else its digest gets a stamp. Gives the digest that need not be taken any more. To be used before anything of the
    /// file is read: a stamp holds from then on.
    ///
    /// # Errors
    /// When the metadata of the file cannot be read.
    pub fn check_stamped_input(
        &mut self,
        (file, len): (File, u64),
        expected: Option<Digest>,
        stamps: Stamps,
    ) -> io::Result<Option<Digest>> {
        let known = stamps.digest(&file);
        if known.is_some_and(|known| expected.is_none_or(|expected| expected == known)) {
            return Ok(known);
        }
        let stamp = PendingStamp::of(&file.metadata()?).map(|stamp| (stamps, stamp));
        self.push(Task::Input { file, len, expected, stamp });
        Ok(None)
    }

    /// Hashes `len` bytes of `file` from `at` on, a part of an input such as a layer of an image; errors name it `part`.
    pub fn check_part(&mut self, (file, at, len): (File, u64, u64), part: &str, expected: Digest) {
        self.push(Task::Range { file, at, len, expected: Expected::Part(part.to_owned(), expected) });
    }

    /// Hashes an entry of the store by its open file. If the digest is wrong, the entry is removed.
    ///
    /// # Errors
    /// When the file cannot be duplicated.
    pub fn check_open_entry(&mut self, entry: &OpenEntry) -> Result<(), StoreError> {
        let file = entry.file.try_clone();
        let file = file.map_err(|source| StoreError::Read { path: entry.path.clone(), source })?;
        let expected = Expected::Entry(entry.path.clone(), entry.digest);
        self.push(Task::Range { file, at: 0, len: entry.len, expected });
        Ok(())
    }

    /// Hashes the first `len` bytes of an entry of the store, opened when its turn comes. If the digest is wrong, the
    /// entry is removed.
    pub fn check_entry(&mut self, path: &Path, len: u64, digest: Digest) {
        self.push(Task::Entry { path: path.to_owned(), len, digest });
    }

    /// Gives an entry its name in its turn: one whose bytes were hashed while they were written, as inputs are.
    pub fn rename(&mut self, entry: PendingRename) {
        self.push(Task::Rename(entry));
    }

    /// Gives a layer its name when all checks have passed, those that are added later too.
    pub fn rename_layer(&mut self, layer: PendingRename) {
        self.layers.push(layer);
    }

    fn push(&mut self, task: Task) {
        self.tasks.push(LabelledTask { input: None, task });
    }

    /// Labels the tasks that have no label yet with the input that they belong to, which errors and digests name.
    pub fn label(&mut self, input: &str) {
        for task in self.tasks.iter_mut().filter(|task| task.input.is_none()) {
            task.input = Some(input.to_owned());
        }
    }

    /// Takes over all of another.
    pub fn append(&mut self, other: Self) {
        let Self { mut running, mut tasks, mut layers } = other;
        self.running.append(&mut running);
        self.tasks.append(&mut tasks);
        self.layers.append(&mut layers);
    }

    /// Starts on the tasks so far, on a thread of their own.
    pub fn start(&mut self) {
        self.running.extend(Running::start(std::mem::take(&mut self.tasks)));
    }

    /// Starts on the tasks and then on the names of the layers, which do not wait for other tasks: to be used where all
    /// that the layers were made from has been checked already, so that they outlive a build that is killed later.
    pub fn start_with_layers(&mut self) {
        for layer in std::mem::take(&mut self.layers) {
            self.rename(layer);
        }
        self.start();
    }

    /// Whether it has checks that were not started.
    pub fn has_checks(&self) -> bool {
        self.tasks.iter().any(|task| !matches!(task.task, Task::Rename(_)))
    }

    /// Whether layers wait for their names.
    pub fn has_layers(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Drops the tasks that were not started: to be used where something else vouches for every byte.
    pub fn discard(&mut self) {
        self.tasks.clear();
    }

    /// Starts on what was not started, waits for all of it, and gives the layers their names. Returns the digests of
    /// inputs.
    ///
    /// # Errors
    /// The first task that failed; no layer gets its name then.
    pub fn join(mut self) -> Result<InputDigests, DeferredError> {
        self.start();
        let mut digests = InputDigests::new();
        for running in self.running.drain(..) {
            digests.append(&mut running.join()?);
        }
        for layer in self.layers.drain(..) {
            layer.commit().map_err(CheckError::Store)?;
        }
        Ok(digests)
    }
}

/// Tasks on a thread of their own; dropped, they are cancelled and waited for.
#[derive(Debug)]
struct Running {
    cancel: CancelToken,
    thread: Option<JoinHandle<Result<InputDigests, DeferredError>>>,
}

impl Running {
    /// Starts on the tasks; none without any.
    fn start(tasks: Vec<LabelledTask>) -> Option<Self> {
        if tasks.is_empty() {
            return None;
        }
        let cancel = CancelToken::new();
        let token = cancel.clone();
        Some(Self { cancel, thread: Some(std::thread::spawn(move || run_all(tasks, &token))) })
    }

    fn join(mut self) -> Result<InputDigests, DeferredError> {
        let Some(thread) = self.thread.take() else { return Ok(InputDigests::new()) };
        let panicked = || CheckError::Read(io::Error::other("the thread that hashes ended early"));
        thread.join().unwrap_or_else(|_| Err(panicked().into()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run_all(tasks: Vec<LabelledTask>, cancel: &CancelToken) -> Result<InputDigests, DeferredError> {
    let mut digests = InputDigests::new();
    for LabelledTask { input, task } in tasks {
        match (run(task, cancel), input) {
            (Ok(Some(digest)), Some(input)) => digests.push((input, digest)),
            (Ok(_), _) => {}
            (Err(source), Some(input)) => return Err(DeferredError::Input { input, source }),
            (Err(source), None) => return Err(source.into()),
        }
    }
    Ok(digests)
}

/// Runs a task; gives the digest of an input.
fn run(task: Task, cancel: &CancelToken) -> Result<Option<Digest>, CheckError> {
    let (file, at, len, expected) = match task {
        Task::Range { file, at, len, expected } => (file, at, len, expected),
        Task::Entry { path, len, digest } => {
            let file = amiforge_progress::regular::open(&path).map_err(CheckError::Read)?;
            (file, 0, len, Expected::Entry(path, digest))
        }
        Task::Input { file, len, expected, stamp } => {
            let actual = hashed(&file, (0, len), cancel)?;
            if let Some(expected) = expected.filter(|expected| *expected != actual) {
                return Err(CheckError::Input { expected, actual });
            }
            if let Some((stamps, stamp)) = stamp {
                stamps.keep(&file, stamp, actual);
            }
            return Ok(Some(actual));
        }
        Task::Rename(entry) => return entry.commit().map(|()| None).map_err(CheckError::Store),
    };
    let actual = hashed(&file, (at, len), cancel)?;
    match expected {
        Expected::Part(_, expected) | Expected::Entry(_, expected) if expected == actual => Ok(None),
        Expected::Part(part, expected) => Err(CheckError::Part { part, expected, actual }),
        Expected::Entry(path, expected) => {
            let _ = std::fs::remove_file(&path);
            let (found, expected) = (format!("sha256 {actual}"), expected.to_string());
            Err(StoreError::Damaged { path, found, expected }.into())
        }
    }
}

/// The digest of a range.
fn hashed(file: &File, (at, len): (u64, u64), cancel: &CancelToken) -> Result<Digest, CheckError> {
    let hashed = hash_range(file, at, len, Monitor::silent(cancel)).map_err(CheckError::Read)?;
    hashed.ok_or(CheckError::Interrupted)
}

#[cfg(test)]
mod tests;
