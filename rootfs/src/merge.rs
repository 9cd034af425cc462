//! Merging: the trees of sources, in order, into one. A path given twice must be the same, or be overridden.
//!
//! - Directories join. Their mode, owner and attributes must agree; of their times the earlier source's stays (a
//!   directory's time is that of the last change of its names, which differs between sources), unless the later overrides.
//!   A directory that only names below it made, and the top folder of a `dir` source, yield to any other.
//! - Anything else must be equal in kind, metadata, time and content, or be overridden with all below it.
//! - No source's path may lead through another's symlink, not even with `override`: where `/lib` is a link, a
//!   directory `/lib` would hide every library.

mod error;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Printable, Tree};

pub use error::MergeError;

use crate::reshape::{Reshape, below};
use crate::sources::entry_error::PATH_LONGEST;
use crate::sources::indexed::{Explicitness, Indexed};
use crate::sources::same::same_bytes;

/// The tree that sources have been merged into so far.
#[derive(Debug)]
pub struct Merged {
    tree: Tree,
    /// By node: which source gave it, and how.
    from: Vec<(usize, Explicitness)>,
    labels: Vec<String>,
}

impl Default for Merged {
    fn default() -> Self {
        let tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        Self { tree, from: vec![(0, Explicitness::Implied)], labels: Vec::new() }
    }
}

/// One source on its way into the tree.
struct MergeInput<'a> {
    tree: &'a Tree,
    overrides: bool,
    sources: &'a dyn Sources,
    /// By node of the source: its node in the merged tree.
    merged_ids: Vec<Option<NodeId>>,
}

impl Merged {
    /// Begins with a tree that is there already; `label` names it in errors.
    pub fn over(label: &str, tree: Tree) -> Self {
        let from = vec![(0, Explicitness::Explicit); tree.capacity()];
        Self { tree, from, labels: vec![label.to_owned()] }
    }

    /// The merged tree.
    pub fn finish(self) -> Tree {
        self.tree
    }

    /// Merges the next source; returns whether it had any entry to merge.
    ///
    /// # Errors
    /// The first path, in order, that does not fit.
    pub fn take(
        &mut self,
        label: &str,
        indexed: Indexed,
        reshape: &Reshape,
        overrides: bool,
        sources: &dyn Sources,
    ) -> Result<bool, Box<MergeError>> {
        let number = self.labels.len();
        self.labels.push(label.to_owned());
        if number == 0 && reshape.is_identity() {
            self.from = indexed.marks.iter().map(|mark| (number, mark.explicitness)).collect();
            self.tree = indexed.tree;
            return Ok(self.tree.entries(self.tree.root()).is_some_and(|entries| !entries.is_empty()));
        }
        let merged_ids = vec![None; indexed.tree.capacity()];
        let mut input = MergeInput { tree: &indexed.tree, overrides, sources, merged_ids };
        let (mut left_out, mut taken): (Option<Vec<u8>>, bool) = (None, false);
        for entry in indexed.tree.walk() {
            if left_out.as_ref().is_some_and(|above| below(&entry.path, above)) {
                continue;
            }
            let Some(rest) = reshape.stripped(&entry.path) else { continue };
            if reshape.matches(rest) {
                left_out = Some(entry.path);
                continue;
            }
            taken |= !rest.is_empty();
            let path = join(&reshape.prefix, rest)?;
            let explicitness =
                indexed.marks.get(entry.id.index()).map_or(Explicitness::Explicit, |mark| mark.explicitness);
            self.insert(&mut input, &path, entry.id, explicitness)?;
        }
        Ok(taken)
    }

