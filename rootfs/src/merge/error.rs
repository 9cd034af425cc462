//! Why a source cannot be merged with the ones before it.

use std::io;

use amiforge_formats::tree::Printable;

use crate::sources::entry_error::PATH_LONGEST;

/// Why a source cannot be merged with the ones before it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Two sources give a path, and not the same.
    #[error(
        "`/{}` differs in its {differs}: {before} in {earlier}, {now} in {later}; if the later one is meant, give it \
         `override = true`",
        Printable(path)
    )]
    Conflict {
        /// The path.
        path: Vec<u8>,
        /// The property that differs: `kind`, `mode`, `content` and so on.
        differs: &'static str,
        /// The earlier source.
        earlier: String,
        /// Its entry, described.
        before: String,
        /// The later source.
        later: String,
        /// Its entry, described.
        now: String,
    },
    /// A path leads through a symlink of another source.
    #[error(
        "`/{}` of {later} leads through `/{}`, a symlink to `{}` in {earlier}; put it at `/{}` instead",
        Printable(path),
        Printable(link),
        Printable(target),
        Printable(instead)
    )]
    ThroughLink {
        /// The path.
        path: Vec<u8>,
        /// The symlink in it.
        link: Vec<u8>,
        /// Target of the symlink.
        target: Vec<u8>,
        /// The source of the symlink.
        earlier: String,
        /// The source of the path.
        later: String,
        /// The path with the symlink resolved.
        instead: Vec<u8>,
    },
    /// `prefix` makes a path too long.
    #[error("`/{}` would have {len} bytes, allowed are {PATH_LONGEST}", Printable(path))]
    PathTooLong {
        /// The path.
        path: Vec<u8>,
        /// Its length in bytes.
        len: usize,
    },
    /// Reading two contents to compare them failed.
    #[error("comparing `/{}` of {earlier} and {later}", Printable(path))]
    Compare {
        /// The path.
        path: Vec<u8>,
        /// The earlier source.
        earlier: String,
        /// The later source.
        later: String,
        /// The I/O error.
        #[source]
        source: io::Error,
    },
}
