//! Operations on files of an update that a repeated run can repeat: what is done already is no error.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_image::bundle::{self, BundleError};

use super::error::StagedError;

/// The names in a folder; none if there is no such folder.
pub(super) fn names(folder: &Path) -> Result<Vec<OsString>, StagedError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|source| failed(folder, source))?,
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| failed(folder, source))?;
    names.sort();
    Ok(names)
}

/// The regions that a bundle was or is published to, by the folder of its publishes.
pub(super) fn regions(folder: &Path) -> Result<Vec<String>, StagedError> {
    Ok(names(folder)?.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// SHA-256 of the manifest of a bundle, in hexadecimal.
pub(super) fn manifest_digest(bundle: &Path) -> Result<String, StagedError> {
    let path = bundle.join(bundle::MANIFEST);
    let text = amiforge_progress::regular::read(&path).map_err(|source| failed(&path, source))?;
    Ok(Digest::of(&text).to_string())
}

/// Renames a file unless that is done.
pub(super) fn move_file(from: &Path, to: &Path) -> Result<(), StagedError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| failed(to, source)),
    }
}

pub(super) fn remove_file(path: &Path) -> Result<(), StagedError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| failed(path, source)),
    }
}

pub(super) fn remove_tree(path: &Path) -> Result<(), StagedError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| failed(path, source)),
    }
}

pub(super) fn sync(folder: &Path) -> Result<(), StagedError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| failed(folder, source))
}

pub(super) fn beside(out: &Path, suffix: &str) -> Result<PathBuf, StagedError> {
    match out.file_name() {
        Some(_) => Ok(with_suffix(out, suffix)),
        None => Err(BundleError::Unnamed { path: out.to_owned() }.into()),
    }
}

/// The path with a suffix after its last name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(suffix);
    path.with_file_name(name)
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn failed(path: &Path, source: io::Error) -> StagedError {
    StagedError::File { path: path.to_owned(), source }
}
