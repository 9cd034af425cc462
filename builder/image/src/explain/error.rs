//! Why an image cannot be explained.

use std::io;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_formats::map::MapError;
use amiforge_formats::tree::Printable;

use crate::inspect::InspectError;
use crate::manifest::ManifestError;
use crate::origins::OriginsError;

/// Why an image cannot be explained. A partition that is damaged is none of these as long as no path of it is asked for:
/// its bytes are then not explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The image or its partition table cannot be read.
    #[error(transparent)]
    Inspect(InspectError),
    /// Partitions and the table do not fit together.
    #[error("laying out the partitions")]
    Disk(#[source] MapError),
    /// The manifest cannot be read.
    #[error("reading `{}`", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The origins cannot be read.
    #[error("reading `{}`", path.display())]
    Origins {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: OriginsError,
    },
    /// The origins are not those that the manifest has.
    #[error("`{}` has SHA-256 {found}, and the manifest has {expected}", path.display())]
    Unbound {
        /// The file.
        path: PathBuf,
        /// The digest in the manifest.
        expected: Digest,
        /// The digest of the file.
        found: Digest,
    },
    /// The image has no such block.
    #[error("block {number} is not in the image, whose blocks are 0 to {}", blocks.saturating_sub(1))]
    NoBlock {
        /// The number that was asked for.
        number: u64,
        /// How many blocks the image has.
        blocks: u64,
    },
    /// The image has no such bytes.
    #[error("bytes {start}..{end} are not in the image, which has {len} bytes")]
    NoBytes {
        /// First byte that was asked for.
        start: u64,
        /// The byte after the last one.
        end: u64,
        /// Length of the image.
        len: u64,
    },
    /// The partition has no such path.
    #[error("there is no `/{}` on partition {partition}", Printable(path))]
    NoPath {
        /// The partition.
        partition: String,
        /// The path, without a leading `/`.
        path: Vec<u8>,
    },
    /// The partition of a path cannot be mapped.
    #[error("reading partition {partition}: {why}")]
    Damaged {
        /// The partition.
        partition: String,
        /// Which structure is damaged and how.
        why: String,
    },
    /// No partition is mounted where the path is.
    #[error("no partition that is known to be mounted has `/{}`", Printable(path))]
    NotMounted {
        /// The path, without a leading `/`.
        path: Vec<u8>,
    },
    /// Bytes of the image cannot be read.
    #[error("reading bytes from {at} on")]
    Io {
        /// First byte.
        at: u64,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The user interrupted the command.
    #[error("interrupted")]
    Interrupted,
}
