//! One file by its path, without the rest of the tree.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::error::{ErofsDefect, ErofsReadError};
use super::inode::{ErofsFileKind, ErofsInode};
use super::{ErofsFileSystem, read_exact};
use crate::read_at::ReadAt;

impl<R: ReadAt + ?Sized> ErofsFileSystem<'_, R> {
    /// The inode at a path of names joined by `/`, links not followed; `None` when a name is not there.
    ///
    /// # Errors
    /// [`ErofsReadError`] when a directory on the way is damaged.
    pub fn inode_of(&self, path: &[u8]) -> Result<Option<ErofsInode>, ErofsReadError> {
        let mut inode = self.inode(self.superblock().root_nid)?;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
            if inode.kind != ErofsFileKind::Dir {
                return Ok(None);
            }
            let entries = self.entries(&inode)?;
            let Some(entry) = entries.iter().find(|entry| &*entry.name == name) else { return Ok(None) };
            inode = self.inode(entry.nid)?;
        }
        Ok(Some(inode))
    }

    /// The bytes of the regular file at a path of names joined by `/`, links not followed; `None` where there is none.
    ///
    /// # Errors
    /// [`ErofsReadError`] when something on the way is damaged, or the file has more than `most` bytes.
    pub fn file(&self, path: &[u8], most: u64) -> Result<Option<Vec<u8>>, ErofsReadError> {
        let Some(inode) = self.inode_of(path)?.filter(|inode| inode.kind == ErofsFileKind::File) else {
            return Ok(None);
        };
        let len = usize::try_from(inode.size).ok().filter(|_| inode.size <= most);
        let Some(len) = len else {
            let why = ErofsDefect::Range { field: "i_size", found: inode.size, least: 0, most };
            return Err(inode.corruption(why).into());
        };
        let mut bytes = vec![0; len];
        for run in &self.mapping(&inode)?.runs {
            let to = run.logical.saturating_add(run.len).min(inode.size);
            if let Some(part) = bytes.get_mut(run.logical as usize..to as usize) {
                read_exact(self.image, run.physical, part)?;
            }
        }
        Ok(Some(bytes))
    }
}
