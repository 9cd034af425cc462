//! FAT reader: the tree of a volume, its contents as slices.

use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::Tree;

/// How wide the entries of the file allocation table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 12 bits.
    Fat12,
    /// 16 bits.
    Fat16,
    /// 32 bits, of which 28 count.
    Fat32,
}

/// A volume that was read.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Width of its table's entries.
    pub width: Width,
    /// Volume id; see [`super::id_text`].
    pub volume_id: u32,
    /// Label of the root directory, else of the boot sector; empty when it has none.
    pub label: String,
    /// The files: directories are 0755, files 0644 (0444 when read-only), owned by root.
    pub tree: Tree,
}

/// Why a volume cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {}

/// Reads a volume. Contents become slices of `source`, where the volume starts at byte `at`.
pub fn read(_volume: &dyn ReadAt, _source: SourceId, _at: u64) -> Result<Volume, ReadError> {
    unimplemented!()
}
