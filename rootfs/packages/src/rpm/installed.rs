//! The packages that a tree holds, by the database of its own rpm.

use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::database::files::PathRoom;
use super::database::identity::{HeaderIdentity, is_key, text};
use super::database::{self, RpmDatabaseError};
use super::header::{RpmHeader, tag};
use super::licence;
use crate::PackageKind;
use crate::installed::{InstalledPackage, Licence};

/// Reads rpm's database in a tree; nothing where there is none. Keys that rpm knows are no packages.
///
/// # Errors
/// A read error of the medium, a database that is damaged or of a format that is not read.
pub fn installed(tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<InstalledPackage>> {
    let Some(database) = database::read(tree, sources).map_err(of_database)? else { return Ok(Vec::new()) };
    let mut room = PathRoom::of_database();
    let packages = database.headers.iter().filter(|stored| !is_key(&stored.header));
    let packages = packages.map(|stored| package(&stored.header, &mut room).map_err(of_database));
    let mut all = packages.collect::<io::Result<Vec<_>>>()?;
    all.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    Ok(all)
}

/// The error of the medium, or what is wrong with the database.
fn of_database(error: RpmDatabaseError) -> io::Error {
    error.into_io().unwrap_or_else(io::Error::other)
}

fn package(header: &RpmHeader, room: &mut PathRoom) -> Result<InstalledPackage, RpmDatabaseError> {
    let HeaderIdentity { name, evr, arch } = HeaderIdentity::of(header);
    let version = evr.to_string();
    let stated = text(header, tag::LICENSE);
    let licence = (!stated.is_empty()).then(|| Licence { expression: licence::expression(&stated), stated });
    let brought = room.files(header)?.into_iter().filter(|file| file.is_brought);
    Ok(InstalledPackage {
        kind: PackageKind::Rpm,
        source: source(header).unwrap_or_else(|| (name.clone(), version.clone())),
        summary: text(header, tag::SUMMARY),
        homepage: Some(text(header, tag::URL)).filter(|url| !url.is_empty()),
        licences: licence.into_iter().collect(),
        files: brought.map(|file| file.path).collect(),
        file: None,
        name,
        version,
        arch,
    })
}

/// Name and version of the source package, by the name of its file: `NAME-VERSION-RELEASE.src.rpm`.
pub(super) fn source(header: &RpmHeader) -> Option<(String, String)> {
    let file = text(header, tag::SOURCERPM);
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some((name.to_owned(), format!("{version}-{release}")))
}
