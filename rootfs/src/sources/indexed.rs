//! The tree of one source, and the insertion of its entries: in any order, never through a link, each name once.
//! Independent of archive formats; [`super::tar`], [`super::oci`] and [`super::dir`] supply the entries.
//!
//! In layers of an image a path may lead through a symlink to a directory of the tree, as runtimes apply them: where
//! `/lib` is a link to `usr/lib`, `lib/x` of a layer without an entry for `lib` is put in `usr/lib`.

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};

use super::entry_error::EntryError;
use super::membership::{LayerView, Membership};
pub use super::names::clean;
use super::names::split;
use super::route::Route;
use super::warning::Warning;

/// Most nodes that a source may have: 8 million take about 2 GiB of memory, ten times the largest systems known.
const NODES_MAX: usize = 8_000_000;

/// Links followed from one path (Linux `MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// The tree of one source.
#[derive(Debug)]
pub struct Indexed {
    /// Names, metadata and references.
    pub tree: Tree,
    /// The origin of each node, by [`NodeId::index`].
    pub marks: Vec<NodeMark>,
    /// The newest time among the entries given.
    pub newest: Option<Time>,
    /// Warnings about it.
    pub warnings: Vec<Warning>,
}

/// The origin of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeMark {
    /// Byte of the archive at which its entry begins.
    pub at: u64,
    /// Whether it has an entry of its own.
    pub explicitness: Explicitness,
}

/// Whether a directory is there by its own entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explicitness {
    /// It has an entry.
    Explicit,
    /// Implied by names below it: owned by root, 0755, at the epoch, until an entry or another source sets it.
    Implied,
}

impl NodeMark {
    const IMPLIED: Self = Self { at: 0, explicitness: Explicitness::Implied };
}

/// The reaction to a name that exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// It is refused, unless both are equal.
    Refuse,
    /// A name of a lower layer is replaced; a name of this layer is not.
    ReplaceLower,
}

/// Compares two contents byte by byte.
pub type SameContent<'a> = &'a dyn Fn(&Content, &Content) -> std::io::Result<bool>;

/// Why an entry could not be inserted.
#[derive(Debug)]
pub enum InsertError {
    /// The entry cannot be in a tree.
    Entry(EntryError),
    /// Contents could not be compared.
    Compare(std::io::Error),
}

impl From<EntryError> for InsertError {
    fn from(error: EntryError) -> Self {
        Self::Entry(error)
    }
}

/// A tree that entries are inserted into.
#[derive(Debug)]
pub struct Inserter {
    tree: Tree,
    marks: Vec<NodeMark>,
    newest: Option<Time>,
    on_duplicate: OnDuplicate,
    membership: Membership,
    /// The directory of the last entry: archives are in order, so most entries are its neighbours.
    last: (Vec<u8>, NodeId),
    /// Hard links that came before what they link to: path, target, mark.
    forward: Vec<(Vec<u8>, Vec<u8>, u64)>,
}

impl Inserter {
    /// An empty root without an entry.
    pub fn new(on_duplicate: OnDuplicate) -> Self {
        let tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let last = (Vec::new(), tree.root());
        let (marks, membership, forward) = (vec![NodeMark::IMPLIED], Membership::default(), Vec::new());
        Self { tree, marks, newest: None, on_duplicate, membership, last, forward }
    }

    /// The tree so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Begins the next layer.
    pub fn next_layer(&mut self) {
        self.membership.next_layer();
    }

    /// Inserts a node at a path that [`clean`] has made. A directory joins an existing one.
    ///
    /// # Errors
    /// A path through something that is no directory; a name that is there already, differently.
    pub fn insert(
        &mut self,
        path: &[u8],
        node: Node,
        at: u64,
        same: SameContent<'_>,
    ) -> Result<(), InsertError> {
        self.newest = self.newest.max(Some(node.meta.mtime));
        let mark = NodeMark { at, explicitness: Explicitness::Explicit };
        let Some((parent, name)) = self.parent(path)? else {
            if !matches!(node.kind, NodeKind::Dir(_)) {
                return Err(EntryError::Root { kind: node.kind.word() }.into());
            }
            let root = self.tree.root();
            self.tree.node_mut(root).meta = node.meta;
            self.set_mark(root, mark);
            return Ok(());
        };
        let Some(old) = self.tree.child(parent, name.as_bytes()) else {
            return Ok(self.add(parent, name, node, mark)?);
        };
        if matches!((&self.tree.node(old).kind, &node.kind), (NodeKind::Dir(_), NodeKind::Dir(_))) {
            self.tree.node_mut(old).meta = node.meta;
            self.set_mark(old, mark);
            self.membership.give(parent, &name);
            return Ok(());
        }
        if self.replaceable(parent, name.as_bytes()) {
            self.remove(parent, &name, old);
            return Ok(self.add(parent, name, node, mark)?);
        }
        self.check_equal(old, &node, same)
    }

