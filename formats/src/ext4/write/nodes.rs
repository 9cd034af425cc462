//! The walk: every node of the tree once, numbered, with its identity, its links and its children, and checked for
//! what ext4 cannot hold. Knows nothing of blocks.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Ext4WriteError, identity};
use crate::ext4::spec::inode::{FIRST_SECOND, LAST_SECOND};
use crate::ext4::spec::{LINK_MAX, dirent, inode};
use crate::time::Time;
use crate::tree::{ChangeGroups, Meta, Name, Node, NodeId, NodeKind, SYMLINK_MAX, Segment, Tree};

/// Name of the directory for what a repair finds.
pub(super) const LOST_FOUND: &[u8] = b"lost+found";

/// Most bytes of a file: 2³² - 1 blocks.
const FILE_MAX: u64 = (u32::MAX as u64) * crate::ext4::spec::BLOCK_SIZE;

/// The `lost+found` of a tree that has none; its time is that of the file system.
static STAND_IN: Node = Node {
    meta: Meta { mode: 0o700, uid: 0, gid: 0, mtime: Time::EPOCH, xattrs: None },
    kind: NodeKind::Dir(BTreeMap::new()),
};

/// A node by its index in the walk.
#[derive(Debug)]
pub(super) struct Walked<'a> {
    /// The node.
    pub node: &'a Node,
    /// Its time.
    pub mtime: Time,
    /// Identity of its first path.
    pub hash: u64,
    /// Directory of its first name; the root is its own.
    pub parent: u32,
    /// First name.
    pub name: &'a [u8],
    /// Names, as `st_nlink` counts them.
    pub links: u32,
    /// Number of its group, 0 for none.
    pub group: u32,
    /// Its entries, in [`Nodes::children`].
    pub children: Range<u32>,
}

/// A directory's entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Index in the walk.
    pub walked: u32,
}

/// All nodes, depth first, entries by the bytes of their names; a node of several names at its first.
#[derive(Debug)]
pub(super) struct Nodes<'a> {
    /// The nodes; the root is first.
    pub walked: Vec<Walked<'a>>,
    /// Entries of all directories.
    pub children: Vec<Child<'a>>,
    /// Which one is `lost+found`.
    pub lost_found: u32,
    /// Identity of every group by its number; the first stands for the nodes without one.
    pub groups: Vec<u64>,
}

/// A name that waits to be visited; without a node it is the `lost+found` that the tree lacks.
struct Waiting<'a> {
    id: Option<NodeId>,
    name: &'a [u8],
    parent: u32,
    child: u32,
}

impl<'a> Nodes<'a> {
    /// Walks the tree; where it has no `lost+found`, there is one made at `time`.
    pub(super) fn walk(tree: &'a Tree, groups: &ChangeGroups, time: Time) -> Result<Self, Ext4WriteError> {
        let named = groups.names().map(|name| identity::child(identity::GROUPS, name));
        let mut nodes = Self {
            walked: Vec::with_capacity(tree.capacity() + 1),
            children: Vec::new(),
            lost_found: 0,
            groups: std::iter::once(identity::GROUPS).chain(named).collect(),
        };
        let mut seen = vec![u32::MAX; tree.capacity()];
        let mut stack = vec![Waiting { id: Some(tree.root()), name: b"", parent: 0, child: u32::MAX }];
        while let Some(next) = stack.pop() {
            let at = nodes.walked.len() as u32;
            if let Some(known) = next.id.map(|id| seen[id.index()]).filter(|known| *known != u32::MAX) {
                nodes.walked[known as usize].links += 1;
                nodes.children[next.child as usize].walked = known;
                continue;
            }
            if let Some(id) = next.id {
                seen[id.index()] = at;
            }
            let node = next.id.map_or(&STAND_IN, |id| tree.node(id));
            let mtime = if next.id.is_some() { node.meta.mtime } else { time };
            let group = next.id.map_or(0, |id| groups.of(id));
            nodes.enter((node, mtime, group), &next, at);
            if let NodeKind::Dir(entries) = &node.kind {
                nodes.list(entries, at, &mut stack);
            }
        }
        if !matches!(nodes.walked[nodes.lost_found as usize].node.kind, NodeKind::Dir(_)) {
            let found = nodes.walked[nodes.lost_found as usize].node.kind.word();
            return Err(Ext4WriteError::LostFound { found });
        }
        (0..nodes.walked.len() as u32).try_for_each(|at| nodes.check(at))?;
        Ok(nodes)
    }

