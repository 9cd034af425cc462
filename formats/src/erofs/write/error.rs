//! Why a tree cannot be an EROFS file system.

use crate::plan::PlanError;
use crate::time::Time;
use crate::tree::Printable;

/// Why a tree cannot be an EROFS file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErofsWriteError {
    /// The tree needs more space than there is.
    #[error("the tree needs {needed} bytes and the file system has {available}: {} too few", needed - available)]
    NoSpace {
        /// Bytes needed, metadata included.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// Addresses of blocks have 32 bits.
    #[error("the file system would be {len} bytes long, and {most} is the most")]
    TooLarge {
        /// The requested length.
        len: u64,
        /// Longest length.
        most: u64,
    },
    /// The label is no volume label.
    #[error("the label `{label}` is {} bytes long or holds a NUL; a label has at most 16 bytes", label.len())]
    Label {
        /// The label.
        label: String,
    },
    /// The creation time does not fit a superblock.
    #[error("the creation time {time} is before 1970")]
    CreationTime {
        /// The time.
        time: Time,
    },
    /// The mode has bits beyond the permissions.
    #[error("`{}` has mode {mode:o}, which is more than 7777", Printable(path))]
    Mode {
        /// The node.
        path: Vec<u8>,
        /// Its mode.
        mode: u16,
    },
    /// The time has a second's worth of nanoseconds or more.
    #[error("`{}` was modified at {time}, whose nanoseconds are more than 999999999", Printable(path))]
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
    /// The map of the file's chunks would be longer than is written.
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
    /// EROFS cannot store an attribute of this name.
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
    /// The attributes are longer than an inode counts, or one of them than its entry.
    #[error("the attributes of `{}` need {needed} bytes; the most is {most}", Printable(path))]
    XattrSpace {
        /// The node.
        path: Vec<u8>,
        /// Bytes needed.
        needed: usize,
        /// Bytes there can be.
        most: usize,
    },
    /// The planner claimed a byte twice: a bug of this program.
    #[error("laying out the file system")]
    Plan(#[from] PlanError),
}
