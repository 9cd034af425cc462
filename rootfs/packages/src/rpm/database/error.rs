//! Why the database could not be read or written.

use std::io;

use amiforge_formats::path::PathError;
use amiforge_formats::sqlite::{SqliteError, SqliteWriteError};

use super::kind::RpmDatabaseKind;
use crate::rpm::header::RpmHeaderError;

/// What to do about a damaged database.
const MEND: &str =
    "`rpmdb --rebuilddb` in a machine of the image mends what can be mended; else take an image from before";

/// Why rpm's database could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmDatabaseError {
    /// A path of it, or of a file that it depends on, cannot be used.
    #[error("a file of the tree that rpm's database depends on")]
    Path(#[from] PathError),
    /// Its file is damaged.
    #[error("the database of rpm is damaged: {MEND}")]
    Sqlite(#[from] SqliteError),
    /// Its file is damaged.
    #[error("the database of rpm is damaged ({0}): {MEND}")]
    Ndb(&'static str),
    /// It has no table of packages.
    #[error("the database of rpm has no table `Packages` of numbers and headers: {MEND}")]
    NoPackages,
    /// A header of it is damaged.
    #[error("the header {number} in the database of rpm is damaged: {MEND}")]
    Header {
        /// Its number in the database.
        number: u32,
        /// What is wrong.
        #[source]
        source: RpmHeaderError,
    },
    /// What a package's header and signatures make is no header that rpm would take.
    #[error("entering `{package}` into rpm's database")]
    Package {
        /// Name of the package.
        package: String,
        /// What is wrong.
        #[source]
        source: RpmHeaderError,
    },
    /// A package lists its files as rpm did until 2000.
    #[error(
        "`{0}` lists its files by whole paths, which rpm itself rewrites when it installs such a package: rebuild it with rpm 4"
    )]
    OldFileNames(String),
    /// It would be too large, or its rows contradict each other.
    #[error("writing the database of rpm")]
    Write(#[from] SqliteWriteError),
    /// It is of a kind that is not written.
    #[error(
        "the rpm of this tree keeps its database as {0} (`%_db_backend` of its macros), and only SQLite is written: take a release \
         whose rpm uses SQLite"
    )]
    WritesNo(RpmDatabaseKind),
    /// It is of a kind that is not read.
    #[error(
        "rpm's database in this tree is a Berkeley DB hash (`Packages`), which is not read: run `rpmdb --rebuilddb` there with an rpm \
         that writes SQLite (4.16 or later with `%_db_backend sqlite`)"
    )]
    BerkeleyDb,
    /// The history of the dnf of the tree is damaged.
    #[error("the history of dnf (`/var/lib/dnf/history.sqlite`) is damaged")]
    History(#[source] SqliteError),
    /// A key to import is none.
    #[error("a key that rpm is to know is no OpenPGP public key: {0}")]
    Key(String),
    /// The paths of its packages are longer than those of any system.
    #[error("the paths of the packages in rpm's database have more than 512 MiB")]
    Paths,
    /// More than is read.
    #[error("the database of rpm has {0} bytes, more than the 1 GiB that are read")]
    TooLarge(u64),
}

impl RpmDatabaseError {
    /// The error of the medium, where it is one.
    pub fn into_io(self) -> Result<io::Error, Self> {
        match self {
            Self::Path(PathError::Read { source, .. }) => Ok(source),
            other => Err(other),
        }
    }
}
