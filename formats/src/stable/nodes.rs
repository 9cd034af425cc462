//! The walk: every node of the tree once, numbered, with its identity, its links and its children. Knows neither blocks
//! nor what a file system can hold.

use std::collections::BTreeMap;
use std::ops::Range;

use super::identity;
use crate::time::Time;
use crate::tree::{ChangeGroups, Name, Node, NodeId, NodeKind, SYMLINK_MAX, Segment, Tree};

/// An entry of the root that a file system always has: the node that it is where the tree has none of that name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImpliedEntry {
    /// Its name.
    pub name: &'static [u8],
    /// The node; its own time is not used.
    pub node: &'static Node,
    /// Its time.
    pub time: Time,
}

/// A node by its index in the walk.
#[derive(Debug)]
pub(crate) struct Walked<'a> {
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
pub(crate) struct Child<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Index in the walk.
    pub walked: u32,
}

/// All nodes, depth first, entries by the bytes of their names; a node of several names at its first.
#[derive(Debug)]
pub(crate) struct Nodes<'a> {
    /// The nodes; the root is first.
    pub walked: Vec<Walked<'a>>,
    /// Entries of all directories.
    pub children: Vec<Child<'a>>,
    /// Which one is the implied entry of the root, of the tree or not; 0 without one.
    pub implied: u32,
    /// Identity of every group by its number; the first stands for the nodes without one.
    pub groups: Vec<u64>,
}

/// A name that waits to be visited; without a node it is the implied entry that the tree lacks.
struct Waiting<'a> {
    id: Option<NodeId>,
    name: &'a [u8],
    parent: u32,
    child: u32,
}

impl<'a> Nodes<'a> {
    /// Walks the tree.
    pub(crate) fn walk(tree: &'a Tree, groups: &ChangeGroups, implied: Option<ImpliedEntry>) -> Self {
        let named = groups.names().map(|name| identity::child(identity::GROUPS, name));
        let mut nodes = Self {
            walked: Vec::with_capacity(tree.capacity() + 1),
            children: Vec::new(),
            implied: 0,
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
            let (node, mtime, group) = match (next.id, implied) {
                (Some(id), _) => {
                    seen[id.index()] = at;
                    let node = tree.node(id);
                    (node, node.meta.mtime, groups.of(id))
                }
                (None, Some(entry)) => (entry.node, entry.time, 0),
                // Only an implied entry waits without a node.
                (None, None) => continue,
            };
            nodes.enter((node, mtime, group), &next, at);
            if next.parent == 0 && at > 0 && implied.is_some_and(|entry| entry.name == next.name) {
                nodes.implied = at;
            }
            if let NodeKind::Dir(entries) = &node.kind {
                nodes.list(entries, at, implied.filter(|_| at == 0), &mut stack);
            }
        }
        nodes
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
        }
        let links = if dir { 2 } else { 1 };
        let (parent, name) = (from.parent, from.name);
        self.walked.push(Walked { node, mtime, hash, parent, name, links, group, children: 0..0 });
    }

    /// Lists a directory's entries, an implied one among them, and has them visited in order.
    fn list(
        &mut self,
        entries: &'a BTreeMap<Name, NodeId>,
        dir: u32,
        implied: Option<ImpliedEntry>,
        stack: &mut Vec<Waiting<'a>>,
    ) {
        let first = self.children.len() as u32;
        let bottom = stack.len();
        let mut wait = |name: &'a [u8], id: Option<NodeId>| {
            let child = self.children.len() as u32;
            self.children.push(Child { name, walked: u32::MAX });
            stack.push(Waiting { id, name, parent: dir, child });
        };
        let mut lacking = implied.map(|entry| entry.name).filter(|name| !entries.contains_key(*name));
        for (name, id) in entries {
            if let Some(before) = lacking.filter(|lacking| name.as_bytes() > *lacking) {
                wait(before, None);
                lacking = None;
            }
            wait(name.as_bytes(), Some(*id));
        }
        if let Some(last) = lacking {
            wait(last, None);
        }
        stack[bottom..].reverse();
        self.walked[dir as usize].children = first..self.children.len() as u32;
    }

    /// The entries of a directory.
    pub(crate) fn children(&self, dir: u32) -> &[Child<'a>] {
        let range = &self.walked[dir as usize].children;
        &self.children[range.start as usize..range.end as usize]
    }

    /// A node's first path, with a leading `/`, for errors.
    pub(crate) fn path(&self, at: u32) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = at;
        while at != 0 {
            names.push(self.walked[at as usize].name);
            at = self.walked[at as usize].parent;
        }
        names.iter().rev().flat_map(|name| std::iter::once(&b'/').chain(name.iter())).copied().collect()
    }
}

/// Whether a target has 1 to 4095 bytes and no NUL.
pub(crate) fn symlink_fits(target: &[u8]) -> bool {
    (1..=SYMLINK_MAX).contains(&target.len()) && !target.contains(&0)
}

/// Whether segments are sorted, disjoint, not empty and within `len`.
pub(crate) fn segments_fit(segments: &[Segment], len: u64) -> bool {
    let mut at = 0;
    segments.iter().all(|segment| {
        let fits = segment.offset >= at && segment.len > 0;
        at = segment.offset.saturating_add(segment.len);
        fits && at <= len
    })
}
