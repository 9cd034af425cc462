//! The files of a bundle against its statement.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io::{self, Read as _};
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Printable;
use amiforge_progress::Monitor;
use amiforge_trust::statement::FOLDER;

use super::{BundleSignatureError, BundleStatement};
use crate::bundle;
use crate::image::EmitOptions;
use crate::inspect::Medium;
use crate::manifest::TEXT_MAX;
use crate::verify::digest_of;

/// Whether a bundle may be read through: files and folders that its statement lists, and no others, and no links.
pub(super) fn check_names(directory: &Path, statement: &BundleStatement) -> Result<(), BundleSignatureError> {
    let mut present = BTreeSet::new();
    let mut one = |name: &str, kind: FileType| {
        let shown = || Printable(name.as_bytes()).to_string();
        if statement.digest_of(name).is_none() && name != bundle::SUMS {
            return Err(BundleSignatureError::Unlisted { name: shown() });
        }
        if !kind.is_file() {
            return Err(BundleSignatureError::NotAFile { name: shown() });
        }
        present.insert(name.to_owned());
        Ok(())
    };
    for (name, kind) in entries(directory)? {
        let name = name.to_string_lossy().into_owned();
        match name.as_str() {
            FOLDER if kind.is_dir() => {}
            bundle::SIGNING if kind.is_dir() => {
                for (inner, kind) in entries(&directory.join(&name))? {
                    one(&format!("{name}/{}", inner.to_string_lossy()), kind)?;
                }
            }
            name => one(name, kind)?,
        }
    }
    let missing = statement.lines().iter().find(|line| !present.contains(&line.name));
    match missing {
        Some(line) => Err(BundleSignatureError::Missing { name: line.name.clone() }),
        None => Ok(()),
    }
}

/// Compares every text of a bundle with its statement; the image is left out.
pub(super) fn check_texts(directory: &Path, statement: &BundleStatement) -> Result<(), BundleSignatureError> {
    for line in statement.lines().iter().filter(|line| line.name != bundle::DISK) {
        let bytes = read(&directory.join(&line.name), TEXT_MAX)?;
        compare(statement, &line.name, Digest::of(&bytes))?;
    }
    Ok(())
}

/// Compares every file of a bundle with its statement, the image included.
///
/// # Errors
/// [`BundleSignatureError`].
pub fn check_files(
    directory: &Path,
    statement: &BundleStatement,
    options: EmitOptions,
    monitor: Monitor<'_>,
) -> Result<(), BundleSignatureError> {
    check_names(directory, statement)?;
    check_texts(directory, statement)?;
    let medium = Medium::open_raw(&directory.join(bundle::DISK))
        .map_err(|error| BundleSignatureError::Disk(crate::verify::VerifyError::Open(error)))?;
    let found = digest_of(&medium, u64::MAX, options, monitor).map_err(BundleSignatureError::Disk)?;
    compare(statement, bundle::DISK, found.plain)
}

pub(super) fn compare(
    statement: &BundleStatement,
    name: &str,
    found: Digest,
) -> Result<(), BundleSignatureError> {
    match statement.digest_of(name) {
        Some(expected) if expected == found => Ok(()),
        Some(expected) => Err(BundleSignatureError::Differs {
            name: name.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }),
        None => Err(BundleSignatureError::Unlisted { name: name.to_owned() }),
    }
}

/// The statement of the bundle in a directory.
pub(super) fn read_statement(directory: &Path) -> Result<BundleStatement, BundleSignatureError> {
    let path = directory.join(bundle::SUMS);
    match path.symlink_metadata() {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(BundleSignatureError::NotABundle { path: directory.to_owned() });
        }
        Err(source) => return Err(BundleSignatureError::File { path, source }),
        Ok(kind) if !kind.is_file() => {
            return Err(BundleSignatureError::NotAFile { name: bundle::SUMS.to_owned() });
        }
        Ok(_) => {}
    }
    BundleStatement::parse(&read(&path, TEXT_MAX)?).map_err(BundleSignatureError::Statement)
}

/// Reads a regular file of at most `most` bytes that is no link.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, BundleSignatureError> {
    let failed = |source: io::Error| BundleSignatureError::File { path: path.to_owned(), source };
    if path.symlink_metadata().map_err(failed)?.is_symlink() {
        let name = Printable(path.file_name().unwrap_or_default().as_encoded_bytes()).to_string();
        return Err(BundleSignatureError::NotAFile { name });
    }
    let file = amiforge_progress::regular::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(BundleSignatureError::TooLong { path: path.to_owned(), most });
    }
    Ok(bytes)
}

/// The entries of a folder with their types; links are not followed.
pub(super) fn entries(folder: &Path) -> Result<Vec<(OsString, FileType)>, BundleSignatureError> {
    let list = || {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            all.push((entry.file_name(), entry.file_type()?));
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(all)
    };
    list().map_err(|source| BundleSignatureError::File { path: folder.to_owned(), source })
}

/// Whether there is a folder of this name; a link or a file in its place is refused.
pub(super) fn is_folder(path: &Path, name: &str) -> Result<bool, BundleSignatureError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(BundleSignatureError::File { path: path.to_owned(), source }),
        Ok(kind) if kind.is_dir() => Ok(true),
        Ok(_) => Err(BundleSignatureError::Unlisted { name: name.to_owned() }),
    }
}
