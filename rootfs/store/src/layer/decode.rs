//! Decoding a layer's index. Its digest is right when this is called, so `None` means that another program wrote it;
//! every length and number is checked as in any foreign input.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::sync::Arc;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{
    Content, Meta, Name, Node, NodeId, NodeKind, Origin, SYMLINK_MAX, Segment, Tree, Xattrs,
};

use super::index::{MAGIC, Reference, tag};
use crate::blobs::ContentPiece;
use crate::digests;
use crate::hash::FileDigests;

/// Reads an index from front to back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'i> {
    rest: &'i [u8],
}

impl<'i> Cursor<'i> {
    fn take(&mut self, len: usize) -> Option<&'i [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'i [u8]> {
        let len = self.u32()?;
        self.take(usize::try_from(len).ok()?)
    }
}

/// The entries that a layer references, and the cursor after them.
pub(super) fn references(index: &[u8]) -> Option<(Vec<Reference>, Cursor<'_>)> {
    let mut cursor = Cursor { rest: index };
    if cursor.array()? != *MAGIC {
        return None;
    }
    let mut references = Vec::new();
    for _ in 0..cursor.u64()? {
        let name = std::str::from_utf8(cursor.bytes()?).ok()?.to_owned();
        // It becomes a path in the store's folder.
        if name.contains('/') || name.starts_with('.') {
            return None;
        }
        references.push(Reference { name, len: cursor.u64()?, digest: Digest(cursor.array()?) });
    }
    Some((references, cursor))
}

/// A directory that still lacks entries.
struct OpenDir {
    id: NodeId,
    left: u64,
}

/// A decoded index.
#[derive(Debug)]
pub(super) struct LayerIndex {
    pub(super) tree: Tree,
    pub(super) notes: Vec<u8>,
    /// Digests of the files that are one piece of a source.
    pub(super) digests: Vec<(ContentPiece, FileDigests)>,
}

/// The index after its references. `sources` are the layer itself and the entries that it references, in order.
pub(super) fn tree(mut cursor: Cursor<'_>, sources: &[SourceId]) -> Option<LayerIndex> {
    let notes = cursor.bytes()?.to_vec();
    let (b"", tag::DIR) = (cursor.bytes()?, cursor.array::<1>()?[0]) else { return None };
    let mut tree = Tree::new(meta(&mut cursor)?);
    let mut numbers = vec![tree.root()];
    let mut digests = Vec::new();
    let mut open = vec![OpenDir { id: tree.root(), left: cursor.u64()? }];
    while let Some(dir) = open.last_mut() {
        let Some(left) = dir.left.checked_sub(1) else {
            open.pop();
            continue;
        };
        dir.left = left;
        let parent = dir.id;
        let name = Name::new(cursor.bytes()?).ok()?;
        let [kind] = cursor.array()?;
        if kind == tag::LINK {
            let known = *numbers.get(usize::try_from(cursor.u32()?).ok()?)?;
            tree.link(parent, name, known).ok()?;
            continue;
        }
        let meta = meta(&mut cursor)?;
        let id = tree
            .add(parent, name, Node { meta, kind: self::kind(kind, &mut cursor, sources, &mut digests)? })
            .ok()?;
        numbers.push(id);
        if kind == tag::DIR {
            open.push(OpenDir { id, left: cursor.u64()? });
        }
    }
    cursor.rest.is_empty().then_some(LayerIndex { tree, notes, digests })
}

fn kind(
    kind: u8,
    cursor: &mut Cursor<'_>,
    sources: &[SourceId],
    known: &mut Vec<(ContentPiece, FileDigests)>,
) -> Option<NodeKind> {
    Some(match kind {
        tag::DIR => NodeKind::dir(),
        tag::FILE => {
            let content = content(cursor, sources)?;
            if cursor.array()? == [1] {
                let digests = FileDigests { sha1: cursor.array()?, sha256: Digest(cursor.array()?) };
                known.extend(digests::piece(&content).map(|piece| (piece, digests)));
            }
            NodeKind::File(content)
        }
        tag::SYMLINK => {
            let target = cursor.bytes()?;
            if target.is_empty() || target.len() > SYMLINK_MAX {
                return None;
            }
            NodeKind::Symlink(target.into())
        }
        tag::CHAR => NodeKind::CharDevice { major: cursor.u32()?, minor: cursor.u32()? },
        tag::BLOCK => NodeKind::BlockDevice { major: cursor.u32()?, minor: cursor.u32()? },
        tag::FIFO => NodeKind::Fifo,
        tag::SOCKET => NodeKind::Socket,
        _ => return None,
    })
}

fn meta(cursor: &mut Cursor<'_>) -> Option<Meta> {
    let mode = u16::from_le_bytes(cursor.array()?);
    let (uid, gid) = (cursor.u32()?, cursor.u32()?);
    let mtime = Time { secs: i64::from_le_bytes(cursor.array()?), nanos: cursor.u32()? };
    let mut xattrs = Xattrs::new();
    for _ in 0..cursor.u32()? {
        xattrs.insert(cursor.bytes()?.into(), cursor.bytes()?.into());
    }
    let xattrs = (!xattrs.is_empty()).then(|| Box::new(xattrs));
    Some(Meta { mode, uid, gid, mtime, xattrs })
}

fn content(cursor: &mut Cursor<'_>, sources: &[SourceId]) -> Option<Content> {
    let (len, count) = (cursor.u64()?, cursor.u64()?);
    let mut segments = Vec::new();
    let mut end = 0;
    for _ in 0..count {
        let (offset, length) = (cursor.u64()?, cursor.u64()?);
        let source = *sources.get(usize::try_from(cursor.u32()?).ok()?)?;
        let origin = Origin::Slice { source, at: cursor.u64()? };
        // Sorted, disjoint, not empty, within the file.
        if offset < end || length == 0 {
            return None;
        }
        end = offset.checked_add(length).filter(|end| *end <= len)?;
        segments.push(Segment { offset, len: length, origin });
    }
    Some(match segments.as_slice() {
        [] if len == 0 => Content::empty(),
        [Segment { offset: 0, len: all, origin: Origin::Slice { source, at } }] if *all == len => {
            Content::Slice { source: *source, at: *at, len }
        }
        _ => Content::Sparse { len, segments: Arc::from(segments) },
    })
}
