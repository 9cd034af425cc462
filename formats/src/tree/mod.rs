//! The tree: an in-memory file system of names, metadata and *references* to content.
//!
//! Every source becomes a tree and every file-system format is written from one; the readers of this crate give
//! one back. It holds no content but small inline bytes, and it does no I/O. Names are bytes, not text.

mod content;
mod groups;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

pub use content::{Content, Origin, Segment};
pub use groups::ChangeGroups;

use crate::terminal::is_printable;
use crate::time::Time;

/// Longest name of a directory entry, in bytes (Linux `NAME_MAX`).
pub const NAME_MAX: usize = 255;

/// Longest target of a symbolic link, in bytes (Linux `PATH_MAX` less the NUL).
pub const SYMLINK_MAX: usize = 4095;

/// A name in a directory: 1 to 255 bytes, no `/`, no NUL, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TreeError::BadName`] when the bytes cannot be a directory entry on Linux.
    pub fn new(bytes: &[u8]) -> Result<Self, TreeError> {
        let bad = bytes.is_empty()
            || bytes.len() > NAME_MAX
            || bytes == b"."
            || bytes == b".."
            || bytes.iter().any(|&byte| byte == b'/' || byte == 0);
        if bad { Err(TreeError::BadName { name: bytes.to_vec() }) } else { Ok(Self(bytes.into())) }
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", Printable(&self.0))
    }
}

/// Shows a path or name for people: printable characters of UTF-8 as they are, a backslash as two, every other byte as
/// `\xNN`. Different bytes are shown differently.
#[derive(Clone, Copy)]
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
        };
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    character if is_printable(character) => f.write_char(character)?,
                    character => escaped(f, character.encode_utf8(&mut [0; 4]).as_bytes())?,
                }
            }
            escaped(f, chunk.invalid())?;
        }
        Ok(())
    }
}

/// Extended attributes by full name, such as `security.capability`; values as the kernel's system calls give them
/// (POSIX ACLs therefore in the uapi form, version 2).
pub type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// What every node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits with set-id and sticky: 0..=0o7777.
    pub mode: u16,
    /// Owner by number.
    pub uid: u32,
    /// Group by number.
    pub gid: u32,
    /// Modification time; access, change and creation times are written equal to it.
    pub mtime: Time,
    /// Extended attributes; boxed because nearly every node has none.
    pub xattrs: Option<Box<Xattrs>>,
}

impl Meta {
    /// Root-owned metadata without attributes.
    pub fn root_owned(mode: u16, mtime: Time) -> Self {
        Self { mode, uid: 0, gid: 0, mtime, xattrs: None }
    }
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory and its entries, sorted by name.
    Dir(BTreeMap<Name, NodeId>),
    /// A regular file.
    File(Content),
    /// A symbolic link: 1 to 4095 bytes, no NUL.
    Symlink(Box<[u8]>),
    /// A character device.
    CharDevice {
        /// Major number, 12 bits.
        major: u32,
        /// Minor number, 20 bits.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number, 12 bits.
        major: u32,
        /// Minor number, 20 bits.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl NodeKind {
    /// An empty directory.
    pub fn dir() -> Self {
        Self::Dir(BTreeMap::new())
    }

    /// The name of this kind in listings and errors.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Dir(_) => "dir",
            Self::File(_) => "file",
            Self::Symlink(_) => "symlink",
            Self::CharDevice { .. } => "char",
            Self::BlockDevice { .. } => "block",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }
}

/// A node: what a path names. Several names of one node are hard links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Mode, owner, time, attributes.
    pub meta: Meta,
    /// What it is.
    pub kind: NodeKind,
}

/// Names a node of one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Position in the tree's arena; below [`Tree::capacity`], so tables can be indexed by it.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why a tree refused a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The bytes cannot be a name.
    #[error("`{}` cannot be a file name: 1 to 255 bytes, no `/`, no NUL, not `.` or `..`", Printable(name))]
    BadName {
        /// The bytes.
        name: Vec<u8>,
    },
    /// The directory has that name already.
    #[error("`{}` exists already", Printable(name.as_bytes()))]
    Exists {
        /// The name.
        name: Name,
    },
    /// A node was used as a directory and is none.
    #[error("a {found} is where a directory is needed")]
    NotADir {
        /// What it is instead.
        found: &'static str,
    },
    /// A directory cannot have two names.
    #[error("a directory cannot be hard-linked")]
    DirLink,
}

