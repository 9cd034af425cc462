//! rpm's database in a tree, written as rpm itself would have left it, and read: `rpmdb.sqlite` in the folder that the tree's
//! rpm looks into, and what dnf keeps beside it.
//!
//! rpm, `lib/backend/sqlite.cc`, `lib/rpmdb.cc`, `lib/psm.cc`; the rows are those of rpm 4.16 to 6. The file is parked: no
//! write-ahead log has to be beside it, so that it is read from a read-only place and by anybody.

mod dnf;
mod entries;
mod error;
pub(crate) mod files;
pub(crate) mod identity;
mod index;
mod installed_header;
mod kind;
mod macros;
mod ndb;
mod place;
mod program;
mod pubkey;
mod put;
mod read;
mod rich;
mod sqlite;
mod stored;

use std::collections::BTreeSet;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

pub(in crate::rpm) use self::dnf::{DnfChange, DnfPackage, amend as amend_dnf};
pub use self::error::RpmDatabaseError;
use self::identity::{HeaderIdentity, is_key};
use self::installed_header::Installation;
pub use self::kind::RpmDatabaseKind;
use self::program::RpmProgram;
pub use self::read::{RpmDatabase, read};
pub use self::sqlite::encode;
pub use self::stored::StoredHeader;
use super::header::RpmHeader;
use super::package::UnpackedRpm;

/// `INSTALLCOLOR` of systems that take files of 64 bits, and of 32 where there are any: `x86_64` and aarch64 alike.
const COLOR: u32 = 3;

/// What a database is written with besides its packages.
#[derive(Debug, Clone, Copy)]
pub struct RpmDatabaseSettings<'a> {
    /// The start of the transaction. Packages are installed from then on, one a second, as rpm writes it with
    /// `SOURCE_DATE_EPOCH`, so that `rpm -qa --last` has their order.
    pub at: Time,
    /// Keyrings whose keys rpm is to know, binary or armored.
    pub keys: &'a [Vec<u8>],
}

/// Writes the database of a tree that the packages were unpacked into, in the order in which they were installed, in place of
/// one that is there; and the state of the dnf that is among them.
///
/// # Errors
/// [`RpmDatabaseError`]: an rpm that does not use SQLite, a package whose header is none, a key that is none, a path that is
/// occupied.
pub fn write(
    tree: &mut Tree,
    packages: &[UnpackedRpm],
    settings: &RpmDatabaseSettings<'_>,
    sources: &dyn Sources,
) -> Result<(), RpmDatabaseError> {
    let folder = place::folder(tree, sources)?;
    let program = RpmProgram::among(packages.iter().map(|package| &package.header));
    let mut headers = imported(settings, &program)?;
    headers.extend(installed(packages, settings.at)?);
    let numbered = numbered(headers, 1);
    let highest = numbered.last().map_or(0, |stored| stored.number);
    put::database(tree, &folder, encode(&numbered, highest)?, settings.at)?;
    dnf::write_state(tree, packages, settings.at)
}

/// Changes the database that a tree has: headers with the numbers `removed` go, packages are added behind the others. The
/// other headers stay byte for byte, and their rows with them. Keys that rpm knows already are not entered again. What dnf
/// keeps stays as it is: to it, packages that were added are wished for.
///
/// # Errors
/// [`RpmDatabaseError`]: a tree without a database, one that cannot be read or is of a kind that is not written, and what
/// [`write()`] has.
pub fn update(
    tree: &mut Tree,
    packages: &[UnpackedRpm],
    removed: &BTreeSet<u32>,
    settings: &RpmDatabaseSettings<'_>,
    sources: &dyn Sources,
) -> Result<(), RpmDatabaseError> {
    let database = read(tree, sources)?.ok_or(RpmDatabaseError::NoPackages)?;
    if database.kind != RpmDatabaseKind::Sqlite {
        return Err(RpmDatabaseError::WritesNo(database.kind));
    }
    let mut headers = database.headers;
    headers.retain(|stored| !removed.contains(&stored.number));
    let new = packages.iter().map(|package| &package.header);
    let program = RpmProgram::among(new.chain(headers.iter().map(|stored| &stored.header)));
    let known = |key: &RpmHeader| headers.iter().any(|stored| is_same_key(&stored.header, key));
    let mut added = imported(settings, &program)?;
    added.retain(|key| !known(key));
    added.extend(installed(packages, settings.at)?);
    headers.extend(numbered(added, database.highest.saturating_add(1)));
    let highest = headers.last().map_or(0, |stored| stored.number).max(database.highest);
    Ok(put::replace(tree, &database.path, encode(&headers, highest)?, settings.at)?)
}

/// Writes the database that an rpm has left in a tree anew, as this module writes it: with the same headers and rows, whatever the
/// pages of the file were, and parked. What was installed since a header had the number `last` has the times of [`write()`].
pub(in crate::rpm) fn settle(
    tree: &mut Tree,
    database: &RpmDatabase,
    last: u32,
    at: Time,
) -> Result<(), RpmDatabaseError> {
    let transaction = seconds(at);
    let mut headers = database.headers.clone();
    let new = headers.iter_mut().filter(|stored| stored.number > last && !is_key(&stored.header));
    for (stored, after) in new.zip(0_u32..) {
        let time = transaction.saturating_add(after);
        let installation = Installation { transaction, time, color: COLOR };
        stored.header = installed_header::at(&stored.header, installation)
            .map_err(|source| RpmDatabaseError::Header { number: stored.number, source })?;
    }
    Ok(put::replace(tree, &database.path, encode(&headers, database.highest)?, at)?)
}

/// The headers of the keys that rpm is to know.
fn imported(
    settings: &RpmDatabaseSettings<'_>,
    program: &RpmProgram,
) -> Result<Vec<RpmHeader>, RpmDatabaseError> {
    let mut headers = Vec::new();
    for keyring in settings.keys {
        headers.extend(pubkey::headers(keyring, program, seconds(settings.at))?);
    }
    Ok(headers)
}

/// Whether two headers are of one key, by its name and its time.
fn is_same_key(one: &RpmHeader, other: &RpmHeader) -> bool {
    let name = |header| (HeaderIdentity::of(header).evr, is_key(header));
    name(one) == name(other)
}

/// The headers of packages as the database keeps them.
fn installed(packages: &[UnpackedRpm], at: Time) -> Result<Vec<RpmHeader>, RpmDatabaseError> {
    let transaction = seconds(at);
    let times = (0..).map(|after: u32| transaction.saturating_add(after));
    let of_package =
        |(package, time)| installed_header::of(package, Installation { transaction, time, color: COLOR });
    packages.iter().zip(times).map(of_package).collect()
}

fn numbered(headers: Vec<RpmHeader>, first: u32) -> Vec<StoredHeader> {
    (first..).zip(headers).map(|(number, header)| StoredHeader { number, header }).collect()
}

/// A time as headers have it: seconds since 1970 in 32 bits.
fn seconds(at: Time) -> u32 {
    u32::try_from(at.secs.max(0)).unwrap_or(u32::MAX)
}
