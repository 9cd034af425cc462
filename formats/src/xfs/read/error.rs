//! Findings and errors of the XFS reader and checker: corruptions with their location and both values.

use std::io;

use crate::tree::Printable;

/// The B-trees of an allocation group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum XfsTreeKind {
    /// Free space by its first block.
    #[error("free space by block")]
    FreeByBlock,
    /// Free space by its length.
    #[error("free space by length")]
    FreeByLength,
    /// Chunks of inodes.
    #[error("inodes")]
    Inodes,
    /// Chunks with free inodes.
    #[error("free inodes")]
    FreeInodes,
    /// Owners of blocks.
    #[error("owners")]
    Owners,
    /// Blocks that several files share.
    #[error("shared blocks")]
    Shared,
}

/// A structure of the file system, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum XfsLocation {
    /// The superblock of an allocation group; that of group 0 counts.
    #[error("superblock of group {group}")]
    Superblock {
        /// The group.
        group: u32,
    },
    /// The header of a group's free space.
    #[error("AGF of group {group}")]
    FreeSpace {
        /// The group.
        group: u32,
    },
    /// The header of a group's inodes.
    #[error("AGI of group {group}")]
    Inodes {
        /// The group.
        group: u32,
    },
    /// A group's list of blocks for its B-trees.
    #[error("AGFL of group {group}")]
    FreeList {
        /// The group.
        group: u32,
    },
    /// A block of a B-tree of a group.
    #[error("block {block} of the tree of {tree} of group {group}")]
    Tree {
        /// Which tree.
        tree: XfsTreeKind,
        /// The group.
        group: u32,
        /// The block within the group.
        block: u32,
    },
    /// The free space of a group as its trees have it.
    #[error("free space of group {group}")]
    Group {
        /// The group.
        group: u32,
    },
    /// An inode.
    #[error("inode {inode}")]
    Inode {
        /// Its number.
        inode: u64,
    },
    /// A block of the tree of an inode's extents.
    #[error("extent block {block} of inode {inode}")]
    MapNode {
        /// The inode.
        inode: u64,
        /// The block.
        block: u64,
    },
    /// A block of a directory.
    #[error("block {block} of directory {inode}")]
    Directory {
        /// The directory's inode.
        inode: u64,
        /// The block within the directory.
        block: u64,
    },
    /// A block of attributes.
    #[error("block {block} of the attributes of inode {inode}")]
    Attributes {
        /// The inode.
        inode: u64,
        /// The block within the attributes.
        block: u64,
    },
    /// The block with the target of a link.
    #[error("target of the link of inode {inode}")]
    Target {
        /// The inode.
        inode: u64,
    },
    /// The log.
    #[error("log")]
    Log,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XfsDefect {
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
        /// What follows from the rest of the file system.
        expected: u64,
    },
    /// The UUID is that of another file system.
    #[error("the UUID is that of another file system")]
    Uuid,
    /// A field is out of its range.
    #[error("{field} is {found}, outside {least} to {most}")]
    Range {
        /// The field.
        field: &'static str,
        /// As stored.
        found: u64,
        /// Least value allowed.
        least: u64,
        /// Greatest value allowed.
        most: u64,
    },
    /// A field holds bits or a number that mean nothing here.
    #[error("{field} is {found:#x}, which means nothing here")]
    Meaningless {
        /// The field.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// Entries are out of order.
    #[error("{field} is {found} after {before}")]
    Order {
        /// The field.
        field: &'static str,
        /// As stored.
        found: u64,
        /// Its forerunner.
        before: u64,
    },
    /// An address outside of the file system, or blocks that reach over the end of their group.
    #[error(
        "{what} at {start}, {len} long, is outside of the file system or reaches over the end of a group"
    )]
    Outside {
        /// What is there.
        what: &'static str,
        /// Its address as stored.
        start: u64,
        /// Blocks.
        len: u64,
    },
    /// Something is used by two.
    #[error("blocks {start} to {last} are used by the {first} too")]
    Claimed {
        /// First block that both have.
        start: u64,
        /// Last block that both have.
        last: u64,
        /// Who has it already.
        first: XfsLocation,
    },
    /// A structure was met a second time on the way down.
    #[error("{what} {number} was met before")]
    Again {
        /// What: a block, a directory.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// A name that cannot be.
    #[error("the name `{}` is not allowed", Printable(name))]
    Name {
        /// The bytes.
        name: Box<[u8]>,
    },
    /// A name that occurs twice.
    #[error("the name `{}` occurs twice", Printable(name))]
    Duplicate {
        /// The bytes.
        name: Box<[u8]>,
    },
    /// An entry that leads to the wrong inode.
    #[error("the entry `{}` names inode {found}, expected {expected}", Printable(name))]
    Entry {
        /// The entry's name.
        name: Box<[u8]>,
        /// As stored.
        found: u64,
        /// What it should name.
        expected: u64,
    },
    /// An entry that leads to something that is not in use.
    #[error("the entry `{}` names inode {found}, which is not in use", Printable(name))]
    Dangling {
        /// The entry's name.
        name: Box<[u8]>,
        /// As stored.
        found: u64,
    },
    /// An entry whose type byte is not that of its inode.
    #[error("the entry `{}` has file type {found}, its inode {expected}", Printable(name))]
    FileType {
        /// The entry's name.
        name: Box<[u8]>,
        /// As stored.
        found: u8,
        /// By the inode's mode.
        expected: u8,
    },
    /// The index and the entries of a directory are not about the same names.
    #[error("the entry at {address} with hash {hash:#010x} is in {only}")]
    Index {
        /// Hash of the name.
        hash: u32,
        /// Address of the entry in units of eight bytes.
        address: u32,
        /// Where alone it is.
        only: &'static str,
    },
    /// Something that should be there is not.
    #[error("{what} is missing")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// The content is on the real-time device.
    #[error(
        "its content is on the real-time device, which is not read: copy the files to a file system without one"
    )]
    RealTime,
    /// A value that is no ACL.
    #[error("the ACL of {len} bytes is malformed")]
    Acl {
        /// Length of the value.
        len: u64,
    },
    /// In use but in no directory.
    #[error("it is in use and in no directory")]
    Unreachable,
    /// Blocks that are neither free nor of anything.
    #[error("blocks {start} to {last} are neither free nor in use by anything")]
    Lost {
        /// First block within the group.
        start: u64,
        /// Last block within the group.
        last: u64,
    },
}

