//! Volumes: the system tree divided among the partitions. Each takes the folder that its recipe gives it; the folder itself
//! stays in the tree above, empty, as the mount point.

pub(super) mod disk;
pub(super) mod groups;
pub(super) mod selinux;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Printable, Tree, TreeError};

use crate::recipe::RecipePartition;

/// Why a tree cannot be divided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// A path that should be a folder is not one.
    #[error("`{path}` should be a folder that goes on partition `{id}`, and is a {found}")]
    NotAFolder {
        /// The path.
        path: String,
        /// The partition.
        id: String,
        /// What it is.
        found: &'static str,
    },
    /// A file with names on two partitions.
    #[error(
        "`/{}` on partition `{id}` is a hard link to `/{}`, which is on another partition",
        Printable(inside),
        Printable(outside)
    )]
    LinkAcross {
        /// The partition.
        id: String,
        /// The name on it.
        inside: Vec<u8>,
        /// The other name.
        outside: Vec<u8>,
    },
    /// A path that no partition takes.
    #[error("no partition takes `/{}`: none has the mount point `/`", Printable(path))]
    NoPartition {
        /// Its path.
        path: Vec<u8>,
    },
    /// A mount point cannot be made.
    #[error("making the folder `{path}`")]
    Folder {
        /// The folder.
        path: String,
        /// Why.
        #[source]
        source: TreeError,
    },
}

/// The tree of each partition that takes one, in the order of the partitions.
pub(super) fn split(
    mut tree: Tree,
    partitions: &[RecipePartition],
    time: Time,
) -> Result<Vec<Option<Tree>>, SplitError> {
    let mut wanted: Vec<_> = partitions
        .iter()
        .enumerate()
        .filter_map(|(index, partition)| Some((index, partition.tree.as_deref()?, partition.id.as_str())))
        .filter(|(_, path, _)| *path != "/")
        .collect();
    for (_, path, id) in &wanted {
        make_folder(&mut tree, path, id, time)?;
    }
    // The deepest first: each folder is then moved without those below it.
    wanted.sort_by_key(|(index, path, _)| (std::cmp::Reverse(path.matches('/').count()), *index));
    let links = tree.link_counts();
    let mut trees: BTreeMap<usize, Tree> = BTreeMap::new();
    for (index, path, id) in wanted {
        trees.insert(index, take(&mut tree, path, id, &links)?);
    }
    match partitions.iter().position(|partition| partition.tree.as_deref() == Some("/")) {
        Some(root) => drop(trees.insert(root, tree)),
        None => nothing_left(&tree)?,
    }
    // A file system that nothing is put on has a root nevertheless, and the listing shows it.
    let empty = |partition: &RecipePartition| {
        partition.holds.holds_files().then(|| Tree::new(Meta::root_owned(0o755, time)))
    };
    let tree_of = |(index, partition)| trees.remove(&index).or_else(|| empty(partition));
    Ok(partitions.iter().enumerate().map(tree_of).collect())
}

/// Makes a folder and those above it, where they are missing.
fn make_folder(tree: &mut Tree, path: &str, id: &str, time: Time) -> Result<(), SplitError> {
    let failed = |source| SplitError::Folder { path: path.to_owned(), source };
    let mut folder = tree.root();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        folder = match tree.child(folder, name.as_bytes()) {
            Some(found) if tree.entries(found).is_some() => found,
            Some(found) => {
                let found = tree.node(found).kind.word();
                return Err(SplitError::NotAFolder { path: path.to_owned(), id: id.to_owned(), found });
            }
            None => {
                let name = Name::new(name.as_bytes()).map_err(failed)?;
                let node = Node { meta: Meta::root_owned(0o755, time), kind: NodeKind::dir() };
                tree.add(folder, name, node).map_err(failed)?
            }
        };
    }
    Ok(())
}

/// Moves the entries of a folder into a tree of their own.
fn take(tree: &mut Tree, path: &str, id: &str, links: &[u32]) -> Result<Tree, SplitError> {
    let failed = |source| SplitError::Folder { path: path.to_owned(), source };
    let top = tree.lookup(path.as_bytes()).unwrap_or(tree.root());
    let mut taken = Tree::new(tree.node(top).meta.clone());
    // Old node to new node, and how many of its names were met: of those with several names only.
    let mut shared: BTreeMap<NodeId, (NodeId, u32)> = BTreeMap::new();
    let mut stack = vec![(top, taken.root())];
    while let Some((from, to)) = stack.pop() {
        let entries: Vec<_> =
            tree.entries(from).into_iter().flatten().map(|(name, id)| (name.clone(), *id)).collect();
        for (name, old) in entries {
            tree.unlink(from, name.as_bytes());
            if let Some((new, met)) = shared.get_mut(&old) {
                *met += 1;
                taken.link(to, name, *new).map_err(failed)?;
                continue;
            }
            let node = tree.node(old);
            let folder = matches!(node.kind, NodeKind::Dir(_));
            let kind = if folder { NodeKind::dir() } else { node.kind.clone() };
            let new = taken.add(to, name, Node { meta: node.meta.clone(), kind }).map_err(failed)?;
            if folder {
                stack.push((old, new));
            } else if links.get(old.index()).is_some_and(|&links| links > 1) {
                shared.insert(old, (new, 1));
            }
        }
    }
    let split =
        shared.iter().find(|(old, (_, met))| links.get(old.index()).is_some_and(|links| links != met));
    match split {
        None => Ok(taken),
        Some((&old, &(new, _))) => {
            let name = |tree: &Tree, id| tree.walk().find(|entry| entry.id == id).map(|entry| entry.path);
            let inside =
                [path.trim_start_matches('/').as_bytes(), &name(&taken, new).unwrap_or_default()].join(&b'/');
            let outside = name(tree, old).unwrap_or_default();
            Err(SplitError::LinkAcross { id: id.to_owned(), inside, outside })
        }
    }
}

/// Checks that only folders remain, which no partition has to hold.
fn nothing_left(tree: &Tree) -> Result<(), SplitError> {
    let left = tree.walk().find(|entry| tree.entries(entry.id).is_none());
    left.map_or(Ok(()), |entry| Err(SplitError::NoPartition { path: entry.path }))
}
