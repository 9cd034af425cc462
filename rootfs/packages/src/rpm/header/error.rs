//! Why bytes are no header.

use super::RpmTag;

/// Why bytes are no header of an rpm package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpmHeaderError {
    /// The first bytes are not those of a header.
    #[error("there is no header: the magic number is missing")]
    Magic,
    /// The bytes end too early.
    #[error("the header is cut off: it has {needed} bytes, and there are {there}")]
    Short {
        /// Bytes that its own numbers ask for.
        needed: u64,
        /// Bytes that are there.
        there: u64,
    },
    /// Its number of entries or bytes is out of range.
    #[error("the header claims {entries} entries and {data} bytes of data, more than rpm allows")]
    Size {
        /// Entries.
        entries: u32,
        /// Bytes of data.
        data: u32,
    },
    /// An entry does not lie within the data, or contradicts its type.
    #[error("the header's entry of tag {tag} is damaged: {why}")]
    Entry {
        /// Its tag.
        tag: RpmTag,
        /// What is wrong.
        why: &'static str,
    },
    /// The region that signatures cover is missing or damaged.
    #[error("the header's signed region is damaged: {0}")]
    Region(&'static str),
    /// A tag that a package needs is missing, or has another type.
    #[error("the header has no {0}, which a package needs")]
    Missing(&'static str),
}
