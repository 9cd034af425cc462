//! Why a disk image cannot be a source.

use std::io;

use amiforge_formats::container::ContainerError;
use amiforge_formats::gpt::read::GptReadError;
use amiforge_formats::mbr::MbrError;
use amiforge_formats::path::PathError;
use amiforge_formats::tree::Printable;
use amiforge_formats::volume::format::FormatError;

use crate::insert::InsertError;

/// Why a disk image cannot be read into a tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskSourceError {
    /// The file of the disk cannot be opened.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The disk cannot be read.
    #[error("reading the disk")]
    Read(#[source] io::Error),
    /// Its GPT is damaged.
    #[error("reading the partition table")]
    Gpt(#[from] GptReadError),
    /// Its MBR is damaged.
    #[error("reading the partition table")]
    Mbr(#[from] MbrError),
    /// Its sectors have another length.
    #[error("the disk has sectors of 4096 bytes; only disks with sectors of 512 bytes are read")]
    Sectors,
    /// No partition is what the recipe names.
    #[error("no partition is `{named}`; there are {available}")]
    NoPartition {
        /// What the recipe names.
        named: String,
        /// The partitions.
        available: String,
    },
    /// Several could be the root.
    #[error("the root file system may be in the partitions {candidates}; name it: `partition = \"NUMBER\"`")]
    Ambiguous {
        /// Those that have `/etc` and `/usr`.
        candidates: String,
    },
    /// None is a root.
    #[error("no file system of the disk has both `/etc` and `/usr`; there are {available}")]
    NoRoot {
        /// The partitions.
        available: String,
    },
    /// A partition that is needed is of a format that is not read.
    #[error(
        "{partition} is {content}, which is not read; copy its files into a tar archive on a machine that mounts it"
    )]
    NotRead {
        /// The partition.
        partition: String,
        /// Its content.
        content: &'static str,
    },
    /// A file system is damaged.
    #[error("reading the {kind} file system of {partition}")]
    Volume {
        /// What it is.
        kind: &'static str,
        /// The partition.
        partition: String,
        /// The error of its reader.
        #[source]
        source: FormatError,
    },
    /// A path of the tree cannot be followed.
    #[error("reading `/{}` of the image", Printable(path))]
    Path {
        /// The path.
        path: Vec<u8>,
        /// Why.
        #[source]
        source: PathError,
    },
    /// A file system cannot be mounted where its fstab says.
    #[error("mounting {partition} at `{at}`")]
    Mount {
        /// The partition.
        partition: String,
        /// The mount point.
        at: String,
        /// Why.
        #[source]
        source: InsertError,
    },
    /// Unpacked, its files are longer than a file of its length may hold.
    #[error(
        "the {packed} bytes of the file unpack to more than {bound}; if that is right, convert it to a raw image"
    )]
    Bomb {
        /// Length of the file.
        packed: u64,
        /// Bytes that are allowed.
        bound: u64,
    },
    /// A disk that cannot be kept.
    #[error(
        "`boot = \"keep\"` keeps a disk with a GPT, and this one has {found}; write a table `[boot]`, which makes a new disk of its files"
    )]
    NotKept {
        /// What it has in its place.
        found: &'static str,
    },
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}
