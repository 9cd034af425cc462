//! The keys that packages and metadata are verified with: from the recipe, from this machine, or from where a distribution
//! publishes them, if their fingerprints are pinned.

use std::path::{Path, PathBuf};

use super::distributions::{self, KnownDistribution};
use super::repository::error::RepodataError;
use super::source::{RepositorySigners, RpmSource};
use crate::backend::{RepositoryAccess, RepositoryError};
use crate::signature::Keyring;

/// The longest file of keys, in bytes.
const LONGEST: u64 = 4 << 20;

/// The keyrings; none for a repository that is trusted unsigned.
pub(super) fn keyrings(
    keys: &RepositorySigners,
    source: &RpmSource,
    access: &dyn RepositoryAccess,
) -> Result<Vec<Keyring>, RepositoryError> {
    match keys {
        RepositorySigners::Unsigned => Ok(Vec::new()),
        RepositorySigners::File { path, name, fingerprints } => {
            Ok(vec![pinned(&read(name, path)?, fingerprints, name)?])
        }
        RepositorySigners::Known { distribution, fingerprints } => {
            let Some(known) = distributions::known(distribution) else { return Err(missing(source).into()) };
            of_known(known, fingerprints, source, access).map(|keyring| vec![keyring])
        }
    }
}

/// The files of this machine that may have the keys of a distribution.
pub(super) fn host_files(known: &KnownDistribution, source: &RpmSource) -> Vec<PathBuf> {
    known.key_files.iter().map(|file| PathBuf::from(source.expand(file))).collect()
}

fn of_known(
    known: &KnownDistribution,
    fingerprints: &[String],
    source: &RpmSource,
    access: &dyn RepositoryAccess,
) -> Result<Keyring, RepositoryError> {
    for path in host_files(known, source).iter().filter(|path| path.is_file()) {
        let name = path.display().to_string();
        // An older file may lack the key.
        if let Ok(keyring) = pinned(&read(&name, path)?, fingerprints, &name) {
            return Ok(keyring);
        }
    }
    match known.key_url.filter(|_| !fingerprints.is_empty()) {
        Some(url) => {
            let bytes = access.read(url, LONGEST)?;
            Ok(pinned(&parsed(url, &bytes)?, fingerprints, url)?)
        }
        None => Err(missing(source).into()),
    }
}

/// The keys with pinned fingerprints; all where none is pinned.
fn pinned(keyring: &Keyring, fingerprints: &[String], name: &str) -> Result<Keyring, RepodataError> {
    if fingerprints.is_empty() {
        return Ok(keyring.clone());
    }
    let kept = keyring.only(fingerprints);
    let lacking = fingerprints.iter().find(|wanted| !kept.fingerprints().any(|found| found == **wanted));
    match lacking {
        None => Ok(kept),
        Some(wanted) => Err(RepodataError::Keys(format!(
            "`{name}` has no key with the fingerprint {wanted}; it has {}",
            keyring.fingerprints().collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn missing(source: &RpmSource) -> RepodataError {
    let (distribution, release) = (&source.distribution, &source.release);
    RepodataError::Keys(format!(
        "this machine has no keys of `{distribution}` {release}: install the package `distribution-gpg-keys`, or name a file of \
         keys as `keyring` in the recipe"
    ))
}

fn read(name: &str, path: &Path) -> Result<Keyring, RepodataError> {
    let bytes = amiforge_progress::regular::read(path)
        .map_err(|source| RepodataError::KeyFile { path: path.to_owned(), source })?;
    parsed(name, &bytes)
}

fn parsed(name: &str, bytes: &[u8]) -> Result<Keyring, RepodataError> {
    let failed = |source| RepodataError::Signature { url: name.to_owned(), source: Box::new(source) };
    Keyring::read(name, bytes).map_err(failed)
}
