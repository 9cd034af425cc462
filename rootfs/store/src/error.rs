//! Errors of the store, each with the path that it happened at.

use std::io;
use std::path::PathBuf;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder cannot be made or written.
    #[error("writing the store `{}`", folder.display())]
    Write {
        /// The folder.
        folder: PathBuf,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// An entry cannot be read.
    #[error("reading `{}` of the store", path.display())]
    Read {
        /// The entry.
        path: PathBuf,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// An entry whose trailer or digest is wrong. It has been removed.
    #[error("`{}` of the store is damaged: {found} instead of {expected}; it was removed, run the command again", path.display())]
    Damaged {
        /// The entry.
        path: PathBuf,
        /// The actual value.
        found: String,
        /// The expected value.
        expected: String,
    },
    /// Bytes from elsewhere do not have the digest or length that they should.
    #[error("{found} instead of {expected}")]
    Other {
        /// The actual value.
        found: String,
        /// The expected value.
        expected: String,
    },
}
