//! Builds one tree of the entries of all packages, by dpkg's rules.
//!
//! - A path is followed through symlinks that are in the tree already, as the kernel would for dpkg (see [`PathTree`]).
//! - Directories join; the first package that has one gives its mode and owner. A symlink where a directory is does
//!   nothing, nor a directory where a symlink to one is.
//! - Anything else belongs to one package: to the one that `Replaces` the other, in whatever order they come; to both
//!   where a `Multi-Arch: same` package is there for several architectures and the bytes are the same; or it was
//!   diverted. Else it is refused.

use amiforge_formats::plan::SourceId;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree};

use super::error::{PackageContentError, UnpackError};
use super::package::UnpackedPackage;
use super::read::ReadPackage;
use super::replace::{PathOwner, claim};
use crate::deb::diversions::{Diversion, diverted};
use crate::filters::{EntryShape, FilterEntry, Filters, KeepChoice};
use crate::unpack::path_tree::{PathStop, PathTree};
use crate::unpack::title;
use amiforge_rootfs::sources::same::same_bytes;
use amiforge_rootfs::sources::tar::TarEntry;

/// A tree that packages are inserted into.
pub(super) struct TreeBuilder<'a> {
    paths: PathTree,
    packages: Vec<UnpackedPackage>,
    newest: Option<Time>,
    sources: &'a dyn Sources,
    filters: &'a Filters,
    diversions: &'a [Diversion],
}

/// The tree of a set of packages.
pub(super) struct BuiltTree {
    pub(super) tree: Tree,
    pub(super) packages: Vec<UnpackedPackage>,
    pub(super) newest: Option<Time>,
}

impl<'a> TreeBuilder<'a> {
    /// An empty root, 0755 and owned by root until a package sets it.
    pub(super) fn new(sources: &'a dyn Sources, filters: &'a Filters, diversions: &'a [Diversion]) -> Self {
        Self { paths: PathTree::new(), packages: Vec::new(), newest: None, sources, filters, diversions }
    }

    /// Makes `/name` a link to `usr/name`, which is made, as debootstrap does before the first package.
    pub(super) fn merge_usr(&mut self, names: &[&str]) {
        for name in names {
            let merged = format!("usr/{name}");
            // The tree is empty but for what this made.
            let _ = self.paths.folder(merged.as_bytes());
            let (root, kind) = (self.paths.tree.root(), NodeKind::Symlink(merged.into_bytes().into()));
            if let Ok(name) = Name::new(name.as_bytes()) {
                self.paths.add(root, name, Node { meta: Meta::root_owned(0o777, Time::EPOCH), kind }, None);
            }
        }
    }

    /// Puts a package's entries into the tree; its contents are in `source`.
    pub(super) fn take(&mut self, read: ReadPackage, source: SourceId) -> Result<(), UnpackError> {
        let ReadPackage { package, entries } = read;
        let number = self.packages.len();
        self.packages.push(package);
        let shapes: Vec<_> = entries.iter().map(|(path, entry)| filter_entry(path, entry)).collect();
        let included = self.filters.included(&shapes);
        let mut links = Vec::new();
        for ((path, entry), keep) in entries.iter().zip(included) {
            if keep == KeepChoice::None {
                self.packages[number].filtered += 1;
                continue;
            }
            let path = diverted(self.diversions, &self.packages[number].locked.name, path);
            match entry {
                TarEntry::Node(node) => {
                    self.newest = self.newest.max(Some(node.meta.mtime));
                    self.node(number, &path, rebased(node, source))?;
                }
                TarEntry::Link(target) => links.push((path, target)),
            }
        }
        for (path, target) in links {
            self.link(number, &path, target, &entries, source)?;
        }
        Ok(())
    }

    /// The tree and its packages.
    pub(super) fn finish(self) -> BuiltTree {
        BuiltTree { tree: self.paths.tree, packages: self.packages, newest: self.newest }
    }

