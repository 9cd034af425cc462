//! The files that a lock pins, each with its location by the recipe and the user's mirrors. Opens no file and no
//! connection.

use std::collections::BTreeMap;

use amiforge_rootfs::packages::locked::LockedPackage;

use super::model::{Lock, LockedStage};
use crate::fetch::{FetchError, FileLocation, FileRequest, Mirrors};
use crate::recipe::Recipe;

/// The requests for all files of a lock, sorted by digest.
///
/// # Errors
/// [`FetchError::Mirror`] when no mirror is configured for an archive.
pub fn requests(lock: &Lock, recipe: &Recipe, mirrors: &Mirrors) -> Result<Vec<FileRequest>, FetchError> {
    let mut bases = BTreeMap::new();
    for archive in recipe.deb.iter().flat_map(|deb| &deb.archives) {
        bases.insert(archive.name.as_str(), mirrors.url(archive));
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
            let from = FileLocation::of(&named.from, recipe.deb.as_ref(), mirrors)?;
            requests.insert(sha256, FileRequest { sha256, size, label, from });
        }
    }
    Ok(requests.into_values().collect())
}

fn package_request(package: &LockedPackage, base: &str) -> FileRequest {
    FileRequest {
        sha256: package.sha256,
        size: package.size,
        label: format!("{} {} {}", package.name, package.version, package.arch),
        from: FileLocation::Urls(vec![format!("{base}/{}", package.path)]),
    }
}
