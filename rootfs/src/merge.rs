//! Merges the trees of sources, in order, into one. A path that two sources give must be the same in both, or the later
//! source must override it.
//!
//! - Directories are merged. Their mode, owner and attributes must agree. The time of the earlier source is kept (the time
//!   of a directory is that of the last change of its names, so two sources never agree on it), unless the later source
//!   overrides. An implied directory, which only paths below it name, and the top folder of a `dir` source take the
//!   metadata of any other.
//! - Anything else must be equal in kind, metadata, time and content, or is overridden with everything below it.
//! - A path of one source must not lead through a symlink of another, not even with `override`: where `/lib` is a link, a
//!   directory `/lib` would hide every library.

mod error;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Name, Node, NodeId, NodeKind, Printable, Tree};

pub use error::MergeError;

use crate::path_map::{PathMap, is_within};
use crate::sources::entry_error::PATH_LONGEST;
use crate::sources::indexed::{Explicitness, Indexed};
use crate::sources::same::same_bytes;

/// The tree of the sources that have been merged so far.
#[derive(Debug)]
pub struct MergedTree {
    tree: Tree,
    /// By node: the index of its source in `labels`, and whether the source has an entry for it.
    origins: Vec<(usize, Explicitness)>,
    labels: Vec<String>,
}

impl Default for MergedTree {
    fn default() -> Self {
        let tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        Self { tree, origins: vec![(0, Explicitness::Implied)], labels: Vec::new() }
    }
}

/// A source that is being merged.
struct MergeInput<'a> {
    tree: &'a Tree,
    overrides: bool,
    sources: &'a dyn Sources,
    /// By node of the source: its node in the merged tree, once it has one.
    merged_ids: Vec<Option<NodeId>>,
}

impl MergedTree {
    /// Starts from an existing tree, whose entries all count as explicit; `label` names it in errors.
    pub fn from_tree(label: &str, tree: Tree) -> Self {
        let origins = vec![(0, Explicitness::Explicit); tree.capacity()];
        Self { tree, origins, labels: vec![label.to_owned()] }
    }

    /// Number of trees that were merged so far.
    pub(crate) fn merged(&self) -> usize {
        self.labels.len()
    }

    /// The merged tree, and by node the index of the tree that it comes from, in the order of merging.
    pub fn into_parts(self) -> (Tree, Vec<usize>) {
        (self.tree, self.origins.into_iter().map(|(source, _)| source).collect())
    }

    /// Merges the next source; returns whether any of its entries remained after `path_map`.
    ///
    /// # Errors
    /// The first path, in the order of the walk, that conflicts.
    pub fn add_source(
        &mut self,
        label: &str,
        indexed: Indexed,
        path_map: &PathMap,
        overrides: bool,
        sources: &dyn Sources,
    ) -> Result<bool, Box<MergeError>> {
        let number = self.labels.len();
        self.labels.push(label.to_owned());
        if number == 0 && path_map.is_identity() {
            self.origins = indexed.marks.iter().map(|mark| (number, mark.explicitness)).collect();
            self.tree = indexed.tree;
            return Ok(self.tree.entries(self.tree.root()).is_some_and(|entries| !entries.is_empty()));
        }
        let merged_ids = vec![None; indexed.tree.capacity()];
        let mut input = MergeInput { tree: &indexed.tree, overrides, sources, merged_ids };
        let (mut excluded, mut any): (Option<Vec<u8>>, bool) = (None, false);
        for entry in indexed.tree.walk() {
            if excluded.as_ref().is_some_and(|ancestor| is_within(&entry.path, ancestor)) {
                continue;
            }
            let Some(rest) = path_map.stripped(&entry.path) else { continue };
            if path_map.excludes_stripped(rest) {
                excluded = Some(entry.path);
                continue;
            }
            any |= !rest.is_empty();
            let path = join_path(&path_map.prefix, rest)?;
            let explicitness =
                indexed.marks.get(entry.id.index()).map_or(Explicitness::Explicit, |mark| mark.explicitness);
            self.merge_entry(&mut input, &path, entry.id, explicitness)?;
        }
        Ok(any)
    }

