//! Findings and errors of the EROFS reader and checker: corruptions with their location and both values.

use std::io;

use crate::tree::Printable;

/// A structure of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ErofsLocation {
    /// The superblock.
    #[error("superblock")]
    Superblock,
    /// An inode, or the map of its chunks.
    #[error("inode {nid}")]
    Inode {
        /// Its number.
        nid: u64,
    },
    /// A block of a directory.
    #[error("block {block} of directory {nid}")]
    Directory {
        /// The directory's inode.
        nid: u64,
        /// The block within the directory.
        block: u64,
    },
    /// The attributes of an inode.
    #[error("attributes of inode {nid}")]
    Xattrs {
        /// The inode.
        nid: u64,
    },
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErofsDefect {
    /// The checksum does not fit the bytes.
    #[error("checksum {stored:#010x} is stored, {computed:#010x} computed")]
    Checksum {
        /// As stored.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// A field should have another value.
    #[error("{field} is {found}, expected {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// As stored.
        found: u64,
        /// As it should be.
        expected: u64,
    },
    /// A field is out of its range.
    #[error("{field} is {found}, which is not between {least} and {most}")]
    Range {
        /// The field.
        field: &'static str,
        /// As stored.
        found: u64,
        /// Least value.
        least: u64,
        /// Greatest value.
        most: u64,
    },
    /// A field has a value without a meaning.
    #[error("{field} is {found:#x}, which means nothing")]
    Meaningless {
        /// The field.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// Something is not there.
    #[error("{what} is missing")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// The inode is compressed.
    #[error("the content is compressed (layout {layout}), and only uncompressed content is read")]
    Compressed {
        /// The layout in `i_format`.
        layout: u16,
    },
    /// Bytes of the image that belong to something else too.
    #[error("{what} at byte {at} to {end} overlaps with {other}")]
    Overlap {
        /// What these bytes are here.
        what: &'static str,
        /// First byte.
        at: u64,
        /// First byte after them.
        end: u64,
        /// The owner that was met before.
        other: ErofsLocation,
    },
    /// Bytes that would be outside the image or in two blocks.
    #[error("{what} at byte {at} to {end} is not within {limit}")]
    Outside {
        /// What is there.
        what: &'static str,
        /// First byte.
        at: u64,
        /// First byte after them.
        end: u64,
        /// What it should be within.
        limit: &'static str,
    },
    /// A name that cannot be one.
    #[error("`{}` cannot be a file name", Printable(name))]
    Name {
        /// The name.
        name: Box<[u8]>,
    },
    /// Names are not in order, or the same name comes twice.
    #[error(
        "`{}` comes after `{}`, and names are in the order of their bytes",
        Printable(name),
        Printable(before)
    )]
    Order {
        /// The name.
        name: Box<[u8]>,
        /// The one before.
        before: Box<[u8]>,
    },
    /// An attribute comes twice.
    #[error("the attribute `{}` comes twice", Printable(name))]
    Duplicate {
        /// The name.
        name: Box<[u8]>,
    },
    /// The type in the entry is not that of the inode.
    #[error("`{}` has the type {found} in its entry, and its inode {expected}", Printable(name))]
    FileType {
        /// The name.
        name: Box<[u8]>,
        /// In the entry.
        found: u8,
        /// By the inode.
        expected: u8,
    },
    /// `.` or `..` leads elsewhere.
    #[error("`{}` leads to inode {found}, expected {expected}", Printable(name))]
    Entry {
        /// The name.
        name: Box<[u8]>,
        /// As stored.
        found: u64,
        /// As it should be.
        expected: u64,
    },
    /// A directory has two names.
    #[error("directory {nid} has a second name `{}`", Printable(name))]
    SecondName {
        /// The directory.
        nid: u64,
        /// The second name.
        name: Box<[u8]>,
    },
    /// Shared attributes of all inodes are too many to be kept.
    #[error("the attributes that inodes share add up to more than {most} bytes")]
    TooMuch {
        /// Most bytes.
        most: u64,
    },
}

/// What is wrong where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{location} (byte {offset}): {why}")]
pub struct ErofsCorruption {
    /// The structure.
    pub location: ErofsLocation,
    /// First byte of the structure in the image.
    pub offset: u64,
    /// What is wrong with it.
    pub why: ErofsDefect,
}

/// Why a file system cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErofsReadError {
    /// There is no EROFS.
    #[error("magic number {found:#010x} is not that of EROFS")]
    NotErofs {
        /// The value where it should be.
        found: u32,
    },
    /// It uses features that this reader does not read.
    #[error("the file system uses features that are not read: {names}")]
    Features {
        /// Their names, separated by commas; bits without a name as numbers.
        names: String,
    },
    /// A structure is damaged.
    #[error(transparent)]
    Corrupt(#[from] ErofsCorruption),
    /// The image could not be read.
    #[error("reading {len} bytes at byte {offset}")]
    Io {
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
        /// The error of the medium.
        source: io::Error,
    },
}

/// Receives corruptions, and decides whether one ends the reading.
pub(crate) trait ErofsCorruptionSink {
    /// Takes a corruption.
    ///
    /// # Errors
    /// The corruption as an error, if it ends the reading.
    fn report(&mut self, corruption: ErofsCorruption) -> Result<(), ErofsReadError>;
}

/// Ends the reading at the first corruption.
pub(crate) struct ErofsRefuse;

impl ErofsCorruptionSink for ErofsRefuse {
    fn report(&mut self, corruption: ErofsCorruption) -> Result<(), ErofsReadError> {
        Err(corruption.into())
    }
}