/// An in-memory file system. The root is always a directory.
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// A tree of an empty root directory.
    pub fn new(root: Meta) -> Self {
        Self { nodes: vec![Node { meta: root, kind: NodeKind::dir() }] }
    }

    /// The root directory.
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// Nodes ever added, those unlinked since included: the bound of [`NodeId::index`].
    pub fn capacity(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes by [`NodeId::index`], those that were unlinked since included.
    pub fn nodes(&self) -> std::slice::Iter<'_, Node> {
        self.nodes.iter()
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// A node, to change its metadata or content. Entries of directories are changed by the methods below.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }

    /// The entries of a directory; `None` for every other kind.
    pub fn entries(&self, dir: NodeId) -> Option<&BTreeMap<Name, NodeId>> {
        match &self.node(dir).kind {
            NodeKind::Dir(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entry `name` of `dir`.
    pub fn child(&self, dir: NodeId, name: &[u8]) -> Option<NodeId> {
        self.entries(dir)?.get(name).copied()
    }

    /// The node at a path of names joined by `/`; empty names and `.` are passed over, links are not followed,
    /// `..` is not known. The empty path is the root.
    pub fn lookup(&self, path: &[u8]) -> Option<NodeId> {
        path.split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty() && *name != b".")
            .try_fold(self.root(), |dir, name| self.child(dir, name))
    }

    /// Adds a node under a new name.
    ///
    /// # Errors
    /// [`TreeError::Exists`], [`TreeError::NotADir`].
    pub fn add(&mut self, dir: NodeId, name: Name, node: Node) -> Result<NodeId, TreeError> {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.enter(dir, name, id)?;
        self.nodes.push(node);
        Ok(id)
    }

    /// Gives a node one more name (a hard link).
    ///
    /// # Errors
    /// [`TreeError::Exists`], [`TreeError::NotADir`], [`TreeError::DirLink`].
    pub fn link(&mut self, dir: NodeId, name: Name, node: NodeId) -> Result<(), TreeError> {
        if matches!(self.node(node).kind, NodeKind::Dir(_)) {
            return Err(TreeError::DirLink);
        }
        self.enter(dir, name, node)
    }

    /// Removes a name; what it named leaves the tree when that was its last name.
    pub fn unlink(&mut self, dir: NodeId, name: &[u8]) -> Option<NodeId> {
        match &mut self.node_mut(dir).kind {
            NodeKind::Dir(entries) => entries.remove(name),
            _ => None,
        }
    }

    /// Names per node by [`NodeId::index`], as `st_nlink` counts them: a directory has 2 and one for each
    /// directory in it; an unlinked node has 0.
    pub fn link_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.nodes.len()];
        counts[0] = 2;
        for entry in self.walk() {
            let NodeKind::Dir(entries) = &self.node(entry.id).kind else { continue };
            for child in entries.values() {
                if matches!(self.node(*child).kind, NodeKind::Dir(_)) {
                    counts[child.index()] += 2;
                    counts[entry.id.index()] += 1;
                } else {
                    counts[child.index()] += 1;
                }
            }
        }
        counts
    }

    /// Every name in the tree, depth first, a directory before its entries, entries by the bytes of their names.
    /// The root comes first, with an empty path. A node with several names comes once for each.
    pub fn walk(&self) -> TreeWalk<'_> {
        TreeWalk { tree: self, stack: vec![(Vec::new(), self.root())] }
    }

    fn enter(&mut self, dir: NodeId, name: Name, id: NodeId) -> Result<(), TreeError> {
        match &mut self.node_mut(dir).kind {
            NodeKind::Dir(entries) => match entries.entry(name) {
                std::collections::btree_map::Entry::Vacant(slot) => {
                    slot.insert(id);
                    Ok(())
                }
                std::collections::btree_map::Entry::Occupied(slot) => {
                    Err(TreeError::Exists { name: slot.key().clone() })
                }
            },
            other => Err(TreeError::NotADir { found: other.word() }),
        }
    }
}

/// A name met by [`Tree::walk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkEntry {
    /// Names from the root joined by `/`, without a leading one; empty for the root.
    pub path: Vec<u8>,
    /// The node.
    pub id: NodeId,
}

/// The iterator of [`Tree::walk`].
#[derive(Debug)]
pub struct TreeWalk<'a> {
    tree: &'a Tree,
    stack: Vec<(Vec<u8>, NodeId)>,
}

impl Iterator for TreeWalk<'_> {
    type Item = WalkEntry;

    fn next(&mut self) -> Option<WalkEntry> {
        let (path, id) = self.stack.pop()?;
        if let Some(entries) = self.tree.entries(id) {
            self.stack.extend(entries.iter().rev().map(|(name, child)| {
                let mut below = Vec::with_capacity(path.len() + 1 + name.as_bytes().len());
                below.extend_from_slice(&path);
                if !path.is_empty() {
                    below.push(b'/');
                }
                below.extend_from_slice(name.as_bytes());
                (below, *child)
            }));
        }
        Some(WalkEntry { path, id })
    }
}

#[cfg(test)]
mod tests;
