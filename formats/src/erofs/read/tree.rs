//! From inodes and directories to the project's tree.

use std::collections::BTreeMap;

use super::claims::ByteClaims;
use super::directory::ErofsDirEntry;
use super::error::{ErofsCorruptionSink, ErofsDefect, ErofsLocation, ErofsReadError, ErofsRefuse};
use super::inode::{ErofsFileKind, ErofsInode};
use super::mapping::ByteMapping;
use super::{ErofsFileSystem, read_exact};
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, SYMLINK_MAX, Segment, Tree};

/// A tree that knows which inode every node came from.
#[derive(Debug, Clone)]
pub struct ErofsNumberedTree {
    /// The tree.
    pub tree: Tree,
    /// Numbers of inodes by [`NodeId::index`].
    pub nids: Vec<u64>,
}

/// A directory whose entries are still to be added.
struct PendingDir {
    node: NodeId,
    parent: u64,
    inode: ErofsInode,
    mapping: ByteMapping,
}

struct ErofsTreeBuild<'b, 'a, R: ?Sized> {
    file_system: &'b ErofsFileSystem<'a, R>,
    source: SourceId,
    tree: Tree,
    nids: Vec<u64>,
    /// Nodes of the inodes met so far.
    nodes: BTreeMap<u64, NodeId>,
    /// Metadata read so far; none may be read twice.
    claims: ByteClaims,
    /// Bytes of shared attributes so far.
    shared: u64,
    pending: Vec<PendingDir>,
}

/// Reads the whole tree.
pub(super) fn read<R: ReadAt + ?Sized>(
    file_system: &ErofsFileSystem<'_, R>,
    source: SourceId,
) -> Result<ErofsNumberedTree, ErofsReadError> {
    let nid = file_system.superblock.root_nid;
    let root = file_system.inode(nid)?;
    if root.kind != ErofsFileKind::Dir {
        let why = ErofsDefect::Value {
            field: "type of the root",
            found: root.kind.entry_byte().into(),
            expected: ErofsFileKind::Dir.entry_byte().into(),
        };
        return Err(root.corruption(why).into());
    }
    let (mut claims, mut shared) = (ByteClaims::default(), 0);
    let mapping = file_system.mapping_reporting(&root, &mut claims, &mut ErofsRefuse)?;
    let tree = Tree::new(meta(file_system, &root, &mut shared)?);
    let node = tree.root();
    let mut build = ErofsTreeBuild {
        file_system,
        source,
        tree,
        nids: vec![nid],
        nodes: [(nid, node)].into(),
        claims,
        shared,
        pending: vec![PendingDir { node, parent: nid, inode: root, mapping }],
    };
    while let Some(pending) = build.pending.pop() {
        build.directory(&pending)?;
    }
    Ok(ErofsNumberedTree { tree: build.tree, nids: build.nids })
}

fn meta<R: ReadAt + ?Sized>(
    file_system: &ErofsFileSystem<'_, R>,
    inode: &ErofsInode,
    shared: &mut u64,
) -> Result<Meta, ErofsReadError> {
    let xattrs = file_system.xattrs_reporting(inode, shared, &mut ErofsRefuse)?;
    Ok(Meta {
        mode: inode.mode,
        uid: inode.uid,
        gid: inode.gid,
        mtime: inode.mtime,
        xattrs: (!xattrs.is_empty()).then(|| Box::new(xattrs)),
    })
}

/// Takes the blocks of a directory or link from the claims, so that none is read twice. What is behind the inode is taken
/// with it.
pub(crate) fn take_blocks(
    inode: &ErofsInode,
    mapping: &ByteMapping,
    claims: &mut ByteClaims,
    what: &'static str,
    sink: &mut dyn ErofsCorruptionSink,
) -> Result<bool, ErofsReadError> {
    let mut free = true;
    for run in mapping.runs.iter().filter(|run| run.physical != inode.body()) {
        let (at, end) = (run.physical, run.physical + run.len);
        if let Some(other) = claims.take(at, end, ErofsLocation::Inode { nid: inode.nid }) {
            free = false;
            sink.report(inode.corruption(ErofsDefect::Overlap { what, at, end, other }))?;
        }
    }
    Ok(free)
}

impl<R: ReadAt + ?Sized> ErofsTreeBuild<'_, '_, R> {
    fn directory(&mut self, pending: &PendingDir) -> Result<(), ErofsReadError> {
        let dir = &pending.inode;
        take_blocks(dir, &pending.mapping, &mut self.claims, "a block of the directory", &mut ErofsRefuse)?;
        for entry in self.file_system.entries_reporting(dir, &pending.mapping, &mut ErofsRefuse)? {
            if !entry.is_dots() {
                self.entry(pending, &entry)?;
                continue;
            }
            let expected = if entry.name.len() == 1 { dir.nid } else { pending.parent };
            if entry.nid != expected {
                let why = ErofsDefect::Entry { name: entry.name.clone(), found: entry.nid, expected };
                return Err(entry.corruption(dir.nid, why).into());
            }
        }
        Ok(())
    }

