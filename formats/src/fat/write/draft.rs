//! The draft: a tree as directories and files that FAT can hold, before anything has an address.

use std::collections::BTreeMap;

use super::super::spec::{DEPTH_MAX, ENTRIES_MAX, ENTRY, LONG_UNITS, fold};
use super::error::{FatWriteError, ShownPath};
use super::names::{Short, shorten, units};
use crate::time::Time;
use crate::tree::{Content, Name, NodeId, NodeKind, Tree};

/// The longest file that a directory entry can count.
const FILE_MAX: u64 = u32::MAX as u64;

/// A tree's directories and files, numbered.
#[derive(Debug)]
pub(super) struct FatDraft<'a> {
    /// The root comes first, a directory before those in it.
    pub(super) dirs: Vec<DraftDir>,
    pub(super) files: Vec<DraftFile<'a>>,
}

/// A directory.
#[derive(Debug)]
pub(super) struct DraftDir {
    pub(super) path: Vec<u8>,
    /// The directory that contains it; the root contains itself.
    pub(super) parent: usize,
    depth: usize,
    pub(super) mtime: Time,
    pub(super) items: Vec<DirItem>,
    /// Entries before the items: `.` and `..`, or the label.
    pub(super) leading: usize,
}

/// A file under one of its names. FAT has no hard links: each name has its own copy of the bytes.
#[derive(Debug)]
pub(super) struct DraftFile<'a> {
    pub(super) path: Vec<u8>,
    pub(super) content: &'a Content,
}

/// A name in a directory.
#[derive(Debug)]
pub(super) struct DirItem {
    pub(super) short: Short,
    pub(super) units: Vec<u16>,
    pub(super) mtime: Time,
    pub(super) target: NameTarget,
}

/// The target of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameTarget {
    /// A directory of the draft.
    Dir(usize),
    /// A file of the draft.
    File(usize),
}

impl DirItem {
    /// Entries that the item takes.
    fn entries(&self) -> usize {
        1 + if self.short.long { self.units.len().div_ceil(LONG_UNITS) } else { 0 }
    }
}

impl DraftDir {
    /// Entries that the directory takes.
    fn entries(&self) -> usize {
        self.leading + self.items.iter().map(DirItem::entries).sum::<usize>()
    }

    /// Bytes that the directory takes.
    pub(super) fn len(&self) -> u64 {
        (self.entries() * ENTRY) as u64
    }
}

impl<'a> FatDraft<'a> {
    /// Drafts a tree; refuses what FAT cannot hold, with its path.
    pub(super) fn new(tree: &'a Tree, labelled: bool) -> Result<Self, FatWriteError> {
        let mtime = tree.node(tree.root()).meta.mtime;
        let root = DraftDir {
            path: Vec::new(),
            parent: 0,
            depth: 0,
            mtime,
            items: Vec::new(),
            leading: usize::from(labelled),
        };
        let mut draft = Self { dirs: vec![root], files: Vec::new() };
        let mut nodes = vec![tree.root()];
        let mut next = 0;
        while let Some(node) = nodes.get(next).copied() {
            draft.enter(tree, next, node, &mut nodes)?;
            next += 1;
        }
        Ok(draft)
    }

    /// Drafts the entries of directory `dir`, and adds the directories among them to those still to be drafted.
    fn enter(
        &mut self,
        tree: &'a Tree,
        dir: usize,
        node: NodeId,
        nodes: &mut Vec<NodeId>,
    ) -> Result<(), FatWriteError> {
        let Some(entries) = tree.entries(node) else { return Ok(()) };
        let path = self.dirs[dir].path.clone();
        let depth = self.dirs[dir].depth + 1;
        let units = fat_names(&path, entries)?;
        let names: Vec<&[u8]> = entries.keys().map(Name::as_bytes).collect();
        for (((name, id), units), short) in entries.iter().zip(units).zip(shorten(&names)) {
            let path = below(&path, name);
            let node = tree.node(*id);
            let mtime = node.meta.mtime;
            let target = match &node.kind {
                NodeKind::Dir(_) if depth > DEPTH_MAX => {
                    return Err(FatWriteError::TooDeep { path: ShownPath(path) });
                }
                NodeKind::Dir(_) => {
                    nodes.push(*id);
                    self.dirs.push(DraftDir {
                        path,
                        parent: dir,
                        depth,
                        mtime,
                        items: Vec::new(),
                        leading: 2,
                    });
                    NameTarget::Dir(self.dirs.len() - 1)
                }
                NodeKind::File(content) if content.len() > FILE_MAX => {
                    return Err(FatWriteError::FileTooLong { path: ShownPath(path), len: content.len() });
                }
                NodeKind::File(content) => {
                    self.files.push(DraftFile { path, content });
                    NameTarget::File(self.files.len() - 1)
                }
                other => return Err(FatWriteError::Kind { path: ShownPath(path), kind: other.word() }),
            };
            self.dirs[dir].items.push(DirItem { short, units, mtime, target });
        }
        let count = self.dirs[dir].entries();
        if count > ENTRIES_MAX {
            return Err(FatWriteError::DirTooLong { path: ShownPath(path), entries: count });
        }
        Ok(())
    }
}

/// The UTF-16 names of a directory's entries, none of them the same but for case.
fn fat_names(path: &[u8], entries: &BTreeMap<Name, NodeId>) -> Result<Vec<Vec<u16>>, FatWriteError> {
    let mut seen: BTreeMap<Vec<u16>, &Name> = BTreeMap::new();
    let mut names = Vec::with_capacity(entries.len());
    for name in entries.keys() {
        let wrong = |source| FatWriteError::Name { path: ShownPath(below(path, name)), source };
        let units = units(name.as_bytes()).map_err(wrong)?;
        if let Some(other) = seen.insert(fold(&units), name) {
            return Err(FatWriteError::SameName {
                a: ShownPath(below(path, other)),
                b: ShownPath(below(path, name)),
            });
        }
        names.push(units);
    }
    Ok(names)
}

/// The path of a name in a directory.
fn below(path: &[u8], name: &Name) -> Vec<u8> {
    let mut below = path.to_vec();
    if !below.is_empty() {
        below.push(b'/');
    }
    below.extend_from_slice(name.as_bytes());
    below
}
