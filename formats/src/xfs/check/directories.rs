//! Directories: from the root down, every name and where it leads.

use std::collections::BTreeSet;

use super::XfsCheckRun;
use crate::read_at::ReadAt;
use crate::tree::Name;
use crate::xfs::read::{XfsDefect, XfsDirEntry, XfsFileKind, XfsLocation, XfsReadError, directory, tree};

impl<R: ReadAt + ?Sized> XfsCheckRun<'_, '_, R> {
    /// Goes through the directories that can be reached.
    pub(super) fn directories(&mut self) -> Result<(), XfsReadError> {
        let root = self.system.superblock().root;
        match self.inodes.get(&root).map(|known| (known.kind, known.offset)) {
            Some((Some(XfsFileKind::Dir) | None, _)) => {}
            Some((Some(kind), offset)) => {
                let (found, expected) = (kind.entry_byte().into(), XfsFileKind::Dir.entry_byte().into());
                let why = XfsDefect::Value { field: "type of the root", found, expected };
                self.defect(XfsLocation::Inode { inode: root }, offset, why);
            }
            None => {
                self.defect(XfsLocation::Superblock { group: 0 }, 0, XfsDefect::Missing { what: "the root" });
            }
        }
        let mut pending = vec![(root, root)];
        while let Some((number, parent)) = pending.pop() {
            // What was met twice was taken the first time.
            let Some((dir, mapping)) = self.directories.remove(&number) else { continue };
            let entries = directory::read(self.system, &dir, &mapping, &mut self.report)?;
            tree::check_dots(&dir, parent, &entries, &mut self.report)?;
            let mut names = BTreeSet::new();
            for entry in entries.iter().filter(|entry| !entry.is_dots()) {
                if Name::new(&entry.name).is_err() {
                    self.report
                        .damage(entry.corruption(number, XfsDefect::Name { name: entry.name.clone() }));
                }
                if !names.insert(&entry.name) {
                    let why = XfsDefect::Duplicate { name: entry.name.clone() };
                    self.report.damage(entry.corruption(number, why));
                }
                if self.entry(number, entry) {
                    pending.push((entry.inode, number));
                }
            }
        }
        Ok(())
    }

    /// Counts an entry; whether it leads to a directory.
    fn entry(&mut self, dir: u64, entry: &XfsDirEntry) -> bool {
        let root = self.system.superblock().root;
        let name = || entry.name.clone();
        let Some(known) = self.inodes.get_mut(&entry.inode) else {
            let why = XfsDefect::Dangling { name: name(), found: entry.inode };
            self.report.damage(entry.corruption(dir, why));
            return false;
        };
        let is_dir = known.kind == Some(XfsFileKind::Dir);
        let again = is_dir && (known.found > 0 || entry.inode == root);
        known.found = known.found.saturating_add(1);
        if let Some(kind) = known.kind.filter(|kind| kind.entry_byte() != entry.file_type) {
            let (found, expected) = (entry.file_type, kind.entry_byte());
            self.report.damage(entry.corruption(dir, XfsDefect::FileType { name: name(), found, expected }));
        }
        if again {
            let why = XfsDefect::Again { what: "directory", number: entry.inode };
            self.report.damage(entry.corruption(dir, why));
        } else if is_dir && let Some(parent) = self.inodes.get_mut(&dir) {
            parent.found = parent.found.saturating_add(1);
        }
        is_dir && !again
    }
}
