//! Looking into an image: its disk, partitions, file systems and files.
//!
//! Owns the way from a path of the user to a tree of a file system in an image, and what is shown of each. It reads
//! through the readers of `formats` only and never writes to the image.

mod disk;
mod extract;
mod list;
mod medium;
mod overview;
mod system_files;
mod target;
mod volume;
mod when;

use std::io;
use std::path::PathBuf;

use amiforge_formats::tree::Printable;

pub(crate) use disk::escape;
pub use disk::{DiskView, PartitionSlot, Selector, SlotJson, TableView};
pub use extract::{Extracted, Overwrite, Owners, extract};
pub use list::{ListedName, Recursion, list};
pub(crate) use list::{hex, mode_string};
pub use medium::{Contents, Medium};
pub(crate) use overview::chain;
pub use overview::{Overview, SlotOverview};
pub use system_files::{SystemFiles, system_files};
pub use target::{Inside, InspectedPath};
pub(crate) use volume::SOURCE;
pub use volume::{Census, LastLink, ReadFileSystem, VolumeFacts, resolve, send};
pub use when::Utc;

/// Why an image could not be looked into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// A file could not be opened.
    #[error("opening `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A folder without a disk.
    #[error("`{}` is a folder without `disk.raw`, so not a bundle", path.display())]
    NotABundle {
        /// The folder.
        path: PathBuf,
    },
    /// Neither a file nor a block device.
    #[error("`{}` is neither a file nor a block device", path.display())]
    NotAnImage {
        /// The path.
        path: PathBuf,
    },
    /// A container that cannot be opened.
    #[error("opening the disk in `{}`", path.display())]
    Container {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: amiforge_formats::container::ContainerError,
    },
    /// The image could not be read.
    #[error("reading `{}`", path.display())]
    Medium {
        /// The image.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The partition table could not be read.
    #[error("reading the partition table")]
    Table(#[source] amiforge_formats::gpt::read::GptReadError),
    /// The selector names no partition.
    #[error("no partition is `{}`; there are {available}", Printable(selector.as_bytes()))]
    NoPartition {
        /// The selector.
        selector: String,
        /// The existing partitions.
        available: String,
    },
    /// The selector names several partitions.
    #[error("`{}` may mean the partitions {matching}", Printable(selector.as_bytes()))]
    Ambiguous {
        /// The selector.
        selector: String,
        /// The partitions that fit.
        matching: String,
    },
    /// There are no files.
    #[error("{partition} holds no files: {content}")]
    NoFiles {
        /// The partition.
        partition: String,
        /// Name of its content.
        content: &'static str,
    },
    /// A file system could not be read.
    #[error("reading the {kind} file system of {partition}")]
    FileSystem {
        /// What the file system is.
        kind: &'static str,
        /// The partition.
        partition: String,
        /// The error of its reader.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The path climbs.
    #[error("the path `{}` holds `..`, which is not followed in an image", Printable(path))]
    DotDot {
        /// The path.
        path: Vec<u8>,
    },
    /// Nothing has that path.
    #[error("there is no `{}`", Printable(path))]
    NoPath {
        /// The path.
        path: Vec<u8>,
    },
    /// A link leads through too many others.
    #[error("`{}` leads through more than 40 links", Printable(path))]
    Loop {
        /// The path.
        path: Vec<u8>,
    },
    /// Only regular files have bytes.
    #[error("`{}` is a {found}, not a file", Printable(path))]
    NotAFile {
        /// The path.
        path: Vec<u8>,
        /// What it is.
        found: &'static str,
    },
    /// The content of a file could not be read or passed on.
    #[error("copying the content of `{}`", Printable(path))]
    Content {
        /// The path.
        path: Vec<u8>,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Something could not be made on this machine.
    #[error("making `{}` below `{}`", Printable(path), dest.display())]
    Make {
        /// Where everything goes.
        dest: PathBuf,
        /// The path below it.
        path: Vec<u8>,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The path of a file to be made exists.
    #[error("`{}` below `{}` exists already", Printable(path), dest.display())]
    Exists {
        /// Where everything goes.
        dest: PathBuf,
        /// The path below it.
        path: Vec<u8>,
    },
    /// Only root may give files away.
    #[error("owners and devices can only be made by root")]
    NotRoot,
}
