//! Grafting: a part of one tree, put into another. Hard links within the part stay; contents are references and are
//! shared. Knows nothing of where trees come from.

use std::collections::BTreeMap;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Printable, Tree};

/// Why a part could not be put in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// Something stands there already that is not a folder on both sides.
    #[error("`/{}` stands there already as a {kind}", Printable(path))]
    Exists {
        /// The path.
        path: Vec<u8>,
        /// What it is.
        kind: &'static str,
    },
    /// A name that no file can have.
    #[error("`{}` is no path of a tree: it holds `..`, a NUL or a name over 255 bytes", Printable(path))]
    BadPath {
        /// The path.
        path: Vec<u8>,
    },
}

/// Puts what `from` names in one tree at the path `to` of another. Folders on the way are made as root's, with
/// mode 0755 and the time `at`; folders that are there on both sides are united, and keep their attributes.
///
/// # Errors
/// When something else stands there already.
pub fn insert_subtree(
    part: &Tree,
    from: NodeId,
    tree: &mut Tree,
    to: &[u8],
    at: Time,
) -> Result<(), InsertError> {
    let mut names: Vec<&[u8]> = to.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
    let last = names.pop();
    let mut path = Vec::new();
    let mut dir = tree.root();
    for name in names {
        path.extend_from_slice(name);
        dir = enter(tree, dir, name, &path, Meta::root_owned(0o755, at))?;
        path.push(b'/');
    }
    let mut done = BTreeMap::new();
    let Some(last) = last else {
        return unite(part, from, tree, dir, &path, &mut done);
    };
    path.extend_from_slice(last);
    put(part, from, tree, dir, last, &path, &mut done)
}

/// Puts one node, and what is below it, under a name.
fn put(
    part: &Tree,
    from: NodeId,
    tree: &mut Tree,
    dir: NodeId,
    name: &[u8],
    path: &[u8],
    done: &mut BTreeMap<NodeId, NodeId>,
) -> Result<(), InsertError> {
    let node = part.node(from);
    if let NodeKind::Dir(_) = node.kind {
        let own = enter(tree, dir, name, path, node.meta.clone())?;
        return unite(part, from, tree, own, path, done);
    }
    if let Some(found) = tree.child(dir, name) {
        return Err(InsertError::Exists { path: path.to_vec(), kind: tree.node(found).kind.word() });
    }
    let bad = || InsertError::BadPath { path: path.to_vec() };
    let name = Name::new(name).map_err(|_| bad())?;
    if let Some(first) = done.get(&from) {
        return tree.link(dir, name, *first).map_err(|_| bad());
    }
    done.insert(from, tree.add(dir, name, node.clone()).map_err(|_| bad())?);
    Ok(())
}

/// Puts the entries of a folder into another. Trees are as deep as paths can be long, so this may call itself.
fn unite(
    part: &Tree,
    from: NodeId,
    tree: &mut Tree,
    to: NodeId,
    path: &[u8],
    done: &mut BTreeMap<NodeId, NodeId>,
) -> Result<(), InsertError> {
    for (name, child) in part.entries(from).into_iter().flatten() {
        let mut below = path.to_vec();
        if !below.is_empty() {
            below.push(b'/');
        }
        below.extend_from_slice(name.as_bytes());
        put(part, *child, tree, to, name.as_bytes(), &below, done)?;
    }
    Ok(())
}

/// The folder of a name, made if there is none.
fn enter(tree: &mut Tree, dir: NodeId, name: &[u8], path: &[u8], meta: Meta) -> Result<NodeId, InsertError> {
    if let Some(found) = tree.child(dir, name) {
        return match &tree.node(found).kind {
            NodeKind::Dir(_) => Ok(found),
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
    fn a_part_keeps_its_links_and_unites_folders() {
        let meta = Meta::root_owned(0o700, Time::from_secs(5));
        let mut part = Tree::new(meta.clone());
        let name = |text: &str| Name::new(text.as_bytes()).unwrap();
        let dir = Node { meta: meta.clone(), kind: NodeKind::dir() };
        let opt = part.add(part.root(), name("opt"), dir.clone()).unwrap();
        let file = Node { meta: meta.clone(), kind: NodeKind::File(Content::empty()) };
        let file = part.add(opt, name("a"), file).unwrap();
        part.link(opt, name("b"), file).unwrap();
        let mut tree = Tree::new(meta);
        tree.add(tree.root(), name("srv"), dir).unwrap();
        insert_subtree(&part, opt, &mut tree, b"/srv/x/y", Time::EPOCH).unwrap();
        let found: Vec<_> = tree.walk().map(|entry| String::from_utf8(entry.path).unwrap()).collect();
        assert_eq!(found, ["", "srv", "srv/x", "srv/x/y", "srv/x/y/a", "srv/x/y/b"]);
        assert_eq!(tree.lookup(b"srv/x/y/a"), tree.lookup(b"srv/x/y/b"));
        assert_eq!(tree.node(tree.lookup(b"srv/x").unwrap()).meta.mode, 0o755);
        let again = insert_subtree(&part, opt, &mut tree, b"srv/x/y", Time::EPOCH);
        assert_eq!(again, Err(InsertError::Exists { path: b"srv/x/y/a".to_vec(), kind: "file" }));
        insert_subtree(&part, part.root(), &mut tree, b"/", Time::EPOCH).unwrap();
        assert!(tree.lookup(b"opt/b").is_some());
        assert!(insert_subtree(&part, opt, &mut tree, b"/srv/../x", Time::EPOCH).is_err());
    }
}
