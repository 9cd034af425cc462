//! Why an archive was refused.

use std::io;

use amiforge_formats::tree::Printable;

use crate::sources::entry_error::EntryError;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// It cannot be read.
    #[error("reading the archive at byte {at}")]
    Read {
        /// Offset in bytes.
        at: u64,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// An error of an entry.
    #[error("reading the entry `{}` at byte {at}", Printable(path))]
    Entry {
        /// Its name as the archive gives it.
        path: Vec<u8>,
        /// Byte of the archive at which it begins.
        at: u64,
        /// The cause.
        #[source]
        error: Box<EntryError>,
    },
    /// An error of a header without a name.
    #[error("reading the header at byte {at}")]
    Header {
        /// Byte of the archive.
        at: u64,
        /// The cause.
        #[source]
        error: Box<EntryError>,
    },
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}

impl TarError {
    pub(super) fn unnamed(at: u64, error: EntryError) -> Self {
        Self::Header { at, error: Box::new(error) }
    }

    /// Puts the entry's name where only the byte was known.
    pub(super) fn named(self, raw: &[u8], start: u64) -> Self {
        match self {
            Self::Header { error, .. } => Self::Entry { path: raw.to_vec(), at: start, error },
            other => other,
        }
    }
}
