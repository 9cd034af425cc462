//! Why a tree cannot be a FAT32 volume.

use std::fmt;

use super::names::FatNameError;
use crate::fat::spec::{DEPTH_MAX, ENTRIES_MAX};
use crate::plan::PlanError;
use crate::tree::Printable;

/// A path of the tree, shown for people with a leading `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPath(pub Vec<u8>);

impl fmt::Display for ShownPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", Printable(&self.0))
    }
}

/// Why a tree cannot be a FAT32 volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FatWriteError {
    /// Neither a file nor a directory.
    #[error("`{path}` is a {kind}, and FAT holds files and directories only")]
    Kind {
        /// Its path.
        path: ShownPath,
        /// What it is.
        kind: &'static str,
    },
    /// A name that FAT cannot hold.
    #[error("FAT cannot hold the name of `{path}`")]
    Name {
        /// Its path.
        path: ShownPath,
        /// Why not.
        source: FatNameError,
    },
    /// Two names that differ in case only.
    #[error("`{a}` and `{b}` are one name on FAT, which ignores case")]
    SameName {
        /// The one.
        a: ShownPath,
        /// The other.
        b: ShownPath,
    },
    /// A file longer than FAT can count.
    #[error("`{path}` has {len} bytes, and a file on FAT at most {}", u32::MAX)]
    FileTooLong {
        /// Its path.
        path: ShownPath,
        /// Its length.
        len: u64,
    },
    /// A directory with more entries than FAT can count; a long name takes several.
    #[error("directory `{path}` takes {entries} entries, and on FAT one has at most {}", ENTRIES_MAX)]
    DirTooLong {
        /// Its path.
        path: ShownPath,
        /// Entries that it takes.
        entries: usize,
    },
    /// A directory deeper than we read.
    #[error("directory `{path}` is more than {} directories deep", DEPTH_MAX)]
    TooDeep {
        /// Its path.
        path: ShownPath,
    },
    /// A label that FAT cannot hold.
    #[error(
        "`{label}` cannot be a FAT label: at most 11 characters of A-Z, 0-9, space and $%'-_@~`!(){{}}^#&, no space at an end"
    )]
    Label {
        /// The label.
        label: String,
    },
    /// Too short to be FAT32.
    #[error("{len} bytes are too few for a FAT32 volume, which has at least {least}")]
    TooSmall {
        /// Bytes there are.
        len: u64,
        /// Bytes that the smallest volume has.
        least: u64,
    },
    /// Longer than FAT32 can count.
    #[error("{len} bytes are too many for a FAT32 volume, which has less than 2 TiB")]
    TooLarge {
        /// Bytes there are.
        len: u64,
    },
    /// The tree needs more space than there is.
    #[error("the tree needs {needed} bytes and the volume has {available}: {} too few", needed - available)]
    NoSpace {
        /// Bytes needed, in whole clusters.
        needed: u64,
        /// Bytes of clusters there are.
        available: u64,
    },
    /// The parts overlap: segments of a file do, or this program has a bug.
    #[error("composing the volume")]
    Plan(#[from] PlanError),
}
