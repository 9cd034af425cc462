//! The folder of a local region: ownership check, secret, and removal.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::atomic;
use super::folder_lock::FolderLock;
use crate::error::Error;
use crate::ids;

/// A marker file: snapshots were removed, so some blocks may be unused.
pub(super) const UNUSED_BLOCKS_MARKER: &str = "sweep";
/// The key of the tokens. A folder with this file belongs to a local region.
const SECRET: &str = "secret";
const LOCK: &str = "lock";
const ACCOUNTS: &str = "accounts.json";
const ROLES: &str = "roles.json";
pub(super) const BLOCKS: &str = "blocks";
/// The root of attestation documents, for verifiers.
const ATTESTATION_ROOT: &str = "attestation-root.pem";

/// Checks that a folder belongs to a local region or can become one: it does not exist, contains nothing but
/// the files that a user may add, or contains nothing but a region's state.
pub(super) fn check_folder(folder: &Path) -> Result<(), Error> {
    let list = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::io("read", folder))?,
    };
    let is_initialized = folder.join(SECRET).exists();
    for entry in list {
        let entry = entry.map_err(Error::io("read", folder))?.file_name().to_string_lossy().into_owned();
        let allowed = match entry.as_str() {
            LOCK | ACCOUNTS | ROLES => true,
            SECRET | UNUSED_BLOCKS_MARKER | BLOCKS | ATTESTATION_ROOT => is_initialized,
            other => is_initialized && (is_region_name(other) || other.starts_with(atomic::TEMPORARY_PREFIX)),
        };
        if !allowed {
            return Err(Error::ForeignEntry { folder: folder.to_owned(), entry });
        }
    }
    Ok(())
}

/// Removes the state of a local region, except for the accounts. Returns whether there was any.
pub(crate) fn remove(folder: &Path) -> Result<bool, Error> {
    check_folder(folder)?;
    if !folder.join(SECRET).exists() {
        return Ok(false);
    }
    let _folder_lock = FolderLock::acquire(folder)?;
    let list = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    for entry in list {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The file that marks the folder as a region's is removed last, so that an interrupted removal can be
        // completed.
        if matches!(&*name, LOCK | ACCOUNTS | ROLES | SECRET) {
            continue;
        }
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(Error::io("remove", &path))?;
    }
    atomic::remove(&folder.join(SECRET))?;
    Ok(true)
}

/// The key of the tokens: created once, so that tokens remain valid when the server is restarted.
pub(super) fn secret(folder: &Path) -> Result<[u8; 32], Error> {
    if let Some(secret) = read_secret(folder)? {
        return Ok(secret);
    }
    let secret: [u8; 32] = ids::random();
    atomic::write(&folder.join(SECRET), &secret)?;
    Ok(secret)
}

/// The key of a folder; `None` if no local region has used it. The folder may be served by another process.
pub(crate) fn read_secret(folder: &Path) -> Result<Option<[u8; 32]>, Error> {
    let path = folder.join(SECRET);
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().map(Some).map_err(|bytes: Vec<u8>| {
            let reason = format!("it has {} bytes instead of 32", bytes.len());
            Error::Damaged { path, reason }
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Writes the root of attestation documents and returns its path.
pub(crate) fn write_attestation_root(folder: &Path, pem: &[u8]) -> Result<PathBuf, Error> {
    let path = folder.join(ATTESTATION_ROOT);
    atomic::write(&path, pem)?;
    Ok(path)
}

/// Whether a name is a valid region name: lower-case letters, digits and dashes, and not a folder of the
/// state itself.
pub(super) fn is_region_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    plain
        && name != BLOCKS
        && (2..=40).contains(&name.len())
        && name.starts_with(|one: char| one.is_ascii_lowercase())
}
