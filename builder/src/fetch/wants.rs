//! What is to be fetched: the files that a lock pins, and where each is by the recipe and the user's mirrors. Opens nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_packages::host::{HostSettings, without_credentials};
use amiforge_packages::locked::LockedPackage;

use super::FetchError;
use crate::lock::Lock;
use crate::recipe::{PackageSource, Recipe, SourceFrom};

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
pub fn wants(lock: &Lock, recipe: &Recipe, host: &HostSettings) -> Result<Vec<Want>, FetchError> {
    let mut bases = BTreeMap::new();
    if let Some(packages) = &recipe.packages {
        let backend = packages.backend();
        for archive in backend.archives() {
            bases.insert(archive, backend.archive_url(archive, host));
        }
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
            let from = FileLocation::of(&named.from, recipe.packages.as_ref(), host)?;
            wants.insert(sha256, Want { sha256, size, label, from });
        }
    }
    Ok(wants.into_values().collect())
}

/// Which archive an address without credentials is of.
pub fn archive_of<'a>(packages: &'a PackageSource, host: &HostSettings, url: &str) -> Option<&'a str> {
    let backend = packages.backend();
    let archives = backend.archives().into_iter().filter_map(|archive| {
        let base = without_credentials(&backend.archive_url(archive, host).ok()?);
        let is_below = url.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('/'));
        is_below.then_some((base.len(), archive))
    });
    // The longest, where one mirror is below another.
    archives.max_by_key(|(len, _)| *len).map(|(_, archive)| archive)
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
        packages: Option<&PackageSource>,
        host: &HostSettings,
    ) -> Result<Self, FetchError> {
        Ok(match source {
            SourceFrom::Url(url) => Self::Urls(vec![url.clone()]),
            SourceFrom::Path(path, name) => Self::Path(path.clone(), name.clone()),
            SourceFrom::Archive { archive, path } => {
                let base = match packages {
                    Some(packages) => packages.backend().archive_url(archive, host),
                    None => Err(format!("the recipe has no archive `{archive}`")),
                };
                let base = base.map_err(FetchError::Mirror)?;
                Self::Urls(vec![format!("{base}/{path}")])
            }
            SourceFrom::Git { url, commit } => Self::Git(url.clone(), commit.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_archive_with_the_longest_mirror() {
        let text = "[image]\nname = \"mirrors\"\narch = \"x86_64\"\n[[source]]\nkind = \"deb\"\ndistribution = \"debian\"\n\
                    suites = [\"trixie\"]\n[[source.archive]]\nname = \"docker-ce\"\nsuites = [\"stable\"]\ntrusted = true\n";
        let packages = Recipe::parse(text, std::path::Path::new("recipe.toml")).unwrap().packages.unwrap();
        let variables = [
            ("AMIFORGE_DEB_MIRROR", "https://u:p@m/debian"),
            ("AMIFORGE_DEB_MIRROR_DOCKER_CE", "https://m/debian/docker/"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let host = HostSettings::new(variables.to_vec(), "/nonexistent".into());
        let archive = |url| archive_of(&packages, &host, url);
        assert_eq!(archive("https://m/debian/pool/x.deb"), Some("debian"));
        assert_eq!(archive("https://m/debian/docker/x.deb"), Some("docker-ce"));
        assert_eq!(archive("https://m/debianx/x.deb"), None);
    }
}
