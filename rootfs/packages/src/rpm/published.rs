//! The files that packages brought, with the digests that their headers have in the database of the tree's own rpm. A database
//! that cannot be read counts as none: its files then count as not published.

use std::io;

use amiforge_formats::digest::StatedDigest;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::database::files::{PathRoom, StoredFile};
use super::database::identity::{is_key, text};
use super::database::{self, RpmDatabaseError};
use super::header::{RpmHeader, tag};
use crate::installed::PublishedPath;

/// Numbers of algorithms in headers (RFC 9580, section 9.5).
const MD5: u64 = 1;
const SHA256: u64 = 8;

/// Reads which files each package brought. The database itself has what the packages' headers have, and counts as rpm's.
///
/// # Errors
/// A read error of the medium.
pub fn published(tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<PublishedPath>> {
    match all(tree, sources).map_err(RpmDatabaseError::into_io) {
        Ok(all) => Ok(all),
        Err(Ok(medium)) => Err(medium),
        Err(Err(_)) => Ok(Vec::new()),
    }
}

fn all(tree: &Tree, sources: &dyn Sources) -> Result<Vec<PublishedPath>, RpmDatabaseError> {
    let Some(database) = database::read(tree, sources)? else { return Ok(Vec::new()) };
    let mut room = PathRoom::of_database();
    let mut all = Vec::new();
    for stored in database.headers.iter().filter(|stored| !is_key(&stored.header)) {
        let package = text(&stored.header, tag::NAME);
        for file in room.files(&stored.header)? {
            let digest = digest(&stored.header, &file);
            let path = file.path.strip_prefix(b"/").unwrap_or(&file.path).to_vec();
            all.push(PublishedPath { path, package: package.clone(), digest });
        }
    }
    let path = database.path.strip_prefix(b"/").unwrap_or(&database.path).to_vec();
    all.push(PublishedPath { path, package: "rpm".to_owned(), digest: None });
    Ok(all)
}

/// The digest of a file that was brought; none of an algorithm that is not known here.
fn digest(header: &RpmHeader, file: &StoredFile<'_>) -> Option<StatedDigest> {
    let digits = std::str::from_utf8(file.digest).ok().filter(|_| file.is_brought)?;
    match header.number(tag::FILEDIGESTALGO).unwrap_or(MD5) {
        MD5 => md5(digits).map(StatedDigest::Md5),
        SHA256 => digits.parse().ok().map(StatedDigest::Sha256),
        _ => None,
    }
}

fn md5(digits: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(digits, 16).ok();
    number.filter(|_| digits.len() == 32 && !digits.starts_with('+')).map(u128::to_be_bytes)
}
