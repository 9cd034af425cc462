//! What is to be fetched: the files that a lock pins, and where each is by the recipe and the user's mirrors. Opens nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_packages::locked::LockedPackage;

use super::{FetchError, Mirrors};
use crate::lock::Lock;
use crate::recipe::{DebSource, Recipe, SourceFrom};

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
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

/// All that a lock needs, with where it is.
///
/// # Errors
/// [`FetchError::Mirror`] when nobody says where an archive is.
pub fn wants(lock: &Lock, recipe: &Recipe, mirrors: &Mirrors) -> Result<Vec<Want>, FetchError> {
    let mut bases = BTreeMap::new();
    for archive in recipe.deb.iter().flat_map(|deb| &deb.archives) {
        bases.insert(archive.name.as_str(), mirrors.of(archive));
    }
    let mut wants = BTreeMap::new();
    let packages = |stage: &'_ crate::lock::LockedStage| stage.packages.clone();
    let all = lock.image.iter().cloned().chain(lock.stages.iter().flat_map(packages));
    for package in all {
        let base = match bases.get(package.archive.as_str()) {
            Some(Ok(base)) => base,
            Some(Err(why)) => return Err(FetchError::Mirror(why.clone())),
            None => {
                let why = format!(
                    "the recipe has no archive `{}`, which `{}` is from",
                    package.archive, package.name
                );
                return Err(FetchError::Mirror(why));
            }
        };
        wants.insert(package.sha256, of_package(&package, base));
    }
    for (locked, stage) in lock.stages.iter().zip(&recipe.stages) {
        for (source, named) in locked.sources.iter().zip(&stage.sources) {
            let (sha256, size, label) = (source.sha256, source.size, source.label.clone());
            let from = FileLocation::of(&named.from, recipe.deb.as_ref(), mirrors)?;
            wants.insert(sha256, Want { sha256, size, label, from });
        }
    }
    Ok(wants.into_values().collect())
}

fn of_package(package: &LockedPackage, base: &str) -> Want {
    Want {
        sha256: package.sha256,
        size: package.size,
        label: format!("{} {} {}", package.name, package.version, package.arch),
        from: FileLocation::Urls(vec![format!("{base}/{}", package.path)]),
    }
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