    fn entry(&mut self, pending: &PendingDir, entry: &ErofsDirEntry) -> Result<(), ErofsReadError> {
        let dir = pending.inode.nid;
        let corruption = |why: ErofsDefect| ErofsReadError::from(entry.corruption(dir, why));
        let inode = self.file_system.inode(entry.nid)?;
        if entry.file_type != inode.kind.entry_byte() {
            let (found, expected) = (entry.file_type, inode.kind.entry_byte());
            return Err(corruption(ErofsDefect::FileType { name: entry.name.clone(), found, expected }));
        }
        let name =
            Name::new(&entry.name).map_err(|_| corruption(ErofsDefect::Name { name: entry.name.clone() }))?;
        // Names are in order, so none comes twice.
        let twice =
            |_| corruption(ErofsDefect::Order { name: entry.name.clone(), before: entry.name.clone() });
        if let Some(&node) = self.nodes.get(&entry.nid) {
            if inode.kind == ErofsFileKind::Dir {
                return Err(corruption(ErofsDefect::SecondName { nid: entry.nid, name: entry.name.clone() }));
            }
            return self.tree.link(pending.node, name, node).map_err(twice);
        }
        let mapping = self.file_system.mapping_reporting(&inode, &mut self.claims, &mut ErofsRefuse)?;
        let meta = meta(self.file_system, &inode, &mut self.shared)?;
        let node = Node { meta, kind: self.kind(&inode, &mapping)? };
        let node = self.tree.add(pending.node, name, node).map_err(twice)?;
        self.nids.push(entry.nid);
        self.nodes.insert(entry.nid, node);
        if inode.kind == ErofsFileKind::Dir {
            self.pending.push(PendingDir { node, parent: dir, inode, mapping });
        }
        Ok(())
    }

    fn kind(&mut self, inode: &ErofsInode, mapping: &ByteMapping) -> Result<NodeKind, ErofsReadError> {
        let (major, minor) = inode.device();
        Ok(match inode.kind {
            ErofsFileKind::Dir => NodeKind::dir(),
            ErofsFileKind::CharDevice => NodeKind::CharDevice { major, minor },
            ErofsFileKind::BlockDevice => NodeKind::BlockDevice { major, minor },
            ErofsFileKind::Fifo => NodeKind::Fifo,
            ErofsFileKind::Socket => NodeKind::Socket,
            ErofsFileKind::Symlink => {
                take_blocks(inode, mapping, &mut self.claims, "the target of the link", &mut ErofsRefuse)?;
                NodeKind::Symlink(target(self.file_system, inode, mapping, &mut ErofsRefuse)?)
            }
            ErofsFileKind::File => NodeKind::File(content(inode, mapping, self.source)),
        })
    }
}

/// The content of a regular file as references to `source`.
fn content(inode: &ErofsInode, mapping: &ByteMapping, source: SourceId) -> Content {
    if inode.size == 0 {
        return Content::empty();
    }
    if let [run] = &mapping.runs[..]
        && run.len == inode.size
    {
        return Content::Slice { source, at: run.physical, len: run.len };
    }
    let segments = mapping.runs.iter().map(|run| Segment {
        offset: run.logical,
        len: run.len,
        origin: Origin::Slice { source, at: run.physical },
    });
    Content::Sparse { len: inode.size, segments: segments.collect() }
}

/// The target of a symbolic link.
pub(crate) fn target<R: ReadAt + ?Sized>(
    file_system: &ErofsFileSystem<'_, R>,
    inode: &ErofsInode,
    mapping: &ByteMapping,
    sink: &mut dyn ErofsCorruptionSink,
) -> Result<Box<[u8]>, ErofsReadError> {
    let most = SYMLINK_MAX as u64;
    if inode.size == 0 || inode.size > most {
        sink.report(inode.corruption(ErofsDefect::Range {
            field: "i_size of a link",
            found: inode.size,
            least: 1,
            most,
        }))?;
        return Ok(Box::default());
    }
    let mut bytes = vec![0; inode.size as usize];
    for run in &mapping.runs {
        let (from, to) = (run.logical as usize, (run.logical + run.len) as usize);
        if let Some(part) = bytes.get_mut(from..to) {
            read_exact(file_system.image, run.physical, part)?;
        }
    }
    // The kernel takes the target up to the first NUL, whatever the size is.
    let found = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()) as u64;
    if found != inode.size {
        let why = ErofsDefect::Value { field: "length of the link's target", found, expected: inode.size };
        sink.report(inode.corruption(why))?;
    }
    Ok(bytes.into())
}
