//! The lock: every input of a recipe that comes from elsewhere, pinned by digest, in a text beside the recipe.
//!
//! It holds for whatever the recipe says besides its inputs: a changed `[[file]]` needs no new lock. Reading it opens
//! no network connection; making one is in [`make`], behind the feature `fetch`.

mod changes;
mod error;
mod inputs;
#[cfg(feature = "fetch")]
pub mod make;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_packages::locked::{LockedArchive, LockedPackage};

pub use changes::{Changes, InputChange};
pub use error::LockError;

use crate::recipe::Recipe;

/// Longest lock that is read.
const LONGEST: u64 = 256 << 20;

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Digest of what the recipe said of its inputs when the lock was made.
    pub inputs: Digest,
    /// The suites that were read, in the order of the recipe.
    pub archives: Vec<LockedArchive>,
    /// The packages of the image, by name and architecture.
    pub image: Vec<LockedPackage>,
    /// The stages, in the order of the recipe.
    pub stages: Vec<LockedStage>,
}

/// What a lock pins for a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedStage {
    /// Its name.
    pub name: String,
    /// The packages of its tools, by name and architecture.
    pub packages: Vec<LockedPackage>,
    /// Its sources, in the order of the recipe.
    pub sources: Vec<LockedSource>,
}

/// A source of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedSource {
    /// Its name.
    pub label: String,
    /// Digest of the archive.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A file that a lock needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededFile {
    /// Its digest.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// How messages name it.
    pub label: String,
}

impl Lock {
    /// Whether a recipe has anything to lock.
    pub fn is_needed(recipe: &Recipe) -> bool {
        recipe.packages.is_some() || !recipe.stages.is_empty()
    }

    /// Where the lock of a recipe lies: beside it, `recipe.lock` for `recipe.toml`.
    pub fn path(recipe: &Path) -> PathBuf {
        recipe.with_extension("lock")
    }

    /// Reads a lock; nothing where there is none.
    ///
    /// # Errors
    /// [`LockError`] when it cannot be read or understood.
    pub fn load(path: &Path) -> Result<Option<Self>, LockError> {
        let failed = |source| LockError::Read { path: path.to_owned(), source };
        match fs::metadata(path) {
            Ok(found) if found.len() > LONGEST => Err(failed(io::ErrorKind::FileTooLarge.into())),
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
        text::parse(bytes).map_err(|fault| LockError::Malformed { path: path.to_owned(), fault })
    }

    /// The text of it: the same for the same lock.
    pub fn text(&self) -> String {
        text::write(self)
    }

    /// Digest of its text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text().as_bytes())
    }

    /// Whether it is of what the recipe says of its inputs now.
    pub fn fits(&self, recipe: &Recipe) -> bool {
        self.inputs == inputs::digest(recipe)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`LockError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), LockError> {
        let failed = |source| LockError::Write { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut made =
            tempfile::Builder::new().prefix(".recipe.lock-").tempfile_in(folder).map_err(failed)?;
        made.write_all(self.text().as_bytes()).map_err(failed)?;
        // A lock is for everybody who has the recipe; temporary files are not.
        let mode = fs::Permissions::from_mode(0o644);
        made.as_file().set_permissions(mode).map_err(failed)?;
        made.as_file().sync_all().map_err(failed)?;
        made.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Every file that it needs, once each, in the order of the digests.
    pub fn needs(&self) -> Vec<NeededFile> {
        let mut needs = BTreeMap::new();
        let stages = self.stages.iter();
        let packages = self.image.iter().chain(stages.clone().flat_map(|stage| &stage.packages));
        for package in packages {
            let label = format!("{} {} {}", package.name, package.version, package.arch);
            needs.insert(package.sha256, (package.size, label));
        }
        for source in stages.flat_map(|stage| &stage.sources) {
            needs.insert(source.sha256, (source.size, source.label.clone()));
        }
        needs.into_iter().map(|(sha256, (size, label))| NeededFile { sha256, size, label }).collect()
    }
}

/// The lock of a recipe that is to be built; nothing when the recipe has nothing to lock.
///
/// # Errors
/// [`LockError::Missing`] and [`LockError::Stale`], which say how to mend it, or what is wrong with the text.
pub fn load_for(recipe_path: &Path, recipe: &Recipe) -> Result<Option<Lock>, LockError> {
    if !Lock::is_needed(recipe) {
        return Ok(None);
    }
    let path = Lock::path(recipe_path);
    match Lock::load(&path)? {
        None => Err(LockError::Missing { path }),
        Some(lock) if !lock.fits(recipe) => Err(LockError::Stale { path }),
        Some(lock) => Ok(Some(lock)),
    }
}