    /// Numbers a node.
    fn enter(&mut self, (node, mtime, group): (&'a Node, Time, u32), from: &Waiting<'a>, at: u32) {
        let hash = match self.walked.get(from.parent as usize) {
            None => identity::ROOT,
            Some(parent) => identity::child(parent.hash, from.name),
        };
        let dir = matches!(node.kind, NodeKind::Dir(_));
        if at > 0 {
            self.children[from.child as usize].walked = at;
            self.walked[from.parent as usize].links += u32::from(dir);
            if from.parent == 0 && from.name == LOST_FOUND {
                self.lost_found = at;
            }
        }
        let links = if dir { 2 } else { 1 };
        let (parent, name) = (from.parent, from.name);
        self.walked.push(Walked { node, mtime, hash, parent, name, links, group, children: 0..0 });
    }

    /// Lists a directory's entries and has them visited in order.
    fn list(&mut self, entries: &'a BTreeMap<Name, NodeId>, dir: u32, stack: &mut Vec<Waiting<'a>>) {
        let first = self.children.len() as u32;
        let bottom = stack.len();
        let mut wait = |name: &'a [u8], id: Option<NodeId>| {
            let child = self.children.len() as u32;
            self.children.push(Child { name, walked: u32::MAX });
            stack.push(Waiting { id, name, parent: dir, child });
        };
        let mut lacking = dir == 0 && !entries.contains_key(LOST_FOUND);
        for (name, id) in entries {
            if lacking && name.as_bytes() > LOST_FOUND {
                wait(LOST_FOUND, None);
                lacking = false;
            }
            wait(name.as_bytes(), Some(*id));
        }
        if lacking {
            wait(LOST_FOUND, None);
        }
        stack[bottom..].reverse();
        self.walked[dir as usize].children = first..self.children.len() as u32;
    }

    /// The entries of a directory.
    pub(super) fn children(&self, dir: u32) -> &[Child<'a>] {
        let range = &self.walked[dir as usize].children;
        &self.children[range.start as usize..range.end as usize]
    }

    /// A node's first path, with a leading `/`, for errors.
    pub(super) fn path(&self, at: u32) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = at;
        while at != 0 {
            names.push(self.walked[at as usize].name);
            at = self.walked[at as usize].parent;
        }
        names.iter().rev().flat_map(|name| std::iter::once(&b'/').chain(name.iter())).copied().collect()
    }

    /// Refuses what an inode cannot hold.
    fn check(&self, at: u32) -> Result<(), Ext4WriteError> {
        let walked = &self.walked[at as usize];
        let meta = &walked.node.meta;
        let path = || self.path(at);
        if meta.mode > 0o7777 {
            return Err(Ext4WriteError::Mode { path: path(), mode: meta.mode });
        }
        let time = walked.mtime;
        if !(FIRST_SECOND..=LAST_SECOND).contains(&time.secs) || time.nanos >= 1_000_000_000 {
            return Err(Ext4WriteError::Time { path: path(), time });
        }
        match &walked.node.kind {
            NodeKind::Dir(_) => return Ok(()),
            NodeKind::Symlink(target) if !symlink_fits(target) => {
                return Err(Ext4WriteError::Symlink { path: path(), len: target.len() });
            }
            NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor }
                if *major >= 1 << 12 || *minor >= 1 << 20 =>
            {
                return Err(Ext4WriteError::Device { path: path(), major: *major, minor: *minor });
            }
            NodeKind::File(content) if content.len() > FILE_MAX => {
                return Err(Ext4WriteError::FileTooLarge {
                    path: path(),
                    len: content.len(),
                    most: FILE_MAX,
                });
            }
            NodeKind::File(crate::tree::Content::Sparse { len, segments })
                if !segments_fit(segments, *len) =>
            {
                return Err(Ext4WriteError::Segments { path: path() });
            }
            _ => {}
        }
        if walked.links > LINK_MAX {
            return Err(Ext4WriteError::TooManyLinks { path: path(), links: walked.links, most: LINK_MAX });
        }
        Ok(())
    }
}

fn symlink_fits(target: &[u8]) -> bool {
    (1..=SYMLINK_MAX).contains(&target.len()) && !target.contains(&0)
}

/// Whether segments are sorted, disjoint, not empty and within `len`.
fn segments_fit(segments: &[Segment], len: u64) -> bool {
    let mut at = 0;
    segments.iter().all(|segment| {
        let fits = segment.offset >= at && segment.len > 0;
        at = segment.offset.saturating_add(segment.len);
        fits && at <= len
    })
}

/// The kind of a node in `i_mode` and in directory entries.
pub(super) fn codes(kind: &NodeKind) -> (u16, u8) {
    use dirent::file_type;
    use inode::kind;
    match kind {
        NodeKind::Dir(_) => (kind::DIR, file_type::DIR),
        NodeKind::File(_) => (kind::FILE, file_type::FILE),
        NodeKind::Symlink(_) => (kind::SYMLINK, file_type::SYMLINK),
        NodeKind::CharDevice { .. } => (kind::CHAR, file_type::CHAR),
        NodeKind::BlockDevice { .. } => (kind::BLOCK, file_type::BLOCK),
        NodeKind::Fifo => (kind::FIFO, file_type::FIFO),
        NodeKind::Socket => (kind::SOCKET, file_type::SOCKET),
    }
}
