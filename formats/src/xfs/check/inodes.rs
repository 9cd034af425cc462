//! Inodes that the trees have as used: their forks, and the blocks that these claim.

use super::XfsCheckRun;
use crate::read_at::ReadAt;
use crate::xfs::read::error::value;
use crate::xfs::read::{
    XfsDefect, XfsFileKind, XfsInode, XfsLocation, XfsMapping, XfsReadError, directory, tree, xattr,
};

impl<R: ReadAt + ?Sized> XfsCheckRun<'_, '_, R> {
    /// Reads every inode in use.
    pub(super) fn inodes(&mut self) -> Result<(), XfsReadError> {
        let numbers: Vec<u64> = self.inodes.keys().copied().collect();
        for number in numbers {
            let read = self.system.inode_reporting(number, &mut self.report);
            let Some(inode) = self.reported(read)? else { continue };
            if let Some(known) = self.inodes.get_mut(&number) {
                (known.kind, known.links) = (Some(inode.kind), inode.links);
            }
            self.inode(inode)?;
        }
        Ok(())
    }

    fn inode(&mut self, inode: XfsInode) -> Result<(), XfsReadError> {
        let location = XfsLocation::Inode { inode: inode.number };
        let read = xattr::read(self.system, &inode, &mut self.claims, &mut self.report);
        let attributes = self.reported(read)?.map_or_else(XfsMapping::default, |(_, mapping)| mapping);
        let read = self.system.mapping_reporting(&inode, &mut self.claims, &mut self.report);
        let content = self.reported(read)?.unwrap_or_default();
        if !inode.is_real_time()
            && let Some(why) = value("di_nblocks", inode.blocks, content.blocks() + attributes.blocks())
        {
            self.defect(location, inode.offset, why);
        }
        let share = inode.kind == XfsFileKind::File && inode.may_share();
        for (mapping, may_share) in [(&attributes, false), (&content, share)] {
            for run in &mapping.runs {
                self.use_blocks(run.physical, run.len, location, may_share);
            }
            for &block in &mapping.nodes {
                let location = XfsLocation::MapNode { inode: inode.number, block };
                self.use_blocks(block, 1, location, false);
            }
        }
        if !matches!(inode.kind, XfsFileKind::Dir | XfsFileKind::Symlink)
            || !tree::take_blocks(&inode, &content, &mut self.claims, &mut self.report)?
        {
            return Ok(());
        }
        if inode.kind == XfsFileKind::Dir {
            self.free_index(&inode, &content)?;
            self.directories.insert(inode.number, (inode, content));
        } else {
            let read = tree::target(self.system, &inode, &content, &mut self.report);
            self.reported(read)?;
        }
        Ok(())
    }

    /// Checks the free space of a directory with a tree for an index.
    fn free_index(&mut self, dir: &XfsInode, mapping: &XfsMapping) -> Result<(), XfsReadError> {
        let form = directory::DirForm::of(self.system, mapping);
        if form == directory::DirForm::Node {
            directory::free_blocks(self.system, dir, mapping, &mut self.report)?;
        }
        Ok(())
    }

    /// Link counts against names.
    pub(super) fn links(&mut self) {
        let root = self.system.superblock().root;
        let known: Vec<_> = self.inodes.iter().map(|(number, known)| (*number, *known)).collect();
        for (inode, known) in known {
            let Some(kind) = known.kind else { continue };
            let location = XfsLocation::Inode { inode };
            if known.found == 0 && inode != root {
                if !known.nameless {
                    self.defect(location, known.offset, XfsDefect::Unreachable);
                }
                continue;
            }
            // A directory has its name, `.`, and the `..` of each in it; the root has `..` for a name.
            let own = u32::from(kind == XfsFileKind::Dir) + u32::from(inode == root);
            let expected = u64::from(known.found) + u64::from(own);
            if let Some(why) = value("di_nlink", known.links.into(), expected) {
                self.defect(location, known.offset, why);
            }
        }
    }
}
