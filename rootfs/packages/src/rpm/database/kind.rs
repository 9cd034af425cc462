//! The file formats that rpm keeps its database in.

use std::fmt;

use amiforge_rootfs::package_databases::RPM_FILES;

/// A file format of rpm's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RpmDatabaseKind {
    /// `rpmdb.sqlite`.
    Sqlite,
    /// `Packages.db`, rpm's own format: SUSE.
    Ndb,
    /// `Packages`, a Berkeley DB hash: rpm before 4.16.
    BerkeleyDb,
}

impl RpmDatabaseKind {
    /// Every kind; of several that a folder has, the first counts.
    pub(super) const ALL: [Self; 3] = [Self::Sqlite, Self::Ndb, Self::BerkeleyDb];

    /// Its file in the folder of the database.
    pub(super) fn file(self) -> &'static str {
        let [sqlite, ndb, berkeley_db] = RPM_FILES;
        match self {
            Self::Sqlite => sqlite,
            Self::Ndb => ndb,
            Self::BerkeleyDb => berkeley_db,
        }
    }

    /// The kind that `%_db_backend` names.
    pub(super) fn of_backend(name: &str) -> Option<Self> {
        match name {
            "sqlite" => Some(Self::Sqlite),
            "ndb" => Some(Self::Ndb),
            "bdb" | "bdb_ro" => Some(Self::BerkeleyDb),
            _ => None,
        }
    }
}

impl fmt::Display for RpmDatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Ndb => "ndb",
            Self::BerkeleyDb => "Berkeley DB",
        })
    }
}
