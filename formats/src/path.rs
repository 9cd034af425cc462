//! Paths inside a tree: follows symbolic links as the kernel would with the tree as its root, makes missing
//! parents on request, and reads and replaces small files. Knows nothing of the meaning of files.
//!
//! Follows `path_resolution(7)`: links resolve against their own directory, absolute targets against the tree's
//! root, `..` of the root is the root, and 40 links are the end of it.

use std::io;
use std::sync::Arc;

use crate::plan::Sources;
use crate::time::Time;
use crate::tree::{
    Content, Meta, Name, Node, NodeId, NodeKind, Origin, Printable, SYMLINK_MAX, Tree, TreeError,
};

/// Links followed before a path counts as a loop (Linux `MAXSYMLINKS`).
const LINKS_MAX: u32 = 40;

/// Largest file that a step reads into memory.
pub const SMALL_FILE: u64 = 16 << 20;

/// Why a path of a recipe, or one that the tree itself contains, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A path of the recipe is not absolute.
    #[error("`{}` is not absolute: paths in the image start with `/`", Printable(path))]
    NotAbsolute {
        /// The path.
        path: Vec<u8>,
    },
    /// A path of the recipe has `..`, `.`, an empty name or a `/` at the end.
    #[error("`{}` is not plain: no `.`, `..`, `//` or `/` at the end", Printable(path))]
    NotNormal {
        /// The path.
        path: Vec<u8>,
    },
    /// A name in the path cannot be one.
    #[error("`{}` has a part that cannot be a file name: 1 to 255 bytes, no NUL", Printable(path))]
    BadName {
        /// The path.
        path: Vec<u8>,
    },
    /// A node of another kind is where a directory is needed.
    #[error("`{}` is a {found} where a directory is needed", Printable(path))]
    NotADir {
        /// The path of what is in the way.
        path: Vec<u8>,
        /// What it is.
        found: &'static str,
    },
    /// A node of another kind is where a regular file is needed.
    #[error("`{}` is a {found} where a regular file is needed", Printable(path))]
    NotAFile {
        /// The path.
        path: Vec<u8>,
        /// What it is.
        found: &'static str,
    },
    /// Too many symbolic links.
    #[error("`{}` leads through more than {LINKS_MAX} symbolic links", Printable(path))]
    Loop {
        /// The path.
        path: Vec<u8>,
    },
    /// A file that a step has to read is too large.
    #[error("`{}` has {len} bytes where at most {limit} are read", Printable(path))]
    TooLarge {
        /// The path.
        path: Vec<u8>,
        /// Its length.
        len: u64,
        /// The bound.
        limit: u64,
    },
    /// The bytes of a file could not be read.
    #[error("reading `{}` of the image", Printable(path))]
    Read {
        /// The path.
        path: Vec<u8>,
        /// The error of the medium.
        #[source]
        source: io::Error,
    },
    /// The tree refused a change.
    #[error("changing `{}`", Printable(path))]
    Tree {
        /// The path.
        path: Vec<u8>,
        /// Why.
        #[source]
        source: TreeError,
    },
}

/// Checks a path of a recipe: absolute, without `.`, `..`, empty names, or bytes that no name can have.
pub fn checked(path: &str) -> Result<&[u8], PathError> {
    let bytes = path.as_bytes();
    let Some(rest) = bytes.strip_prefix(b"/") else {
        return Err(PathError::NotAbsolute { path: bytes.to_vec() });
    };
    if rest.is_empty() {
        return Ok(bytes);
    }
    for name in rest.split(|&byte| byte == b'/') {
        if name.is_empty() || name == b"." || name == b".." {
            return Err(PathError::NotNormal { path: bytes.to_vec() });
        }
        Name::new(name).map_err(|_| PathError::BadName { path: bytes.to_vec() })?;
    }
    Ok(bytes)
}

/// Whether a symbolic link at the very end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// As `open` does.
    Follow,
    /// As `lstat` does.
    Keep,
}

/// What to do where a directory on the way does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingParents {
    /// The path resolves to nothing.
    Absent,
    /// Make it, root's, mode 0755, of this time.
    Make(Time),
}

