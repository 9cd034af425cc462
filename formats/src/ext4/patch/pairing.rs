//! Which node of the tree is which inode of the volume: by path, then by content where a file has another name.

use std::collections::{BTreeMap, BTreeSet};

use super::origin::BaseOrigin;
use crate::ext4::read::NumberedTree;
use crate::tree::{NodeId, NodeKind, Segment, Tree};

/// A node of the tree.
#[derive(Debug, Clone)]
pub(super) struct PairedNode {
    /// The node.
    pub(super) id: NodeId,
    /// Its first path.
    pub(super) path: Vec<u8>,
    /// The directory of its first path.
    pub(super) parent: NodeId,
    /// The node of the volume that it is; none for one that is new.
    pub(super) base: Option<NodeId>,
}

/// Nodes and what they are.
#[derive(Debug, Default)]
pub(super) struct NodePairs {
    /// All nodes of the tree, in the order of their first paths.
    pub(super) nodes: Vec<PairedNode>,
    /// Nodes of the volume that the tree has not, in the order of their first paths.
    pub(super) gone: Vec<NodeId>,
}

/// Paths of a node.
struct NodeNames {
    id: NodeId,
    parent: NodeId,
    paths: Vec<Vec<u8>>,
}

/// Pairs a tree with the tree of a volume.
pub(super) fn pair(tree: &Tree, base: &NumberedTree, origin: &BaseOrigin<'_>) -> NodePairs {
    let (names, base_names) = (names(tree), names(&base.tree));
    let by_path: BTreeMap<&[u8], NodeId> =
        base_names.iter().flat_map(|node| node.paths.iter().map(|path| (path.as_slice(), node.id))).collect();
    let mut taken: BTreeSet<NodeId> = BTreeSet::new();
    let mut paired: Vec<Option<NodeId>> = vec![None; names.len()];
    // First the names of files whose content is known to be that of the volume, then all others.
    for same_content in [true, false] {
        for (node, paired) in names.iter().zip(&mut paired).filter(|(_, paired)| paired.is_none()) {
            let candidates = node.paths.iter().filter_map(|path| by_path.get(path.as_slice()).copied());
            let fits = |candidate: &NodeId| {
                let (old, new) = (&base.tree.node(*candidate).kind, &tree.node(node.id).kind);
                let alike = std::mem::discriminant(old) == std::mem::discriminant(new);
                let same = match (old, new) {
                    (NodeKind::File(old), NodeKind::File(new)) => origin.is_same(old, new),
                    _ => true,
                };
                alike && !taken.contains(candidate) && (same || !same_content)
            };
            if let Some(found) = candidates.into_iter().find(fits) {
                taken.insert(found);
                *paired = Some(found);
            }
        }
    }
    moved(tree, base, origin, (&names, &mut paired), &mut taken);
    let gone = base_names.iter().map(|node| node.id).filter(|id| !taken.contains(id)).collect();
    let nodes = names.into_iter().zip(paired);
    let nodes = nodes.map(|(mut node, base)| PairedNode {
        id: node.id,
        path: node.paths.swap_remove(0),
        parent: node.parent,
        base,
    });
    NodePairs { nodes: nodes.collect(), gone }
}

/// Pairs files that have another name and the content of one that is gone.
fn moved(
    tree: &Tree,
    base: &NumberedTree,
    origin: &BaseOrigin<'_>,
    (names, paired): (&[NodeNames], &mut [Option<NodeId>]),
    taken: &mut BTreeSet<NodeId>,
) {
    let mut lost: BTreeMap<Vec<u8>, NodeId> = BTreeMap::new();
    for entry in base.tree.walk() {
        if let NodeKind::File(content) = &base.tree.node(entry.id).kind
            && !taken.contains(&entry.id)
            && let Some(key) = key(&origin.segments(content))
        {
            lost.entry(key).or_insert(entry.id);
        }
    }
    for (node, paired) in names.iter().zip(paired).filter(|(_, paired)| paired.is_none()) {
        let NodeKind::File(content) = &tree.node(node.id).kind else { continue };
        let Some(found) = key(&content.segments()).and_then(|key| lost.remove(&key)) else { continue };
        let same = matches!(&base.tree.node(found).kind, NodeKind::File(old) if origin.is_same(old, content));
        if same {
            taken.insert(found);
            *paired = Some(found);
        }
    }
}

/// The first bytes of a content by their origin.
fn key(segments: &[Segment]) -> Option<Vec<u8>> {
    let first = segments.first()?;
    match &first.origin {
        crate::tree::Origin::Slice { source, at } => {
            Some([&source.0.to_be_bytes()[..], &at.to_be_bytes(), &first.offset.to_be_bytes()].concat())
        }
        crate::tree::Origin::Inline { .. } => None,
    }
}

/// All nodes with their paths, in the order of the first ones.
fn names(tree: &Tree) -> Vec<NodeNames> {
    let mut names: Vec<NodeNames> = Vec::new();
    let mut known: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut dirs: BTreeMap<Vec<u8>, NodeId> = BTreeMap::new();
    for entry in tree.walk() {
        if let Some(at) = known.get(&entry.id) {
            if let Some(node) = names.get_mut(*at) {
                node.paths.push(entry.path);
            }
            continue;
        }
        let above = entry.path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let parent = dirs.get(&entry.path[..above]).copied().unwrap_or(tree.root());
        if matches!(tree.node(entry.id).kind, NodeKind::Dir(_)) {
            dirs.insert(entry.path.clone(), entry.id);
        }
        known.insert(entry.id, names.len());
        names.push(NodeNames { id: entry.id, parent, paths: vec![entry.path] });
    }
    names
}
