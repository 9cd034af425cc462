//! Swap as a volume format.

use super::{PAGE, SIGNATURE, SIGNATURE_AT, fields, read, residue};
use crate::gpt::types;
use crate::guid::Guid;
use crate::map::RangeMap;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::structure::Structure;
use crate::volume::format::{FileMetadata, FormatError, ReadVolume, SurveyedVolume, VolumeFormat};

/// Swap space.
#[derive(Debug)]
pub(crate) struct SwapFormat;

impl VolumeFormat for SwapFormat {
    fn name(&self) -> &'static str {
        "swap"
    }

    fn files(&self) -> Option<FileMetadata> {
        None
    }

    fn partition_type(&self) -> Option<Guid> {
        Some(types::SWAP)
    }

    fn probe(&self, head: &[u8]) -> bool {
        head.get(SIGNATURE_AT..).is_some_and(|bytes| bytes.starts_with(&SIGNATURE))
    }

    fn read(&self, volume: &dyn ReadAt, _source: SourceId) -> Result<ReadVolume, FormatError> {
        let swap = read(volume)?;
        Ok(ReadVolume {
            variant: "swap",
            id: Some(swap.uuid.to_string()),
            label: swap.label.into_bytes(),
            block_size: Some(PAGE),
            size: Some(swap.pages.saturating_mul(PAGE)),
            ..ReadVolume::default()
        })
    }

    // The header is all that there is to check, and reading checks it.
    fn check(&self, _volume: &dyn ReadAt) -> Result<Vec<String>, FormatError> {
        Ok(Vec::new())
    }

    fn survey(&self, volume: &dyn ReadAt, source: SourceId) -> Result<SurveyedVolume, FormatError> {
        Ok(SurveyedVolume { read: self.read(volume, source)?, residue: residue::residue(volume)? })
    }

    fn map(&self, volume: &dyn ReadAt) -> Result<RangeMap, FormatError> {
        super::map::map(volume)
    }

    fn structures(&self) -> &'static [Structure] {
        &[Structure { name: "header", at: 0, len: PAGE, fields: fields::HEADER }]
    }

    fn body_name(&self) -> &'static str {
        "pages"
    }
}
