//! Findings and errors of the ext4 reader and checker: corruptions with their location and both values.

use std::io;

use crate::tree::Printable;

/// A structure of the file system, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Ext4Location {
    /// The primary superblock.
    #[error("superblock")]
    Superblock,
    /// The copy of the superblock in a group.
    #[error("backup superblock of group {group}")]
    BackupSuperblock {
        /// The group.
        group: u32,
    },
    /// A group descriptor of the primary table.
    #[error("descriptor of group {group}")]
    Descriptor {
        /// The group that it describes.
        group: u32,
    },
    /// A copy of the group descriptors.
    #[error("backup descriptors in group {group}")]
    BackupDescriptors {
        /// The group that holds the copy.
        group: u32,
    },
    /// The block bitmap of a group.
    #[error("block bitmap of group {group}")]
    BlockBitmap {
        /// The group.
        group: u32,
    },
    /// The inode bitmap of a group.
    #[error("inode bitmap of group {group}")]
    InodeBitmap {
        /// The group.
        group: u32,
    },
    /// The inode table of a group.
    #[error("inode table of group {group}")]
    InodeTable {
        /// The group.
        group: u32,
    },
    /// An inode.
    #[error("inode {inode}")]
    Inode {
        /// Its number.
        inode: u32,
    },
    /// A node of an extent tree.
    #[error("extent block {block} of inode {inode}")]
    ExtentNode {
        /// The inode.
        inode: u32,
        /// The block.
        block: u64,
    },
    /// A block of block numbers (of an inode without extents).
    #[error("indirect block {block} of inode {inode}")]
    Indirect {
        /// The inode.
        inode: u32,
        /// The block.
        block: u64,
    },
    /// A block of a directory.
    #[error("block {block} of directory {inode}")]
    Directory {
        /// The directory's inode.
        inode: u32,
        /// The block within the directory.
        block: u64,
    },
    /// Attributes within an inode.
    #[error("attributes in inode {inode}")]
    XattrBody {
        /// The inode.
        inode: u32,
    },
    /// A block of attributes.
    #[error("attribute block {block}")]
    XattrBlock {
        /// The block.
        block: u64,
    },
    /// The journal.
    #[error("journal")]
    Journal,
    /// The orphan file.
    #[error("block {block} of the orphan file")]
    OrphanFile {
        /// The block within the file.
        block: u64,
    },
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
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
    /// Something is used by two.
    #[error("{what} {number} is claimed by the {first} too")]
    Claimed {
        /// What: a block.
        what: &'static str,
        /// Its number.
        number: u64,
        /// Who has it already.
        first: Ext4Location,
    },
    /// A structure was met a second time on the way down.
    #[error("{what} {number} was met before")]
    Again {
        /// What: a block, a directory.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// A bitmap does not match the use.
    #[error("{what} {first} to {last} are marked {marked} and are not")]
    Bitmap {
        /// What: blocks, inodes.
        what: &'static str,
        /// First of the run.
        first: u64,
        /// Last of the run.
        last: u64,
        /// How the bitmap has them: `used` or `free`.
        marked: &'static str,
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
    /// An entry that leads to the wrong inode or block.
    #[error("the entry `{}` names inode {found}, expected {expected}", Printable(name))]
    Entry {
        /// The entry's name.
        name: Box<[u8]>,
        /// As stored.
        found: u32,
        /// What it should name.
        expected: u32,
    },
    /// An entry that leads to something that is not in use.
    #[error("the entry `{}` names inode {found}, which is not in use", Printable(name))]
    Dangling {
        /// The entry's name.
        name: Box<[u8]>,
        /// As stored.
        found: u32,
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
    /// Something that should be there is not.
    #[error("{what} is missing")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// In use but in no directory.
    #[error("it is in use and in no directory")]
    Unreachable,
    /// A bit after the end of a bitmap that should be set.
    #[error("padding bit {bit} is clear")]
    Padding {
        /// The bit.
        bit: u64,
    },
    /// A value that is no POSIX ACL.
    #[error("the POSIX ACL of {len} bytes is malformed")]
    Acl {
        /// Length of the value.
        len: u64,
    },
    /// A copy differs from what it was made from.
    #[error("{field} differs at byte {at} of the structure: {found:#04x}, expected {expected:#04x}")]
    Differs {
        /// What: the structure or field.
        field: &'static str,
        /// First byte that differs, within the structure.
        at: u64,
        /// The byte in the copy.
        found: u8,
        /// The byte in the primary.
        expected: u8,
    },
}

/// Something wrong with an image: what, where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{location} at byte {offset}: {why}")]
pub struct Corruption {
    /// The structure.
    pub location: Ext4Location,
    /// Its first byte in the image.
    pub offset: u64,
    /// What is wrong with it.
    pub why: Defect,
}

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ext4ReadError {
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
    /// There is no ext4 file system here.
    #[error("not an ext4 file system: the magic number at byte 1080 is {found:#06x}, not 0xef53")]
    NotExt4 {
        /// The stored value.
        found: u16,
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
    /// The image is damaged.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
}

/// Receives corruptions, and decides whether to continue.
pub(crate) trait CorruptionSink {
    /// Receives a corruption; an error ends the reading.
    fn report(&mut self, corruption: Corruption) -> Result<(), Ext4ReadError>;
}

/// Ends at the first corruption, as a reader does.
pub(crate) struct Refuse;

impl CorruptionSink for Refuse {
    fn report(&mut self, corruption: Corruption) -> Result<(), Ext4ReadError> {
        Err(corruption.into())
    }
}
