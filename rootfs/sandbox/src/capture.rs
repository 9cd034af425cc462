//! Captures the tree after the commands: unchanged nodes as they were, changed files with their new content, or with the
//! old reference where the bytes are equal. Devices and attributes that a sandbox cannot have are restored from the
//! former tree.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree};
use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;
use rustix::fs::SeekFrom;

use super::changes::{CapturedKind, CapturedName, Changes, NameState};
use super::job::CaptureScope;
use super::protocol::SentNodes;
use super::writer::{CHUNK, check_cancelled, equal};
use super::{CapturedFiles, SandboxError};

/// The source of captured content until that is added to the blobs.
const PENDING_SOURCE: SourceId = SourceId(u32::MAX);

/// The captured tree, while it is built.
pub(super) struct Capture<'a> {
    former: &'a Tree,
    sent: &'a SentNodes,
    unset_xattrs: BTreeMap<u32, Vec<Vec<u8>>>,
    tree: Tree,
    /// The nodes of the names, by number.
    names: Vec<NodeId>,
    /// Names whose content is not read yet: the former node, and the length in bytes.
    unread: BTreeMap<u32, (Option<NodeId>, u64)>,
    captured: Vec<NodeId>,
    bufs: [Vec<u8>; 2],
}

impl<'a> Capture<'a> {
    /// Adds every name; the contents of changed files follow by [`Capture::read`].
    pub(super) fn begin(
        former: &'a Tree,
        sent: &'a SentNodes,
        changes: Changes,
        epoch: Time,
    ) -> Result<Self, SandboxError> {
        let mut unset_xattrs: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        for (node, name) in changes.unset_xattrs {
            unset_xattrs.entry(node).or_default().push(name);
        }
        let tree = Tree::new(Meta::root_owned(0o755, epoch));
        let (names, unread, captured) = (Vec::new(), BTreeMap::new(), Vec::new());
        let bufs = [vec![0; CHUNK], vec![0; CHUNK]];
        let mut capture = Self { former, sent, unset_xattrs, tree, names, unread, captured, bufs };
        let mut same = vec![None; sent.nodes.len()];
        for (number, name) in (0u32..).zip(changes.names) {
            capture.add(number, &name, &mut same, epoch)?;
        }
        Ok(capture)
    }

    /// Adds a name. `same` has the new ids of unchanged nodes, by their number.
    fn add(
        &mut self,
        number: u32,
        captured: &CapturedName,
        same: &mut [Option<NodeId>],
        epoch: Time,
    ) -> Result<(), SandboxError> {
        let protocol_error =
            || SandboxError::Died { how: "it referred to a name that it had not sent".to_owned() };
        if let NameState::Unchanged(node) = captured.state
            && let Some(&Some(earlier)) = same.get(node as usize)
        {
            return self.link(captured, earlier);
        }
        let node = match captured.state {
            NameState::Link(earlier) => {
                let earlier = *self.names.get(earlier as usize).ok_or_else(protocol_error)?;
                return self.link(captured, earlier);
            }
            NameState::Unchanged(node) => self.former_node(node).ok_or_else(protocol_error)?.clone(),
            NameState::Opened(node) => {
                let old = self.former_node(node).ok_or_else(protocol_error)?.clone();
                let NodeKind::File(content) = &old.kind else { return Err(protocol_error()) };
                let former = self.sent.nodes.get(node as usize).copied();
                self.unread.insert(number, (former, content.len()));
                old
            }
            NameState::Changed { former, ref meta, ref kind } => {
                let former = self.sent.nodes.get(former as usize).map(|id| (former, *id));
                if let CapturedKind::File { size } = kind
                    && *size > 0
                {
                    self.unread.insert(number, (former.map(|(_, id)| id), *size));
                }
                self.changed(former, meta.clone(), kind, epoch)
            }
        };
        let id = if number == 0 {
            let root = self.tree.root();
            self.tree.node_mut(root).meta = node.meta;
            root
        } else {
            let name = Name::new(&captured.name).map_err(|_| protocol_error())?;
            let empty = match node.kind {
                NodeKind::Dir(_) => Node { meta: node.meta, kind: NodeKind::dir() },
                _ => node,
            };
            let parent = *self.names.get(captured.parent as usize).ok_or_else(protocol_error)?;
            self.tree.add(parent, name, empty).map_err(|_| protocol_error())?
        };
        if let NameState::Unchanged(node) = captured.state
            && let Some(slot) = same.get_mut(node as usize)
        {
            *slot = Some(id);
        }
        self.names.push(id);
        Ok(())
    }

    fn link(&mut self, captured: &CapturedName, earlier: NodeId) -> Result<(), SandboxError> {
        let error = || SandboxError::NotCapturable {
            path: captured.name.clone(),
            reason: "it is a second name of a folder".to_owned(),
        };
        let parent = *self.names.get(captured.parent as usize).ok_or_else(error)?;
        let name = Name::new(&captured.name).map_err(|_| error())?;
        self.tree.link(parent, name, earlier).map_err(|_| error())?;
        self.names.push(earlier);
        Ok(())
    }

