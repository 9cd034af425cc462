//! Inserts a subtree of one tree into another. Hard links within the subtree are preserved; contents are references and
//! are shared. Does not know where trees come from.

use std::collections::BTreeMap;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Printable, Tree};

/// Why a subtree cannot be inserted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The path exists, and the two entries are not both directories.
    #[error("`/{}` exists already as a {kind}", Printable(path))]
    Exists {
        /// The path.
        path: Vec<u8>,
        /// Kind of the existing entry.
        kind: &'static str,
    },
    /// The path has a name that no file can have.
    #[error("`{}` is not a path of a tree: it has `..`, a NUL or a name over 255 bytes", Printable(path))]
    BadPath {
        /// The path.
        path: Vec<u8>,
    },
}

/// Inserts the node `from` of `source` into `tree` at the path `to`. Missing parent directories are created as root's,
/// with mode 0755 and the time `time`; directories that exist on both sides are merged and keep the attributes of `tree`.
///
/// # Errors
/// When the path, or one below it, exists and is not a directory on both sides.
pub fn insert_subtree(
    source: &Tree,
    from: NodeId,
    tree: &mut Tree,
    to: &[u8],
    time: Time,
) -> Result<(), InsertError> {
    let mut names: Vec<&[u8]> = to.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
    let last = names.pop();
    let mut path = Vec::new();
    let mut dir = tree.root();
    for name in names {
        path.extend_from_slice(name);
        dir = ensure_dir(tree, dir, name, &path, Meta::root_owned(0o755, time))?;
        path.push(b'/');
    }
    let mut inserted = BTreeMap::new();
    let Some(last) = last else {
        return insert_entries(source, from, tree, dir, &path, &mut inserted);
    };
    path.extend_from_slice(last);
    insert_node(source, from, tree, dir, last, &path, &mut inserted)
}

/// Inserts one node, and everything below it, under a name. `inserted` maps nodes of `source` to those of `tree`, so that a
/// further name of a node becomes a hard link.
fn insert_node(
    source: &Tree,
    from: NodeId,
    tree: &mut Tree,
    dir: NodeId,
    name: &[u8],
    path: &[u8],
    inserted: &mut BTreeMap<NodeId, NodeId>,
) -> Result<(), InsertError> {
    let node = source.node(from);
    if let NodeKind::Dir(_) = node.kind {
        let own = ensure_dir(tree, dir, name, path, node.meta.clone())?;
        return insert_entries(source, from, tree, own, path, inserted);
    }
    if let Some(existing) = tree.child(dir, name) {
        return Err(InsertError::Exists { path: path.to_vec(), kind: tree.node(existing).kind.word() });
    }
    let bad = || InsertError::BadPath { path: path.to_vec() };
    let name = Name::new(name).map_err(|_| bad())?;
    if let Some(first) = inserted.get(&from) {
        return tree.link(dir, name, *first).map_err(|_| bad());
    }
    inserted.insert(from, tree.add(dir, name, node.clone()).map_err(|_| bad())?);
    Ok(())
}

/// Inserts the entries of a directory into another. Recursive: a tree is no deeper than the longest path allows.
fn insert_entries(
    source: &Tree,
    from: NodeId,
    tree: &mut Tree,
    to: NodeId,
    path: &[u8],
    inserted: &mut BTreeMap<NodeId, NodeId>,
) -> Result<(), InsertError> {
    for (name, child) in source.entries(from).into_iter().flatten() {
        let mut below = path.to_vec();
        if !below.is_empty() {
            below.push(b'/');
        }
        below.extend_from_slice(name.as_bytes());
        insert_node(source, *child, tree, to, name.as_bytes(), &below, inserted)?;
    }
    Ok(())
}

/// The directory of a name, created with `meta` if it does not exist.
fn ensure_dir(
    tree: &mut Tree,
    dir: NodeId,
    name: &[u8],
    path: &[u8],
    meta: Meta,
) -> Result<NodeId, InsertError> {
    if let Some(existing) = tree.child(dir, name) {
        return match &tree.node(existing).kind {
            NodeKind::Dir(_) => Ok(existing),
            other => Err(InsertError::Exists { path: path.to_vec(), kind: other.word() }),
        };
    }
    let bad = || InsertError::BadPath { path: path.to_vec() };
    let name = Name::new(name).map_err(|_| bad())?;
    tree.add(dir, name, Node { meta, kind: NodeKind::dir() }).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use amiforge_formats::tree::Content;

    use super::*;

    #[test]
    fn a_subtree_keeps_its_hard_links_and_directories_are_merged() {
        let meta = Meta::root_owned(0o700, Time::from_secs(5));
        let mut source = Tree::new(meta.clone());
        let name = |text: &str| Name::new(text.as_bytes()).unwrap();
        let dir = Node { meta: meta.clone(), kind: NodeKind::dir() };
        let opt = source.add(source.root(), name("opt"), dir.clone()).unwrap();
        let file = Node { meta: meta.clone(), kind: NodeKind::File(Content::empty()) };
        let file = source.add(opt, name("a"), file).unwrap();
        source.link(opt, name("b"), file).unwrap();
        let mut tree = Tree::new(meta);
        tree.add(tree.root(), name("srv"), dir).unwrap();
        insert_subtree(&source, opt, &mut tree, b"/srv/x/y", Time::EPOCH).unwrap();
        let paths: Vec<_> = tree.walk().map(|entry| String::from_utf8(entry.path).unwrap()).collect();
        assert_eq!(paths, ["", "srv", "srv/x", "srv/x/y", "srv/x/y/a", "srv/x/y/b"]);
        assert_eq!(tree.lookup(b"srv/x/y/a"), tree.lookup(b"srv/x/y/b"));
        assert_eq!(tree.node(tree.lookup(b"srv/x").unwrap()).meta.mode, 0o755);
        let again = insert_subtree(&source, opt, &mut tree, b"srv/x/y", Time::EPOCH);
        assert_eq!(again, Err(InsertError::Exists { path: b"srv/x/y/a".to_vec(), kind: "file" }));
        insert_subtree(&source, source.root(), &mut tree, b"/", Time::EPOCH).unwrap();
        assert!(tree.lookup(b"opt/b").is_some());
        assert!(insert_subtree(&source, opt, &mut tree, b"/srv/../x", Time::EPOCH).is_err());
    }
}
