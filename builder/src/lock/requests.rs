//! The files that a lock pins, each with where it is by the recipe and the user's mirrors. Opens nothing.

use std::collections::BTreeMap;

use amiforge_rootfs::packages::locked::LockedPackage;

use super::{Lock, LockedStage};
use crate::fetch::{FetchError, FileLocation, FileRequest, Mirrors};
use crate::recipe::Recipe;

/// All that a lock needs, with where it is.
///
/// # Errors
/// [`FetchError::Mirror`] when nobody says where an archive is.
pub fn requests(lock: &Lock, recipe: &Recipe, mirrors: &Mirrors) -> Result<Vec<FileRequest>, FetchError> {
    let mut bases = BTreeMap::new();
    for archive in recipe.deb.iter().flat_map(|deb| &deb.archives) {
        bases.insert(archive.name.as_str(), mirrors.of(archive));
    }
    let mut wants = BTreeMap::new();
    let packages = |stage: &'_ LockedStage| stage.packages.clone();
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
            wants.insert(sha256, FileRequest { sha256, size, label, from });
        }
    }
    Ok(wants.into_values().collect())
}

fn of_package(package: &LockedPackage, base: &str) -> FileRequest {
    FileRequest {
        sha256: package.sha256,
        size: package.size,
        label: format!("{} {} {}", package.name, package.version, package.arch),
        from: FileLocation::Urls(vec![format!("{base}/{}", package.path)]),
    }
}