    fn former_node(&self, node: u32) -> Option<&'a Node> {
        self.sent.nodes.get(node as usize).map(|id| self.former.node(*id))
    }

    /// A node that was created or changed. Its mtime is limited to the epoch, because it came from a clock.
    fn changed(
        &self,
        former: Option<(u32, NodeId)>,
        mut meta: Meta,
        kind: &CapturedKind,
        epoch: Time,
    ) -> Node {
        meta.mtime = meta.mtime.min(epoch);
        if let Some((number, id)) = former
            && let (Some(unset_xattrs), Some(had)) =
                (self.unset_xattrs.get(&number), &self.former.node(id).meta.xattrs)
        {
            let mut xattrs = meta.xattrs.take().unwrap_or_default();
            for name in unset_xattrs {
                if let Some(value) = had.get(&**name) {
                    xattrs.insert(name.as_slice().into(), value.clone());
                }
            }
            meta.xattrs = Some(xattrs);
        }
        let kind = match kind {
            CapturedKind::Dir => NodeKind::dir(),
            CapturedKind::File { .. } => NodeKind::File(Content::empty()),
            CapturedKind::Symlink(target) => NodeKind::Symlink(target.as_slice().into()),
            CapturedKind::Fifo => NodeKind::Fifo,
            CapturedKind::Socket => NodeKind::Socket,
            CapturedKind::CharDevice { major, minor } => {
                NodeKind::CharDevice { major: *major, minor: *minor }
            }
        };
        Node { meta, kind }
    }

    /// Reads the content of the file of a name.
    pub(super) fn read(
        &mut self,
        number: u32,
        file: &File,
        blobs: &Blobs,
        files: &mut CapturedFiles,
        monitor: Monitor<'_>,
    ) -> io::Result<()> {
        let (Some((former, len)), Some(&id)) = (self.unread.remove(&number), self.names.get(number as usize))
        else {
            return Err(super::wire::protocol_error());
        };
        if let Some(former) = former
            && let NodeKind::File(content) = &self.former.node(former).kind
            && equal(file, len, content, blobs, &mut self.bufs, monitor)?
        {
            self.tree.node_mut(id).kind = NodeKind::File(content.clone());
            return Ok(());
        }
        let content = self.append(file, len, files, monitor)?;
        self.tree.node_mut(id).kind = NodeKind::File(content);
        self.captured.push(id);
        Ok(())
    }

    /// Appends the bytes of a file to the captured content; holes stay holes.
    fn append(
        &mut self,
        file: &File,
        len: u64,
        files: &mut CapturedFiles,
        monitor: Monitor<'_>,
    ) -> io::Result<Content> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut at = 0;
        while at < len {
            let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
                Ok(start) if start < len => start,
                Ok(_) | Err(rustix::io::Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(len);
            let from = files.len();
            at = start;
            while at < end {
                let chunk = (end - at).min(CHUNK as u64) as usize;
                let buf = &mut self.bufs[0][..chunk];
                check_cancelled(monitor)?;
                file.read_exact_at(buf, at)?;
                files.append(buf)?;
                at += chunk as u64;
            }
            let origin = Origin::Slice { source: PENDING_SOURCE, at: from };
            segments.push(Segment { offset: start, len: end - start, origin });
        }
        Ok(match segments.as_slice() {
            [Segment { offset: 0, len: whole, origin: Origin::Slice { source, at } }] if *whole == len => {
                Content::Slice { source: *source, at: *at, len }
            }
            _ => Content::Sparse { len, segments: Arc::from(segments) },
        })
    }

    /// The captured tree; `source` is the source of captured content.
    pub(super) fn finish(mut self, source: SourceId, keep: &CaptureScope) -> Result<Tree, SandboxError> {
        if !self.unread.is_empty() {
            return Err(SandboxError::Died { how: "it did not send every changed file".to_owned() });
        }
        for id in &self.captured {
            let NodeKind::File(content) = &mut self.tree.node_mut(*id).kind else { continue };
            match content {
                Content::Slice { source: from, .. } => *from = source,
                Content::Sparse { segments, .. } => {
                    let mut moved = segments.to_vec();
                    for segment in &mut moved {
                        if let Origin::Slice { source: from, .. } = &mut segment.origin {
                            *from = source;
                        }
                    }
                    *segments = Arc::from(moved);
                }
                Content::Inline(_) => {}
            }
        }
        if *keep == CaptureScope::Everything {
            self.restore_devices();
        }
        Ok(self.tree)
    }

    /// Adds the device nodes of the former tree to the folders that still exist, unless their names are taken.
    fn restore_devices(&mut self) {
        let mut restored: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        for (path, id) in &self.sent.devices {
            let cut = path.iter().rposition(|&byte| byte == b'/');
            let dir = self.tree.lookup(path.get(..cut.unwrap_or(0)).unwrap_or_default());
            let name = Name::new(path.get(cut.map_or(0, |cut| cut + 1)..).unwrap_or_default());
            let (Some(dir), Ok(name)) = (dir, name) else { continue };
            // A name that is taken is not replaced.
            match restored.get(id) {
                Some(first) => drop(self.tree.link(dir, name, *first)),
                None => {
                    if let Ok(new) = self.tree.add(dir, name, self.former.node(*id).clone()) {
                        restored.insert(*id, new);
                    }
                }
            }
        }
    }
}
