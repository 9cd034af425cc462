//! Where every path of the system tree comes from: what `origins.txt` of the bundle says.
//!
//! No step knows of this: the tree is a chain of values, and [`OriginRecorder::observe`] looks after each step which nodes
//! are new or changed. Contents of packages are known by the entry of the store that they refer to, other sources by the
//! merge. Times do not count: each step sets those of its files.

mod document;
mod kept;
mod packages;
mod recipe;
mod sealed;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use amiforge_formats::tree::{Content, Node, NodeKind, Origin as ContentOrigin, Tree};
use amiforge_image::origins::{OriginNumber, OriginTable, PathOrigin};
use amiforge_rootfs::sources::same::same_bytes;
use amiforge_store::blobs::Blobs;
use amiforge_store::digests;

pub(in crate::pipeline) use document::{OriginInputs, SystemTrees};
pub(in crate::pipeline) use recipe::{RecipeOrigins, RunOrigins};

use super::BuildError;
use super::layers::LayerBuilder;
use super::layers::packages::PackageSystem;

/// The origins of a node, and what they were recorded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NodeOrigins {
    content: OriginNumber,
    metadata: OriginNumber,
    prints: Prints,
}

/// What changes when a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Prints {
    content: u64,
    metadata: u64,
}

/// Records the origins of a tree while steps change it.
#[derive(Default)]
pub(in crate::pipeline) struct OriginRecorder {
    table: OriginTable,
    /// By node.
    nodes: Vec<NodeOrigins>,
    /// The node of each path that was there at the last step that changed something, without a leading `/`.
    paths: HashMap<Vec<u8>, usize>,
}

/// The origins of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) struct KnownOrigins {
    content: OriginNumber,
    metadata: OriginNumber,
}

impl OriginRecorder {
    /// Begins with the tree of the merged sources, `origins` being the number of each node's source, 0 for the packages.
    ///
    /// # Errors
    /// [`BuildError::ReadTree`] when the package database cannot be read.
    pub(in crate::pipeline) fn begin(
        builder: &LayerBuilder<'_>,
        packages: Option<&PackageSystem>,
        (tree, origins): (&Tree, &[usize]),
        blobs: &Blobs,
    ) -> Result<Self, BuildError> {
        let mut table = OriginTable::default();
        let of_packages = match packages {
            Some(system) => {
                packages::origins(builder, &system.tree, blobs, &mut table).map_err(BuildError::ReadTree)?
            }
            None => Vec::new(),
        };
        let made = table.number(PathOrigin::new("made"));
        let mut nodes = Vec::with_capacity(tree.capacity());
        let mut sources: HashMap<usize, OriginNumber> = HashMap::new();
        let ids = node_prints(tree);
        for (index, prints) in ids.into_iter().enumerate() {
            let source = origins.get(index).copied().unwrap_or_default();
            let known = of_packages.get(index).filter(|_| source == 0);
            let number = *sources.entry(source).or_insert_with(|| match source {
                0 => made,
                number => table.number(recipe::source(builder.recipe, number)),
            });
            let KnownOrigins { content, metadata } =
                known.copied().unwrap_or(KnownOrigins { content: number, metadata: number });
            nodes.push(NodeOrigins { content, metadata, prints });
        }
        let mut recorder = Self { table, nodes, paths: HashMap::new() };
        recorder.take_paths(tree);
        Ok(recorder)
    }

    /// Records what a step did to the tree: every node that is new, or whose content or metadata is another, has the origin
    /// that `origin` gives for its path, without a leading `/`.
    pub(in crate::pipeline) fn observe(&mut self, tree: &Tree, mut origin: impl FnMut(&[u8]) -> PathOrigin) {
        let prints = node_prints(tree);
        let known = self.nodes.len();
        let is_changed = |index: usize| self.nodes.get(index).is_none_or(|node| node.prints != prints[index]);
        let changed: Vec<bool> = (0..prints.len()).map(is_changed).collect();
        if !changed.contains(&true) {
            return;
        }
        let unknown = self.table.number(PathOrigin::new("made"));
        let fresh = |prints: &Prints| NodeOrigins { content: unknown, metadata: unknown, prints: *prints };
        self.nodes.extend(prints[known..].iter().map(fresh));
        let mut done = vec![false; prints.len()];
        for entry in tree.walk() {
            let index = entry.id.index();
            if !changed[index] || std::mem::replace(&mut done[index], true) {
                continue;
            }
            // A step that writes a file puts a new node in the place of the old one.
            let before = self.paths.get(&entry.path).and_then(|before| self.nodes.get(*before)).copied();
            let number = self.table.number(origin(&entry.path));
            let now = prints[index];
            let kept = |same: fn(Prints) -> u64, known: fn(NodeOrigins) -> OriginNumber| {
                let before = before.filter(|before| same(before.prints) == same(now));
                before.map_or(number, known)
            };
            self.nodes[index] = NodeOrigins {
                content: kept(|prints| prints.content, |node| node.content),
                metadata: kept(|prints| prints.metadata, |node| node.metadata),
                prints: now,
            };
            self.paths.insert(entry.path, index);
        }
    }

