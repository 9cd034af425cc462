//! Why a tree cannot be an ext4 file system.

use crate::plan::PlanError;
use crate::time::Time;
use crate::tree::Printable;

/// Why a tree cannot be an ext4 file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ext4WriteError {
    /// The tree needs more space than there is.
    #[error("the tree needs {needed} bytes and the file system has {available}: {} too few", needed - available)]
    NoSpace {
        /// Bytes needed, metadata included.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// The file system would have more blocks than are written.
    #[error("the file system would be {len} bytes long, and {most} is the most")]
    TooLarge {
        /// The requested length.
        len: u64,
        /// Longest length.
        most: u64,
    },
    /// The groups cannot hold that number of inodes.
    #[error("the tree needs {needed} inodes and a file system of this length has at most {available}")]
    TooManyNodes {
        /// Inodes needed.
        needed: u64,
        /// Inodes there could be.
        available: u64,
    },
    /// The label is no volume label.
    #[error("the label `{label}` is {} bytes long or holds a NUL; a label has at most 16 bytes", label.len())]
    Label {
        /// The label.
        label: String,
    },
    /// More than half the blocks reserved.
    #[error("{requested} hundredths of a percent of the blocks cannot be reserved; 5000 is the most")]
    Reserved {
        /// The requested value.
        requested: u16,
    },
    /// The creation time does not fit a superblock.
    #[error("the creation time {time} is not between 1970 and 2446")]
    CreationTime {
        /// The time.
        time: Time,
    },
    /// The journal is shorter than any may be.
    #[error("a journal of {requested} bytes is too short; {least} is the least")]
    JournalTooSmall {
        /// The requested value.
        requested: u64,
        /// Shortest.
        least: u64,
    },
    /// The journal does not fit the file system.
    #[error("a journal of {requested} bytes is too long for the file system; {most} is the most")]
    JournalTooBig {
        /// The requested value.
        requested: u64,
        /// Longest.
        most: u64,
    },
    /// `/lost+found` is a name that only a directory may have.
    #[error("`/lost+found` is a {found}, and ext4 needs a directory there")]
    LostFound {
        /// What it is.
        found: &'static str,
    },
    /// The mode has bits beyond the permissions.
    #[error("`{}` has mode {mode:o}, which is more than 7777", Printable(path))]
    Mode {
        /// The node.
        path: Vec<u8>,
        /// Its mode.
        mode: u16,
    },
    /// The time does not fit an inode.
    #[error("`{}` was modified at {time}, which is not between 1901-12-13 and 2446-05-10", Printable(path))]
    Time {
        /// The node.
        path: Vec<u8>,
        /// Its time.
        time: Time,
    },
    /// The target is empty, too long, or holds a NUL.
    #[error("`{}` has a target of {len} bytes; it must have 1 to 4095 and no NUL", Printable(path))]
    Symlink {
        /// The link.
        path: Vec<u8>,
        /// Length of its target.
        len: usize,
    },
    /// The device number is out of range.
    #[error("`{}` is device {major},{minor}; the most is 4095,1048575", Printable(path))]
    Device {
        /// The node.
        path: Vec<u8>,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// More hard links than an inode counts.
    #[error("`{}` has {links} names; the most is {most}", Printable(path))]
    TooManyLinks {
        /// First name.
        path: Vec<u8>,
        /// Names.
        links: u32,
        /// Most names.
        most: u32,
    },
    /// The file is longer than extents reach.
    #[error("`{}` is {len} bytes long; the most is {most}", Printable(path))]
    FileTooLarge {
        /// The file.
        path: Vec<u8>,
        /// Its length.
        len: u64,
        /// Longest length.
        most: u64,
    },
    /// A sparse file whose segments are not sorted, overlap, are empty, or pass its end.
    #[error("the segments of `{}` are not sorted, disjoint and within the file", Printable(path))]
    Segments {
        /// The file.
        path: Vec<u8>,
    },
    /// ext4 cannot store an attribute of this name.
    #[error(
        "`{}` has the attribute `{}`, whose name is not user.*, trusted.*, security.* or a POSIX ACL",
        Printable(path),
        Printable(name)
    )]
    XattrName {
        /// The node.
        path: Vec<u8>,
        /// The attribute.
        name: Vec<u8>,
    },
    /// The attributes do not fit the inode and one block.
    #[error(
        "the attributes of `{}` need {needed} bytes beyond the inode; a block has {available}",
        Printable(path)
    )]
    XattrSpace {
        /// The node.
        path: Vec<u8>,
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        available: usize,
    },
    /// The value is no POSIX ACL.
    #[error("the attribute `{}` of `{}` is not a POSIX ACL of version 2", Printable(name), Printable(path))]
    Acl {
        /// The node.
        path: Vec<u8>,
        /// The attribute.
        name: Vec<u8>,
    },
    /// The planner claimed a byte twice: a bug of this program.
    #[error("laying out the file system")]
    Plan(#[from] PlanError),
}