    /// Gives a node that is in the tree one more name, now or, if the target is still to come, at the end. A lower
    /// file that the present layer removed is a target too.
    ///
    /// # Errors
    /// As for [`Inserter::insert`], and a target that is a directory.
    pub fn link(&mut self, path: &[u8], target: &[u8], at: u64) -> Result<(), EntryError> {
        let found = match self.find(target, LayerView::Present)? {
            None => self.find(target, LayerView::Lower).unwrap_or_default(),
            found => found,
        };
        let Some(id) = found else {
            self.forward.push((path.to_vec(), target.to_vec(), at));
            return Ok(());
        };
        self.link_to(path, target, id)
    }

    /// Makes the hard links that came before their targets.
    ///
    /// # Errors
    /// The path of the link, its mark, and what is wrong with it.
    pub fn finish_links(&mut self) -> Result<(), (Vec<u8>, u64, EntryError)> {
        for (path, target, at) in std::mem::take(&mut self.forward) {
            let linked = self.find(&target, LayerView::Present).and_then(|id| match id {
                Some(id) => self.link_to(&path, &target, id),
                None => Err(EntryError::LinkToNothing { target: target.clone() }),
            });
            linked.map_err(|error| (path, at, error))?;
        }
        Ok(())
    }

    /// The finished tree.
    pub fn finish(self) -> Indexed {
        Indexed { tree: self.tree, marks: self.marks, newest: self.newest, warnings: Vec::new() }
    }

    /// Removes `name` of lower layers from the directory at `above`, with all below it.
    ///
    /// # Errors
    /// A path through something that is no directory.
    pub fn whiteout(&mut self, above: &[u8], name: &[u8]) -> Result<(), EntryError> {
        let Some(parent) = self.directory(above, LayerView::Present)? else { return Ok(()) };
        let Some(child) = self.tree.child(parent, name) else { return Ok(()) };
        self.purge(child);
        let Ok(name) = Name::new(name) else { return Ok(()) };
        self.drop_lower(parent, &name, child);
        Ok(())
    }

    /// Removes all entries of lower layers from the directory at `path`.
    ///
    /// # Errors
    /// A path through something that is no directory.
    pub fn opaque(&mut self, path: &[u8]) -> Result<(), EntryError> {
        if let Some(dir) = self.directory(path, LayerView::Present)? {
            self.purge(dir);
        }
        Ok(())
    }

    /// Removes a name of the root that is no part of the file system, whichever layer gave it. Hard links to what is
    /// below it stay.
    pub fn discard(&mut self, name: &[u8]) {
        self.tree.unlink(self.tree.root(), name);
        self.last = (Vec::new(), self.tree.root());
    }

    /// Removes what lower layers gave below a node; directories go once they are empty.
    fn purge(&mut self, top: NodeId) {
        let mut names: Vec<(NodeId, Name, NodeId)> = Vec::new();
        let mut dirs = vec![top];
        while let Some(dir) = dirs.pop() {
            for (name, child) in self.tree.entries(dir).into_iter().flatten() {
                names.push((dir, name.clone(), *child));
                dirs.push(*child);
            }
        }
        for (dir, name, child) in names.into_iter().rev() {
            self.drop_lower(dir, &name, child);
        }
    }

    /// Removes a lower name. A directory that this layer put something into without an entry of its own stays, as one
    /// that only names below it make.
    fn drop_lower(&mut self, parent: NodeId, name: &Name, child: NodeId) {
        if !self.replaceable(parent, name.as_bytes()) {
            return;
        }
        if self.tree.entries(child).is_none_or(std::collections::BTreeMap::is_empty) {
            self.remove(parent, name, child);
        } else {
            self.tree.node_mut(child).meta = Meta::root_owned(0o755, Time::EPOCH);
            self.set_mark(child, NodeMark::IMPLIED);
            self.membership.give(parent, name);
        }
    }

    fn link_to(&mut self, path: &[u8], target: &[u8], id: NodeId) -> Result<(), EntryError> {
        let kind = self.tree.node(id).kind.word();
        if matches!(self.tree.node(id).kind, NodeKind::Dir(_)) {
            return Err(EntryError::LinkToDir { target: target.to_vec() });
        }
        let Some((parent, name)) = self.parent(path)? else { return Err(EntryError::Root { kind }) };
        match self.tree.child(parent, name.as_bytes()) {
            Some(old) if old == id => {}
            Some(old) if self.replaceable(parent, name.as_bytes()) => self.remove(parent, &name, old),
            Some(old) => return Err(self.duplicate(old, kind)),
            None => {}
        }
        self.membership.give(parent, &name);
        // The parent is a directory, and the name is free or names this node already.
        let _ = self.tree.link(parent, name, id);
        Ok(())
    }

    /// A name that exists and is not replaceable: both nodes must be equal.
    fn check_equal(&self, old: NodeId, node: &Node, same: SameContent<'_>) -> Result<(), InsertError> {
        let before = self.tree.node(old);
        let equal = before.meta == node.meta
            && match (&before.kind, &node.kind) {
                (NodeKind::File(a), NodeKind::File(b)) => same(a, b).map_err(InsertError::Compare)?,
                (a, b) => a == b,
            };
        if equal { Ok(()) } else { Err(self.duplicate(old, node.kind.word()).into()) }
    }

