//! From inodes and directories to the project's tree.

use std::collections::BTreeMap;

use super::block::{ExpectedBlock, REMOTE_SHAPE};
use super::claims::XfsClaims;
use super::directory::{self, XfsDirEntry};
use super::error::{XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, XfsRefuse, range, value};
use super::extents::{self, XfsMapping, XfsRun};
use super::inode::{XfsFileKind, XfsForkFormat, XfsInode};
use super::{XfsFileSystem, read_exact, xattr};
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree};
use crate::xfs::spec::{REMOTE_HEADER, SYMLINK_MAGIC, SYMLINK_MOST};

/// A tree that knows which inode every node came from.
#[derive(Debug, Clone)]
pub struct XfsNumberedTree {
    /// The tree.
    pub tree: Tree,
    /// Inode numbers by [`NodeId::index`].
    pub inodes: Vec<u64>,
}

/// A directory whose entries are still to be added.
struct PendingXfsDir {
    node: NodeId,
    parent: u64,
    inode: XfsInode,
}

struct XfsTreeBuild<'b, 'a, R: ?Sized> {
    system: &'b XfsFileSystem<'a, R>,
    source: SourceId,
    tree: Tree,
    inodes: Vec<u64>,
    /// Nodes of the inodes met so far.
    nodes: BTreeMap<u64, NodeId>,
    /// Blocks of metadata read so far; none may be read twice.
    claims: XfsClaims,
    pending: Vec<PendingXfsDir>,
}

/// Reads the whole tree.
pub(super) fn read<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    source: SourceId,
) -> Result<XfsNumberedTree, XfsReadError> {
    let number = system.superblock.root;
    let root = system.inode(number)?;
    if root.kind != XfsFileKind::Dir {
        let (found, expected) = (root.kind.entry_byte().into(), XfsFileKind::Dir.entry_byte().into());
        return Err(root.corruption(XfsDefect::Value { field: "type of the root", found, expected }).into());
    }
    let mut claims = XfsClaims::default();
    let tree = Tree::new(meta(system, &root, &mut claims)?);
    let node = tree.root();
    let mut build = XfsTreeBuild {
        system,
        source,
        tree,
        inodes: vec![number],
        nodes: [(number, node)].into(),
        claims,
        pending: vec![PendingXfsDir { node, parent: number, inode: root }],
    };
    while let Some(pending) = build.pending.pop() {
        build.directory(&pending)?;
    }
    Ok(XfsNumberedTree { tree: build.tree, inodes: build.inodes })
}

fn meta<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    inode: &XfsInode,
    claims: &mut XfsClaims,
) -> Result<Meta, XfsReadError> {
    let (xattrs, _) = xattr::read(system, inode, claims, &mut XfsRefuse)?;
    Ok(Meta {
        mode: inode.mode,
        uid: inode.uid,
        gid: inode.gid,
        mtime: inode.mtime,
        xattrs: (!xattrs.is_empty()).then(|| Box::new(xattrs)),
    })
}

