//! The tree that one source gives, and how its entries are planted: in any order, never through a link, each name
//! once. Knows no archive format; [`super::tar`], [`super::oci`] and [`super::dir`] bring the entries.

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Kind, Meta, NAME_MAX, Name, Node, NodeId, Tree};

use super::fault::{EntryFault, PATH_LONGEST};

/// Most nodes that a source may have: 8 million take about 2 GiB of memory, ten times the largest systems known.
const NODES_MAX: usize = 8_000_000;

/// The tree of one source.
#[derive(Debug)]
pub struct Indexed {
    /// Names, metadata and references.
    pub tree: Tree,
    /// Where each node came from, by [`NodeId::index`].
    pub marks: Vec<Mark>,
    /// The newest time among the entries given.
    pub newest: Option<Time>,
}

/// Where a node came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Byte of the archive at which its entry begins.
    pub at: u64,
    /// Layer of an image, counted from 1; 0 elsewhere.
    pub layer: u32,
    /// Whether an entry gave it.
    pub standing: Standing,
}

/// Whether a directory is there by its own entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has an entry.
    Given,
    /// Only names below it made it: root's, 0755, at the epoch, until an entry or another source says otherwise.
    Implied,
}

impl Mark {
    const IMPLIED: Self = Self { at: 0, layer: 0, standing: Standing::Implied };
}

/// What happens to a name that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It is refused, unless it says the same.
    Refuse,
    /// What a lower layer gave is replaced; what this layer gave is not.
    ReplaceLower,
}

/// Says whether two contents are the same bytes.
pub type SameContent<'a> = &'a dyn Fn(&Content, &Content) -> std::io::Result<bool>;

/// Why an entry could not be planted.
#[derive(Debug)]
pub enum PlantError {
    /// The entry is at fault.
    Fault(EntryFault),
    /// Contents could not be compared.
    Compare(std::io::Error),
}

impl From<EntryFault> for PlantError {
    fn from(fault: EntryFault) -> Self {
        Self::Fault(fault)
    }
}

/// A tree that entries are being put into.
#[derive(Debug)]
pub struct Planting {
    tree: Tree,
    marks: Vec<Mark>,
    newest: Option<Time>,
    again: Again,
    layer: u32,
    /// The directory of the last entry: archives are in order, so most entries are its neighbours.
    last: (Vec<u8>, NodeId),
    /// Hard links that came before what they link to: path, target, mark.
    forward: Vec<(Vec<u8>, Vec<u8>, u64)>,
}

impl Planting {
    /// An empty root that no entry has given yet.
    pub fn new(again: Again) -> Self {
        let tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let last = (Vec::new(), tree.root());
        Self { tree, marks: vec![Mark::IMPLIED], newest: None, again, layer: 0, last, forward: Vec::new() }
    }

    /// The tree so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Begins the next layer.
    pub fn next_layer(&mut self) {
        self.layer = self.layer.saturating_add(1);
    }

    /// Plants a node at a path that [`clean`] has made. A directory joins the one that is there.
    ///
    /// # Errors
    /// A path through something that is no directory; a name that is there already, differently.
    pub fn plant(
        &mut self,
        path: &[u8],
        node: Node,
        at: u64,
        same: SameContent<'_>,
    ) -> Result<(), PlantError> {
        self.newest = self.newest.max(Some(node.meta.mtime));
        let mark = Mark { at, layer: self.layer, standing: Standing::Given };
        let Some((parent, name)) = self.parent(path)? else {
            if !matches!(node.kind, Kind::Dir(_)) {
                return Err(EntryFault::Root { kind: node.kind.word() }.into());
            }
            let root = self.tree.root();
            self.tree.node_mut(root).meta = node.meta;
            self.note(root, mark);
            return Ok(());
        };
        let Some(old) = self.tree.child(parent, name.as_bytes()) else {
            return Ok(self.add(parent, name, node, mark)?);
        };
        if matches!((&self.tree.node(old).kind, &node.kind), (Kind::Dir(_), Kind::Dir(_))) {
            self.tree.node_mut(old).meta = node.meta;
            self.note(old, mark);
            return Ok(());
        }
        if self.replaceable(old) {
            self.remove(parent, name.as_bytes());
            return Ok(self.add(parent, name, node, mark)?);
        }
        self.again(old, &node, same)
    }

