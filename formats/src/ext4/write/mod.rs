//! ext4 writer: from a tree to a plan.

use crate::guid::Guid;
use crate::plan::Plan;
use crate::time::Time;
use crate::tree::Tree;

/// What an ext4 file system should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// File-system UUID.
    pub uuid: Guid,
    /// Seed of directory hashes.
    pub hash_seed: Guid,
    /// Volume label, at most 16 bytes.
    pub label: String,
    /// Creation and check time of the file system.
    pub time: Time,
    /// Length of the journal.
    pub journal: Journal,
    /// Blocks reserved for root, in hundredths of a percent of all blocks (500 is 5 %).
    pub reserved: u16,
}

/// Length of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// None at all.
    None,
    /// As mke2fs chooses by the size of the file system.
    Auto,
    /// Bytes, rounded up to whole file-system blocks; at least 1024 blocks.
    Bytes(u64),
}

/// Why a tree cannot be an ext4 file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The tree needs more space than there is.
    #[error("the tree needs {needed} bytes and the file system has {available}: {} too few", needed - available)]
    NoSpace {
        /// Bytes needed, metadata included.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
}

/// Plans a file system of exactly `len` bytes (rounded down to whole 4 KiB blocks; the rest stays free).
pub fn plan(_tree: &Tree, _options: &Options, _len: u64) -> Result<Plan, WriteError> {
    Err(WriteError::NoSpace { needed: 0, available: 0 })
}

/// The least length in bytes, a multiple of 512 KiB, at which [`plan`] of this tree succeeds with at least `slack` bytes
/// of blocks free for the system to use.
pub fn minimal_len(_tree: &Tree, _options: &Options, _slack: u64) -> Result<u64, WriteError> {
    Err(WriteError::NoSpace { needed: 0, available: 0 })
}
