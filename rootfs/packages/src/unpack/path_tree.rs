//! A tree that paths of packages are found in as the kernel finds them: through the symlinks that are in it already. So
//! `/bin/x` is in `/usr/bin` where `/bin` is a link to it, and `/var/run/x` in `/run`. Each node has the number of the
//! package that owns it; folders that only lead to something have none.

use std::collections::HashMap;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Printable, Tree};

/// Links that one path may lead through (Linux `MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathStop {
    /// It leads through something that is no directory.
    #[error("`/{}` leads through a {kind}", Printable(path))]
    Through {
        /// The path.
        path: Vec<u8>,
        /// Kind of the obstacle.
        kind: &'static str,
        /// The obstacle.
        node: NodeId,
    },
    /// Links without end.
    #[error("`/{}` leads through symlinks without end", Printable(path))]
    Loop {
        /// The path.
        path: Vec<u8>,
    },
    /// Its last name cannot be one.
    #[error("`/{}` ends in what is no file name", Printable(path))]
    Name {
        /// The path.
        path: Vec<u8>,
    },
}

/// A tree with the owners of its nodes.
pub(crate) struct PathTree {
    pub(crate) tree: Tree,
    /// By node: the package that owns it; none for implied directories and links.
    owners: Vec<Option<usize>>,
    /// By node: the directory that it was added to; the root is its own.
    parents: Vec<NodeId>,
    /// By path as packages write it: the directory that it leads to.
    folders: HashMap<Vec<u8>, NodeId>,
}

impl PathTree {
    /// An empty root, 0755 and owned by root until a package sets it.
    pub(crate) fn new() -> Self {
        let tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let parents = vec![tree.root()];
        Self { tree, owners: vec![None], parents, folders: HashMap::new() }
    }

    /// The package that owns a node.
    pub(crate) fn owner(&self, id: NodeId) -> Option<usize> {
        self.owners.get(id.index()).copied().flatten()
    }

    /// Makes a package the owner of a node.
    pub(crate) fn set_owner(&mut self, id: NodeId, number: usize) {
        if let Some(owner) = self.owners.get_mut(id.index()) {
            *owner = Some(number);
        }
    }

    /// Adds a node under a name that is free in a directory.
    pub(crate) fn add(
        &mut self,
        parent: NodeId,
        name: Name,
        node: Node,
        owner: Option<usize>,
    ) -> Option<NodeId> {
        let id = self.tree.add(parent, name, node).ok()?;
        self.owners.push(owner);
        self.parents.push(parent);
        Some(id)
    }

    /// Removes a name.
    pub(crate) fn remove(&mut self, parent: NodeId, name: &[u8]) {
        self.tree.unlink(parent, name);
        // A link that folders were found through may be gone.
        self.folders.clear();
    }

    /// The parent directory of a path, created if missing, and its last name; `None` for the root. Paths are clean: no
    /// slash at an end, no empty name, no `.` and `..`.
    pub(crate) fn parent(&mut self, path: &[u8]) -> Result<Option<(NodeId, Name)>, PathStop> {
        if path.is_empty() {
            return Ok(None);
        }
        let (above, name) = split(path);
        let parent = self.folder(above)?;
        let name = Name::new(name).map_err(|_| PathStop::Name { path: path.to_vec() })?;
        Ok(Some((parent, name)))
    }

    /// The directory at a path, links followed, created if missing.
    pub(crate) fn folder(&mut self, path: &[u8]) -> Result<NodeId, PathStop> {
        if let Some(known) = self.folders.get(path) {
            return Ok(*known);
        }
        let mut links = 0;
        let mut here = self.tree.root();
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            here = self.enter(here, name, path, &mut links)?;
        }
        self.folders.insert(path.to_vec(), here);
        Ok(here)
    }

    /// Enters the directory `name`, or the target of the link of that name.
    fn enter(
        &mut self,
        here: NodeId,
        name: &[u8],
        path: &[u8],
        links: &mut usize,
    ) -> Result<NodeId, PathStop> {
        let Some(next) = self.tree.child(here, name) else {
            let stop = || PathStop::Name { path: path.to_vec() };
            let name = Name::new(name).map_err(|_| stop())?;
            let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
            return self.add(here, name, node, None).ok_or_else(stop);
        };
        let target = match &self.tree.node(next).kind {
            NodeKind::Dir(_) => return Ok(next),
            NodeKind::Symlink(target) => target.to_vec(),
            other => {
                return Err(PathStop::Through { path: path.to_vec(), kind: other.word(), node: next });
            }
        };
        *links += 1;
        if *links > LINKS_MAX {
            return Err(PathStop::Loop { path: path.to_vec() });
        }
        let mut here = if target.starts_with(b"/") { self.tree.root() } else { here };
        for name in target.split(|byte| *byte == b'/') {
            here = match name {
                b"" | b"." => here,
                // Above the root is the root.
                b".." => self.parents.get(here.index()).copied().unwrap_or(self.tree.root()),
                name => self.enter(here, name, path, links)?,
            };
        }
        Ok(here)
    }
}

/// The folder of a path and its last name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&path[..0], path),
    }
}
