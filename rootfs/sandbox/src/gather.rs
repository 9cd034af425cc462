//! Makes a tree of what the inner half found: nodes that nobody touched as they were, the rest with its content in the
//! pack, or with the old reference where the bytes are the same. Devices and attributes that cannot be in a sandbox
//! come back from the old tree.

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

use super::fill::{PIECE, equal, go_on};
use super::found::{CapturedNames, Is, Now, PresentName};
use super::job::CaptureScope;
use super::orders::PlantedNodes;
use super::{Pack, SandboxError};

/// Stands for the pack until that is a source.
const PACK: SourceId = SourceId(u32::MAX);

/// The tree that comes to be.
pub(super) struct Gathering<'a> {
    before: &'a Tree,
    planted: &'a PlantedNodes,
    kept_out: BTreeMap<u32, Vec<Vec<u8>>>,
    tree: Tree,
    /// The nodes of the names.
    names: Vec<NodeId>,
    /// Former nodes of names whose content is still to be read, with its length.
    unread: BTreeMap<u32, (Option<NodeId>, u64)>,
    packed: Vec<NodeId>,
    bufs: [Vec<u8>; 2],
}

impl<'a> Gathering<'a> {
    /// Makes every name; the contents of changed files are still missing.
    pub(super) fn begin(
        before: &'a Tree,
        planted: &'a PlantedNodes,
        findings: CapturedNames,
        epoch: Time,
    ) -> Result<Self, SandboxError> {
        let mut kept_out: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        for (node, name) in findings.kept_out {
            kept_out.entry(node).or_default().push(name);
        }
        let tree = Tree::new(Meta::root_owned(0o755, epoch));
        let (names, unread, packed) = (Vec::new(), BTreeMap::new(), Vec::new());
        let bufs = [vec![0; PIECE], vec![0; PIECE]];
        let mut gathering = Self { before, planted, kept_out, tree, names, unread, packed, bufs };
        let mut same = vec![None; planted.nodes.len()];
        for (number, found) in (0u32..).zip(findings.names) {
            gathering.take(number, &found, &mut same, epoch)?;
        }
        Ok(gathering)
    }

    fn take(
        &mut self,
        number: u32,
        found: &PresentName,
        same: &mut [Option<NodeId>],
        epoch: Time,
    ) -> Result<(), SandboxError> {
        let garbled =
            || SandboxError::Died { how: "it told of a name that it had not told of before".to_owned() };
        if let Now::Same(node) = found.what
            && let Some(&Some(earlier)) = same.get(node as usize)
        {
            return self.link(found, earlier);
        }
        let node = match found.what {
            Now::Link(earlier) => {
                let earlier = *self.names.get(earlier as usize).ok_or_else(garbled)?;
                return self.link(found, earlier);
            }
            Now::Same(node) => self.old(node).ok_or_else(garbled)?.clone(),
            Now::Opened(node) => {
                let old = self.old(node).ok_or_else(garbled)?.clone();
                let NodeKind::File(content) = &old.kind else { return Err(garbled()) };
                let former = self.planted.nodes.get(node as usize).copied();
                self.unread.insert(number, (former, content.len()));
                old
            }
            Now::Changed { former, ref meta, ref body } => {
                let former = self.planted.nodes.get(former as usize).map(|id| (former, *id));
                if let Is::File { size } = body
                    && *size > 0
                {
                    self.unread.insert(number, (former.map(|(_, id)| id), *size));
                }
                self.changed(former, meta.clone(), body, epoch)
            }
        };
        let id = if number == 0 {
            let root = self.tree.root();
            self.tree.node_mut(root).meta = node.meta;
            root
        } else {
            let name = Name::new(&found.name).map_err(|_| garbled())?;
            let empty = match node.kind {
                NodeKind::Dir(_) => Node { meta: node.meta, kind: NodeKind::dir() },
                _ => node,
            };
            let parent = *self.names.get(found.parent as usize).ok_or_else(garbled)?;
            self.tree.add(parent, name, empty).map_err(|_| garbled())?
        };
        if let Now::Same(node) = found.what
            && let Some(slot) = same.get_mut(node as usize)
        {
            *slot = Some(id);
        }
        self.names.push(id);
        Ok(())
    }

    fn link(&mut self, found: &PresentName, earlier: NodeId) -> Result<(), SandboxError> {
        let odd = || SandboxError::Odd {
            path: found.name.clone(),
            reason: "it is a second name of a folder".to_owned(),
        };
        let parent = *self.names.get(found.parent as usize).ok_or_else(odd)?;
        let name = Name::new(&found.name).map_err(|_| odd())?;
        self.tree.link(parent, name, earlier).map_err(|_| odd())?;
        self.names.push(earlier);
        Ok(())
    }

