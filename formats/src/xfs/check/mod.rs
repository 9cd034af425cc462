//! XFS checker: headers and trees of every group, every inode that they have as used, every directory, and the blocks of all
//! of them against the free space.
//!
//! It goes as `xfs_repair -n` does and changes nothing. It knows the reader; there is no writer.

mod blocks;
mod directories;
mod groups;
mod inodes;
mod report;

use std::collections::BTreeMap;

pub use self::report::{XfsCheckReport, XfsFinding};
use super::read::group::SharedRun;
use super::read::{self, XfsClaims, XfsFileKind, XfsFileSystem, XfsInode, XfsMapping, XfsReadError};
use crate::read_at::ReadAt;

/// Checks the file system that begins at the first byte of `image`.
///
/// # Errors
/// [`XfsReadError`] when there is none that could be checked: unknown features, impossible geometry, a log that was not
/// replayed, a medium that fails.
pub fn check<R: ReadAt + ?Sized>(image: &R) -> Result<XfsCheckReport, XfsReadError> {
    let mut report = XfsCheckReport::default();
    let file_system = read::open_reporting(image, &mut report)?;
    let names = file_system.superblock().features.uncheckable();
    if !names.is_empty() {
        return Err(XfsReadError::Features { names: names.join(", ") });
    }
    let mut check = XfsCheckRun {
        system: &file_system,
        report,
        claims: XfsClaims::default(),
        uses: Vec::new(),
        shared: Vec::new(),
        staging: Vec::new(),
        owned: Vec::new(),
        inodes: BTreeMap::new(),
        directories: BTreeMap::new(),
    };
    check.groups()?;
    check.inodes()?;
    check.directories()?;
    check.links();
    check.blocks();
    Ok(check.report)
}

/// What is known of an inode in use.
#[derive(Debug, Clone, Copy)]
struct KnownXfsInode {
    /// Its kind, unless it is damaged.
    kind: Option<XfsFileKind>,
    /// Its link count.
    links: u32,
    /// Links that were found: names, and of a directory `.` and the `..` of those in it.
    found: u32,
    /// First byte of the inode in the image.
    offset: u64,
    /// Whether it is without a name by design: reserved, or in a list of unlinked inodes.
    nameless: bool,
}

/// Blocks and who has them.
#[derive(Debug, Clone, Copy)]
struct BlockUse {
    start: u64,
    end: u64,
    location: read::XfsLocation,
    /// Whether it is content that other files may share.
    may_share: bool,
}

/// A check under way.
struct XfsCheckRun<'c, 'a, R: ?Sized> {
    system: &'c XfsFileSystem<'a, R>,
    report: XfsCheckReport,
    /// Metadata that was read.
    claims: XfsClaims,
    /// All blocks with an owner, free ones included.
    uses: Vec<BlockUse>,
    /// Shared runs by the trees, with their group.
    shared: Vec<(u32, SharedRun)>,
    /// Runs that wait to replace shared ones: first block and the first after.
    staging: Vec<(u64, u64)>,
    /// Runs with an owner by the trees: first block and the first after.
    owned: Vec<(u64, u64)>,
    /// Inodes that the trees have as used.
    inodes: BTreeMap<u64, KnownXfsInode>,
    /// Directories with the mapping of their content.
    directories: BTreeMap<u64, (XfsInode, XfsMapping)>,
}

impl<R: ReadAt + ?Sized> XfsCheckRun<'_, '_, R> {
    /// Takes a corruption that ended the reading of something as a finding.
    fn reported<T>(&mut self, result: Result<T, XfsReadError>) -> Result<Option<T>, XfsReadError> {
        match result {
            Ok(read) => Ok(Some(read)),
            Err(XfsReadError::Corrupt(corruption)) => {
                self.report.damage(corruption);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Takes blocks for an owner.
    fn use_blocks(&mut self, start: u64, len: u64, location: read::XfsLocation, may_share: bool) {
        if len > 0 {
            self.uses.push(BlockUse { start, end: start.saturating_add(len), location, may_share });
        }
    }
}
