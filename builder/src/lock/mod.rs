//! The lock: every external input of a recipe, pinned by digest, in a text file beside the recipe.
//!
//! A lock depends on the inputs of the recipe only: a changed `[[file]]` needs no new lock. Reading a lock opens no
//! network connection; making one is in [`resolve`], behind the feature `fetch`.

#[cfg(feature = "fetch")]
mod base;
mod diff;
mod error;
mod inputs;
mod model;
#[cfg(feature = "fetch")]
mod requests;
#[cfg(feature = "fetch")]
pub mod resolve;
#[cfg(feature = "fetch")]
pub mod snapshots;
mod text;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;

#[cfg(feature = "fetch")]
pub(crate) use diff::named_packages;
pub use diff::{IMAGE, InputChange, LockDiff};
pub use error::LockError;
pub use model::{Lock, LockedFile, LockedSnapshot, LockedSource, LockedStage};
#[cfg(feature = "fetch")]
pub use requests::{archive_of_url, fetch, requests};

use crate::recipe::Recipe;

/// The longest lock that is read, in bytes.
const MAX_LEN: u64 = 256 << 20;

impl Lock {
    /// Whether a recipe has inputs to lock.
    pub fn is_needed(recipe: &Recipe) -> bool {
        recipe.packages.is_some() || !recipe.stages.is_empty() || !recipe.snapshots.is_empty()
    }

    /// The path of a recipe's lock: beside it, `recipe.lock` for `recipe.toml`.
    pub fn path(recipe: &Path) -> PathBuf {
        recipe.with_extension("lock")
    }

    /// The lock of a recipe that has nothing to lock but the disks of snapshots.
    pub fn of_snapshots(recipe: &Recipe, snapshots: Vec<LockedSnapshot>) -> Self {
        let (archives, image, stages) = (Vec::new(), Vec::new(), Vec::new());
        Self { inputs: inputs::digest(recipe), archives, image, removed: Vec::new(), snapshots, stages }
    }

    /// Reads a lock; `None` if the file does not exist.
    ///
    /// # Errors
    /// [`LockError`] when it cannot be read or is invalid.
    pub fn load(path: &Path) -> Result<Option<Self>, LockError> {
        let failed = |source| LockError::Read { path: path.to_owned(), source };
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() > MAX_LEN => Err(failed(io::ErrorKind::FileTooLarge.into())),
            Ok(_) => Self::parse(&amiforge_progress::regular::read(path).map_err(failed)?, path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads the bytes of a lock; `path` names it in errors.
    ///
    /// # Errors
    /// [`LockError::Malformed`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, LockError> {
        text::parse(bytes).map_err(|reason| LockError::Malformed { path: path.to_owned(), reason })
    }

    /// Its text, which is the same for equal locks.
    pub fn text(&self) -> String {
        text::write(self)
    }

    /// Digest of its text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text().as_bytes())
    }

    /// Whether the recipe requests the same inputs as when the lock was made.
    pub fn matches(&self, recipe: &Recipe) -> bool {
        self.inputs == inputs::digest(recipe)
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// [`LockError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), LockError> {
        let failed = |source| LockError::Write { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut made =
            tempfile::Builder::new().prefix(".recipe.lock-").tempfile_in(folder).map_err(failed)?;
        made.write_all(self.text().as_bytes()).map_err(failed)?;
        // Temporary files are private; a lock is readable by everybody.
        let mode = fs::Permissions::from_mode(0o644);
        made.as_file().set_permissions(mode).map_err(failed)?;
        made.as_file().sync_all().map_err(failed)?;
        made.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// The lock for a build; `None` if the recipe has nothing to lock.
///
/// # Errors
/// [`LockError::Missing`] and [`LockError::Stale`], or the error of reading it.
pub fn load_for(recipe_path: &Path, recipe: &Recipe) -> Result<Option<Lock>, LockError> {
    if !Lock::is_needed(recipe) {
        return Ok(None);
    }
    let path = Lock::path(recipe_path);
    match Lock::load(&path)? {
        None => Err(LockError::Missing { path }),
        Some(lock) if !lock.matches(recipe) => Err(LockError::Stale { path }),
        Some(lock) => Ok(Some(lock)),
    }
}