    /// Inserts one node.
    fn node(&mut self, number: usize, path: &[u8], node: Node) -> Result<(), UnpackError> {
        let Some((parent, name)) = self.parent(number, path)? else {
            let root = self.paths.tree.root();
            if matches!(node.kind, NodeKind::Dir(_)) && self.paths.owner(root).is_none() {
                self.paths.tree.node_mut(root).meta = node.meta;
                self.paths.set_owner(root, number);
            }
            return Ok(());
        };
        let Some(old) = self.paths.tree.child(parent, name.as_bytes()) else {
            self.paths.add(parent, name, node, Some(number));
            return Ok(());
        };
        match (&self.paths.tree.node(old).kind, &node.kind) {
            (NodeKind::Dir(_), NodeKind::Dir(_)) => {
                if self.paths.owner(old).is_none() {
                    self.paths.tree.node_mut(old).meta = node.meta;
                    self.paths.set_owner(old, number);
                }
                Ok(())
            }
            (NodeKind::Dir(_), NodeKind::Symlink(_)) => Ok(()),
            (NodeKind::Symlink(_), NodeKind::Dir(_)) => {
                self.paths.folder(path).map(|_| ()).map_err(|stop| self.stopped(number, stop))
            }
            (NodeKind::Dir(_), _) | (_, NodeKind::Dir(_)) => Err(self.conflict(number, path, old)),
            _ => self.resolve_conflict(number, path, (parent, name), old, node),
        }
    }

    /// Decides between two nodes, neither of which is a directory, with one name.
    fn resolve_conflict(
        &mut self,
        number: usize,
        path: &[u8],
        (parent, name): (NodeId, Name),
        old: NodeId,
        node: Node,
    ) -> Result<(), UnpackError> {
        let Some(owner) = self.paths.owner(old) else {
            return Err(self.conflict(number, path, old));
        };
        let claim = if owner == number {
            match (&self.paths.tree.node(old).kind, &node.kind) {
                (_, NodeKind::Symlink(_)) => PathOwner::Old,
                (NodeKind::Symlink(_), _) => PathOwner::New,
                _ => return Err(self.failure(number, PackageContentError::Twice { path: path.to_vec() })),
            }
        } else {
            claim(&self.packages[owner], &self.packages[number])
        };
        match claim {
            PathOwner::New => {
                self.drop_path(owner, path, number);
                self.paths.remove(parent, name.as_bytes());
                self.paths.add(parent, name, node, Some(number));
                Ok(())
            }
            PathOwner::Old => {
                self.drop_path(number, path, owner);
                Ok(())
            }
            PathOwner::Both if self.same(number, old, &node)? => Ok(()),
            PathOwner::Both => Err(UnpackError::Shared {
                path: path.to_vec(),
                earlier: title(&self.packages[owner].locked),
                later: title(&self.packages[number].locked),
            }),
            PathOwner::Neither => Err(self.conflict(number, path, old)),
        }
    }

    /// Removes a path from a package's list, because another package owns it now.
    fn drop_path(&mut self, number: usize, path: &[u8], other: usize) {
        if number == other {
            return;
        }
        let files = &mut self.packages[number].files;
        let as_written = |listed: &[u8]| {
            let listed = listed.strip_prefix(b"/").unwrap_or(listed);
            listed == path
                || listed.strip_prefix(b"usr/") == Some(path)
                || path.strip_prefix(b"usr/") == Some(listed)
        };
        files.retain(|listed| !as_written(listed));
    }

    /// Whether a node is the same for another architecture of its package.
    fn same(&self, number: usize, old: NodeId, node: &Node) -> Result<bool, UnpackError> {
        let before = self.paths.tree.node(old);
        match (&before.kind, &node.kind) {
            (NodeKind::File(a), NodeKind::File(b)) => same_bytes(a, b, self.sources)
                .map_err(|source| self.failure(number, PackageContentError::Read(source))),
            (a, b) => Ok(a == b),
        }
    }

