//! What is to be fetched: the files that a lock pins, and where each is by the recipe and the user's mirrors. Opens nothing.

use std::path::PathBuf;

use amiforge_formats::digest::Digest;

use super::{FetchError, Mirrors};
use crate::recipe::{DebSource, SourceFrom};

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// Its digest.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// How messages name it.
    pub label: String,
    /// Where it is.
    pub from: FileLocation,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileLocation {
    /// At one of these addresses, tried in order.
    Urls(Vec<String>),
    /// Beside the recipe: the file, and as the recipe names it.
    Path(PathBuf, String),
    /// In a git repository: its address and a commit.
    Git(String, String),
}

impl FileLocation {
    /// Where a source of a stage is.
    pub(crate) fn of(
        source: &SourceFrom,
        deb: Option<&DebSource>,
        mirrors: &Mirrors,
    ) -> Result<Self, FetchError> {
        Ok(match source {
            SourceFrom::Url(url) => Self::Urls(vec![url.clone()]),
            SourceFrom::Path(path, name) => Self::Path(path.clone(), name.clone()),
            SourceFrom::Archive { archive, path } => {
                let found =
                    deb.into_iter().flat_map(|deb| &deb.archives).find(|known| known.name == *archive);
                let found = found.ok_or_else(|| format!("the recipe has no archive `{archive}`"));
                let base = found.and_then(|archive| mirrors.of(archive)).map_err(FetchError::Mirror)?;
                Self::Urls(vec![format!("{base}/{path}")])
            }
            SourceFrom::Git { url, commit } => Self::Git(url.clone(), commit.clone()),
        })
    }
}
