//! Names against link counts: every inode in use is in a directory, and as often as its link count.

use super::CheckRun;
use super::superblock::value;
use crate::ext4::read::{Corruption, Defect, Ext4Location, FileKind, ROOT};
use crate::read_at::ReadAt;

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Compares names and link counts; directories' counts are compared with the directories.
    pub(super) fn links(&mut self) {
        let superblock = self.file_system.superblock();
        for (&inode, known) in &self.inodes {
            let nameless = inode < superblock.first_inode
                || inode == superblock.journal_inode
                || inode == superblock.orphan_file_inode
                || superblock.quota_inodes.contains(&inode);
            if inode == ROOT || nameless {
                continue;
            }
            let why = if known.names == 0 {
                Some(Defect::Unreachable)
            } else if known.kind == Some(FileKind::Dir) {
                None
            } else {
                value("i_links_count", known.links.into(), known.names.into())
            };
            if let Some(why) = why {
                self.report.error(Corruption {
                    location: Ext4Location::Inode { inode },
                    offset: known.offset,
                    why,
                });
            }
        }
    }
}
