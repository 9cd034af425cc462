//! The paths of each package that a tree holds, by the database of its own rpm: for what lays files of a package beside each
//! other. A database that cannot be read counts as none: nothing but the layout depends on it.

use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::database::files::PathRoom;
use super::database::identity::{HeaderIdentity, is_key};
use super::database::{self, RpmDatabaseError};
use super::installed::source;
use crate::installed::OwnedPaths;

/// Reads which paths each package has.
///
/// # Errors
/// A read error of the medium.
pub fn owned(tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<OwnedPaths>> {
    match all(tree, sources).map_err(RpmDatabaseError::into_io) {
        Ok(all) => Ok(all),
        Err(Ok(medium)) => Err(medium),
        Err(Err(_)) => Ok(Vec::new()),
    }
}

fn all(tree: &Tree, sources: &dyn Sources) -> Result<Vec<OwnedPaths>, RpmDatabaseError> {
    let headers = database::read(tree, sources)?.map(|database| database.headers).unwrap_or_default();
    let mut room = PathRoom::of_database();
    let mut all = Vec::with_capacity(headers.len());
    for stored in headers.iter().filter(|stored| !is_key(&stored.header)) {
        let HeaderIdentity { name, arch, .. } = HeaderIdentity::of(&stored.header);
        let source = source(&stored.header).map_or_else(|| name.clone(), |(source, _)| source);
        let paths = room.files(&stored.header)?.into_iter().map(|file| file.path).collect();
        all.push(OwnedPaths { package: (name, arch), source, paths });
    }
    Ok(all)
}