/// A resolved path: a directory and a name in it, whether that name exists or not.
#[derive(Debug, Clone)]
pub struct TreePath {
    /// The directory of the name; the root itself for the path `/`.
    pub dir: NodeId,
    /// The name; none for the root.
    pub name: Option<Name>,
    /// The node of the name, if it exists.
    pub node: Option<NodeId>,
    /// The path without links, absolute.
    pub path: Vec<u8>,
}

/// A walk in progress: the directories from the root down to the current one.
struct Walker {
    stack: Vec<(NodeId, Name)>,
    root: NodeId,
}

impl Walker {
    fn dir(&self) -> NodeId {
        self.stack.last().map_or(self.root, |(id, _)| *id)
    }

    fn path_of(&self, name: Option<&Name>) -> Vec<u8> {
        let mut path = Vec::new();
        for name in self.stack.iter().map(|(_, name)| name).chain(name) {
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
        }
        if path.is_empty() { b"/".to_vec() } else { path }
    }

    fn directory(mut self) -> TreePath {
        let path = self.path_of(None);
        match self.stack.pop() {
            Some((id, name)) => TreePath { dir: self.dir(), name: Some(name), node: Some(id), path },
            None => TreePath { dir: self.root, name: None, node: Some(self.root), path },
        }
    }
}

/// Splits into names, last first, as the walk pops them.
fn names_reversed(path: &[u8]) -> impl Iterator<Item = Box<[u8]>> + '_ {
    path.split(|&byte| byte == b'/').rev().filter(|name| !name.is_empty() && *name != b".").map(Box::from)
}

/// Walks a path; `None` when a directory on the way is absent.
fn walk(
    tree: &mut TreeAccess<'_>,
    path: &[u8],
    last: Last,
    parents: MissingParents,
) -> Result<Option<TreePath>, PathError> {
    let mut walker = Walker { stack: Vec::new(), root: tree.get().root() };
    let mut pending: Vec<Box<[u8]>> = names_reversed(path).collect();
    let mut links = 0;
    while let Some(name) = pending.pop() {
        if &*name == b".." {
            walker.stack.pop();
            continue;
        }
        let name = Name::new(&name).map_err(|_| PathError::BadName { path: path.to_vec() })?;
        let dir = walker.dir();
        let Some(id) = tree.get().child(dir, name.as_bytes()) else {
            let path = walker.path_of(Some(&name));
            if pending.is_empty() {
                return Ok(Some(TreePath { dir, name: Some(name), node: None, path }));
            }
            let Some(id) =
                tree.make_dir(dir, &name, parents).map_err(|source| PathError::Tree { path, source })?
            else {
                return Ok(None);
            };
            walker.stack.push((id, name));
            continue;
        };
        match &tree.get().node(id).kind {
            NodeKind::Dir(_) => walker.stack.push((id, name)),
            NodeKind::Symlink(target) if !pending.is_empty() || last == Last::Follow => {
                links += 1;
                if links > LINKS_MAX || target.len() > SYMLINK_MAX {
                    return Err(PathError::Loop { path: path.to_vec() });
                }
                if target.starts_with(b"/") {
                    walker.stack.clear();
                }
                pending.extend(names_reversed(target));
            }
            _ if pending.is_empty() => {
                let path = walker.path_of(Some(&name));
                return Ok(Some(TreePath { dir, name: Some(name), node: Some(id), path }));
            }
            other => {
                return Err(PathError::NotADir { path: walker.path_of(Some(&name)), found: other.word() });
            }
        }
    }
    Ok(Some(walker.directory()))
}

