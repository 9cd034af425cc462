//! The result of native configuration: actions, skipped commands with reasons, errors.

use crate::configure::effects::report::SkippedCommand;
use crate::deb::database::DatabaseError;
use amiforge_formats::path::PathError;

/// The outcome of the packages' scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NativeReport {
    /// Actions, in order: accounts, alternatives, enabled units, caches.
    pub done: Vec<String>,
    /// Commands of scripts that were not done, in the order of the packages.
    pub skipped: Vec<SkippedCommand>,
}

/// Why packages could not be configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// The package database.
    #[error("writing the package database")]
    Database(#[from] DatabaseError),
    /// A file of the tree.
    #[error("configuring `{package}`")]
    Read {
        /// The package of the script.
        package: String,
        /// Why.
        #[source]
        source: PathError,
    },
    /// The cache of the loader.
    #[error("making /etc/ld.so.cache")]
    Libraries(#[source] PathError),
    /// The indexes of kernel modules.
    #[error("reading kernel modules")]
    Modules(#[source] std::io::Error),
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}
