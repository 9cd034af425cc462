//! What is below the tree: bytes of a disk that no file, no name and no structure holds, and that are not zero.
//!
//! Such bytes are what deleted files, former contents and other disks leave behind. A writer of this crate leaves none; an
//! image that another tool or a running machine made may be full of them, and whoever gets the image can read them.
//! Each format's pass is in its own folder and is called through [`crate::volume::format::VolumeFormat::residue`]; this
//! folder owns the kinds, the survey that all passes use, the pass over a whole disk, and what recovered bytes look like.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod content;
mod disk;
mod kind;
mod partition;
mod survey;

use std::io;

pub use content::RecoveredContent;
pub use disk::{DiskResidue, DiskSurvey, ResidueError, UnreadRange, VolumeOnDisk, disk, survey};
pub use kind::ResidueKind;
pub(crate) use partition::SurveyedPartition;
pub(crate) use survey::{ResidueOwner, ResidueSurvey};

use crate::read_at::ReadAt;

/// A run of bytes that should be zero and are not. It begins and ends with a byte that is not; zeros within it are fewer
/// than [`Residue::GAP`] in a row, unless there are so many runs that they had to be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residue {
    /// Where in the format it is.
    pub kind: ResidueKind,
    /// First byte, counted from the start of what was surveyed: of the disk, or of the volume.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// What it is beside or within, in words that are safe to print: the path of a file, a group, a partition; empty when
    /// it belongs to the whole volume.
    pub owner: String,
}

impl Residue {
    /// Zeros in a row that end a run.
    pub const GAP: u64 = 512;

    /// The first bytes, `most` at most.
    ///
    /// # Errors
    /// The error of the medium.
    pub fn sample(&self, medium: &dyn ReadAt, most: usize) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.len).unwrap_or(most).min(most);
        let mut bytes = vec![0; len];
        medium.read_exact_at(self.offset, &mut bytes)?;
        Ok(bytes)
    }
}