    /// Inserts one name of the source.
    fn insert(
        &mut self,
        input: &mut MergeInput<'_>,
        path: &[u8],
        id: NodeId,
        explicitness: Explicitness,
    ) -> Result<(), Box<MergeError>> {
        let Some((parent, name)) = self.parent(path)? else {
            return self.join(input, path, self.tree.root(), id, explicitness);
        };
        let Some(old) = self.tree.child(parent, name.as_bytes()) else {
            self.add(input, parent, name, id, explicitness);
            return Ok(());
        };
        let (before, now) = (&self.tree.node(old).kind, &input.tree.node(id).kind);
        match (before, now) {
            (NodeKind::Dir(_), NodeKind::Dir(_)) => self.join(input, path, old, id, explicitness),
            (NodeKind::Symlink(target), NodeKind::Dir(_)) => Err(self.through(path, path, target, old)),
            _ => {
                let differs = self.differs(input, path, old, id)?;
                match differs {
                    None => input.merged_ids[id.index()] = Some(old),
                    Some(_) if input.overrides => {
                        self.tree.unlink(parent, name.as_bytes());
                        self.add(input, parent, name, id, explicitness);
                    }
                    Some(differs) => return Err(self.conflict(input, path, old, id, differs)),
                }
                Ok(())
            }
        }
    }

    /// A directory meets a directory.
    fn join(
        &mut self,
        input: &mut MergeInput<'_>,
        path: &[u8],
        old: NodeId,
        id: NodeId,
        explicitness: Explicitness,
    ) -> Result<(), Box<MergeError>> {
        input.merged_ids[id.index()] = Some(old);
        let given_before = self.from[old.index()].1 == Explicitness::Explicit;
        let new = &input.tree.node(id).meta;
        if explicitness == Explicitness::Implied {
            // The top folder of a `dir` source has metadata that counts where no entry has set any.
            if !given_before && *new != Meta::root_owned(0o755, Time::EPOCH) {
                self.tree.node_mut(old).meta = new.clone();
            }
            return Ok(());
        }
        if given_before && !input.overrides {
            let timeless = Meta { mtime: self.tree.node(old).meta.mtime, ..new.clone() };
            return match meta_differs(&self.tree.node(old).meta, &timeless) {
                Some(differs) => Err(self.conflict(input, path, old, id, differs)),
                None => Ok(()),
            };
        }
        self.tree.node_mut(old).meta = new.clone();
        self.from[old.index()] = (self.labels.len() - 1, Explicitness::Explicit);
        Ok(())
    }

    /// Adds a name that is free: a new node, or one more name of a node that came before.
    fn add(
        &mut self,
        input: &mut MergeInput<'_>,
        parent: NodeId,
        name: Name,
        id: NodeId,
        explicitness: Explicitness,
    ) {
        if let Some(known) = input.merged_ids[id.index()] {
            // The name is free, and what has several names is no directory.
            let _ = self.tree.link(parent, name, known);
            return;
        }
        let node = input.tree.node(id);
        let kind = if matches!(node.kind, NodeKind::Dir(_)) { NodeKind::dir() } else { node.kind.clone() };
        if let Ok(new) = self.tree.add(parent, name, Node { meta: node.meta.clone(), kind }) {
            input.merged_ids[id.index()] = Some(new);
            self.from.push((self.labels.len() - 1, explicitness));
        }
    }