    /// Adds a hard link to a file of the package.
    fn link(
        &mut self,
        number: usize,
        path: &[u8],
        target: &[u8],
        entries: &[(Vec<u8>, TarEntry)],
        source: SourceId,
    ) -> Result<(), UnpackError> {
        let at = diverted(self.diversions, &self.packages[number].locked.name, target);
        let found = self
            .parent(number, &at)?
            .and_then(|(parent, name)| self.paths.tree.child(parent, name.as_bytes()));
        let own = found.filter(|id| self.paths.owner(*id) == Some(number));
        let Some(id) = own.filter(|id| !matches!(self.paths.tree.node(*id).kind, NodeKind::Dir(_))) else {
            // The first name was left out, or another package has it: the file lives on under this one.
            let node = entries.iter().find_map(|(path, entry)| match entry {
                TarEntry::Node(node) if path == target && !matches!(node.kind, NodeKind::Dir(_)) => {
                    Some(node)
                }
                _ => None,
            });
            let Some(node) = node else {
                let error = PackageContentError::Link { path: path.to_vec(), target: target.to_vec() };
                return Err(self.failure(number, error));
            };
            return self.node(number, path, rebased(node, source));
        };
        let Some((parent, name)) = self.parent(number, path)? else { return Ok(()) };
        match self.paths.tree.child(parent, name.as_bytes()) {
            None => {
                let _ = self.paths.tree.link(parent, name, id);
                Ok(())
            }
            Some(there) if there == id => Ok(()),
            Some(_) => {
                // By the same rules as any file; linked then, if the name came to be this package's.
                let node = self.paths.tree.node(id).clone();
                self.node(number, path, node)?;
                let now = self.paths.tree.child(parent, name.as_bytes());
                if now.is_some_and(|now| now != id && self.paths.owner(now) == Some(number)) {
                    self.paths.tree.unlink(parent, name.as_bytes());
                    let _ = self.paths.tree.link(parent, name, id);
                }
                Ok(())
            }
        }
    }

    /// The parent directory of a path, created if missing, and its last name; `None` for the root.
    fn parent(&mut self, number: usize, path: &[u8]) -> Result<Option<(NodeId, Name)>, UnpackError> {
        self.paths.parent(path).map_err(|stop| self.stopped(number, stop))
    }

    /// The error of a path that leads nowhere.
    fn stopped(&self, number: usize, stop: PathStop) -> UnpackError {
        let error = match stop {
            PathStop::Through { path, kind, node } => {
                let (through, owner) = (path.clone(), self.owner(node));
                PackageContentError::Through { path, through, kind, owner }
            }
            PathStop::Loop { path } => PackageContentError::Loop { path },
            stop @ PathStop::Name { .. } => PackageContentError::Path(stop),
        };
        self.failure(number, error)
    }

    fn owner(&self, id: NodeId) -> String {
        let owner = self.paths.owner(id).and_then(|number| self.packages.get(number));
        owner.map_or_else(|| "merged /usr".to_owned(), |package| title(&package.locked))
    }

    fn failure(&self, number: usize, error: PackageContentError) -> UnpackError {
        UnpackError::Package { package: title(&self.packages[number].locked), source: Box::new(error) }
    }

    fn conflict(&self, number: usize, path: &[u8], old: NodeId) -> UnpackError {
        let (earlier, later) = (self.owner(old), title(&self.packages[number].locked));
        UnpackError::Conflict { path: path.to_vec(), earlier, later }
    }
}

/// An entry as filters see it.
fn filter_entry<'e>(path: &'e [u8], entry: &TarEntry) -> FilterEntry<'e> {
    let shape = match entry {
        TarEntry::Node(Node { kind: NodeKind::Dir(_), .. }) => EntryShape::Dir,
        TarEntry::Node(Node { kind: NodeKind::Symlink(_), .. }) => EntryShape::Symlink,
        _ => EntryShape::Other,
    };
    FilterEntry::unmarked(path, shape)
}

/// A node whose content is in `source`.
fn rebased(node: &Node, source: SourceId) -> Node {
    let kind = match &node.kind {
        NodeKind::File(Content::Slice { at, len, .. }) => {
            NodeKind::File(Content::Slice { source, at: *at, len: *len })
        }
        NodeKind::File(Content::Sparse { len, segments }) => {
            let segments = segments.iter().map(|segment| Segment {
                origin: match &segment.origin {
                    Origin::Slice { at, .. } => Origin::Slice { source, at: *at },
                    inline @ Origin::Inline { .. } => inline.clone(),
                },
                ..segment.clone()
            });
            NodeKind::File(Content::Sparse { len: *len, segments: segments.collect() })
        }
        other => other.clone(),
    };
    Node { meta: node.meta.clone(), kind }
}
