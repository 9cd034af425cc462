//! From the root through all directories: every inode in use is reached, as often as it has links.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::inode::Inode;
use super::leaf::DirectoryEntry;
use super::{bit, Ext4, ROOT};
use crate::bytes::word;
use crate::listing::{Entry, EntryKind};
use crate::report::Log;
use crate::source::ReadFailure;

/// The link count of a directory whose real one does not fit.
const MANY: u64 = 65_000;
/// The longest path that is followed.
const PATH_MAX: usize = 1 << 16;

/// The number of a kind in directories.
fn directory_type(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File(_) => 1,
        EntryKind::Folder => 2,
        EntryKind::CharDevice(..) => 3,
        EntryKind::BlockDevice(..) => 4,
        EntryKind::Pipe => 5,
        EntryKind::Socket => 6,
        EntryKind::Link(_) => 7,
    }
}

#[derive(Default)]
struct Walk {
    entries: Vec<Entry>,
    links: BTreeMap<u32, u64>,
    read: BTreeSet<u32>,
    pending: Vec<(Vec<u8>, u32, u32)>,
}

impl Ext4<'_> {
    /// All names; `None` where there is no root.
    pub(super) fn walk(&self, log: &mut Log<'_>) -> Result<Option<Vec<Entry>>, ReadFailure> {
        if !self.is_folder(ROOT) {
            log.wrong(None, "inode 2 is no directory");
            return Ok(None);
        }
        let mut walk = Walk::default();
        self.add(&mut walk, Vec::new(), ROOT);
        walk.pending.push((Vec::new(), ROOT, ROOT));
        while let Some((path, number, parent)) = walk.pending.pop() {
            if !walk.read.insert(number) {
                log.wrong(None, format!("the directory /{} is in two directories", word(&path)));
                continue;
            }
            self.read_names(&mut walk, &path, (number, parent), log)?;
        }
        self.check_links(&walk, log);
        Ok(Some(walk.entries))
    }

    fn add(&self, walk: &mut Walk, path: Vec<u8>, number: u32) {
        if let Some(inode) = self.inodes.get(&number) {
            walk.entries.push(Entry { path, inode: u64::from(number), facts: inode.facts.clone() });
        }
    }

    fn read_names(
        &self,
        walk: &mut Walk,
        path: &[u8],
        (number, parent): (u32, u32),
        log: &mut Log<'_>,
    ) -> Result<(), ReadFailure> {
        let Some(inode) = self.inodes.get(&number) else { return Ok(()) };
        let Some(directory) = self.read_directory(number, inode, log)? else { return Ok(()) };
        let mut names = BTreeSet::new();
        let mut entries = directory.leaves.into_iter().flat_map(|leaf| leaf.1);
        let dots = [entries.next(), entries.next()];
        check_dots(walk, (inode, number, parent), dots, log);
        for entry in entries {
            let mut full = path.to_vec();
            if !full.is_empty() {
                full.push(b'/');
            }
            full.extend(&entry.name);
            let title = format!("/{}", word(&full));
            if entry.name == b"." || entry.name == b".." || !names.insert(entry.name) {
                log.wrong(entry.at, format!("{title} is there twice"));
                continue;
            }
            let Some(inode) = self.inodes.get(&entry.inode).filter(|_| entry.inode >= self.sb.first_inode)
            else {
                log.wrong(
                    entry.at,
                    format!("{title} is inode {}, which is not in use or cannot be read", entry.inode),
                );
                continue;
            };
            log.equal(
                entry.at + 7,
                &format!("the type of {title} in its directory"),
                directory_type(&inode.facts.kind),
                entry.kind,
            );
            *walk.links.entry(entry.inode).or_default() += 1;
            self.add(walk, full.clone(), entry.inode);
            if self.is_folder(entry.inode) {
                if full.len() > PATH_MAX {
                    log.unknown("directories are nested too deeply to be read");
                } else {
                    walk.pending.push((full, entry.inode, number));
                }
            }
        }
        Ok(())
    }

    fn check_links(&self, walk: &Walk, log: &mut Log<'_>) {
        for (number, inode) in self.inodes.range(ROOT..) {
            if *number != ROOT && *number < self.sb.first_inode {
                continue;
            }
            let links = walk.links.get(number).copied().unwrap_or(0);
            if links == 0 {
                log.wrong(inode.at, format!("inode {number} is in use and in no directory"));
                continue;
            }
            // A directory with more entries than the field holds has one link.
            let claimed = u64::from(inode.links);
            let overflowed = claimed == 1 && links > MANY && inode.facts.kind == EntryKind::Folder;
            if !overflowed {
                log.equal(inode.at + 0x1a, &format!("the links of inode {number}"), links, claimed);
            }
        }
        // Every number below that of the first file is in use, whether there is an inode or not.
        let missing = (1..self.sb.first_inode).find(|number| !bit(&self.live, u64::from(*number)));
        if let Some(number) = missing {
            log.wrong(None, format!("the reserved inode {number} is free"));
        }
    }
}

/// The first two entries of a directory: itself, and the one that it is in.
fn check_dots(
    walk: &mut Walk,
    (inode, number, parent): (&Inode, u32, u32),
    dots: [Option<DirectoryEntry>; 2],
    log: &mut Log<'_>,
) {
    for (entry, (name, expected)) in dots.into_iter().zip([(&b"."[..], number), (b"..", parent)]) {
        let Some(entry) = entry.filter(|entry| entry.name == name) else {
            log.wrong(inode.at, format!("directory {number} does not begin with itself and its parent"));
            continue;
        };
        *walk.links.entry(entry.inode).or_default() += 1;
        let name = word(name);
        log.equal(entry.at, &format!("the inode of {name} in directory {number}"), expected, entry.inode);
        log.equal(entry.at + 7, &format!("the type of {name} in directory {number}"), 2, entry.kind);
    }
}
