//! FAT32 writer: from a tree to a plan.

use crate::plan::Plan;
use crate::time::Time;
use crate::tree::Tree;

/// What a FAT32 volume should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Volume id.
    pub volume_id: u32,
    /// Volume label: at most 11 characters of upper-case ASCII, or empty for none.
    pub label: String,
    /// Time of the volume label; every other time is that of a node.
    pub time: Time,
    /// Sectors before the volume: where its partition starts.
    pub hidden_sectors: u32,
}

/// Why a tree cannot be a FAT32 volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The tree needs more space than there is.
    #[error("the tree needs {needed} bytes and the volume has {available}: {} too few", needed - available)]
    NoSpace {
        /// Bytes needed, in whole clusters.
        needed: u64,
        /// Bytes of clusters there are.
        available: u64,
    },
}

/// Plans a volume of exactly `len` bytes, in whole sectors; the rest stays free.
pub fn plan(_tree: &Tree, _options: &Options, _len: u64) -> Result<Plan, WriteError> {
    Err(WriteError::NoSpace { needed: 0, available: 0 })
}

/// The least length in bytes, a multiple of 512 KiB, at which [`plan`] of this tree succeeds with at least `slack` bytes
/// of clusters free.
pub fn minimal_len(_tree: &Tree, _options: &Options, _slack: u64) -> Result<u64, WriteError> {
    Err(WriteError::NoSpace { needed: 0, available: 0 })
}