    /// Records a tree that a step made anew, with nodes of its own: paths whose bytes and metadata are those of `before` keep
    /// their origins.
    ///
    /// # Errors
    /// [`BuildError::ReadTree`] when contents that have to be compared cannot be read.
    pub(in crate::pipeline) fn observe_anew(
        &mut self,
        trees: (&Tree, &Tree),
        blobs: &Blobs,
        mut origin: impl FnMut(&[u8]) -> PathOrigin,
    ) -> Result<(), BuildError> {
        self.observe_parts(trees, blobs, |path| (origin(path), origin(path)))
    }

    /// Records the tree after the commands of a recipe, each of which has its own.
    ///
    /// # Errors
    /// [`BuildError::ReadTree`] when contents that have to be compared cannot be read.
    pub(in crate::pipeline) fn observe_run(
        &mut self,
        trees: (&Tree, &Tree),
        blobs: &Blobs,
        origins: RunOrigins<'_>,
    ) -> Result<(), BuildError> {
        self.observe_parts(trees, blobs, |path| origins.of(path))
    }

    /// Records a tree that was made anew; `origin` gives the origins of content and metadata of a path, where they changed.
    fn observe_parts(
        &mut self,
        (before, tree): (&Tree, &Tree),
        blobs: &Blobs,
        mut origin: impl FnMut(&[u8]) -> (PathOrigin, PathOrigin),
    ) -> Result<(), BuildError> {
        let prints = node_prints(tree);
        let unknown = self.table.number(PathOrigin::new("made"));
        let mut nodes: Vec<NodeOrigins> = prints
            .iter()
            .map(|prints| NodeOrigins { content: unknown, metadata: unknown, prints: *prints })
            .collect();
        let mut done = vec![false; prints.len()];
        let mut paths = HashMap::with_capacity(self.paths.len());
        for entry in tree.walk() {
            let index = entry.id.index();
            if !std::mem::replace(&mut done[index], true) {
                let (content, metadata) = origin(&entry.path);
                let (content, metadata) = (self.table.number(content), self.table.number(metadata));
                let old = before.lookup(&entry.path);
                let known = old.and_then(|old| self.nodes.get(old.index()));
                let same = match old {
                    Some(old) => same_content(before.node(old), tree.node(entry.id), blobs)
                        .map_err(BuildError::ReadTree)?,
                    None => false,
                };
                let node = &mut nodes[index];
                node.content = known.filter(|_| same).map_or(content, |known| known.content);
                let kept = known.filter(|known| known.prints.metadata == node.prints.metadata);
                node.metadata = kept.map_or(metadata, |known| known.metadata);
            }
            paths.insert(entry.path, index);
        }
        (self.nodes, self.paths) = (nodes, paths);
        Ok(())
    }

    /// Takes the paths of the tree that was observed last: a node that was moved keeps its origins under its new path.
    fn take_paths(&mut self, tree: &Tree) {
        self.paths = tree.walk().map(|entry| (entry.path, entry.id.index())).collect();
    }

    /// The origins of a path of the tree that was observed last, without a leading `/`.
    pub(in crate::pipeline) fn of(&self, path: &[u8]) -> Option<KnownOrigins> {
        let node = self.nodes.get(*self.paths.get(path)?)?;
        Some(KnownOrigins { content: node.content, metadata: node.metadata })
    }
}

/// The prints of all nodes of a tree.
fn node_prints(tree: &Tree) -> Vec<Prints> {
    tree.nodes()
        .map(|node| Prints { content: content_print(&node.kind), metadata: metadata_print(node) })
        .collect()
}

fn content_print(kind: &NodeKind) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.word().hash(&mut hasher);
    match kind {
        NodeKind::File(content) => {
            content.len().hash(&mut hasher);
            for segment in content.segments() {
                (segment.offset, segment.len).hash(&mut hasher);
                match segment.origin {
                    ContentOrigin::Inline { bytes, at } => bytes.get(at..).hash(&mut hasher),
                    ContentOrigin::Slice { source, at } => (source, at).hash(&mut hasher),
                }
            }
        }
        NodeKind::Symlink(target) => target.hash(&mut hasher),
        NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
            (major, minor).hash(&mut hasher);
        }
        // The names in a directory have origins of their own.
        NodeKind::Dir(_) | NodeKind::Fifo | NodeKind::Socket => {}
    }
    hasher.finish()
}

fn metadata_print(node: &Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    (node.meta.mode, node.meta.uid, node.meta.gid).hash(&mut hasher);
    node.meta.xattrs.hash(&mut hasher);
    hasher.finish()
}

/// Whether two nodes have the same content: by their references, by known digests, or else by their bytes.
pub(in crate::pipeline) fn same_content(a: &Node, b: &Node, blobs: &Blobs) -> std::io::Result<bool> {
    let (NodeKind::File(one), NodeKind::File(other)) = (&a.kind, &b.kind) else {
        return Ok(content_print(&a.kind) == content_print(&b.kind));
    };
    let known = |content: &Content| digests::known(content, blobs).map(|digests| digests.sha256);
    match (known(one), known(other)) {
        _ if one == other => Ok(true),
        _ if one.len() != other.len() => Ok(false),
        (Some(one), Some(other)) => Ok(one == other),
        _ => same_bytes(one, other, blobs),
    }
}

#[cfg(test)]
mod tests;
