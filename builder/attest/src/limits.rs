//! The limit of what is parsed at all.

/// The largest document that is parsed, in bytes. Those of NitroTPM have some 5 KiB, and its buffer has 8.
pub const MAX_DOCUMENT: usize = 32 << 10;
