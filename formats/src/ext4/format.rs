//! ext4 as a volume format.

use super::check::{self, CheckSeverity};
use super::spec::superblock::{MAGIC, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE};
use super::{fields, read, residue};
use crate::map::RangeMap;
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::structure::Structure;
use crate::time::Time;
use crate::tree::Tree;
use crate::volume::format::{FileMetadata, FormatError, ReadVolume, SurveyedVolume, VolumeFormat};

/// First byte of the magic number.
const MAGIC_AT: usize = SUPERBLOCK_OFFSET as usize + 0x38;

/// The superblock.
const STRUCTURES: &[Structure] = &[Structure {
    name: "superblock",
    at: SUPERBLOCK_OFFSET,
    len: SUPERBLOCK_SIZE as u64,
    fields: fields::SUPERBLOCK,
}];

/// ext4, and its forerunners ext2 and ext3.
#[derive(Debug)]
pub(crate) struct Ext4Format;

impl VolumeFormat for Ext4Format {
    fn name(&self) -> &'static str {
        "ext4"
    }

    fn files(&self) -> Option<FileMetadata> {
        Some(FileMetadata::Full)
    }

    fn kernel_modules(&self) -> &'static [&'static str] {
        // It asks for its checksum by the name of an algorithm, which modules.dep does not list.
        &["crc32c_generic", "ext4"]
    }

    fn probe(&self, head: &[u8]) -> bool {
        head.get(MAGIC_AT..).is_some_and(|bytes| bytes.starts_with(&MAGIC.to_le_bytes()))
    }

    fn read(&self, volume: &dyn ReadAt, source: SourceId) -> Result<ReadVolume, FormatError> {
        let system = read::open(volume)?;
        let tree = system.tree(source)?;
        described(&system, tree)
    }

    fn file(&self, volume: &dyn ReadAt, path: &[u8], most: u64) -> Result<Option<Vec<u8>>, FormatError> {
        Ok(read::open(volume)?.file(path, most)?)
    }

    fn check(&self, volume: &dyn ReadAt) -> Result<Vec<String>, FormatError> {
        let report = check::check(volume)?;
        let errors = report.findings.iter().filter(|finding| finding.severity == CheckSeverity::Error);
        let mut texts: Vec<_> = errors.map(ToString::to_string).collect();
        if report.more > 0 {
            texts.push(format!("{} more findings", report.more));
        }
        Ok(texts)
    }

    fn survey(&self, volume: &dyn ReadAt, source: SourceId) -> Result<SurveyedVolume, FormatError> {
        let system = read::open(volume)?;
        let files = system.numbered_tree(source)?;
        let residue = residue::residue(&system, &files, volume)?;
        Ok(SurveyedVolume { read: described(&system, files.tree)?, residue })
    }

    fn map(&self, volume: &dyn ReadAt) -> Result<RangeMap, FormatError> {
        Ok(super::map::map(volume)?)
    }

    fn structures(&self) -> &'static [Structure] {
        STRUCTURES
    }
}

/// A file system with its tree as tools see it.
fn described(system: &read::FileSystem<'_, dyn ReadAt + '_>, tree: Tree) -> Result<ReadVolume, FormatError> {
    let superblock = system.superblock();
    let block = u64::from(superblock.block_size);
    let bytes = |blocks: u64| blocks.saturating_mul(block);
    let journal = match superblock.journal_inode {
        0 => "none".to_owned(),
        inode => format!("{} bytes in inode {inode}", system.journal_len()?),
    };
    let time = |time: Time| if time == Time::EPOCH { "never".to_owned() } else { time.utc().to_string() };
    let state = match superblock.state {
        1 => "clean".to_owned(),
        other => format!("{other:#x}"),
    };
    Ok(ReadVolume {
        variant: "ext4",
        id: Some(superblock.uuid.to_string()),
        label: superblock.label.to_vec(),
        block_size: Some(block),
        size: Some(bytes(superblock.blocks)),
        free: Some(bytes(superblock.free_blocks)),
        inodes: Some(superblock.inodes.into()),
        free_inodes: Some(superblock.free_inodes.into()),
        features: superblock.features.names(),
        more: vec![
            ("state", state),
            ("journal", journal),
            ("reserved", format!("{} bytes", bytes(superblock.reserved_blocks))),
            ("groups", superblock.groups().to_string()),
            ("inode size", superblock.inode_size.to_string()),
            ("created", time(superblock.mkfs_time)),
            ("last write", time(superblock.write_time)),
            ("last mount", time(superblock.mount_time)),
        ],
        tree: Some(tree),
    })
}
