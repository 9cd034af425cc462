//! Every directory: where its names lead, and whether the root leads to it.

use std::collections::{BTreeMap, BTreeSet};

use super::CheckRun;
use super::superblock::value;
use crate::ext4::read::features;
use crate::ext4::read::{
    Corruption, Defect, DirEntry, Ext4Location, Ext4ReadError, FileKind, ROOT, ReadInode, directory,
};
use crate::read_at::ReadAt;

/// The entries `..` and the names of directories.
#[derive(Debug, Default)]
struct DirectoryLinks {
    /// The directory that names a directory.
    parents: BTreeMap<u32, u32>,
    /// The inode that `..` names in a directory, and the offset of that entry.
    dots: BTreeMap<u32, DirEntry>,
}

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Goes through the entries of all directories.
    pub(super) fn directories(&mut self) -> Result<(), Ext4ReadError> {
        let is_dir = |kind: Option<FileKind>| kind == Some(FileKind::Dir);
        let dirs: Vec<u32> =
            self.inodes.iter().filter(|(_, known)| is_dir(known.kind)).map(|(number, _)| *number).collect();
        let mut family = DirectoryLinks::default();
        let mut met = BTreeSet::new();
        for &number in &dirs {
            // What is wrong with the inode or its mapping is known already.
            let inode = self.file_system.inode_reporting(number, &mut super::CheckReport::default())?;
            self.directory(&inode, &mut family, &mut met)?;
        }
        if !self.inodes.get(&ROOT).is_some_and(|root| is_dir(root.kind)) {
            let offset = self.file_system.inode_offset(ROOT)?;
            let location = Ext4Location::Inode { inode: ROOT };
            let why = Defect::Missing { what: "the root directory" };
            self.report.error(Corruption { location, offset, why });
        }
        self.family(&dirs, &family);
        Ok(())
    }

    fn directory(
        &mut self,
        dir: &ReadInode,
        family: &mut DirectoryLinks,
        met: &mut BTreeSet<u64>,
    ) -> Result<(), Ext4ReadError> {
        let mapping = self.file_system.mapping_reporting(dir, met, &mut super::CheckReport::default())?;
        // Blocks of two directories are findings of the claims; read twice they would multiply the entries.
        let mut fresh = true;
        for run in &mapping.runs {
            for block in run.physical..run.physical.saturating_add(run.len) {
                fresh &= met.insert(block);
            }
        }
        if !fresh {
            return Ok(());
        }
        let entries = directory::read(self.file_system, dir, &mapping, &mut self.report)?;
        let mut names: BTreeSet<&[u8]> = BTreeSet::new();
        for entry in &entries {
            if entry.is_dots() {
                self.type_byte(dir, entry, FileKind::Dir);
                if &*entry.name == b".." {
                    family.dots.entry(dir.number).or_insert_with(|| entry.clone());
                }
                continue;
            }
            if !names.insert(&entry.name) {
                self.report
                    .error(entry.corruption(dir.number, Defect::Duplicate { name: entry.name.clone() }));
            }
            self.entry(dir, entry, family);
        }
        Ok(())
    }

    fn entry(&mut self, dir: &ReadInode, entry: &DirEntry, family: &mut DirectoryLinks) {
        let first = self.file_system.superblock().first_inode;
        let known = self.inodes.get_mut(&entry.inode).filter(|_| entry.inode >= first);
        let Some(known) = known else {
            let why = Defect::Dangling { name: entry.name.clone(), found: entry.inode };
            self.report.error(entry.corruption(dir.number, why));
            return;
        };
        known.names = known.names.saturating_add(1);
        let Some(kind) = known.kind else { return };
        self.type_byte(dir, entry, kind);
        if kind == FileKind::Dir && family.parents.insert(entry.inode, dir.number).is_some() {
            let why = Defect::Again { what: "directory", number: u64::from(entry.inode) };
            self.report.error(entry.corruption(dir.number, why));
        }
    }

    fn type_byte(&mut self, dir: &ReadInode, entry: &DirEntry, kind: FileKind) {
        let typed = self.file_system.superblock().features.incompat(features::FILETYPE);
        let (found, expected) = (entry.file_type, kind.entry_byte());
        if typed && found != expected {
            let why = Defect::FileType { name: entry.name.clone(), found, expected };
            self.report.error(entry.corruption(dir.number, why));
        }
    }

    /// Parents agree with `..`, and lead to the root.
    fn family(&mut self, dirs: &[u32], family: &DirectoryLinks) {
        for (&dir, entry) in &family.dots {
            let expected = if dir == ROOT { Some(&ROOT) } else { family.parents.get(&dir) };
            if let Some(&expected) = expected.filter(|expected| **expected != entry.inode) {
                let why = Defect::Entry { name: entry.name.clone(), found: entry.inode, expected };
                self.report.error(entry.corruption(dir, why));
            }
        }
        let mut reached: BTreeSet<u32> = [ROOT].into();
        for &dir in dirs {
            let mut path = Vec::new();
            let mut at = dir;
            // A directory that is on the path already closes a loop, which is not reachable from the root.
            let mut on_path = BTreeSet::new();
            let found = loop {
                if reached.contains(&at) {
                    break true;
                }
                if !on_path.insert(at) {
                    break false;
                }
                path.push(at);
                match family.parents.get(&at) {
                    Some(&parent) => at = parent,
                    None => break false,
                }
            };
            if found {
                reached.extend(path);
            } else if let Some(known) = self.inodes.get(&dir).filter(|known| known.names > 0) {
                // One without any name is a finding of the link counts.
                let location = Ext4Location::Inode { inode: dir };
                let corruption = Corruption { location, offset: known.offset, why: Defect::Unreachable };
                self.report.error(corruption);
            }
        }
        self.subdirectories(dirs, family);
    }

    /// A directory has two links and one more for every directory in it.
    fn subdirectories(&mut self, dirs: &[u32], family: &DirectoryLinks) {
        let mut inside: BTreeMap<u32, u64> = BTreeMap::new();
        for parent in family.parents.values() {
            *inside.entry(*parent).or_default() += 1;
        }
        let many = self.file_system.superblock().features.ro_compat(features::DIR_NLINK);
        for dir in dirs {
            let Some(known) = self.inodes.get(dir) else { continue };
            let links = 2 + inside.get(dir).copied().unwrap_or(0);
            // Past 65000 the count does not fit: it stays 1.
            let expected = if many && links > 65000 { 1 } else { links };
            if let Some(why) = value("i_links_count", known.links.into(), expected) {
                let corruption =
                    Corruption { location: Ext4Location::Inode { inode: *dir }, offset: known.offset, why };
                self.report.error(corruption);
            }
        }
    }
}