    /// Name of the first property that differs between an existing node and one of the source.
    fn differs(
        &self,
        input: &MergeInput<'_>,
        path: &[u8],
        old: NodeId,
        id: NodeId,
    ) -> Result<Option<&'static str>, Box<MergeError>> {
        if let Some(known) = input.merged_ids[id.index()] {
            return Ok((known != old).then_some("hard links"));
        }
        let (before, now) = (self.tree.node(old), input.tree.node(id));
        let content = match (&before.kind, &now.kind) {
            (NodeKind::File(a), NodeKind::File(b)) => {
                if a.len() != b.len() {
                    return Ok(Some("content"));
                }
                if let Some(differs) = meta_differs(&before.meta, &now.meta) {
                    return Ok(Some(differs));
                }
                same_bytes(a, b, input.sources).map_err(|source| {
                    let (earlier, later) = (self.label(old), self.labels.last().cloned().unwrap_or_default());
                    MergeError::Compare { path: path.to_vec(), earlier, later, source }
                })?
            }
            (a, b) if a.word() != b.word() => return Ok(Some("kind")),
            (a, b) => a == b,
        };
        Ok(if content { meta_differs(&before.meta, &now.meta) } else { Some("content") })
    }

    fn label(&self, id: NodeId) -> String {
        self.labels.get(self.from[id.index()].0).cloned().unwrap_or_default()
    }

    fn conflict(
        &self,
        input: &MergeInput<'_>,
        path: &[u8],
        old: NodeId,
        id: NodeId,
        differs: &'static str,
    ) -> Box<MergeError> {
        Box::new(MergeError::Conflict {
            path: path.to_vec(),
            differs,
            earlier: self.label(old),
            before: describe(self.tree.node(old)),
            later: self.labels.last().cloned().unwrap_or_default(),
            now: describe(input.tree.node(id)),
        })
    }

    fn through(&self, path: &[u8], link: &[u8], target: &[u8], id: NodeId) -> Box<MergeError> {
        Box::new(MergeError::ThroughLink {
            path: path.to_vec(),
            link: link.to_vec(),
            target: target.to_vec(),
            earlier: self.label(id),
            later: self.labels.last().cloned().unwrap_or_default(),
            instead: without_link(path, link, target),
        })
    }

    /// The parent directory of a path, created if missing, and the path's last name; `None` for the root.
    fn parent(&mut self, path: &[u8]) -> Result<Option<(NodeId, Name)>, Box<MergeError>> {
        let mut id = self.tree.root();
        let mut names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).peekable();
        let mut end = 0;
        while let Some(bytes) = names.next() {
            // Names come from a tree or a clean prefix, so they are names.
            let Ok(name) = Name::new(bytes) else { return Ok(None) };
            if names.peek().is_none() {
                return Ok(Some((id, name)));
            }
            end += bytes.len() + usize::from(end > 0);
            let next = match self.tree.child(id, bytes) {
                Some(next) => next,
                None => self.imply(id, name),
            };
            match &self.tree.node(next).kind {
                NodeKind::Dir(_) => {}
                NodeKind::Symlink(target) => return Err(self.through(path, &path[..end], target, next)),
                _ => {
                    return Err(Box::new(MergeError::Conflict {
                        path: path[..end].to_vec(),
                        differs: "kind",
                        earlier: self.label(next),
                        before: describe(self.tree.node(next)),
                        later: self.labels.last().cloned().unwrap_or_default(),
                        now: "a dir".to_owned(),
                    }));
                }
            }
            id = next;
        }
        Ok(None)
    }

    fn imply(&mut self, parent: NodeId, name: Name) -> NodeId {
        let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
        let Ok(id) = self.tree.add(parent, name, node) else { return parent };
        self.from.push((self.labels.len() - 1, Explicitness::Implied));
        id
    }
}

/// The first of the fields that differ.
fn meta_differs(a: &Meta, b: &Meta) -> Option<&'static str> {
    if a.mode != b.mode {
        Some("mode")
    } else if (a.uid, a.gid) != (b.uid, b.gid) {
        Some("owner")
    } else if a.xattrs != b.xattrs {
        Some("attributes")
    } else if a.mtime != b.mtime {
        Some("time")
    } else {
        None
    }
}

fn describe(node: &Node) -> String {
    let Meta { mode, uid, gid, mtime, .. } = &node.meta;
    let kind = node.kind.word();
    let end = match &node.kind {
        NodeKind::File(content) => format!(" of {} bytes", content.len()),
        NodeKind::Symlink(target) => format!(" to `{}`", Printable(target)),
        _ => String::new(),
    };
    format!("a {kind}{end} ({mode:04o} {uid}:{gid} at {mtime})")
}

fn join(prefix: &[u8], rest: &[u8]) -> Result<Vec<u8>, Box<MergeError>> {
    let mut path = prefix.to_vec();
    if !path.is_empty() && !rest.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(rest);
    if path.len() > PATH_LONGEST {
        return Err(MergeError::PathTooLong { len: path.len(), path }.into());
    }
    Ok(path)
}

/// The path with the link replaced by what it points to.
fn without_link(path: &[u8], link: &[u8], target: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    let above = link.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &link[..slash]);
    let start = if target.starts_with(b"/") { &b""[..] } else { above };
    let rest = path.strip_prefix(link).unwrap_or_default();
    for name in [start, target, rest].into_iter().flat_map(|part| part.split(|byte| *byte == b'/')) {
        match name {
            b"" | b"." => {}
            b".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join(&b'/')
}
