//! Atomic file writes: to a temporary file that is then renamed.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// The prefix of temporary file names. A killed server leaves such files behind.
pub(crate) const TEMPORARY_PREFIX: &str = ".new-";

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Writes a file atomically; creates its folder if it does not exist.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let aside = aside(folder);
    let written = match std::fs::write(&aside, bytes) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&aside, bytes))
        }
        other => other,
    };
    written.and_then(|()| std::fs::rename(&aside, path)).map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        Error::io("write", path)(error)
    })
}

/// Removes a file if it exists.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The files of a folder in the order of their names; removes leftovers of a killed server. A folder that
/// does not exist has no files.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(TEMPORARY_PREFIX) {
                std::fs::remove_file(&path)?;
            } else if path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    };
    match list() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(Error::io("read", folder)),
    }
}

/// A unique temporary file name.
fn aside(folder: &Path) -> PathBuf {
    folder.join(format!("{TEMPORARY_PREFIX}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}
