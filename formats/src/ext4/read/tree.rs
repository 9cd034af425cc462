//! From inodes and directories to the project's tree.

use std::collections::{BTreeMap, BTreeSet};

use super::FileSystem;
use super::directory::{self, DirEntry};
use super::error::{CorruptionSink, Defect, Ext4ReadError, Refuse};
use super::extents::BlockMapping;
use super::features;
use super::inode::{FileKind, ROOT, ReadInode};
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, SYMLINK_MAX, Segment, Tree};

/// A tree that knows which inode every node came from.
#[derive(Debug, Clone)]
pub struct NumberedTree {
    /// The tree.
    pub tree: Tree,
    /// Inode numbers by [`NodeId::index`].
    pub inodes: Vec<u32>,
}

impl NumberedTree {
    /// The inode of a node.
    pub fn inode(&self, node: NodeId) -> Option<u32> {
        self.inodes.get(node.index()).copied()
    }
}

/// A directory whose entries are still to be added.
struct PendingDir {
    node: NodeId,
    parent: u32,
    inode: ReadInode,
}

struct Build<'b, 'a, R: ?Sized> {
    file_system: &'b FileSystem<'a, R>,
    source: SourceId,
    tree: Tree,
    inodes: Vec<u32>,
    /// Nodes of the inodes met so far.
    nodes: BTreeMap<u32, NodeId>,
    /// Blocks of metadata read so far; none may be read twice.
    met: BTreeSet<u64>,
    pending: Vec<PendingDir>,
}

/// Reads the whole tree.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    source: SourceId,
) -> Result<NumberedTree, Ext4ReadError> {
    let root = file_system.inode(ROOT)?;
    if root.kind() != Some(FileKind::Dir) {
        let why = Defect::Value { field: "type of the root", found: u64::from(root.mode >> 12), expected: 4 };
        return Err(root.corruption(why).into());
    }
    let tree = Tree::new(meta(file_system, &root)?);
    let node = tree.root();
    let mut build = Build {
        file_system,
        source,
        tree,
        inodes: vec![ROOT],
        nodes: [(ROOT, node)].into(),
        met: BTreeSet::new(),
        pending: vec![PendingDir { node, parent: ROOT, inode: root }],
    };
    while let Some(pending) = build.pending.pop() {
        build.directory(&pending)?;
    }
    Ok(NumberedTree { tree: build.tree, inodes: build.inodes })
}

fn meta<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    inode: &ReadInode,
) -> Result<Meta, Ext4ReadError> {
    let xattrs = file_system.xattrs(inode)?;
    Ok(Meta {
        mode: inode.mode & 0o7777,
        uid: inode.uid,
        gid: inode.gid,
        mtime: inode.mtime,
        xattrs: (!xattrs.is_empty()).then(|| Box::new(xattrs)),
    })
}

impl<R: ReadAt + ?Sized> Build<'_, '_, R> {
    fn directory(&mut self, pending: &PendingDir) -> Result<(), Ext4ReadError> {
        let dir = &pending.inode;
        let mapping = self.file_system.mapping_reporting(dir, &mut self.met, &mut Refuse)?;
        for run in &mapping.runs {
            for number in run.physical..run.physical.saturating_add(run.len) {
                if !self.met.insert(number) {
                    return Err(dir.corruption(Defect::Again { what: "block", number }).into());
                }
            }
        }
        for entry in directory::read(self.file_system, dir, &mapping, &mut Refuse)? {
            if !entry.is_dots() {
                self.entry(pending, &entry)?;
            } else if &*entry.name == b".." && entry.inode != pending.parent {
                let why =
                    Defect::Entry { name: entry.name.clone(), found: entry.inode, expected: pending.parent };
                return Err(entry.corruption(dir.number, why).into());
            }
        }
        Ok(())
    }

