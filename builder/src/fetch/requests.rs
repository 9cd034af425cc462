//! Requests for files: digest, length and location. Opens no file and no connection.

use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_packages::host::HostSettings;
use amiforge_packages::locked::LockedArchive;

use super::error::FetchError;
use crate::recipe::{PackageSource, SourceFrom};

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// Its digest.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Its name in messages.
    pub label: String,
    /// Its location.
    pub from: FileLocation,
}

/// The location of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileLocation {
    /// At one of these URLs, tried in order.
    Urls(Vec<String>),
    /// On this machine: its path, and its name in the recipe.
    Path(PathBuf, String),
    /// In a git repository: its URL and a commit.
    Git(String, String),
}

impl FileLocation {
    /// The location of a stage's source. `locked` are the archives of the lock.
    pub(crate) fn of(
        source: &SourceFrom,
        packages: Option<&PackageSource>,
        locked: &[LockedArchive],
        host: &HostSettings,
    ) -> Result<Self, FetchError> {
        Ok(match source {
            SourceFrom::Url(url) => Self::Urls(vec![url.clone()]),
            SourceFrom::Path(path, name) => Self::Path(path.clone(), name.clone()),
            SourceFrom::Archive { archive, path } => {
                let base = match packages {
                    Some(packages) => packages.backend().archive_url(archive, locked, host),
                    None => Err(format!("the recipe has no archive `{archive}`")),
                };
                let base = base.map_err(FetchError::Mirror)?;
                Self::Urls(vec![format!("{base}/{path}")])
            }
            SourceFrom::Git { url, commit } => Self::Git(url.clone(), commit.clone()),
        })
    }
}
