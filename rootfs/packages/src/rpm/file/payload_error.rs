//! Why a payload is not the one of its header.

use amiforge_formats::tree::Printable;

/// Bytes of a magic number of a member.
pub(super) const MAGIC: usize = 6;

/// Why a payload cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpmPayloadError {
    /// It ends too early.
    #[error("the payload ends at byte {at}, within a member or before its end is marked")]
    Cut {
        /// Where, in decompressed bytes.
        at: u64,
    },
    /// No member where one has to be.
    #[error("there is no member of the payload at byte {at} but `{}`", Printable(found))]
    Magic {
        /// Where, in decompressed bytes.
        at: u64,
        /// What is there.
        found: [u8; MAGIC],
    },
    /// A number is none.
    #[error("the member at byte {at} has `{}` where eight hexadecimal digits are needed", Printable(found))]
    Number {
        /// Where, in decompressed bytes.
        at: u64,
        /// What is there.
        found: Vec<u8>,
    },
    /// The name of a member is too long, or empty.
    #[error("the name of the member at byte {at} has {len} bytes")]
    NameLength {
        /// Where, in decompressed bytes.
        at: u64,
        /// Its length, with the NUL.
        len: u64,
    },
    /// A member that the header does not name.
    #[error("the payload has `{}`, which the header does not name", Printable(name))]
    Unknown {
        /// Its name, or its number.
        name: Vec<u8>,
    },
    /// A file is there twice.
    #[error("the payload has `{}` twice", Printable(path))]
    Twice {
        /// The path.
        path: Vec<u8>,
    },
    /// A file is missing.
    #[error("the payload lacks `{}`, which the header names", Printable(path))]
    Missing {
        /// The path.
        path: Vec<u8>,
    },
    /// A member has another length.
    #[error("`{}` has {actual} bytes in the payload, the header says {expected}", Printable(path))]
    Size {
        /// The path.
        path: Vec<u8>,
        /// Length by the header.
        expected: u64,
        /// Length in the payload.
        actual: u64,
    },
    /// The content is not the one that the header has a digest of.
    #[error("the content of `{}` has the digest {actual}, the header says {expected}", Printable(path))]
    Digest {
        /// The path.
        path: Vec<u8>,
        /// By the header.
        expected: String,
        /// As it is.
        actual: String,
    },
    /// Digests of an unknown algorithm.
    #[error("its files have digests of the algorithm number {0}, which is unknown here")]
    Algorithm(u64),
    /// A symbolic link has another target.
    #[error(
        "`{}` links to `{}` in the payload, the header says `{}`",
        Printable(path),
        Printable(actual),
        Printable(expected)
    )]
    Target {
        /// The path.
        path: Vec<u8>,
        /// By the header.
        expected: Vec<u8>,
        /// In the payload.
        actual: Vec<u8>,
    },
    /// Hard links of each other that have different contents.
    #[error(
        "`{}` and `{}` are one file by their numbers, but differ in length or digest",
        Printable(one),
        Printable(other)
    )]
    Link {
        /// A path.
        one: Vec<u8>,
        /// Another.
        other: Vec<u8>,
    },
    /// Bytes behind the end.
    #[error("the payload has bytes behind its end, at byte {at}")]
    Rest {
        /// Where, in decompressed bytes.
        at: u64,
    },
}
