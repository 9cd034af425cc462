//! One file by its path, without the rest of the tree.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::claims::XfsClaims;
use super::error::{XfsDefect, XfsReadError, XfsRefuse};
use super::inode::XfsFileKind;
use super::{XfsFileSystem, directory, read_exact, tree};
use crate::read_at::ReadAt;

impl<R: ReadAt + ?Sized> XfsFileSystem<'_, R> {
    /// The inode at a path of names joined by `/`, links not followed; `None` when a name is not there.
    ///
    /// # Errors
    /// [`XfsReadError`] when a directory on the way is damaged.
    pub fn inode_of(&self, path: &[u8]) -> Result<Option<u64>, XfsReadError> {
        let mut number = self.superblock.root;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
            let dir = self.inode(number)?;
            if dir.kind != XfsFileKind::Dir {
                return Ok(None);
            }
            let mut claims = XfsClaims::default();
            let mapping = self.mapping_reporting(&dir, &mut claims, &mut XfsRefuse)?;
            tree::take_blocks(&dir, &mapping, &mut claims, &mut XfsRefuse)?;
            let entries = directory::read(self, &dir, &mapping, &mut XfsRefuse)?;
            match entries.iter().find(|entry| &*entry.name == name) {
                Some(entry) => number = entry.inode,
                None => return Ok(None),
            }
        }
        Ok(Some(number))
    }

    /// The bytes of the regular file at a path of names joined by `/`, links not followed; `None` where there is none.
    ///
    /// # Errors
    /// [`XfsReadError`] when something on the way is damaged, or the file has more than `most` bytes.
    pub fn file(&self, path: &[u8], most: u64) -> Result<Option<Vec<u8>>, XfsReadError> {
        let Some(number) = self.inode_of(path)? else { return Ok(None) };
        let inode = self.inode(number)?;
        if inode.kind != XfsFileKind::File {
            return Ok(None);
        }
        let len = usize::try_from(inode.size).ok().filter(|_| inode.size <= most);
        let Some(len) = len else {
            let why = XfsDefect::Range { field: "di_size", found: inode.size, least: 0, most };
            return Err(inode.corruption(why).into());
        };
        let mut bytes = vec![0; len];
        let block = u64::from(self.superblock.block_size);
        for run in self.mapping(&inode)?.runs.iter().filter(|run| !run.unwritten) {
            let from = run.logical.saturating_mul(block).min(inode.size);
            let to = run.end().saturating_mul(block).min(inode.size);
            if let Some(part) = bytes.get_mut(from as usize..to as usize) {
                read_exact(self.image, self.superblock.offset_of(run.physical), part)?;
            }
        }
        Ok(Some(bytes))
    }
}
