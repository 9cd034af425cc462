//! A file system of an image: its facts, its tree, paths in it, and the bytes of its files.

use std::error::Error;
use std::io::{self, Write};

use amiforge_formats::plan::{SourceId, Sources};
use amiforge_formats::tree::{Content, NodeId, NodeKind, Origin, Printable, Tree};
use amiforge_formats::volume::format::ReadVolume;
use serde::Serialize;

use super::{InspectError, Medium, PartitionSlot};

/// The source of every slice of a tree that was read from an image: the image's partition.
pub(crate) const SOURCE: SourceId = SourceId(0);

/// Links that a path may lead through, as the kernel has it.
const LINKS_MAX: u32 = 40;

/// Bytes moved at a time.
const CHUNK: usize = 1 << 20;

/// A file system that was read.
#[derive(Debug)]
pub struct ReadFileSystem {
    /// Its facts.
    pub facts: VolumeFacts,
    /// Its files, where it has any.
    pub tree: Option<Tree>,
}

/// Facts of a file system, as JSON shows them. Sizes are in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VolumeFacts {
    /// Name of the format, such as `ext4` or `fat16`.
    pub kind: String,
    /// UUID or volume id.
    pub uuid: Option<String>,
    /// Volume label.
    pub label: Option<String>,
    /// Bytes in a block or cluster.
    pub block_size: Option<u64>,
    /// Length of the file system.
    pub size: Option<u64>,
    /// Free space.
    pub free: Option<u64>,
    /// All inodes.
    pub inodes: Option<u64>,
    /// Free inodes.
    pub free_inodes: Option<u64>,
    /// Features by name.
    pub features: Vec<String>,
    /// Further facts as name and text.
    pub more: Vec<(String, String)>,
    /// Numbers of its files.
    pub files: Option<Census>,
}

/// Numbers of the nodes of a tree; a node with several names counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Regular files.
    pub files: u64,
    /// Directories, the root included.
    pub dirs: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Devices, pipes and sockets.
    pub others: u64,
    /// Lengths of all files together.
    pub bytes: u64,
}

impl Census {
    /// Counts a tree.
    pub fn of(tree: &Tree) -> Self {
        let mut census = Self::default();
        let mut seen = vec![false; tree.capacity()];
        for (_, id) in walk_from(tree, tree.root()) {
            if std::mem::replace(&mut seen[id.index()], true) {
                continue;
            }
            match &tree.node(id).kind {
                NodeKind::File(content) => {
                    census.files += 1;
                    census.bytes = census.bytes.saturating_add(content.len());
                }
                NodeKind::Dir(_) => census.dirs += 1,
                NodeKind::Symlink(_) => census.symlinks += 1,
                _ => census.others += 1,
            }
        }
        census
    }
}

