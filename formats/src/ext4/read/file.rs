//! One file by its path, without the rest of the tree.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::error::{Defect, Ext4ReadError};
use super::inode::{FileKind, INLINE_DATA_FL};
use super::{FileSystem, read_exact};
use crate::read_at::ReadAt;

impl<R: ReadAt + ?Sized> FileSystem<'_, R> {
    /// The bytes of the regular file at a path of names joined by `/`, links not followed; `None` where there is none.
    ///
    /// # Errors
    /// [`Ext4ReadError`] when something on the way is damaged, or the file has more than `most` bytes.
    pub fn file(&self, path: &[u8], most: u64) -> Result<Option<Vec<u8>>, Ext4ReadError> {
        let Some(number) = self.inode_of(path)? else { return Ok(None) };
        let inode = self.inode(number)?;
        if inode.kind() != Some(FileKind::File) {
            return Ok(None);
        }
        let len = usize::try_from(inode.size).ok().filter(|_| inode.size <= most);
        let Some(len) = len else {
            let why = Defect::Range { field: "i_size", found: inode.size, least: 0, most };
            return Err(inode.corruption(why).into());
        };
        if inode.is(INLINE_DATA_FL) {
            let why = Defect::Meaningless { field: "i_flags (inline data)", found: u64::from(inode.flags) };
            return Err(inode.corruption(why).into());
        }
        let mut bytes = vec![0; len];
        let block = u64::from(self.superblock().block_size);
        for run in self.mapping(&inode)?.runs.iter().filter(|run| !run.unwritten) {
            let from = run.logical.saturating_mul(block).min(inode.size);
            let to = run.logical.saturating_add(run.len).saturating_mul(block).min(inode.size);
            if let Some(part) = bytes.get_mut(from as usize..to as usize) {
                read_exact(self.image(), self.superblock().offset_of(run.physical), part)?;
            }
        }
        Ok(Some(bytes))
    }
}