/// Something wrong with an image: what, where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{location} at byte {offset}: {why}")]
pub struct XfsCorruption {
    /// The structure.
    pub location: XfsLocation,
    /// Its first byte in the image.
    pub offset: u64,
    /// What is wrong with it.
    pub why: XfsDefect,
}

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum XfsReadError {
    /// The medium failed.
    #[error("reading {len} bytes at byte {offset}")]
    Io {
        /// First byte.
        offset: u64,
        /// Length in bytes.
        len: u64,
        /// The error of the medium.
        #[source]
        source: io::Error,
    },
    /// There is no XFS file system here.
    #[error("not an XFS file system: the magic number is {found:#010x}, not `XFSB`")]
    NotXfs {
        /// The stored value.
        found: u32,
    },
    /// A version before 5, without checksums.
    #[error(
        "XFS of version {version} is not read, for its metadata has no checksums: copy the files to one made with \
         `mkfs.xfs -m crc=1`"
    )]
    Version {
        /// The version.
        version: u16,
    },
    /// The image ends before the file system does.
    #[error("the image has {found} bytes, the file system needs {needed}")]
    Truncated {
        /// Length of the image in bytes.
        found: u64,
        /// Length of the file system in bytes.
        needed: u64,
    },
    /// The file system uses features that this reader does not read.
    #[error("features not supported: {names}")]
    Features {
        /// Their names, or numbers where they have none, joined by commas.
        names: String,
    },
    /// A repair is under way or was interrupted.
    #[error("the file system is marked as in need of repair: run `xfs_repair` on it")]
    NeedsRepair,
    /// Making it was interrupted.
    #[error("the file system is marked as being made (`sb_inprogress`): make it again")]
    InProgress,
    /// Metadata changes are in the log only.
    #[error("the log was not replayed: mount the file system once, and unmount it")]
    DirtyLog,
    /// Whether the log was replayed cannot be known.
    #[error(
        "the log is on another device, so whether it was replayed is not known: copy the files to a file system with an \
         internal log"
    )]
    ExternalLog,
    /// The image is damaged.
    #[error(transparent)]
    Corrupt(#[from] XfsCorruption),
}

/// Receives corruptions, and decides whether to continue.
pub(crate) trait XfsCorruptionSink {
    /// Receives a corruption; an error ends the reading.
    fn report(&mut self, corruption: XfsCorruption) -> Result<(), XfsReadError>;
}

/// Ends at the first corruption, as a reader does.
pub(crate) struct XfsRefuse;

impl XfsCorruptionSink for XfsRefuse {
    fn report(&mut self, corruption: XfsCorruption) -> Result<(), XfsReadError> {
        Err(corruption.into())
    }
}

/// A field that must have one value.
pub(crate) fn value(field: &'static str, found: u64, expected: u64) -> Option<XfsDefect> {
    (found != expected).then_some(XfsDefect::Value { field, found, expected })
}

/// A field that must be in a range.
pub(crate) fn range(field: &'static str, found: u64, least: u64, most: u64) -> Option<XfsDefect> {
    (!(least..=most).contains(&found)).then_some(XfsDefect::Range { field, found, least, most })
}