    fn duplicate(&self, old: NodeId, kind: &'static str) -> EntryError {
        let first = self.mark(old).at;
        EntryError::Twice { first, before: self.tree.node(old).kind.word(), kind }
    }

    fn mark(&self, id: NodeId) -> NodeMark {
        self.marks.get(id.index()).copied().unwrap_or(NodeMark::IMPLIED)
    }

    fn set_mark(&mut self, id: NodeId, mark: NodeMark) {
        if let Some(slot) = self.marks.get_mut(id.index()) {
            *slot = mark;
        }
    }

    fn replaceable(&self, parent: NodeId, name: &[u8]) -> bool {
        self.on_duplicate == OnDuplicate::ReplaceLower && self.membership.is_lower(parent, name)
    }

    fn add(&mut self, parent: NodeId, name: Name, node: Node, mark: NodeMark) -> Result<(), EntryError> {
        if self.tree.capacity() >= NODES_MAX {
            return Err(EntryError::TooMany { max: NODES_MAX });
        }
        self.membership.give(parent, &name);
        // The name is free and the parent a directory.
        if self.tree.add(parent, name, node).is_ok() {
            self.marks.push(mark);
        }
        Ok(())
    }

    fn remove(&mut self, parent: NodeId, name: &Name, node: NodeId) {
        self.membership.remove(parent, name, node);
        self.tree.unlink(parent, name.as_bytes());
        self.last = (Vec::new(), self.tree.root());
    }

    /// The entry of a directory, in the present tree or in that before this layer.
    fn child(&self, dir: NodeId, name: &[u8], view: LayerView) -> Option<NodeId> {
        let removed = if view == LayerView::Lower { self.membership.removed(dir, name) } else { None };
        removed.or_else(|| self.tree.child(dir, name))
    }

    /// The node at a path, if there is one; its directories are not made.
    fn find(&mut self, path: &[u8], view: LayerView) -> Result<Option<NodeId>, EntryError> {
        let (above, name) = split(path);
        let Some(dir) = self.directory(above, view)? else { return Ok(None) };
        Ok(if name.is_empty() { Some(dir) } else { self.child(dir, name, view) })
    }

    /// The parent directory of a path, created if missing, and the path's last name; `None` for the root.
    fn parent(&mut self, path: &[u8]) -> Result<Option<(NodeId, Name)>, EntryError> {
        if path.is_empty() {
            return Ok(None);
        }
        let (above, name) = split(path);
        let name = Name::new(name).map_err(|_| EntryError::NameTooLong { len: name.len() })?;
        if self.last.0 != above {
            // With this view a missing directory is made.
            let Some(id) = self.directory(above, LayerView::Made)? else { return Ok(None) };
            self.last.0.clear();
            self.last.0.extend_from_slice(above);
            self.last.1 = id;
        }
        Ok(Some((self.last.1, name)))
    }

    /// The directory at a path. In layers, links are followed within the tree as `openat2(2)` does with
    /// `RESOLVE_IN_ROOT`; a link must lead to a directory that is there.
    fn directory(&mut self, path: &[u8], view: LayerView) -> Result<Option<NodeId>, EntryError> {
        let mut route = Route::new(path);
        let mut above = vec![self.tree.root()];
        while let Some(name) = route.next_name() {
            if name == b".." {
                above.truncate(above.len().saturating_sub(1).max(1));
                continue;
            }
            let dir = above.last().copied().unwrap_or(self.tree.root());
            let next = match self.child(dir, &name, view) {
                Some(next) => next,
                None if route.in_target() => return Err(route.through_link()),
                None if view != LayerView::Made => return Ok(None),
                None => self.imply(dir, &name)?,
            };
            match &self.tree.node(next).kind {
                NodeKind::Dir(_) => above.push(next),
                NodeKind::Symlink(target) => {
                    if route.follow(target) > LINKS_MAX || self.on_duplicate == OnDuplicate::Refuse {
                        return Err(route.through_link());
                    }
                    if target.first() == Some(&b'/') {
                        above.truncate(1);
                    }
                }
                _ if route.in_target() => return Err(route.through_link()),
                other => {
                    let path = route.passed().to_vec();
                    return Err(EntryError::ThroughFile { path, kind: other.word() });
                }
            }
        }
        Ok(above.last().copied())
    }

    fn imply(&mut self, parent: NodeId, name: &[u8]) -> Result<NodeId, EntryError> {
        let name = Name::new(name).map_err(|_| EntryError::NameTooLong { len: name.len() })?;
        let meta = Meta::root_owned(0o755, Time::EPOCH);
        self.add(parent, name.clone(), Node { meta, kind: NodeKind::dir() }, NodeMark::IMPLIED)?;
        Ok(self.tree.child(parent, name.as_bytes()).unwrap_or(parent))
    }
}
