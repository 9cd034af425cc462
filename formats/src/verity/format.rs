//! dm-verity as a volume format: a superblock and a tree, which hold no files.

use super::read::VeritySuperblock;
use super::spec::{BLOCK, SIGNATURE};
use super::{check, fields, residue};
use crate::digest::hex;
use crate::map::RangeMap;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::structure::Structure;
use crate::volume::format::{FileMetadata, FormatError, ReadVolume, SurveyedVolume, VolumeFormat};

/// A hash tree with its superblock.
#[derive(Debug)]
pub(crate) struct VerityFormat;

impl VolumeFormat for VerityFormat {
    fn name(&self) -> &'static str {
        "verity"
    }

    fn files(&self) -> Option<FileMetadata> {
        None
    }

    fn probe(&self, head: &[u8]) -> bool {
        head.starts_with(&SIGNATURE)
    }

    fn read(&self, volume: &dyn ReadAt, _source: SourceId) -> Result<ReadVolume, FormatError> {
        let superblock = VeritySuperblock::read(volume)?;
        let root = check::root(volume, &superblock)?;
        let mut more = vec![
            ("data blocks", superblock.data_blocks.to_string()),
            ("hash", "sha256".to_owned()),
            ("salt", hex(&superblock.salt)),
        ];
        more.extend(root.map(|root| ("root hash", root.to_string())));
        Ok(ReadVolume {
            variant: "verity",
            id: Some(superblock.uuid.to_string()),
            block_size: Some(BLOCK),
            size: Some(superblock.end().saturating_mul(BLOCK)),
            more,
            ..ReadVolume::default()
        })
    }

    fn check(&self, volume: &dyn ReadAt) -> Result<Vec<String>, FormatError> {
        let checked = check::tree(volume)?;
        let mut texts: Vec<_> = checked.differences.iter().map(ToString::to_string).collect();
        let unlisted = checked.count.saturating_sub(texts.len() as u64);
        if unlisted > 0 {
            texts.push(format!("{unlisted} more blocks of the tree differ"));
        }
        Ok(texts)
    }

    fn survey(&self, volume: &dyn ReadAt, source: SourceId) -> Result<SurveyedVolume, FormatError> {
        Ok(SurveyedVolume { read: self.read(volume, source)?, residue: residue::residue(volume)? })
    }

    fn map(&self, volume: &dyn ReadAt) -> Result<RangeMap, FormatError> {
        super::map::map(volume)
    }

    fn structures(&self) -> &'static [Structure] {
        &[Structure { name: "superblock", at: 0, len: 512, fields: fields::SUPERBLOCK }]
    }

    fn follows_another(&self) -> bool {
        true
    }

    fn body_name(&self) -> &'static str {
        "hash blocks"
    }
}