    fn old(&self, node: u32) -> Option<&'a Node> {
        self.planted.nodes.get(node as usize).map(|id| self.before.node(*id))
    }

    /// A node that was made or changed. Its time is not younger than the epoch: it was taken from a clock.
    fn changed(&self, former: Option<(u32, NodeId)>, mut meta: Meta, body: &Is, epoch: Time) -> Node {
        meta.mtime = meta.mtime.min(epoch);
        if let Some((number, id)) = former
            && let (Some(kept_out), Some(had)) =
                (self.kept_out.get(&number), &self.before.node(id).meta.xattrs)
        {
            let mut xattrs = meta.xattrs.take().unwrap_or_default();
            for name in kept_out {
                if let Some(value) = had.get(&**name) {
                    xattrs.insert(name.as_slice().into(), value.clone());
                }
            }
            meta.xattrs = Some(xattrs);
        }
        let kind = match body {
            Is::Dir => NodeKind::dir(),
            Is::File { .. } => NodeKind::File(Content::empty()),
            Is::Symlink(target) => NodeKind::Symlink(target.as_slice().into()),
            Is::Fifo => NodeKind::Fifo,
            Is::Socket => NodeKind::Socket,
            Is::CharDevice { major, minor } => NodeKind::CharDevice { major: *major, minor: *minor },
        };
        Node { meta, kind }
    }

    /// Reads the content of a name's file.
    pub(super) fn read(
        &mut self,
        number: u32,
        file: &File,
        blobs: &Blobs,
        pack: &mut Pack,
        monitor: Monitor<'_>,
    ) -> io::Result<()> {
        let (Some((former, len)), Some(&id)) = (self.unread.remove(&number), self.names.get(number as usize))
        else {
            return Err(super::wire::garbled());
        };
        if let Some(former) = former
            && let NodeKind::File(content) = &self.before.node(former).kind
            && equal(file, len, content, blobs, &mut self.bufs, monitor)?
        {
            self.tree.node_mut(id).kind = NodeKind::File(content.clone());
            return Ok(());
        }
        let content = self.pack(file, len, pack, monitor)?;
        self.tree.node_mut(id).kind = NodeKind::File(content);
        self.packed.push(id);
        Ok(())
    }

    /// Appends a file's bytes to the pack; its holes stay holes.
    fn pack(&mut self, file: &File, len: u64, pack: &mut Pack, monitor: Monitor<'_>) -> io::Result<Content> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut at = 0;
        while at < len {
            let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
                Ok(start) if start < len => start,
                Ok(_) | Err(rustix::io::Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(len);
            let from = pack.len();
            at = start;
            while at < end {
                let piece = (end - at).min(PIECE as u64) as usize;
                let buf = &mut self.bufs[0][..piece];
                go_on(monitor)?;
                file.read_exact_at(buf, at)?;
                pack.append(buf)?;
                at += piece as u64;
            }
            let origin = Origin::Slice { source: PACK, at: from };
            segments.push(Segment { offset: start, len: end - start, origin });
        }
        Ok(match segments.as_slice() {
            [Segment { offset: 0, len: whole, origin: Origin::Slice { source, at } }] if *whole == len => {
                Content::Slice { source: *source, at: *at, len }
            }
            _ => Content::Sparse { len, segments: Arc::from(segments) },
        })
    }

    /// The tree, with its new content in `source`.
    pub(super) fn finish(mut self, source: SourceId, keep: &CaptureScope) -> Result<Tree, SandboxError> {
        if !self.unread.is_empty() {
            return Err(SandboxError::Died { how: "it did not hand over every file".to_owned() });
        }
        for id in &self.packed {
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

    /// Puts device nodes back into folders that still stand, unless something else has their names.
    fn restore_devices(&mut self) {
        let mut restored: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        for (path, id) in &self.planted.devices {
            let cut = path.iter().rposition(|&byte| byte == b'/');
            let dir = self.tree.lookup(path.get(..cut.unwrap_or(0)).unwrap_or_default());
            let name = Name::new(path.get(cut.map_or(0, |cut| cut + 1)..).unwrap_or_default());
            let (Some(dir), Ok(name)) = (dir, name) else { continue };
            // A name that is taken stays with what took it.
            match restored.get(id) {
                Some(first) => drop(self.tree.link(dir, name, *first)),
                None => {
                    if let Ok(new) = self.tree.add(dir, name, self.before.node(*id).clone()) {
                        restored.insert(*id, new);
                    }
                }
            }
        }
    }
}
