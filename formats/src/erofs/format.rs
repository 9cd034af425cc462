//! EROFS as a volume format.

use super::spec::{MAGIC, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE};
use super::{check, fields, read, residue};
use crate::finding::Severity;
use crate::map::RangeMap;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::structure::Structure;
use crate::tree::Tree;
use crate::volume::format::{FileMetadata, FormatError, ReadVolume, SurveyedVolume, VolumeFormat};

/// The superblock.
const STRUCTURES: &[Structure] = &[Structure {
    name: "superblock",
    at: SUPERBLOCK_OFFSET,
    len: SUPERBLOCK_SIZE as u64,
    fields: fields::SUPERBLOCK,
}];

/// EROFS.
#[derive(Debug)]
pub(crate) struct ErofsFormat;

impl VolumeFormat for ErofsFormat {
    fn name(&self) -> &'static str {
        "erofs"
    }

    fn files(&self) -> Option<FileMetadata> {
        Some(FileMetadata::Full)
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn kernel_modules(&self) -> &'static [&'static str] {
        // As ext4 asks for its checksum, by way of libcrc32c.
        &["crc32c_generic", "erofs"]
    }

    fn probe(&self, head: &[u8]) -> bool {
        head.get(SUPERBLOCK_OFFSET as usize..).is_some_and(|bytes| bytes.starts_with(&MAGIC.to_le_bytes()))
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
fn described(system: &read::ErofsFileSystem<'_, dyn ReadAt + '_>, tree: Tree) -> ReadVolume {
    let superblock = system.superblock();
    let block = u64::from(superblock.block_size);
    ReadVolume {
        variant: "erofs",
        id: Some(superblock.uuid.to_string()),
        label: superblock.label.clone(),
        block_size: Some(block),
        size: Some(u64::from(superblock.blocks) * block),
        free: Some(0),
        inodes: Some(superblock.inodes),
        free_inodes: Some(0),
        features: superblock.features(),
        more: vec![("created", superblock.build_time.utc().to_string())],
        tree: Some(tree),
    }
}
