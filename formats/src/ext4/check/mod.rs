//! ext4 checker: the counts and maps of a file system against their use, like a file-system check that changes nothing.
//!
//! It goes as e2fsck does: every inode and the blocks that it claims, every directory and the names that lead to
//! inodes, then bitmaps and counts against both; further the journal, the inode for growth, and the backups. It
//! knows the reader and nothing of the writer.

mod attributes;
mod backups;
mod claims;
mod directories;
mod groups;
mod inodes;
mod journal;
mod links;
mod orphans;
mod report;
mod resize;
mod superblock;

use std::collections::BTreeMap;

pub use self::report::{CheckFinding, CheckReport, CheckSeverity};
use super::read::{self, Ext4ReadError, FileKind, FileSystem};
use crate::read_at::ReadAt;

/// Checks the file system that begins at the first byte of `image`.
///
/// # Errors
/// [`Ext4ReadError`] when there is none that could be checked: unknown features, impossible geometry, a medium that fails.
pub fn check<R: ReadAt + ?Sized>(image: &R) -> Result<CheckReport, Ext4ReadError> {
    let mut report = CheckReport::default();
    let file_system = read::open_reporting(image, &mut report)?;
    let names = file_system.superblock().features.uncheckable();
    if !names.is_empty() {
        return Err(Ext4ReadError::Features { names: names.join(", ") });
    }
    let table = u64::from(file_system.superblock().inode_table_blocks());
    if !file_system.groups().iter().all(|group| file_system.holds(group.inode_table, table)) {
        // The findings name them; without the inodes nothing more can be checked.
        return Ok(report);
    }
    let mut check = CheckRun {
        file_system: &file_system,
        report,
        claims: claims::BlockClaims::default(),
        inodes: BTreeMap::new(),
        attributes: attributes::SharedBlocks::default(),
    };
    check.superblock();
    check.metadata_claims();
    check.inodes()?;
    check.attribute_blocks();
    check.journal()?;
    check.resize_inode()?;
    check.orphan_file()?;
    check.directories()?;
    check.links();
    check.block_claims();
    check.groups()?;
    check.backups()?;
    Ok(check.report)
}

/// What is known of an inode in use.
#[derive(Debug, Clone, Copy)]
struct KnownInode {
    kind: Option<FileKind>,
    /// Its link count.
    links: u16,
    /// Names that lead to it.
    names: u32,
    /// First byte of the inode in the image.
    offset: u64,
}

/// A check under way.
struct CheckRun<'c, 'a, R: ?Sized> {
    file_system: &'c FileSystem<'a, R>,
    report: CheckReport,
    claims: claims::BlockClaims,
    /// Inodes in use.
    inodes: BTreeMap<u32, KnownInode>,
    attributes: attributes::SharedBlocks,
}

#[cfg(test)]
mod tests;
