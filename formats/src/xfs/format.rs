//! XFS as a volume format.

use super::spec::{SUPERBLOCK_MAGIC, SUPERBLOCK_SIZE};
use super::{check, fields, read, residue};
use crate::finding::Severity;
use crate::map::RangeMap;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::structure::Structure;
use crate::tree::Tree;
use crate::volume::format::{FileMetadata, FormatError, ReadVolume, SurveyedVolume, VolumeFormat};

/// The superblock.
const STRUCTURES: &[Structure] =
    &[Structure { name: "superblock", at: 0, len: SUPERBLOCK_SIZE as u64, fields: fields::SUPERBLOCK }];

/// XFS of version 5; read, not written.
#[derive(Debug)]
pub(crate) struct XfsFormat;

impl VolumeFormat for XfsFormat {
    fn name(&self) -> &'static str {
        "xfs"
    }

    fn files(&self) -> Option<FileMetadata> {
        Some(FileMetadata::Full)
    }

    fn probe(&self, head: &[u8]) -> bool {
        head.starts_with(&SUPERBLOCK_MAGIC.to_be_bytes())
    }

    fn read(&self, volume: &dyn ReadAt, source: SourceId) -> Result<ReadVolume, FormatError> {
        let system = read::open(volume)?;
        let tree = system.tree(source)?;
        Ok(described(&system, tree))
    }

    fn file(&self, volume: &dyn ReadAt, path: &[u8], most: u64) -> Result<Option<Vec<u8>>, FormatError> {
        Ok(read::open(volume)?.file(path, most)?)
    }

    fn check(&self, volume: &dyn ReadAt) -> Result<Vec<String>, FormatError> {
        let report = check::check(volume)?;
        let damage = report.findings.iter().filter(|finding| finding.severity == Severity::Damage);
        let mut texts: Vec<_> = damage.map(ToString::to_string).collect();
        if report.more > 0 {
            texts.push(format!("{} more findings", report.more));
        }
        Ok(texts)
    }

    fn survey(&self, volume: &dyn ReadAt, source: SourceId) -> Result<SurveyedVolume, FormatError> {
        let system = read::open(volume)?;
        let files = system.numbered_tree(source)?;
        let residue = residue::residue(&system, &files, volume)?;
        Ok(SurveyedVolume { read: described(&system, files.tree), residue })
    }

    fn map(&self, volume: &dyn ReadAt) -> Result<RangeMap, FormatError> {
        Ok(super::map::map(volume)?)
    }

    fn structures(&self) -> &'static [Structure] {
        STRUCTURES
    }
}

/// A file system with its tree as tools see it.
fn described(system: &read::XfsFileSystem<'_, dyn ReadAt + '_>, tree: Tree) -> ReadVolume {
    let superblock = system.superblock();
    let block = u64::from(superblock.block_size);
    let bytes = |blocks: u64| blocks.saturating_mul(block);
    ReadVolume {
        variant: "xfs",
        id: Some(superblock.uuid.to_string()),
        label: superblock.label.clone(),
        block_size: Some(block),
        size: Some(bytes(superblock.blocks)),
        free: Some(bytes(superblock.free_blocks)),
        inodes: Some(superblock.inodes),
        free_inodes: Some(superblock.free_inodes),
        features: superblock.features.names(),
        more: vec![
            ("state", "clean".to_owned()),
            ("log", format!("{} bytes", bytes(superblock.log_blocks.into()))),
            ("groups", superblock.groups.to_string()),
            ("inode size", superblock.inode_size.to_string()),
            ("sector size", superblock.sector_size.to_string()),
            ("directory block", superblock.dir_block.to_string()),
        ],
        tree: Some(tree),
    }
}
