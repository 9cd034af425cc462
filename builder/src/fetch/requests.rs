//! Requests for files: digest, length and location. Opens no file and no connection.

use std::path::PathBuf;

use amiforge_formats::digest::Digest;

use super::error::FetchError;
use super::mirrors::Mirrors;
use crate::recipe::{DebSource, SourceFrom};

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
    /// The location of a stage's source.
    pub(crate) fn of(
        source: &SourceFrom,
        deb: Option<&DebSource>,
        mirrors: &Mirrors,
    ) -> Result<Self, FetchError> {
        Ok(match source {
            SourceFrom::Url(url) => Self::Urls(vec![url.clone()]),
            SourceFrom::Path(path, name) => Self::Path(path.clone(), name.clone()),
            SourceFrom::Archive { archive, path } => {
                let archive_spec =
                    deb.into_iter().flat_map(|deb| &deb.archives).find(|known| known.name == *archive);
                let archive_spec =
                    archive_spec.ok_or_else(|| format!("the recipe has no archive `{archive}`"));
                let base =
                    archive_spec.and_then(|archive| mirrors.url(archive)).map_err(FetchError::Mirror)?;
                Self::Urls(vec![format!("{base}/{path}")])
            }
            SourceFrom::Git { url, commit } => Self::Git(url.clone(), commit.clone()),
        })
    }
}
