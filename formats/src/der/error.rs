//! Why bytes are not the DER that they should be.

/// What the reader refuses. Offsets are from the start of the bytes that were given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// An element reaches past what holds it.
    #[error("the element at byte {at} ends at byte {end}, and what holds it ends at byte {len}")]
    Outside {
        /// Its first byte.
        at: usize,
        /// First byte after it.
        end: usize,
        /// End of what holds it.
        len: usize,
    },
    /// A length is not encoded in the one form that DER allows.
    #[error("the length at byte {at} is not encoded as DER demands")]
    Length {
        /// First byte of the length.
        at: usize,
    },
    /// A tag of more than one byte, which nothing here has.
    #[error("the tag at byte {at} has more than one byte")]
    LongTag {
        /// Its first byte.
        at: usize,
    },
    /// Another element than the one that belongs here.
    #[error("{what} at byte {at} has the tag 0x{found:02x}, not 0x{expected:02x}")]
    Tag {
        /// What belongs here.
        what: &'static str,
        /// Where.
        at: usize,
        /// The tag that is there.
        found: u8,
        /// The tag that belongs there.
        expected: u8,
    },
    /// The element that belongs here is not there.
    #[error("{what} is missing at byte {at}")]
    Missing {
        /// What belongs here.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// Bytes after the last element.
    #[error("{what} ends at byte {at}, and {more} more bytes follow")]
    Trailing {
        /// What ended.
        what: &'static str,
        /// Where.
        at: usize,
        /// Bytes after it.
        more: usize,
    },
    /// A value that cannot be.
    #[error("{what} at byte {at} is not {rule}")]
    Value {
        /// Which value.
        what: &'static str,
        /// Where.
        at: usize,
        /// The rule that it breaks.
        rule: &'static str,
    },
}
