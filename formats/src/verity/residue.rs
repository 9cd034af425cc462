//! What is below a hash tree: digests after the last one of each level, and bytes behind the tree. Stray bytes of the
//! superblock are refused by the reader.

use super::read::VeritySuperblock;
use super::spec::{BLOCK, DIGEST};
use crate::read_at::ReadAt;
use crate::residue::{Residue, ResidueKind, ResidueOwner, ResidueSurvey};
use crate::volume::format::FormatError;

/// Surveys a hash tree.
pub(super) fn residue(volume: &dyn ReadAt) -> Result<Vec<Residue>, FormatError> {
    let superblock = VeritySuperblock::read(volume)?;
    let mut survey = ResidueSurvey::default();
    let mut children = superblock.data_blocks;
    for (number, level) in (0..).zip(&superblock.levels) {
        let start = level.first.saturating_mul(BLOCK);
        let used = start.saturating_add(children.saturating_mul(DIGEST as u64));
        let end = start.saturating_add(level.blocks.saturating_mul(BLOCK));
        survey.suspect(ResidueKind::HashTreeGap, ResidueOwner::Numbered("level", number), used..end);
        children = level.blocks;
    }
    let end = superblock.end().saturating_mul(BLOCK);
    survey.suspect(ResidueKind::VolumeTail, ResidueOwner::Volume, end..volume.size());
    Ok(survey.read(volume, &mut |_| String::new())?)
}
