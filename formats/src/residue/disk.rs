//! The pass over a whole disk: what is outside partitions, and each partition by its format.

use std::io;

use super::{Residue, ResidueKind, ResidueOwner, ResidueSurvey, SurveyedPartition};
use crate::gpt::read::GptReadError;
use crate::plan::SourceId;
use crate::read_at::{ReadAt, Window};
use crate::terminal::escape;
use crate::volume::format::{ReadVolume, SurveyedVolume};
use crate::volume::{self, VolumeContent};
use crate::{bios, gpt};

/// What is below the tree of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskResidue {
    /// The residue, by offset on the disk.
    pub residues: Vec<Residue>,
    /// Ranges of which nobody could say what should be zero: a caller that looks for secrets reads them whole.
    pub unread: Vec<UnreadRange>,
}

impl DiskResidue {
    /// Whether every range was understood and nothing is below the tree.
    pub fn is_clean(&self) -> bool {
        self.residues.is_empty() && self.unread.is_empty()
    }
}

/// A range that has no reader here, or that its reader refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadRange {
    /// First byte on the disk.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// The partition, in words that are safe to print; empty for the whole disk.
    pub owner: String,
    /// Why.
    pub reason: String,
}

/// A disk that was surveyed, with the volumes that were read for it.
#[derive(Debug, Default)]
pub struct DiskSurvey {
    /// What is below the tree.
    pub residue: DiskResidue,
    /// The volumes that could be read and surveyed, in the order of the partition table. Contents of files are slices of the source
    /// with the number of the volume in this list, counted from the first byte of the volume.
    pub volumes: Vec<VolumeOnDisk>,
}

/// A volume that was read, and where it is on the disk.
#[derive(Debug)]
pub struct VolumeOnDisk {
    /// First byte.
    pub start: u64,
    /// Bytes of its partition.
    pub len: u64,
    /// As its reader sees it.
    pub read: ReadVolume,
}

/// Why a disk could not be surveyed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResidueError {
    /// The medium failed.
    #[error("reading {part}")]
    Io {
        /// Which part of the disk.
        part: String,
        /// The error of the medium.
        #[source]
        source: io::Error,
    },
}

/// What is below the tree of a disk: see [`survey`].
///
/// # Errors
/// [`ResidueError`] when the medium fails.
pub fn disk(disk: &dyn ReadAt) -> Result<DiskResidue, ResidueError> {
    survey(disk).map(|surveyed| surveyed.residue)
}

/// Surveys a disk: with a GPT or an MBR its gaps and every partition, without one the single volume that it is. Its volumes are
/// read in the same walk.
///
/// Each byte that has to be read is read once, and holes of the medium are passed over. A partition that cannot be
/// understood is in [`DiskResidue::unread`].
///
/// # Errors
/// [`ResidueError`] when the medium fails.
pub fn survey(disk: &dyn ReadAt) -> Result<DiskSurvey, ResidueError> {
    let failed = |source| ResidueError::Io { part: "the partition table".to_owned(), source };
    let mut survey = ResidueSurvey::default();
    let mut out = DiskSurvey::default();
    let partitions = match gpt::residue::survey(disk, &mut survey) {
        Ok(partitions) => Some(partitions),
        Err(GptReadError::Io { source, .. }) => return Err(failed(source)),
        Err(GptReadError::NoTable { .. }) => None,
    };
    let Some(partitions) = partitions else {
        let whole = SurveyedPartition { name: String::new(), start: 0, len: disk.size() };
        whole.survey(disk, &mut out)?;
        return Ok(out);
    };
    for partition in &partitions {
        partition.survey(disk, &mut out)?;
        survey.claim(partition.start..partition.start.saturating_add(partition.len));
    }
    survey.unclaimed(ResidueKind::PartitionGap, ResidueOwner::Volume, 0..disk.size());
    let mut outside = survey.read(disk, &mut |_| String::new()).map_err(failed)?;
    name_gaps(&mut outside, &partitions);
    out.residue.residues.append(&mut outside);
    out.residue.residues.sort_by_key(|residue| (residue.offset, residue.len));
    Ok(out)
}

/// Says between which partitions a gap is.
fn name_gaps(residues: &mut [Residue], partitions: &[SurveyedPartition]) {
    for residue in residues.iter_mut().filter(|residue| residue.kind == ResidueKind::PartitionGap) {
        let before = partitions.iter().filter(|partition| partition.start <= residue.offset);
        let before = before.max_by_key(|partition| partition.start);
        let after = partitions.iter().filter(|partition| partition.start > residue.offset);
        let after = after.min_by_key(|partition| partition.start);
        residue.owner = match (before, after) {
            (Some(before), Some(after)) => format!("between {} and {}", before.name, after.name),
            (Some(before), None) => format!("after {}", before.name),
            (None, Some(after)) => format!("before {}", after.name),
            (None, None) => String::new(),
        };
    }
}

impl SurveyedPartition {
    /// Surveys the volume in it.
    fn survey(&self, disk: &dyn ReadAt, out: &mut DiskSurvey) -> Result<(), ResidueError> {
        let part = if self.name.is_empty() { "the disk" } else { &self.name };
        let failed = |source| ResidueError::Io { part: part.to_owned(), source };
        let unread = |reason: String| UnreadRange {
            offset: self.start,
            len: self.len,
            owner: self.name.clone(),
            reason,
        };
        let Some(volume) = Window::new(disk, self.start, self.len) else {
            out.residue.unread.push(unread("it reaches past the end of the disk".to_owned()));
            return Ok(());
        };
        let content = volume::probe(&volume).map_err(failed)?;
        let found = match content {
            VolumeContent::Known(kind) => {
                let source = SourceId(u32::try_from(out.volumes.len()).unwrap_or(u32::MAX));
                match kind.format().survey(&volume, source) {
                    Ok(SurveyedVolume { read, residue }) => {
                        out.volumes.push(VolumeOnDisk { start: self.start, len: self.len, read });
                        residue
                    }
                    Err(error) => {
                        out.residue.unread.push(unread(chain(&*error)));
                        return Ok(());
                    }
                }
            }
            VolumeContent::Zeros => {
                let mut survey = ResidueSurvey::default();
                survey.suspect(ResidueKind::EmptyPartition, ResidueOwner::Volume, 0..self.len);
                survey.read(&volume, &mut |_| String::new()).map_err(failed)?
            }
            VolumeContent::Foreign(_) | VolumeContent::Unknown => {
                let Some(survey) = bios::residue::survey(&volume).map_err(failed)? else {
                    let reason = format!("there is no reader for its content ({})", content.name());
                    out.residue.unread.push(unread(reason));
                    return Ok(());
                };
                survey.read(&volume, &mut |_| String::new()).map_err(failed)?
            }
        };
        out.residue.residues.extend(found.into_iter().map(|residue| self.on_disk(residue)));
        Ok(())
    }

    /// Residue of the volume as that of the disk.
    fn on_disk(&self, residue: Residue) -> Residue {
        let owner = match (self.name.is_empty(), residue.owner.is_empty()) {
            (true, _) => residue.owner,
            (false, true) => self.name.clone(),
            (false, false) => format!("{}: {}", self.name, residue.owner),
        };
        Residue { offset: self.start.saturating_add(residue.offset), owner, ..residue }
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    escape(&text).into_owned()
}
