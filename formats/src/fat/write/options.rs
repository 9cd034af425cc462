//! What a volume should be.

use crate::time::Time;

/// What a FAT32 volume should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FatOptions {
    /// Volume id.
    pub volume_id: u32,
    /// Volume label: at most 11 characters of upper-case ASCII, or empty for none.
    pub label: String,
    /// Time of the volume label; every other time is that of a node.
    pub time: Time,
    /// Sectors before the volume: where its partition starts.
    pub hidden_sectors: u32,
}
