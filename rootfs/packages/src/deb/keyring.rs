//! The keys that archives are verified with: from the recipe, or from this machine.

use std::path::{Path, PathBuf};

use super::source::SignerKeys;
use super::suite_error::SuiteError;
use crate::signature::Keyring;

/// Folder of the keys of distributions.
const HOST: &str = "/usr/share/keyrings";

/// The keyrings; none for an archive that is trusted unsigned.
pub(super) fn keyrings(keys: &SignerKeys) -> Result<Vec<Keyring>, SuiteError> {
    match keys {
        SignerKeys::Unsigned => Ok(Vec::new()),
        SignerKeys::File { path, name } => read(name, path).map(|keyring| vec![keyring]),
        SignerKeys::Host { distribution } => {
            let path = of_host(Path::new(HOST), distribution).ok_or_else(|| missing(distribution))?;
            read(&path.display().to_string(), &path).map(|keyring| vec![keyring])
        }
    }
}

/// The file with the keys of a distribution on this machine.
fn of_host(folder: &Path, distribution: &str) -> Option<PathBuf> {
    ["gpg", "pgp", "asc"]
        .map(|ending| folder.join(format!("{distribution}-archive-keyring.{ending}")))
        .into_iter()
        .find(|path| path.is_file())
}

fn missing(distribution: &str) -> SuiteError {
    let package = match distribution {
        "ubuntu" => "ubuntu-keyring".to_owned(),
        other => format!("{other}-archive-keyring"),
    };
    SuiteError::Keys(format!(
        "this machine has no keys of `{distribution}`: there is no `{HOST}/{distribution}-archive-keyring.gpg`; install \
         the package `{package}`, or name a file of keys as `keyring` in the recipe"
    ))
}

fn read(name: &str, path: &Path) -> Result<Keyring, SuiteError> {
    let bytes = amiforge_progress::regular::read(path)
        .map_err(|source| SuiteError::KeyFile { path: path.to_owned(), source })?;
    let failed = |source| SuiteError::Signature { url: name.to_owned(), source: Box::new(source) };
    Keyring::read(name, &bytes).map_err(failed)
}
