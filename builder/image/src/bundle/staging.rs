//! The staging directory of a bundle: a locked directory beside the final path, and one rename.
//!
//! The name of the directory follows from the bundle's, so the next build of the same bundle clears the files of a killed
//! one. The lock (flock, which ends with its owner) distinguishes a killed build from a running one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};

use amiforge_trust::statement::{FOLDER, signature_file};

use super::{BundleError, ExistingBundle, SIGNING, names};

/// Attempts to lock the directory; each fails only when another build of the same bundle began or ended in between.
const TRIES: usize = 100;

/// A directory in which a bundle is written. Dropped before [`StagingDir::commit`], it is removed with its files.
#[derive(Debug)]
pub(super) struct StagingDir {
    out: PathBuf,
    existing: ExistingBundle,
    directory: PathBuf,
    lock: File,
    committed: bool,
}

impl StagingDir {
    /// Makes the directory for a bundle at `out`.
    pub(super) fn open(out: &Path, existing: ExistingBundle) -> Result<Self, BundleError> {
        let directory = beside(out)?;
        check_taken(out, existing)?;
        let lock = lock(&directory)?;
        let staging = Self { out: out.to_owned(), existing, directory, lock, committed: false };
        // Files in it are those of a killed build.
        clear(&staging.directory)?;
        Ok(staging)
    }

    /// The path of the directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Gives the directory its final name.
    pub(super) fn commit(mut self) -> Result<(), BundleError> {
        self.lock.sync_all().map_err(|source| failed(&self.directory, source))?;
        match self.existing {
            ExistingBundle::Replace if self.out.exists() => self.exchange()?,
            _ => self.rename()?,
        }
        self.committed = true;
        // The name itself is durable once its directory is.
        let parent = parent(&self.out);
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(|source| failed(parent, source))
    }

    fn rename(&self) -> Result<(), BundleError> {
        let renamed = match renameat_with(CWD, &self.directory, CWD, &self.out, RenameFlags::NOREPLACE) {
            // The file system does not support the flag; an existing directory still stops a plain rename.
            Err(rustix::io::Errno::INVAL) => fs::rename(&self.directory, &self.out),
            other => other.map_err(io::Error::from),
        };
        renamed.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => {
                BundleError::Exists { path: self.out.clone() }
            }
            _ => failed(&self.out, source),
        })
    }

    /// Swaps the new bundle with the old one, which is then removed.
    fn exchange(&self) -> Result<(), BundleError> {
        check_taken(&self.out, self.existing)?;
        renameat_with(CWD, &self.directory, CWD, &self.out, RenameFlags::EXCHANGE)
            .map_err(|errno| failed(&self.out, errno.into()))?;
        remove(&self.directory)
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        if !self.committed {
            // An error cannot be returned from here; the next build of this bundle clears the directory.
            let _ = remove(&self.directory);
        }
    }
}

/// The directory beside `out` that it is written in.
fn beside(out: &Path) -> Result<PathBuf, BundleError> {
    let name = out.file_name().ok_or_else(|| BundleError::Unnamed { path: out.to_owned() })?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".partial");
    Ok(parent(out).join(hidden))
}

fn parent(out: &Path) -> &Path {
    out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether the name is free, or taken by a bundle that may be replaced.
pub(super) fn check_taken(out: &Path, existing: ExistingBundle) -> Result<(), BundleError> {
    match (out.symlink_metadata(), existing) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        (Err(source), _) => Err(failed(out, source)),
        (Ok(_), ExistingBundle::Refuse) => Err(BundleError::Exists { path: out.to_owned() }),
        // The old bundle's files would be removed through the link, and the new bundle would replace the link.
        (Ok(found), _) if found.is_symlink() => Err(BundleError::Link { path: out.to_owned() }),
        (Ok(_), ExistingBundle::Replace) => strangers(out),
    }
}

