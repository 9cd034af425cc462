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

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

pub use self::error::RpmDatabaseError;
use self::installed_header::Installation;
pub use self::kind::RpmDatabaseKind;
use self::program::RpmProgram;
pub use self::read::{RpmDatabase, read};
pub use self::stored::StoredHeader;
use super::package::UnpackedRpm;

/// `INSTALLCOLOR` of systems that take files of 64 bits, and of 32 where there are any: x86_64 and aarch64 alike.
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
    let program = RpmProgram::among(packages);
    let mut headers = Vec::with_capacity(packages.len());
    for keyring in settings.keys {
        headers.extend(pubkey::headers(keyring, &program, seconds(settings.at))?);
    }
    headers.extend(installed(packages, settings.at)?);
    let numbered = (1..).zip(headers).map(|(number, header)| StoredHeader { number, header });
    let numbered: Vec<StoredHeader> = numbered.collect();
    let highest = numbered.last().map_or(0, |stored| stored.number);
    put::database(tree, &folder, sqlite::bytes_of(&numbered, highest)?, settings.at)?;
    dnf::write_state(tree, packages, settings.at)
}

/// The headers of packages as the database keeps them.
fn installed(packages: &[UnpackedRpm], at: Time) -> Result<Vec<super::header::RpmHeader>, RpmDatabaseError> {
    let transaction = seconds(at);
    let times = (0..).map(|after: u32| transaction.saturating_add(after));
    let of_package =
        |(package, time)| installed_header::of(package, Installation { transaction, time, color: COLOR });
    packages.iter().zip(times).map(of_package).collect()
}

/// A time as headers have it: seconds since 1970 in 32 bits.
fn seconds(at: Time) -> u32 {
    u32::try_from(at.secs.max(0)).unwrap_or(u32::MAX)
}
