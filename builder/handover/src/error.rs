//! Why a hand-over cannot be written or is refused, and at which byte.

use std::fmt;
use std::io;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_image::bundle::BundleError;
use amiforge_image::inspect::InspectError;

/// A byte of a file or stream.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Location {
    /// The path, or `standard input`.
    pub file: String,
    /// Bytes before it.
    pub offset: u64,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, byte {}", self.file, self.offset)
    }
}

/// What is wrong with the bytes of a hand-over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The first bytes are not those of a hand-over.
    #[error("the file does not begin with the magic number of a hand-over")]
    Magic,
    /// The header's bytes are not those that its checksum was taken of.
    #[error("the header was changed: its checksum is {stated}, and its bytes have {computed}")]
    HeaderChecksum {
        /// Digest in the header.
        stated: Digest,
        /// Digest of its bytes.
        computed: Digest,
    },
    /// A field of the header has a value that no writer gives it.
    #[error("the header's field `{field}` is {value}, and {rule}")]
    HeaderField {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What holds for it.
        rule: String,
    },
    /// The bytes end early.
    #[error("the bytes end within {what}, and {missing} more are to come")]
    Truncated {
        /// What ends.
        what: String,
        /// Number of missing bytes.
        missing: u64,
    },
    /// There is more than the header says.
    #[error("bytes follow the end of {what}")]
    Trailing {
        /// What has ended.
        what: String,
    },
    /// The index is not the one of the header.
    #[error("the index was changed: the header says {stated}, and its bytes have {computed}")]
    IndexDigest {
        /// Digest in the header.
        stated: Digest,
        /// Digest of the index.
        computed: Digest,
    },
    /// The index cannot be read.
    #[error("the index is not one: {0}")]
    Index(String),
    /// A document of the index is not what the bundle's sums or manifest say.
    #[error("document `{name}`: {reason}")]
    Document {
        /// Its name.
        name: String,
        /// The contradiction.
        reason: String,
    },
    /// The stored form of a block is not that of the index.
    #[error(
        "block {block} of the image: its stored form has the digest {computed}, and the index says {stated}"
    )]
    Stored {
        /// Index in the image.
        block: u64,
        /// Digest in the index.
        stated: Digest,
        /// Digest of the bytes.
        computed: Digest,
    },
    /// The stored form of a block does not decode.
    #[error("block {block} of the image: its stored form {reason}")]
    Encoding {
        /// Index in the image.
        block: u64,
        /// The reason.
        reason: String,
    },
    /// A block is not the one of the manifest.
    #[error("block {block} of the image has the digest {computed}, and the manifest says {stated}")]
    Block {
        /// Index in the image.
        block: u64,
        /// Digest in the manifest.
        stated: Digest,
        /// Digest of the bytes.
        computed: Digest,
    },
    /// A part of another hand-over.
    #[error("the part belongs to the hand-over {found}, and the parts before it to {expected}")]
    OtherHandover {
        /// Digest of the part's index.
        found: Digest,
        /// Digest of the index of the first part.
        expected: Digest,
    },
    /// A part that is not the next one.
    #[error("part {found} of {parts} comes where part {expected} is due")]
    PartOrder {
        /// Number of the part.
        found: u32,
        /// Number that is due.
        expected: u32,
        /// Number of parts.
        parts: u32,
    },
}

/// Why a hand-over cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// A file cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The stream that a hand-over is read from or written to fails.
    #[error("using {name}")]
    Stream {
        /// Its name.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The bytes are not those that were written.
    #[error("{at}: {damage}")]
    Damaged {
        /// The first byte of what is wrong.
        at: Location,
        /// What is wrong.
        damage: Box<Damage>,
    },
    /// A part is not there.
    #[error("part {part} of {parts} is missing: there is no `{}`", path.display())]
    MissingPart {
        /// Its number.
        part: u32,
        /// Number of parts.
        parts: u32,
        /// Its expected path.
        path: PathBuf,
    },
    /// A folder holds no hand-over, or several.
    #[error("`{}` holds {count} hand-overs", path.display())]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// Number of hand-overs in it.
        count: usize,
    },
    /// The bundle contradicts itself.
    #[error("`{name}` of the bundle: {reason}")]
    Bundle {
        /// The file.
        name: String,
        /// The contradiction.
        reason: String,
    },
    /// A block of the bundle is not the one of its manifest.
    #[error("block {index} of the image has the digest {computed}, and the manifest says {stated}")]
    BlockChanged {
        /// Its index.
        index: u64,
        /// Digest in the manifest.
        stated: Digest,
        /// Digest of the bytes.
        computed: Digest,
    },
    /// The image cannot be opened.
    #[error("opening the image")]
    Image(#[source] InspectError),
    /// The unpacked bundle cannot be written.
    #[error("writing the bundle")]
    Unpack(#[source] BundleError),
    /// The unpacked image is not the one of `SHA256SUMS`.
    #[error("the image has the digest {computed}, and `SHA256SUMS` says {stated}")]
    Plain {
        /// Digest in `SHA256SUMS`.
        stated: Digest,
        /// Digest of the image.
        computed: Digest,
    },
    /// A delta without the image that it continues, or with another one.
    #[error("the hand-over holds only what differs from the image with the manifest {expected}, and {given}")]
    Parent {
        /// Digest of the parent's manifest.
        expected: Digest,
        /// What is given instead.
        given: String,
    },
    /// The name is taken.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// Another process writes the same hand-over.
    #[error("another process is writing `{}`", path.display())]
    Busy {
        /// The file that it writes.
        path: PathBuf,
    },
    /// More parts than the format has numbers for.
    #[error("with parts of {split} bytes there are at least {parts}, and a hand-over has at most {max}")]
    TooManyParts {
        /// Length of a part.
        split: u64,
        /// Number of parts.
        parts: u64,
        /// The maximum.
        max: u32,
    },
    /// The caller does not accept the contents.
    #[error("{reason}")]
    Refused {
        /// The reason.
        reason: String,
    },
    /// The work was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl HandoverError {
    /// Damage at a byte.
    pub(crate) fn damaged(at: Location, damage: Damage) -> Self {
        Self::Damaged { at, damage: Box::new(damage) }
    }

    /// Whether the hand-over itself is wrong, rather than the host that reads it.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::MissingPart { .. })
    }
}

/// An error with its causes, as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