    /// Gives a node that is in the tree one more name, now or, if the target is still to come, at the end.
    ///
    /// # Errors
    /// As for [`Planting::plant`], and a target that is a directory.
    pub fn link(&mut self, path: &[u8], target: &[u8], at: u64) -> Result<(), EntryFault> {
        let Some(id) = self.find(target)? else {
            self.forward.push((path.to_vec(), target.to_vec(), at));
            return Ok(());
        };
        self.link_to(path, target, id)
    }

    /// Links what was waiting for its target.
    ///
    /// # Errors
    /// The path of the link, its mark, and what is wrong with it.
    pub fn finish_links(&mut self) -> Result<(), (Vec<u8>, u64, EntryFault)> {
        for (path, target, at) in std::mem::take(&mut self.forward) {
            let linked = self.find(&target).and_then(|id| match id {
                Some(id) => self.link_to(&path, &target, id),
                None => Err(EntryFault::LinkToNothing { target: target.clone() }),
            });
            linked.map_err(|fault| (path, at, fault))?;
        }
        Ok(())
    }

    /// The finished tree.
    pub fn finish(self) -> Indexed {
        Indexed { tree: self.tree, marks: self.marks, newest: self.newest }
    }

    /// Takes away what lower layers gave as `name` in the directory at `above`, with all below it.
    ///
    /// # Errors
    /// A path through something that is no directory.
    pub fn whiteout(&mut self, above: &[u8], name: &[u8]) -> Result<(), EntryFault> {
        let Some(parent) = self.find(above)? else { return Ok(()) };
        self.must_be_dir(parent, above)?;
        let Some(child) = self.tree.child(parent, name) else { return Ok(()) };
        self.purge(child);
        self.drop_lower(parent, name, child);
        Ok(())
    }

