//! Files that exist whole or not at all: written aside, then renamed.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// What the name of a file begins with while it is being written. A leftover of a killed server.
pub(crate) const TEMPORARY_PREFIX: &str = ".new-";

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Writes a file so that nobody ever sees a part of it. Its folder is made when missing.
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

/// Removes a file; it need not exist.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The files of a folder, in the order of their names; leftovers of a killed server are removed. A folder that does
/// not exist has none.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(TEMPORARY_PREFIX) {
                std::fs::remove_file(&path)?;
            } else if path.is_file() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    };
    match list() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(Error::io("read", folder)),
    }
}

/// A name that nothing else uses at the same time.
fn aside(folder: &Path) -> PathBuf {
    folder.join(format!("{TEMPORARY_PREFIX}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}
