//! FAT reader: the tree of a volume, its contents as slices.
//!
//! Reads FAT12, FAT16 and FAT32 as Linux does: past what is merely untidy, but not past what could give wrong bytes or
//! names. Uses memory in proportion to the contents of the volume, never to the lengths that it claims.

pub(super) mod boot;
mod dir;
mod error;
pub(super) mod scan;
pub(super) mod table;

pub use self::boot::{FatWidth, VolumeShape};
pub use self::error::FatReadError;
pub use self::scan::FatAllocation;
pub use self::table::ClusterRange;
use super::corruption::{VolumeCorruption, VolumeLocation};
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::Tree;

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

/// Reads a volume. Contents become slices of `source`, where the volume starts at byte `at`.
///
/// # Errors
/// [`FatReadError::Damaged`] at the first corruption that could give wrong bytes or names.
pub fn read(volume: &dyn ReadAt, source: SourceId, at: u64) -> Result<FatVolume, FatReadError> {
    let boot = boot_sector(volume)?;
    let shape =
        boot::decode(&boot, volume.size()).map_err(|finding| FatReadError::Damaged(Box::new(finding)))?;
    let origin = scan::VolumeOrigin { source, at };
    let scanned = scan::scan(volume, shape, origin, scan::ScanMode::Read)?;
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