/// Takes the blocks of a directory or link from the claims, so that none is read twice; whether all were free.
pub(crate) fn take_blocks(
    inode: &XfsInode,
    mapping: &XfsMapping,
    claims: &mut XfsClaims,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<bool, XfsReadError> {
    let mut free = true;
    for run in &mapping.runs {
        let location = XfsLocation::Inode { inode: inode.number };
        if let Some(why) = claims.take(run.physical, run.len, location) {
            free = false;
            inode.report(why, sink)?;
        }
    }
    Ok(free)
}

impl<R: ReadAt + ?Sized> XfsTreeBuild<'_, '_, R> {
    fn directory(&mut self, pending: &PendingXfsDir) -> Result<(), XfsReadError> {
        let dir = &pending.inode;
        let mapping = self.system.mapping_reporting(dir, &mut self.claims, &mut XfsRefuse)?;
        take_blocks(dir, &mapping, &mut self.claims, &mut XfsRefuse)?;
        let entries = directory::read(self.system, dir, &mapping, &mut XfsRefuse)?;
        check_dots(dir, pending.parent, &entries, &mut XfsRefuse)?;
        for entry in entries.iter().filter(|entry| !entry.is_dots()) {
            self.entry(pending, entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, pending: &PendingXfsDir, entry: &XfsDirEntry) -> Result<(), XfsReadError> {
        let dir = pending.inode.number;
        let corruption = |why: XfsDefect| XfsReadError::from(entry.corruption(dir, why));
        let name =
            Name::new(&entry.name).map_err(|_| corruption(XfsDefect::Name { name: entry.name.clone() }))?;
        let inode = self.system.inode(entry.inode)?;
        if inode.links == 0 {
            return Err(corruption(XfsDefect::Dangling { name: entry.name.clone(), found: entry.inode }));
        }
        if entry.file_type != inode.kind.entry_byte() {
            let (found, expected) = (entry.file_type, inode.kind.entry_byte());
            return Err(corruption(XfsDefect::FileType { name: entry.name.clone(), found, expected }));
        }
        let twice = |_| corruption(XfsDefect::Duplicate { name: entry.name.clone() });
        if let Some(&node) = self.nodes.get(&entry.inode) {
            if inode.kind == XfsFileKind::Dir {
                return Err(corruption(XfsDefect::Again { what: "directory", number: entry.inode }));
            }
            return self.tree.link(pending.node, name, node).map_err(twice);
        }
        let node = Node { meta: meta(self.system, &inode, &mut self.claims)?, kind: self.kind(&inode)? };
        let node = self.tree.add(pending.node, name, node).map_err(twice)?;
        self.inodes.push(entry.inode);
        self.nodes.insert(entry.inode, node);
        if inode.kind == XfsFileKind::Dir {
            self.pending.push(PendingXfsDir { node, parent: dir, inode });
        }
        Ok(())
    }

    fn kind(&mut self, inode: &XfsInode) -> Result<NodeKind, XfsReadError> {
        let (major, minor) = inode.device();
        Ok(match inode.kind {
            XfsFileKind::Dir => NodeKind::dir(),
            XfsFileKind::CharDevice => NodeKind::CharDevice { major, minor },
            XfsFileKind::BlockDevice => NodeKind::BlockDevice { major, minor },
            XfsFileKind::Fifo => NodeKind::Fifo,
            XfsFileKind::Socket => NodeKind::Socket,
            XfsFileKind::Symlink => {
                let mapping = self.system.mapping_reporting(inode, &mut self.claims, &mut XfsRefuse)?;
                take_blocks(inode, &mapping, &mut self.claims, &mut XfsRefuse)?;
                NodeKind::Symlink(target(self.system, inode, &mapping, &mut XfsRefuse)?)
            }
            XfsFileKind::File => {
                let mapping = self.system.mapping_reporting(inode, &mut self.claims, &mut XfsRefuse)?;
                NodeKind::File(content(self.system, inode, &mapping, self.source))
            }
        })
    }
}

/// Checks that `.` and `..` of a directory lead where they should. In an inode there is no `.`.
pub(crate) fn check_dots(
    dir: &XfsInode,
    parent: u64,
    entries: &[XfsDirEntry],
    sink: &mut dyn XfsCorruptionSink,
) -> Result<(), XfsReadError> {
    let stored = dir.data.format != XfsForkFormat::Local;
    for (name, expected, needed) in [(&b"."[..], dir.number, stored), (b"..", parent, true)] {
        let mut found = entries.iter().filter(|entry| &*entry.name == name);
        match found.next() {
            Some(entry) if entry.inode != expected => {
                let why = XfsDefect::Entry { name: name.into(), found: entry.inode, expected };
                sink.report(entry.corruption(dir.number, why))?;
            }
            Some(entry) if entry.file_type != XfsFileKind::Dir.entry_byte() => {
                let expected = XfsFileKind::Dir.entry_byte();
                let why = XfsDefect::FileType { name: name.into(), found: entry.file_type, expected };
                sink.report(entry.corruption(dir.number, why))?;
            }
            None if needed => dir.report(XfsDefect::Missing { what: "`.` or `..`" }, sink)?,
            _ => {}
        }
        if found.next().is_some() {
            dir.report(XfsDefect::Duplicate { name: name.into() }, sink)?;
        }
    }
    Ok(())
}

/// The content of a regular file as references to `source`.
fn content<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    inode: &XfsInode,
    mapping: &XfsMapping,
    source: SourceId,
) -> Content {
    let superblock = &system.superblock;
    let block_size = u64::from(superblock.block_size);
    let written = mapping.runs.iter().filter(|run| !run.unwritten);
    let segments: Vec<Segment> = written
        .filter_map(|run| {
            let offset = run.logical.checked_mul(block_size)?;
            let left = inode.size.checked_sub(offset).filter(|left| *left > 0)?;
            let origin = Origin::Slice { source, at: superblock.offset_of(run.physical) };
            Some(Segment { offset, len: left.min(run.len * block_size), origin })
        })
        .collect();
    if inode.size == 0 {
        return Content::empty();
    }
    if let [Segment { offset: 0, len, origin: Origin::Slice { source, at } }] = &segments[..]
        && *len == inode.size
    {
        return Content::Slice { source: *source, at: *at, len: *len };
    }
    Content::Sparse { len: inode.size, segments: segments.into() }
}

/// The target of a symbolic link.
pub(crate) fn target<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    inode: &XfsInode,
    mapping: &XfsMapping,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<Box<[u8]>, XfsReadError> {
    let mut bytes = Vec::new();
    if inode.data.format == XfsForkFormat::Local {
        bytes.extend_from_slice(inode.data.bytes.get(..inode.size as usize).unwrap_or(&inode.data.bytes));
    } else {
        for run in &mapping.runs {
            if bytes.len() as u64 >= inode.size || !target_part(system, inode, run, &mut bytes, sink)? {
                break;
            }
        }
    }
    // The kernel takes the target up to the first NUL, whatever the size is.
    let found = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()) as u64;
    if let Some(why) = value("length of the link's target", found, inode.size) {
        inode.report(why, sink)?;
    }
    Ok(bytes.into())
}

/// Appends the part of a target that a run of blocks has: there is one header for all of the run.
fn target_part<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    inode: &XfsInode,
    run: &XfsRun,
    bytes: &mut Vec<u8>,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<bool, XfsReadError> {
    let block = u64::from(system.superblock.block_size);
    let most = SYMLINK_MOST.div_ceil(block - REMOTE_HEADER as u64);
    if let Some(why) = range("blocks of a link's target", run.len, 1, most) {
        inode.report(why, sink)?;
        return Ok(false);
    }
    let mut raw = vec![0; (run.len * block) as usize];
    read_exact(system.image, system.superblock.offset_of(run.physical), &mut raw)?;
    let location = XfsLocation::Target { inode: inode.number };
    let expected =
        ExpectedBlock { shape: REMOTE_SHAPE, magics: &[SYMLINK_MAGIC], owner: inode.number, location };
    match system.check_header(raw, run.physical, &expected, sink)? {
        Some(block) => xattr::remote_part(&block, inode.size, bytes, sink),
        None => Ok(false),
    }
}

/// Refuses a file whose content is elsewhere.
pub(super) fn mapping<R: ReadAt + ?Sized>(
    system: &XfsFileSystem<'_, R>,
    inode: &XfsInode,
    claims: &mut XfsClaims,
    sink: &mut dyn XfsCorruptionSink,
) -> Result<XfsMapping, XfsReadError> {
    if inode.is_real_time() && inode.kind == XfsFileKind::File {
        inode.report(XfsDefect::RealTime, sink)?;
        return Ok(XfsMapping::default());
    }
    extents::read(system, inode, &inode.data, claims, sink)
}
