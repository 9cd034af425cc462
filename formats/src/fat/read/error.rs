//! Why a volume cannot be read.

use std::io;

use crate::fat::corruption::FatFinding;

/// Why a volume cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FatReadError {
    /// It could not be read.
    #[error("reading the volume from byte {at} on")]
    Io {
        /// First byte of the range.
        at: u64,
        /// The error of the medium.
        source: io::Error,
    },
    /// What was read cannot be trusted.
    #[error("{0}")]
    Damaged(Box<FatFinding>),
}