/// A tree that a walk may or may not change.
enum TreeAccess<'a> {
    Read(&'a Tree),
    Write(&'a mut Tree),
}

impl TreeAccess<'_> {
    fn get(&self) -> &Tree {
        match self {
            Self::Read(tree) => tree,
            Self::Write(tree) => tree,
        }
    }

    fn make_dir(
        &mut self,
        dir: NodeId,
        name: &Name,
        parents: MissingParents,
    ) -> Result<Option<NodeId>, TreeError> {
        match (self, parents) {
            (Self::Write(tree), MissingParents::Make(time)) => {
                let node = Node { meta: Meta::root_owned(0o755, time), kind: NodeKind::dir() };
                tree.add(dir, name.clone(), node).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Resolves a path; `None` when a directory on the way is absent.
pub fn resolve(tree: &Tree, path: &[u8], last: Last) -> Result<Option<TreePath>, PathError> {
    walk(&mut TreeAccess::Read(tree), path, last, MissingParents::Absent)
}

/// Resolves a path, and creates the directories on the way.
pub fn resolve_with_parents(
    tree: &mut Tree,
    path: &[u8],
    last: Last,
    time: Time,
) -> Result<TreePath, PathError> {
    walk(&mut TreeAccess::Write(tree), path, last, MissingParents::Make(time))?
        .ok_or_else(|| PathError::NotNormal { path: path.to_vec() })
}

/// The node at a path, links followed.
pub fn find(tree: &Tree, path: &[u8]) -> Result<Option<NodeId>, PathError> {
    Ok(resolve(tree, path, Last::Follow)?.and_then(|found| found.node))
}

/// Puts a node at a resolved path, in place of an existing one; a folder with entries is refused.
pub fn put(tree: &mut Tree, at: &TreePath, node: Node) -> Result<NodeId, PathError> {
    let full = at.node.and_then(|id| tree.entries(id)).is_some_and(|entries| !entries.is_empty());
    let Some(name) = at.name.as_ref().filter(|_| !full) else {
        return Err(PathError::NotAFile { path: at.path.clone(), found: "dir" });
    };
    tree.unlink(at.dir, name.as_bytes());
    tree.add(at.dir, name.clone(), node).map_err(|source| PathError::Tree { path: at.path.clone(), source })
}

/// The bytes of a regular file, if there are at most `limit`.
pub fn contents(
    tree: &Tree,
    sources: &dyn Sources,
    at: &TreePath,
    limit: u64,
) -> Result<Option<Vec<u8>>, PathError> {
    let Some(id) = at.node else { return Ok(None) };
    let content = match &tree.node(id).kind {
        NodeKind::File(content) => content,
        other => return Err(PathError::NotAFile { path: at.path.clone(), found: other.word() }),
    };
    if content.len() > limit {
        return Err(PathError::TooLarge { path: at.path.clone(), len: content.len(), limit });
    }
    bytes_of(content, sources).map(Some).map_err(|source| PathError::Read { path: at.path.clone(), source })
}

/// The bytes of content whose length the caller has bounded.
pub fn bytes_of(content: &Content, sources: &dyn Sources) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(content.len()).map_err(io::Error::other)?];
    for segment in content.segments() {
        let range = segment.offset as usize..(segment.offset + segment.len) as usize;
        let part = bytes.get_mut(range).ok_or(io::ErrorKind::InvalidData)?;
        match &segment.origin {
            Origin::Inline { bytes, at } => {
                let from = bytes.get(*at..).and_then(|rest| rest.get(..part.len()));
                part.copy_from_slice(from.ok_or(io::ErrorKind::InvalidData)?);
            }
            Origin::Slice { source, at } => sources.read_exact_at(*source, *at, part)?,
        }
    }
    Ok(bytes)
}

/// The bytes of the small file at a path, links followed; `None` when there is none.
pub fn read(tree: &Tree, sources: &dyn Sources, path: &[u8]) -> Result<Option<Vec<u8>>, PathError> {
    match resolve(tree, path, Last::Follow)? {
        Some(at) => contents(tree, sources, &at, SMALL_FILE),
        None => Ok(None),
    }
}

/// Writes a file as an editor does, links followed: mode, owner and attributes of a file that is there stay, and
/// further names of it keep the old bytes. A new file is root's, of `mode`.
pub fn write(tree: &mut Tree, path: &[u8], bytes: &[u8], mode: u16, time: Time) -> Result<(), PathError> {
    let at = resolve_with_parents(tree, path, Last::Follow, time)?;
    let meta = match at.node.map(|id| tree.node(id)) {
        Some(Node { meta, kind: NodeKind::File(_) }) => Meta { mtime: time, ..meta.clone() },
        Some(node) => {
            return Err(PathError::NotAFile { path: at.path.clone(), found: node.kind.word() });
        }
        None => Meta::root_owned(mode, time),
    };
    put(tree, &at, Node { meta, kind: NodeKind::File(Content::Inline(Arc::from(bytes))) }).map(|_| ())
}