    /// Merges one entry of the source.
    fn merge_entry(
        &mut self,
        input: &mut MergeInput<'_>,
        path: &[u8],
        id: NodeId,
        explicitness: Explicitness,
    ) -> Result<(), Box<MergeError>> {
        let Some((parent, name)) = self.ensure_parent(path)? else {
            return self.merge_dir(input, path, self.tree.root(), id, explicitness);
        };
        let Some(old) = self.tree.child(parent, name.as_bytes()) else {
            self.add_entry(input, parent, name, id, explicitness);
            return Ok(());
        };
        let (existing, new) = (&self.tree.node(old).kind, &input.tree.node(id).kind);
        match (existing, new) {
            (NodeKind::Dir(_), NodeKind::Dir(_)) => self.merge_dir(input, path, old, id, explicitness),
            (NodeKind::Symlink(target), NodeKind::Dir(_)) => Err(self.through_link(path, path, target, old)),
            _ => {
                let differs = self.difference(input, path, old, id)?;
                match differs {
                    None => input.merged_ids[id.index()] = Some(old),
                    Some(_) if input.overrides => {
                        self.tree.unlink(parent, name.as_bytes());
                        self.add_entry(input, parent, name, id, explicitness);
                    }
                    Some(differs) => return Err(self.conflict(input, path, old, id, differs)),
                }
                Ok(())
            }
        }
    }

    /// Merges a directory of the source with one of the tree.
    fn merge_dir(
        &mut self,
        input: &mut MergeInput<'_>,
        path: &[u8],
        old: NodeId,
        id: NodeId,
        explicitness: Explicitness,
    ) -> Result<(), Box<MergeError>> {
        input.merged_ids[id.index()] = Some(old);
        let was_explicit = self.origins[old.index()].1 == Explicitness::Explicit;
        let new = &input.tree.node(id).meta;
        if explicitness == Explicitness::Implied {
            // The top folder of a `dir` source has metadata, which applies where no source has an entry for the directory.
            if !was_explicit && *new != Meta::root_owned(0o755, Time::EPOCH) {
                self.tree.node_mut(old).meta = new.clone();
            }
            return Ok(());
        }
        if was_explicit && !input.overrides {
            let timeless = Meta { mtime: self.tree.node(old).meta.mtime, ..new.clone() };
            return match metadata_difference(&self.tree.node(old).meta, &timeless) {
                Some(differs) => Err(self.conflict(input, path, old, id, differs)),
                None => Ok(()),
            };
        }
        self.tree.node_mut(old).meta = new.clone();
        self.origins[old.index()] = (self.labels.len() - 1, Explicitness::Explicit);
        Ok(())
    }

    /// Adds an entry under a free name: a new node, or a further name of a node that has been merged.
    fn add_entry(
        &mut self,
        input: &mut MergeInput<'_>,
        parent: NodeId,
        name: Name,
        id: NodeId,
        explicitness: Explicitness,
    ) {
        if let Some(merged) = input.merged_ids[id.index()] {
            // Cannot fail: the name is free, and a directory has one name only.
            let _ = self.tree.link(parent, name, merged);
            return;
        }
        let node = input.tree.node(id);
        let kind = if matches!(node.kind, NodeKind::Dir(_)) { NodeKind::dir() } else { node.kind.clone() };
        if let Ok(new) = self.tree.add(parent, name, Node { meta: node.meta.clone(), kind }) {
            input.merged_ids[id.index()] = Some(new);
            self.origins.push((self.labels.len() - 1, explicitness));
        }
    }

