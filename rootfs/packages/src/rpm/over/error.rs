//! Why packages could not go over a system.

use std::io;

use amiforge_formats::path::PathError;
use amiforge_sandbox::SandboxError;

use crate::rpm::configure::run::RpmRunError;
use crate::rpm::database::RpmDatabaseError;
use crate::rpm::resolve::RpmResolveError;

/// Why packages could not go over a system.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmOverError {
    /// It has no database of rpm.
    #[error("it has no database of rpm, and {0}")]
    NoDatabase(String),
    /// Its database has no packages.
    #[error("the database of rpm in it has no packages: {0}")]
    NoPackages(String),
    /// Its database cannot be read or written.
    #[error("the database of rpm in it")]
    Database(#[from] RpmDatabaseError),
    /// Its packages are for other machines.
    #[error("its packages are for {found}, and the image is for {wanted}")]
    Architecture {
        /// Architecture of its packages.
        found: String,
        /// That of the image.
        wanted: String,
    },
    /// A file of it cannot be read.
    #[error("a file of it")]
    Path(#[from] PathError),
    /// Removing what `without` names would remove what dnf protects.
    #[error(
        "removing {removed} would remove `{package}`, which needs it (`{relation}`) and is protected (`/etc/dnf/protected.d`): leave it \
         out of `without`, or name `{package}` there, too"
    )]
    Protected {
        /// What is removed.
        removed: String,
        /// The package that needs it.
        package: String,
        /// What it requires.
        relation: String,
    },
    /// Packages that cannot be had together.
    #[error(transparent)]
    Resolve(#[from] RpmResolveError),
    /// The system has no rpm.
    #[error("the system has no `/usr/bin/rpm`, which installs the packages")]
    NoRpm,
    /// After the installation a package is not there, or one that should be gone is.
    #[error("rpm ended well, and the database does not have the packages of the lock: {0}")]
    Differs(String),
    /// What is made once for all packages.
    #[error(transparent)]
    Finish(#[from] RpmRunError),
}

impl From<RpmOverError> for SandboxError {
    fn from(error: RpmOverError) -> Self {
        match error {
            RpmOverError::Finish(error) => error.into(),
            other => Self::Content {
                what: "installing packages over the system".to_owned(),
                source: io::Error::other(other),
            },
        }
    }
}
