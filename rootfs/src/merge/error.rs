//! Why a source does not fit the ones before it.

use std::io;

use amiforge_formats::tree::Printable;

use crate::sources::entry_error::PATH_LONGEST;

/// Why a source does not fit the ones before it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Two sources give a path, differently.
    #[error(
        "`/{}` differs in its {differs}: {before} in {earlier}, {now} in {later}; if the later one is meant, give it \
         `override = true`",
        Printable(path)
    )]
    Conflict {
        /// The path.
        path: Vec<u8>,
        /// Name of the property that differs.
        differs: &'static str,
        /// The source that gave it first.
        earlier: String,
        /// Its description there.
        before: String,
        /// The source that gives it again.
        later: String,
        /// Its description here.
        now: String,
    },
    /// A path leads through another source's link.
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
        /// The link in it.
        link: Vec<u8>,
        /// Its target.
        target: Vec<u8>,
        /// The source that gave the link.
        earlier: String,
        /// The source that gives the path.
        later: String,
        /// The path that means the same without the link.
        instead: Vec<u8>,
    },
    /// `prefix` makes a path too long.
    #[error("`/{}` would have {len} bytes, allowed are {PATH_LONGEST}", Printable(path))]
    PathTooLong {
        /// The path.
        path: Vec<u8>,
        /// Its length.
        len: usize,
    },
    /// Two contents cannot be compared.
    #[error("comparing `/{}` of {earlier} and {later}", Printable(path))]
    Compare {
        /// The path.
        path: Vec<u8>,
        /// The first source.
        earlier: String,
        /// The second.
        later: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}