impl ReadFileSystem {
    /// Reads the file system of a slot; `None` when its content is none that can be read.
    ///
    /// # Errors
    /// [`InspectError::FileSystem`] when it is damaged.
    pub fn read(medium: &Medium, slot: &PartitionSlot) -> Result<Option<Self>, InspectError> {
        let failed = |source| damaged(slot, source);
        let Some(window) = slot.window(medium) else {
            return Err(failed(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
        };
        let Some(kind) = slot.content.kind() else { return Ok(None) };
        Ok(Some(kind.format().read(&window, SOURCE).map_err(failed)?.into()))
    }
}

/// The error for a file system that cannot be read.
pub(super) fn damaged(slot: &PartitionSlot, source: Box<dyn Error + Send + Sync>) -> InspectError {
    InspectError::FileSystem { kind: slot.content.name(), partition: slot.title(), source }
}

impl From<ReadVolume> for ReadFileSystem {
    fn from(volume: ReadVolume) -> Self {
        let facts = VolumeFacts {
            kind: volume.variant.to_owned(),
            uuid: volume.id,
            label: (!volume.label.is_empty()).then(|| Printable(&volume.label).to_string()),
            block_size: volume.block_size,
            size: volume.size,
            free: volume.free,
            inodes: volume.inodes,
            free_inodes: volume.free_inodes,
            features: volume.features,
            more: volume.more.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            files: volume.tree.as_ref().map(Census::of),
        };
        Self { facts, tree: volume.tree }
    }
}

/// The node at the path `names`. Links on the way are followed within the image; a link at the end as `last` says.
///
/// # Errors
/// [`InspectError::NoPath`], [`InspectError::Loop`].
pub fn resolve(tree: &Tree, names: &[Vec<u8>], last: LastLink) -> Result<NodeId, InspectError> {
    let path = || [b"/".as_slice(), &names.join(&b'/')].concat();
    let mut above = vec![tree.root()];
    let mut rest: Vec<Vec<u8>> = names.iter().rev().cloned().collect();
    let mut links = 0;
    while let Some(name) = rest.pop() {
        match name.as_slice() {
            b"" | b"." => continue,
            // Only a link's target can hold it; above the root is the root.
            b".." => {
                if above.len() > 1 {
                    above.pop();
                }
                continue;
            }
            _ => {}
        }
        let dir = above.last().copied().unwrap_or(tree.root());
        let child = tree.child(dir, &name).ok_or_else(|| InspectError::NoPath { path: path() })?;
        let NodeKind::Symlink(target) = &tree.node(child).kind else {
            above.push(child);
            continue;
        };
        if rest.is_empty() && last == LastLink::Kept {
            return Ok(child);
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(InspectError::Loop { path: path() });
        }
        if target.first() == Some(&b'/') {
            above.truncate(1);
        }
        rest.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
    }
    Ok(above.last().copied().unwrap_or(tree.root()))
}

/// How a link at the end of a path is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    /// The path leads to the link.
    Kept,
    /// The path leads to the target of the link.
    Followed,
}

/// Every name below a node with its path from there, depth first, the node itself first with an empty path.
pub(crate) fn walk_from(tree: &Tree, at: NodeId) -> Vec<(Vec<u8>, NodeId)> {
    let mut found = Vec::new();
    let mut stack = vec![(Vec::new(), at)];
    while let Some((path, id)) = stack.pop() {
        for (name, child) in tree.entries(id).into_iter().flat_map(|entries| entries.iter().rev()) {
            let below = if path.is_empty() {
                name.as_bytes().to_vec()
            } else {
                [path.as_slice(), b"/", name.as_bytes()].concat()
            };
            stack.push((below, *child));
        }
        found.push((path, id));
    }
    found
}

/// Writes the bytes of a file, zeros for its holes, and gives their number.
///
/// # Errors
/// The error of the image or of the writer.
pub fn send(content: &Content, sources: &dyn Sources, out: &mut dyn Write) -> io::Result<u64> {
    let zeros = vec![0; CHUNK];
    let mut at = 0;
    for segment in content.segments() {
        pad(out, segment.offset - at, &zeros)?;
        copy(&segment.origin, segment.len, sources, &mut |bytes| out.write_all(bytes))?;
        at = segment.offset + segment.len;
    }
    pad(out, content.len() - at, &zeros)?;
    Ok(content.len())
}

/// Writes zeros.
fn pad(out: &mut dyn Write, mut len: u64, zeros: &[u8]) -> io::Result<()> {
    while len > 0 {
        let now = len.min(zeros.len() as u64);
        out.write_all(&zeros[..now as usize])?;
        len -= now;
    }
    Ok(())
}

/// Passes the bytes of a segment to `to`, a chunk at a time.
pub(crate) fn copy(
    origin: &Origin,
    len: u64,
    sources: &dyn Sources,
    to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    match origin {
        Origin::Inline { bytes, at } => to(&bytes[*at..*at + len as usize]),
        Origin::Slice { source, at } => {
            let mut buf = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
            let mut done = 0;
            while done < len {
                let now = (len - done).min(CHUNK as u64) as usize;
                sources.read_exact_at(*source, at + done, &mut buf[..now])?;
                to(&buf[..now])?;
                done += now as u64;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Meta, Name, Node, Segment};

    fn node(kind: NodeKind) -> Node {
        Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind }
    }

    /// `/usr/bin/sh -> dash`, `/bin -> usr/bin`, `/abs -> /usr`, `/up -> ../../usr`, `/loop -> loop`.
    fn tree() -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let name = |text: &str| Name::new(text.as_bytes()).unwrap();
        let root = tree.root();
        let usr = tree.add(root, name("usr"), node(NodeKind::dir())).unwrap();
        let bin = tree.add(usr, name("bin"), node(NodeKind::dir())).unwrap();
        tree.add(bin, name("dash"), node(NodeKind::File(Content::empty()))).unwrap();
        let mut link = |dir, text: &str, target: &[u8]| {
            tree.add(dir, name(text), node(NodeKind::Symlink(target.into()))).unwrap();
        };
        link(bin, "sh", b"dash");
        link(root, "bin", b"usr/bin");
        link(root, "abs", b"/usr");
        link(root, "up", b"../../usr");
        link(root, "loop", b"loop");
        tree
    }

    fn resolved(path: &str, last: LastLink) -> Result<&'static str, InspectError> {
        let names: Vec<_> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
        let tree = tree();
        resolve(&tree, &names, last).map(|id| tree.node(id).kind.word())
    }

    #[test]
    fn links_are_followed_within_the_image() {
        assert_eq!(resolved("bin/sh", LastLink::Kept).unwrap(), "symlink");
        assert_eq!(resolved("bin/sh", LastLink::Followed).unwrap(), "file");
        assert_eq!(resolved("abs/bin/dash", LastLink::Kept).unwrap(), "file");
        assert_eq!(resolved("up/bin", LastLink::Kept).unwrap(), "dir");
        assert_eq!(resolved("", LastLink::Followed).unwrap(), "dir");
        assert!(matches!(resolved("loop/x", LastLink::Kept), Err(InspectError::Loop { .. })));
        assert!(matches!(resolved("usr/bin/dash/x", LastLink::Kept), Err(InspectError::NoPath { .. })));
    }

    #[test]
    fn holes_are_sent_as_zeros() {
        let origin = Origin::Inline { bytes: b"abc".as_slice().into(), at: 1 };
        let segments: Vec<_> = vec![Segment { offset: 3, len: 2, origin }];
        let content = Content::Sparse { len: 7, segments: segments.into() };
        let mut out = Vec::new();
        assert_eq!(send(&content, &NoSources, &mut out).unwrap(), 7);
        assert_eq!(out, b"\0\0\0bc\0\0");
    }
}
