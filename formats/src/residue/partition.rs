//! A partition as the pass over a partition table gives it to the pass over the disk.

use crate::terminal::escape;

/// A partition to be surveyed; bytes on the disk.
#[derive(Debug, Clone)]
pub(crate) struct SurveyedPartition {
    /// Its number and name, safe to print.
    pub(crate) name: String,
    /// First byte.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) len: u64,
}

impl SurveyedPartition {
    /// A partition of a table.
    pub(crate) fn new(number: u32, name: &str, start: u64, len: u64) -> Self {
        let name = if name.is_empty() {
            format!("partition {number}")
        } else {
            format!("partition {number} ({})", escape(name))
        };
        Self { name, start, len }
    }
}
