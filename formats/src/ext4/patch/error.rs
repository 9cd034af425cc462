//! Why a volume cannot be amended in place.

use std::io;

use crate::ext4::read::Ext4ReadError;
use crate::plan::PlanError;
use crate::time::Time;
use crate::tree::Printable;

/// Why a volume cannot be amended in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ext4PatchError {
    /// The volume cannot be read.
    #[error("reading the file system that is to be amended")]
    Read(#[from] Ext4ReadError),
    /// The volume uses features of which the bookkeeping cannot be kept.
    #[error(
        "the file system has the features {names}, with which it is not amended; without `boot = \"keep\"` a new disk is made"
    )]
    Features {
        /// Their names, joined by commas.
        names: String,
    },
    /// The volume fails the check.
    #[error(
        "the file system is damaged in {findings} places, first: {first}; repair it with e2fsck on a copy of the image"
    )]
    Damaged {
        /// The first finding.
        first: String,
        /// How many there are.
        findings: u64,
    },
    /// The volume was not unmounted, or the kernel found errors in it.
    #[error(
        "the file system is not clean (state {state:#x}); mount and unmount it, or repair it with e2fsck on a copy of the image"
    )]
    State {
        /// `s_state`.
        state: u16,
    },
    /// The journal holds changes that were not written back.
    #[error(
        "the journal holds changes that were not written back (needs_recovery), as in a snapshot of a running machine; mount and unmount the file system on a copy of the image"
    )]
    Journal,
    /// The map of the volume's bytes is not as long as the volume.
    #[error("the origin of the volume describes {described} bytes and the volume has {found}")]
    Origin {
        /// Bytes described.
        described: u64,
        /// Bytes of the volume.
        found: u64,
    },
    /// Too few free blocks.
    #[error(
        "the new files need {missing} bytes more than the file system has free; enlarge it, or make a new disk without `boot = \"keep\"`"
    )]
    NoSpace {
        /// Bytes that are missing.
        missing: u64,
    },
    /// Too few free inodes.
    #[error(
        "the new files need {missing} inodes more than the file system has free; make a new disk without `boot = \"keep\"`"
    )]
    NoInodes {
        /// Inodes that are missing.
        missing: u64,
    },
    /// A file that the kernel would not change either.
    #[error("`{}` has changed, and {why}; make a new disk without `boot = \"keep\"`", Printable(path))]
    Fixed {
        /// The node.
        path: Vec<u8>,
        /// Why it cannot be amended.
        why: &'static str,
    },
    /// The time does not fit an inode of this file system.
    #[error("`{}` was modified at {time}, which an inode of {inode_size} bytes cannot hold", Printable(path))]
    Time {
        /// The node.
        path: Vec<u8>,
        /// Its time.
        time: Time,
        /// Bytes of an inode.
        inode_size: u16,
    },
    /// The mode has bits beyond the permissions.
    #[error("`{}` has mode {mode:o}, which is more than 7777", Printable(path))]
    Mode {
        /// The node.
        path: Vec<u8>,
        /// Its mode.
        mode: u16,
    },
    /// The target does not fit a block.
    #[error("`{}` has a target of {len} bytes; it must have 1 to {most} and no NUL", Printable(path))]
    Symlink {
        /// The link.
        path: Vec<u8>,
        /// Length of its target.
        len: usize,
        /// Longest.
        most: usize,
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
    /// More names or subdirectories than an inode counts.
    #[error("`{}` has {links} links; the most is {most}", Printable(path))]
    TooManyLinks {
        /// First name.
        path: Vec<u8>,
        /// Links.
        links: u32,
        /// Most links.
        most: u32,
    },
    /// More names than the index of a directory may have levels for.
    #[error("the directory `{}` has more names than its index can hold", Printable(path))]
    TooManyNames {
        /// The directory.
        path: Vec<u8>,
    },
    /// The file is longer than its mapping reaches.
    #[error("`{}` is {len} bytes long; the most in this file system is {most}", Printable(path))]
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
    /// ext4 cannot store an attribute of this name or value.
    #[error("`{}` has the attribute `{}`, which ext4 cannot store", Printable(path), Printable(name))]
    Xattr {
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
    /// A content could not be read to be compared.
    #[error("comparing `{}` with the file that is there", Printable(path))]
    Content {
        /// The file.
        path: Vec<u8>,
        /// The error of the medium.
        #[source]
        source: io::Error,
    },
    /// The time of the change is before 1970 or does not fit an inode.
    #[error("the time of the change, {time}, is not between 1970 and 2106")]
    ChangeTime {
        /// The time.
        time: Time,
    },
    /// The planner claimed a byte twice: a bug of this program.
    #[error("laying out the amended file system")]
    Plan(#[from] PlanError),
}
