//! The files that a lock pins, each with its location by the recipe and the user's mirrors.

use std::collections::BTreeMap;

use amiforge_packages::host::{HostSettings, without_credentials};
use amiforge_packages::locked::{LockedArchive, LockedPackage};

use super::model::{Lock, LockedSnapshot, LockedStage};
use crate::fetch::{self, FetchError, FetchOutcome, Fetcher, FileLocation, FileRequest, NamedSnapshot};
use crate::recipe::{PackageSource, Recipe};

/// The requests for all files of a lock, sorted by digest.
///
/// # Errors
/// [`FetchError::Mirror`] when no mirror is configured for an archive.
pub fn requests(lock: &Lock, recipe: &Recipe, host: &HostSettings) -> Result<Vec<FileRequest>, FetchError> {
    let mut bases = BTreeMap::new();
    if let Some(packages) = &recipe.packages {
        let backend = packages.backend();
        for archive in backend.archives() {
            bases.insert(archive, backend.archive_url(archive, &lock.archives, host));
        }
    }
    let mut requests = BTreeMap::new();
    let packages = |stage: &'_ LockedStage| stage.packages.clone();
    let all = lock.image.iter().cloned().chain(lock.stages.iter().flat_map(packages));
    for package in all {
        let base = match bases.get(package.archive.as_str()) {
            Some(Ok(base)) => base,
            Some(Err(reason)) => return Err(FetchError::Mirror(reason.clone())),
            None => {
                let reason = format!(
                    "the recipe has no archive `{}`, which `{}` is from",
                    package.archive, package.name
                );
                return Err(FetchError::Mirror(reason));
            }
        };
        requests.insert(package.sha256, package_request(&package, base));
    }
    for (locked, stage) in lock.stages.iter().zip(&recipe.stages) {
        for (source, named) in locked.sources.iter().zip(&stage.sources) {
            let (sha256, size, label) = (source.sha256, source.size, source.label.clone());
            let from = FileLocation::of(&named.from, recipe.packages.as_ref(), &lock.archives, host)?;
            requests.insert(sha256, FileRequest { sha256, size, label, from });
        }
    }
    Ok(requests.into_values().collect())
}

/// Fetches every file of a lock into the store, several at a time.
///
/// # Errors
/// [`FetchError`]. Files that were fetched until then stay in the store.
pub fn fetch(lock: &Lock, recipe: &Recipe, fetcher: &Fetcher<'_>) -> Result<FetchOutcome, FetchError> {
    let requests = requests(lock, recipe, fetcher.host)?;
    let objects = fetcher.store.objects();
    let mut outcome = fetch::fetch(&requests, &objects, fetcher.client, fetcher.jobs, fetcher.monitor)?;
    for snapshot in &lock.snapshots {
        if let Ok(Some(_)) = objects.find(snapshot.sha256, snapshot.size) {
            // A run that was killed after it stored the disk left the copy that it read.
            fetch::clean_up(&snapshot.named(), fetcher)?;
            outcome.there += 1;
            continue;
        }
        let expected = Some((snapshot.sha256, snapshot.label.as_str()));
        fetch::fetch_snapshot(&snapshot.named(), expected, fetcher)?;
        outcome.fetched += 1;
        outcome.bytes += snapshot.size;
    }
    Ok(outcome)
}

impl LockedSnapshot {
    /// The snapshot in its region.
    pub(crate) fn named(&self) -> NamedSnapshot {
        NamedSnapshot { snapshot: self.snapshot.clone(), region: self.region.clone() }
    }
}

/// The archive whose mirror a URL is below; the URL is without credentials. `locked` are the archives of the lock.
pub fn archive_of_url<'a>(
    packages: &'a PackageSource,
    locked: &[LockedArchive],
    host: &HostSettings,
    url: &str,
) -> Option<&'a str> {
    let backend = packages.backend();
    let archives = backend.archives().into_iter().filter_map(|archive| {
        let base = without_credentials(&backend.archive_url(archive, locked, host).ok()?);
        let is_below = url.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('/'));
        is_below.then_some((base.len(), archive))
    });
    // The longest match, because one mirror may be below another.
    archives.max_by_key(|(len, _)| *len).map(|(_, archive)| archive)
}

fn package_request(package: &LockedPackage, base: &str) -> FileRequest {
    FileRequest {
        sha256: package.sha256,
        size: package.size,
        label: format!("{} {} {}", package.name, package.version, package.arch),
        from: FileLocation::Urls(vec![format!("{base}/{}", package.path)]),
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
        let archive = |url| archive_of_url(&packages, &[], &host, url);
        assert_eq!(archive("https://m/debian/pool/x.deb"), Some("debian"));
        assert_eq!(archive("https://m/debian/docker/x.deb"), Some("docker-ce"));
        assert_eq!(archive("https://m/debianx/x.deb"), None);
    }
}
