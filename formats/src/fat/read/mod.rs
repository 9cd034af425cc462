//! FAT reader: the tree of a volume, its contents as slices.
//!
//! Reads FAT12, FAT16 and FAT32 as Linux does: past what is merely untidy, but not past what could give wrong bytes or
//! names. Uses memory in proportion to the contents of the volume, never to the lengths that it claims.

pub(super) mod boot;
mod dir;
pub(super) mod scan;
pub(super) mod table;

use std::io;

pub use self::boot::VolumeShape;
pub use self::table::ClusterRange;
use super::corruption::{FatFinding, VolumeCorruption, VolumeLocation};
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::Tree;

/// How wide the entries of the file allocation table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FatWidth {
    /// 12 bits.
    Fat12,
    /// 16 bits.
    Fat16,
    /// 32 bits, of which 28 count.
    Fat32,
}

/// A volume that was read.
#[derive(Debug, Clone)]
pub struct FatVolume {
    /// Its geometry, from the boot sector.
    pub shape: VolumeShape,
    /// Label of the root directory, else of the boot sector; empty when it has none. Bytes outside ASCII are replaced.
    pub label: String,
    /// The files: directories are 0755, files 0644 (0444 when read-only), owned by root. The root directory, which has
    /// no time on FAT, is of 1980-01-01.
    pub tree: Tree,
    /// Where the nodes of the tree are stored, a directory before those in it.
    pub allocations: Vec<FatAllocation>,
}

/// Where a file or a directory is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FatAllocation {
    /// Its path without a leading `/`; empty for the root directory.
    pub path: Vec<u8>,
    /// First byte of its directory entry in the volume; the root directory has none.
    pub entry_at: Option<u64>,
    /// Length of a file in bytes; `None` for a directory.
    pub len: Option<u64>,
    /// The clusters of its content, in order.
    pub clusters: Vec<ClusterRange>,
}

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

/// Reads a volume. Contents become slices of `source`, where the volume starts at byte `at`.
///
/// # Errors
/// [`FatReadError::Damaged`] at the first corruption that could give wrong bytes or names.
pub fn read(volume: &dyn ReadAt, source: SourceId, at: u64) -> Result<FatVolume, FatReadError> {
    let boot = boot_sector(volume)?;
    let shape =
        boot::decode(&boot, volume.size()).map_err(|finding| FatReadError::Damaged(Box::new(finding)))?;
    let whence = scan::Whence { source, at };
    let scanned = scan::scan(volume, shape, whence, scan::ScanMode::Read)?;
    let label =
        scanned.label.unwrap_or(if shape.label == *b"NO NAME    " { [b' '; 11] } else { shape.label });
    Ok(FatVolume {
        shape,
        label: String::from_utf8_lossy(&label).trim_end().to_owned(),
        tree: scanned.tree,
        allocations: scanned.allocations,
    })
}

/// The boot sector.
pub(super) fn boot_sector(volume: &dyn ReadAt) -> Result<[u8; 512], FatReadError> {
    let len = volume.size();
    if len < 512 {
        return Err(FatReadError::Damaged(Box::new(
            VolumeCorruption::TooShort { len }.at(VolumeLocation::Boot),
        )));
    }
    let mut boot = [0; 512];
    volume.read_exact_at(0, &mut boot).map_err(|source| FatReadError::Io { at: 0, source })?;
    Ok(boot)
}