    fn entry(&mut self, pending: &PendingDir, entry: &DirEntry) -> Result<(), Ext4ReadError> {
        let dir = pending.inode.number;
        let inode = self.file_system.inode(entry.inode)?;
        let corruption = |why: Defect| Ext4ReadError::from(entry.corruption(dir, why));
        if inode.links == 0 {
            return Err(corruption(Defect::Dangling { name: entry.name.clone(), found: entry.inode }));
        }
        let Some(kind) = inode.kind() else {
            return Err(inode
                .corruption(Defect::Meaningless { field: "i_mode", found: inode.mode.into() })
                .into());
        };
        let typed = self.file_system.superblock().features.incompat(features::FILETYPE);
        if typed && entry.file_type != kind.entry_byte() {
            let (found, expected) = (entry.file_type, kind.entry_byte());
            return Err(corruption(Defect::FileType { name: entry.name.clone(), found, expected }));
        }
        let name =
            Name::new(&entry.name).map_err(|_| corruption(Defect::Name { name: entry.name.clone() }))?;
        let twice = |_| corruption(Defect::Duplicate { name: entry.name.clone() });
        if let Some(&node) = self.nodes.get(&entry.inode) {
            if kind == FileKind::Dir {
                return Err(corruption(Defect::Again { what: "directory", number: u64::from(entry.inode) }));
            }
            return self.tree.link(pending.node, name, node).map_err(twice);
        }
        let node = Node { meta: meta(self.file_system, &inode)?, kind: self.kind(&inode, kind)? };
        let node = self.tree.add(pending.node, name, node).map_err(twice)?;
        self.inodes.push(entry.inode);
        self.nodes.insert(entry.inode, node);
        if kind == FileKind::Dir {
            self.pending.push(PendingDir { node, parent: dir, inode });
        }
        Ok(())
    }

    fn kind(&mut self, inode: &ReadInode, kind: FileKind) -> Result<NodeKind, Ext4ReadError> {
        let (major, minor) = inode.device();
        Ok(match kind {
            FileKind::Dir => NodeKind::dir(),
            FileKind::CharDevice => NodeKind::CharDevice { major, minor },
            FileKind::BlockDevice => NodeKind::BlockDevice { major, minor },
            FileKind::Fifo => NodeKind::Fifo,
            FileKind::Socket => NodeKind::Socket,
            FileKind::Symlink => {
                NodeKind::Symlink(target(self.file_system, inode, &mut self.met, &mut Refuse)?)
            }
            FileKind::File => {
                let mapping = self.file_system.mapping_reporting(inode, &mut self.met, &mut Refuse)?;
                NodeKind::File(content(self.file_system, inode, &mapping, self.source)?)
            }
        })
    }
}

/// The content of a regular file as references to `source`.
fn content<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    inode: &ReadInode,
    mapping: &BlockMapping,
    source: SourceId,
) -> Result<Content, Ext4ReadError> {
    let superblock = file_system.superblock();
    let block_size = u64::from(superblock.block_size);
    let most = block_size << 32;
    if inode.size > most {
        let why = Defect::Range { field: "i_size", found: inode.size, least: 0, most };
        return Err(inode.corruption(why).into());
    }
    let written = mapping.runs.iter().filter(|run| !run.unwritten);
    let segments: Vec<Segment> = written
        .filter_map(|run| {
            let offset = run.logical.checked_mul(block_size)?;
            let left = inode.size.checked_sub(offset).filter(|left| *left > 0)?;
            let at = superblock.offset_of(run.physical);
            Some(Segment {
                offset,
                len: left.min(run.len * block_size),
                origin: Origin::Slice { source, at },
            })
        })
        .collect();
    if inode.size == 0 {
        return Ok(Content::empty());
    }
    if let [Segment { offset: 0, len, origin: Origin::Slice { source, at } }] = &segments[..]
        && *len == inode.size
    {
        return Ok(Content::Slice { source: *source, at: *at, len: *len });
    }
    Ok(Content::Sparse { len: inode.size, segments: segments.into() })
}

/// The target of a symbolic link.
pub(crate) fn target<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    inode: &ReadInode,
    met: &mut BTreeSet<u64>,
    sink: &mut dyn CorruptionSink,
) -> Result<Box<[u8]>, Ext4ReadError> {
    let most = (SYMLINK_MAX as u64).min(u64::from(file_system.superblock().block_size) - 1);
    if inode.size == 0 || inode.size > most {
        inode.report(Defect::Range { field: "i_size", found: inode.size, least: 1, most }, sink)?;
        return Ok(Box::default());
    }
    let len = inode.size as usize;
    let mut bytes = if inode.is_fast_symlink() {
        inode.block.to_vec()
    } else {
        let mapping = file_system.mapping_reporting(inode, met, sink)?;
        let Some(block) = mapping.find(0) else {
            inode.report(Defect::Missing { what: "the block of the link's target" }, sink)?;
            return Ok(Box::default());
        };
        file_system.block(block)?
    };
    // The kernel takes the target up to the first NUL, whatever the size is.
    let found = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()) as u64;
    if found != inode.size {
        let why = Defect::Value { field: "length of the link's target", found, expected: inode.size };
        inode.report(why, sink)?;
    }
    bytes.truncate(len);
    Ok(bytes.into())
}