/// The path of a bundle that may replace another: a link to a directory stays, and its target is replaced.
pub(super) fn resolve(out: &Path) -> Result<PathBuf, BundleError> {
    // Without a slash at its end, by which the system would follow the link.
    let out: PathBuf = out.components().collect();
    match out.symlink_metadata() {
        Ok(found) if found.is_symlink() => match out.canonicalize() {
            Ok(real) if real.is_dir() => Ok(real),
            _ => Err(BundleError::Link { path: out }),
        },
        _ => Ok(out),
    }
}

/// Fails when a directory holds anything that is no file of a bundle.
fn strangers(directory: &Path) -> Result<(), BundleError> {
    for (path, name) in entries(directory)? {
        if name == SIGNING && path.symlink_metadata().is_ok_and(|entry| entry.is_dir()) {
            for (_, name) in entries(&path)? {
                refuse_stranger(directory, &format!("{SIGNING}/{name}"))?;
            }
        } else if name == FOLDER && path.symlink_metadata().is_ok_and(|entry| entry.is_dir()) {
            let strange = entries(&path)?.into_iter().find(|(_, name)| signature_file(name).is_none());
            if let Some((_, name)) = strange {
                let found = format!("{FOLDER}/{name}");
                return Err(BundleError::NotABundle { path: directory.to_owned(), found });
            }
        } else {
            refuse_stranger(directory, &name)?;
        }
    }
    Ok(())
}

/// The entries of a directory: paths and names, where a name that is no text cannot be one of a bundle.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, String)>, BundleError> {
    let entries = fs::read_dir(directory).map_err(|source| failed(directory, source))?;
    let entries = entries.map(|entry| {
        let entry = entry.map_err(|source| failed(directory, source))?;
        Ok((entry.path(), entry.file_name().to_string_lossy().into_owned()))
    });
    entries.collect()
}

fn refuse_stranger(directory: &Path, name: &str) -> Result<(), BundleError> {
    if names().any(|file| name == file) {
        return Ok(());
    }
    Err(BundleError::NotABundle { path: directory.to_owned(), found: name.to_owned() })
}

/// Makes and locks the directory; one that another build holds is refused.
fn lock(directory: &Path) -> Result<File, BundleError> {
    let folder = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32;
    for _ in 0..TRIES {
        match fs::create_dir(directory) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(directory, source));
            }
            _ => {}
        }
        let lock = match fs::OpenOptions::new().read(true).custom_flags(folder).open(directory) {
            // Its owner gave it its final name just now.
            Err(source) if source.kind() == io::ErrorKind::NotFound => continue,
            Err(_) if !directory.symlink_metadata().is_ok_and(|found| found.is_dir()) => {
                return Err(BundleError::InTheWay { path: directory.to_owned() });
            }
            other => other.map_err(|source| failed(directory, source))?,
        };
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            rustix::io::Errno::WOULDBLOCK => BundleError::Busy { path: directory.to_owned() },
            errno => failed(directory, errno.into()),
        })?;
        let held = lock.metadata().map_err(|source| failed(directory, source))?;
        let named = directory.symlink_metadata();
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
            return Ok(lock);
        }
    }
    Err(BundleError::Busy { path: directory.to_owned() })
}

/// Removes the files of a bundle from a directory; anything else in it is refused.
fn clear(directory: &Path) -> Result<(), BundleError> {
    strangers(directory)?;
    for name in names() {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(|source| failed(&path, source))?,
        }
    }
    let signatures = directory.join(FOLDER);
    if signatures.symlink_metadata().is_ok_and(|entry| entry.is_dir()) {
        for (path, _) in entries(&signatures)? {
            fs::remove_file(&path).map_err(|source| failed(&path, source))?;
        }
    }
    for folder in [signatures, directory.join(SIGNING)] {
        match fs::remove_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(|source| failed(&folder, source))?,
        }
    }
    Ok(())
}

fn remove(directory: &Path) -> Result<(), BundleError> {
    clear(directory)?;
    fs::remove_dir(directory).map_err(|source| failed(directory, source))
}

fn failed(path: &Path, source: io::Error) -> BundleError {
    BundleError::File { path: path.to_owned(), source }
}