    /// Takes away what lower layers gave in the directory at `path`.
    ///
    /// # Errors
    /// A path through something that is no directory.
    pub fn opaque(&mut self, path: &[u8]) -> Result<(), EntryFault> {
        let Some(dir) = self.find(path)? else { return Ok(()) };
        self.must_be_dir(dir, path)?;
        self.purge(dir);
        Ok(())
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
            self.drop_lower(dir, name.as_bytes(), child);
        }
    }

    fn drop_lower(&mut self, parent: NodeId, name: &[u8], child: NodeId) {
        let empty = self.tree.entries(child).is_none_or(std::collections::BTreeMap::is_empty);
        if empty && self.mark(child).layer < self.layer {
            self.remove(parent, name);
        }
    }

    fn link_to(&mut self, path: &[u8], target: &[u8], id: NodeId) -> Result<(), EntryFault> {
        let kind = self.tree.node(id).kind.word();
        if matches!(self.tree.node(id).kind, Kind::Dir(_)) {
            return Err(EntryFault::LinkToDir { target: target.to_vec() });
        }
        let Some((parent, name)) = self.parent(path)? else { return Err(EntryFault::Root { kind }) };
        match self.tree.child(parent, name.as_bytes()) {
            Some(old) if old == id => return Ok(()),
            Some(old) if self.replaceable(old) => self.remove(parent, name.as_bytes()),
            Some(old) => return Err(self.twice(old, kind)),
            None => {}
        }
        // The name is free and the parent a directory.
        let _ = self.tree.link(parent, name, id);
        // A link to a lower layer's file lifts that into this layer, as overlay file systems do.
        let mark = Mark { layer: self.layer, ..self.mark(id) };
        self.note(id, mark);
        Ok(())
    }

    /// A name that is there and not replaceable: it must say the same.
    fn again(&self, old: NodeId, node: &Node, same: SameContent<'_>) -> Result<(), PlantError> {
        let before = self.tree.node(old);
        let equal = before.meta == node.meta
            && match (&before.kind, &node.kind) {
                (Kind::File(a), Kind::File(b)) => same(a, b).map_err(PlantError::Compare)?,
                (a, b) => a == b,
            };
        if equal { Ok(()) } else { Err(self.twice(old, node.kind.word()).into()) }
    }

    fn twice(&self, old: NodeId, kind: &'static str) -> EntryFault {
        let first = self.mark(old).at;
        EntryFault::Twice { first, before: self.tree.node(old).kind.word(), kind }
    }

    fn mark(&self, id: NodeId) -> Mark {
        self.marks.get(id.index()).copied().unwrap_or(Mark::IMPLIED)
    }

    fn note(&mut self, id: NodeId, mark: Mark) {
        if let Some(slot) = self.marks.get_mut(id.index()) {
            *slot = mark;
        }
    }

    fn replaceable(&self, id: NodeId) -> bool {
        self.again == Again::ReplaceLower && self.mark(id).layer < self.layer
    }

    fn add(&mut self, parent: NodeId, name: Name, node: Node, mark: Mark) -> Result<(), EntryFault> {
        if self.tree.capacity() >= NODES_MAX {
            return Err(EntryFault::TooMany { max: NODES_MAX });
        }
        // The name is free and the parent a directory.
        if self.tree.add(parent, name, node).is_ok() {
            self.marks.push(mark);
        }
        Ok(())
    }

    fn remove(&mut self, parent: NodeId, name: &[u8]) {
        self.tree.unlink(parent, name);
        self.last = (Vec::new(), self.tree.root());
    }

    /// The node at a path, if there is one; its directories are not made.
    fn find(&self, path: &[u8]) -> Result<Option<NodeId>, EntryFault> {
        let mut id = self.tree.root();
        let mut end = 0usize;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            self.must_be_dir(id, path.get(..end).unwrap_or(path))?;
            let Some(next) = self.tree.child(id, name) else { return Ok(None) };
            end = end.saturating_add(name.len()).saturating_add(usize::from(end > 0));
            id = next;
        }
        Ok(Some(id))
    }

    /// The directory that a path lies in, made if need be, and the path's last name; `None` for the root.
    fn parent(&mut self, path: &[u8]) -> Result<Option<(NodeId, Name)>, EntryFault> {
        if path.is_empty() {
            return Ok(None);
        }
        let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (path.get(..slash).unwrap_or(path), path.get(slash..).unwrap_or(path)),
            None => (&path[..0], path),
        };
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let name = Name::new(name).map_err(|_| EntryFault::NameTooLong { len: name.len() })?;
        if self.last.0 != above {
            let id = self.make(above)?;
            self.last.0.clear();
            self.last.0.extend_from_slice(above);
            self.last.1 = id;
        }
        Ok(Some((self.last.1, name)))
    }

    /// The directory at a path, made with its parents if need be.
    fn make(&mut self, path: &[u8]) -> Result<NodeId, EntryFault> {
        let mut id = self.tree.root();
        let mut end = 0usize;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            end = end.saturating_add(name.len()).saturating_add(usize::from(end > 0));
            let next = match self.tree.child(id, name) {
                Some(next) => next,
                None => self.imply(id, name)?,
            };
            self.must_be_dir(next, path.get(..end).unwrap_or(path))?;
            id = next;
        }
        Ok(id)
    }

    fn imply(&mut self, parent: NodeId, name: &[u8]) -> Result<NodeId, EntryFault> {
        let name = Name::new(name).map_err(|_| EntryFault::NameTooLong { len: name.len() })?;
        let meta = Meta::root_owned(0o755, Time::EPOCH);
        let mark = Mark { layer: self.layer, ..Mark::IMPLIED };
        self.add(parent, name.clone(), Node { meta, kind: Kind::dir() }, mark)?;
        Ok(self.tree.child(parent, name.as_bytes()).unwrap_or(parent))
    }

    fn must_be_dir(&self, id: NodeId, path: &[u8]) -> Result<(), EntryFault> {
        match &self.tree.node(id).kind {
            Kind::Dir(_) => Ok(()),
            Kind::Symlink(target) => {
                Err(EntryFault::ThroughLink { link: path.to_vec(), target: target.to_vec() })
            }
            other => Err(EntryFault::ThroughFile { path: path.to_vec(), kind: other.word() }),
        }
    }
}

/// Makes the path of an entry: names joined by single `/`, without `.`; empty for the root.
///
/// # Errors
/// Absolute names, `..`, NUL bytes, and names or paths that are too long.
pub fn clean(raw: &[u8], path: &mut Vec<u8>) -> Result<(), EntryFault> {
    path.clear();
    if raw.first() == Some(&b'/') {
        return Err(EntryFault::Absolute);
    }
    if raw.contains(&0) {
        return Err(EntryFault::Nul);
    }
    for name in raw.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
        if name == b".." {
            return Err(EntryFault::DotDot);
        }
        if name.len() > NAME_MAX {
            return Err(EntryFault::NameTooLong { len: name.len() });
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
    }
    if path.len() > PATH_LONGEST {
        return Err(EntryFault::TooLong {
            what: "a path",
            size: path.len() as u64,
            max: PATH_LONGEST as u64,
        });
    }
    Ok(())
}
