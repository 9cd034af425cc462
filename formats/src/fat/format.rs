//! FAT as a volume format.

use super::read::{FatVolume, FatWidth};
use super::{check, id_text, read, residue};
use crate::finding::Severity;
use crate::map::RangeMap;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::volume::format::{FileMetadata, FormatError, ReadVolume, SurveyedVolume, VolumeFormat};

/// FAT12, FAT16 and FAT32.
#[derive(Debug)]
pub(crate) struct FatFormat;

impl VolumeFormat for FatFormat {
    fn name(&self) -> &'static str {
        "fat"
    }

    fn written_name(&self) -> &'static str {
        "fat32"
    }

    fn mount_type(&self) -> &'static str {
        "vfat"
    }

    fn files(&self) -> Option<FileMetadata> {
        Some(FileMetadata::NamesAndSizes)
    }

    // A jump, the signature of a boot sector and the name of the type, at its offset in FAT32 or in the others.
    fn probe(&self, head: &[u8]) -> bool {
        let at =
            |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|bytes| bytes.starts_with(magic));
        let jump = at(0, &[0xeb]) || at(0, &[0xe9]);
        jump && at(510, &[0x55, 0xaa]) && (at(82, b"FAT32   ") || at(54, b"FAT"))
    }

    fn read(&self, volume: &dyn ReadAt, source: SourceId) -> Result<ReadVolume, FormatError> {
        Ok(described(read::read(volume, source, 0)?))
    }

    fn check(&self, volume: &dyn ReadAt) -> Result<Vec<String>, FormatError> {
        let findings = check::check(volume)?;
        let damage = findings.iter().filter(|finding| finding.severity == Severity::Damage);
        Ok(damage.map(ToString::to_string).collect())
    }

    fn survey(&self, volume: &dyn ReadAt, source: SourceId) -> Result<SurveyedVolume, FormatError> {
        let read = read::read(volume, source, 0)?;
        let residue = residue::residue(&read, volume)?;
        Ok(SurveyedVolume { read: described(read), residue })
    }

    fn map(&self, volume: &dyn ReadAt) -> Result<RangeMap, FormatError> {
        Ok(super::map::map(volume)?)
    }
}

/// A volume as tools see it.
fn described(volume: FatVolume) -> ReadVolume {
    let shape = volume.shape;
    ReadVolume {
        variant: match shape.width {
            FatWidth::Fat12 => "fat12",
            FatWidth::Fat16 => "fat16",
            FatWidth::Fat32 => "fat32",
        },
        id: Some(id_text(shape.volume_id)),
        label: volume.label.into_bytes(),
        block_size: Some(shape.cluster),
        size: Some(shape.sector.saturating_mul(shape.sectors)),
        more: vec![("sector size", shape.sector.to_string())],
        tree: Some(volume.tree),
        ..ReadVolume::default()
    }
}
