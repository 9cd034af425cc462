//! Why bytes are no event log.

/// What the reader refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventLogError {
    /// The log does not begin with the header of the crypto-agile form.
    #[error("the log does not begin with `Spec ID Event03`: it is no event log, or one of TPM 1.2")]
    Header,
    /// A structure does not fit into the log.
    #[error("{structure} needs {need} bytes from byte {at} on, and the log has {len} bytes")]
    CutShort {
        /// The structure.
        structure: &'static str,
        /// Its first byte.
        at: usize,
        /// Its length in bytes.
        need: usize,
        /// Length of the log in bytes.
        len: usize,
    },
    /// A field has an invalid value.
    #[error("the {field} at byte {at} is {value}, and must be {rule}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its first byte.
        at: usize,
        /// The stored value.
        value: u32,
        /// The valid values.
        rule: &'static str,
    },
    /// The log is longer than any that firmware writes.
    #[error("the log has {len} bytes, and at most {limit} are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
}