    /// The first property in which a node of the tree and one of the source differ.
    fn difference(
        &self,
        input: &MergeInput<'_>,
        path: &[u8],
        old: NodeId,
        id: NodeId,
    ) -> Result<Option<&'static str>, Box<MergeError>> {
        if let Some(merged) = input.merged_ids[id.index()] {
            return Ok((merged != old).then_some("hard links"));
        }
        let (before, now) = (self.tree.node(old), input.tree.node(id));
        let content = match (&before.kind, &now.kind) {
            (NodeKind::File(a), NodeKind::File(b)) => {
                if a.len() != b.len() {
                    return Ok(Some("content"));
                }
                if let Some(differs) = metadata_difference(&before.meta, &now.meta) {
                    return Ok(Some(differs));
                }
                same_bytes(a, b, input.sources).map_err(|source| {
                    let (earlier, later) =
                        (self.source_of(old), self.labels.last().cloned().unwrap_or_default());
                    MergeError::Compare { path: path.to_vec(), earlier, later, source }
                })?
            }
            (a, b) if a.word() != b.word() => return Ok(Some("kind")),
            (a, b) => a == b,
        };
        Ok(if content { metadata_difference(&before.meta, &now.meta) } else { Some("content") })
    }

    fn source_of(&self, id: NodeId) -> String {
        self.labels.get(self.origins[id.index()].0).cloned().unwrap_or_default()
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
            earlier: self.source_of(old),
            before: describe(self.tree.node(old)),
            later: self.labels.last().cloned().unwrap_or_default(),
            now: describe(input.tree.node(id)),
        })
    }

    fn through_link(&self, path: &[u8], link: &[u8], target: &[u8], id: NodeId) -> Box<MergeError> {
        Box::new(MergeError::ThroughLink {
            path: path.to_vec(),
            link: link.to_vec(),
            target: target.to_vec(),
            earlier: self.source_of(id),
            later: self.labels.last().cloned().unwrap_or_default(),
            instead: resolve_link(path, link, target),
        })
    }

    /// The parent directory of a path, created if it does not exist, and the last name of the path; `None` for the root.
    fn ensure_parent(&mut self, path: &[u8]) -> Result<Option<(NodeId, Name)>, Box<MergeError>> {
        let mut id = self.tree.root();
        let mut names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).peekable();
        let mut end = 0;
        while let Some(bytes) = names.next() {
            // Cannot fail: the names come from a tree or a clean prefix.
            let Ok(name) = Name::new(bytes) else { return Ok(None) };
            if names.peek().is_none() {
                return Ok(Some((id, name)));
            }
            end += bytes.len() + usize::from(end > 0);
            let next = match self.tree.child(id, bytes) {
                Some(next) => next,
                None => self.add_implied_dir(id, name),
            };
            match &self.tree.node(next).kind {
                NodeKind::Dir(_) => {}
                NodeKind::Symlink(target) => return Err(self.through_link(path, &path[..end], target, next)),
                _ => {
                    return Err(Box::new(MergeError::Conflict {
                        path: path[..end].to_vec(),
                        differs: "kind",
                        earlier: self.source_of(next),
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

    fn add_implied_dir(&mut self, parent: NodeId, name: Name) -> NodeId {
        let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
        let Ok(id) = self.tree.add(parent, name, node) else { return parent };
        self.origins.push((self.labels.len() - 1, Explicitness::Implied));
        id
    }
}

/// The first of the metadata fields that differ.
fn metadata_difference(a: &Meta, b: &Meta) -> Option<&'static str> {
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

/// An entry as [`MergeError::Conflict`] shows it: kind, length or target, mode, owner and time.
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

fn join_path(prefix: &[u8], rest: &[u8]) -> Result<Vec<u8>, Box<MergeError>> {
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

/// The path with the symlink `link` in it replaced by its target.
fn resolve_link(path: &[u8], link: &[u8], target: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    let parent = link.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &link[..slash]);
    let start = if target.starts_with(b"/") { &b""[..] } else { parent };
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
