//! Encoding a layer: contents that are in no other entry of the store, then the index. Numbers are little-endian; texts
//! and lists have their length before them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use amiforge_formats::plan::{SourceId, Sources};
use amiforge_formats::tree::{Content, Meta, NodeId, NodeKind, Origin, Segment, Tree};

use super::index::{LayerError, MAGIC, Purpose, Reference, tag};
use crate::blobs::Blobs;
use crate::digests;
use crate::entry::EntryWriter;
use crate::hash::FileDigests;
use crate::store::Store;

/// Bytes copied at a time.
const PIECE: u64 = 1 << 20;

/// Encodes a tree into an entry of the store.
pub(super) struct Encoder<'a> {
    store: &'a Store,
    blobs: &'a Blobs,
    writer: &'a mut EntryWriter,
    references: Vec<Reference>,
    /// The number of a source in the index, 0 being the layer itself; none for one whose bytes are copied.
    known: HashMap<SourceId, Option<u32>>,
    out: Vec<u8>,
    purpose: Purpose,
}

/// The first byte of a segment: number of the source, and the offset there.
struct SourceOffset {
    source: u32,
    at: u64,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(
        store: &'a Store,
        blobs: &'a Blobs,
        writer: &'a mut EntryWriter,
        purpose: Purpose,
    ) -> Self {
        let (references, known, out) = Default::default();
        Self { store, blobs, writer, references, known, out, purpose }
    }

    /// Copies the contents that are in no other entry. Returns the index, and the sources of its references, in order.
    pub(super) fn encode(
        mut self,
        tree: &Tree,
        notes: &[u8],
    ) -> Result<(Vec<u8>, Vec<SourceId>), LayerError> {
        self.nodes(tree)?;
        let nodes = std::mem::take(&mut self.out);
        self.out.extend_from_slice(MAGIC);
        self.number(self.references.len() as u64);
        for Reference { name, len, digest } in std::mem::take(&mut self.references) {
            self.bytes(name.as_bytes());
            self.number(len);
            self.out.extend_from_slice(&digest.0);
        }
        self.bytes(notes);
        self.out.extend_from_slice(&nodes);
        let mut sources: Vec<(u32, SourceId)> =
            self.known.iter().filter_map(|(source, number)| Some(((*number)?, *source))).collect();
        sources.sort_unstable();
        Ok((self.out, sources.into_iter().map(|(_, source)| source).collect()))
    }

    /// Every node, a directory before its entries.
    fn nodes(&mut self, tree: &Tree) -> Result<(), LayerError> {
        let mut numbers: HashMap<NodeId, u32> = HashMap::new();
        let mut waiting = vec![tree.root()];
        let mut names: Vec<&[u8]> = vec![b""];
        while let (Some(id), Some(name)) = (waiting.pop(), names.pop()) {
            self.bytes(name);
            let count = numbers.len() as u32;
            match numbers.entry(id) {
                Entry::Occupied(known) => {
                    self.out.push(tag::LINK);
                    self.out.extend_from_slice(&known.get().to_le_bytes());
                    continue;
                }
                Entry::Vacant(free) => {
                    free.insert(count);
                }
            }
            let node = tree.node(id);
            self.node(&node.kind, &node.meta)?;
            if let NodeKind::Dir(entries) = &node.kind {
                self.number(entries.len() as u64);
                waiting.extend(entries.values().rev());
                names.extend(entries.keys().rev().map(amiforge_formats::tree::Name::as_bytes));
            }
        }
        Ok(())
    }

    fn node(&mut self, kind: &NodeKind, meta: &Meta) -> Result<(), LayerError> {
        self.out.push(match kind {
            NodeKind::Dir(_) => tag::DIR,
            NodeKind::File(_) => tag::FILE,
            NodeKind::Symlink(_) => tag::SYMLINK,
            NodeKind::CharDevice { .. } => tag::CHAR,
            NodeKind::BlockDevice { .. } => tag::BLOCK,
            NodeKind::Fifo => tag::FIFO,
            NodeKind::Socket => tag::SOCKET,
        });
        self.meta(meta);
        match kind {
            NodeKind::File(content) => self.content(content)?,
            NodeKind::Symlink(target) => self.bytes(target),
            NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
                self.out.extend_from_slice(&major.to_le_bytes());
                self.out.extend_from_slice(&minor.to_le_bytes());
            }
            NodeKind::Dir(_) | NodeKind::Fifo | NodeKind::Socket => {}
        }
        Ok(())
    }

    fn meta(&mut self, meta: &Meta) {
        self.out.extend_from_slice(&meta.mode.to_le_bytes());
        self.out.extend_from_slice(&meta.uid.to_le_bytes());
        self.out.extend_from_slice(&meta.gid.to_le_bytes());
        self.out.extend_from_slice(&meta.mtime.secs.to_le_bytes());
        self.out.extend_from_slice(&meta.mtime.nanos.to_le_bytes());
        let xattrs = meta.xattrs.as_deref();
        let count = xattrs.map_or(0, std::collections::BTreeMap::len);
        self.out.extend_from_slice(&(count as u32).to_le_bytes());
        for (name, value) in xattrs.into_iter().flatten() {
            self.bytes(name);
            self.bytes(value);
        }
    }

    /// Length; number of segments, and for each its offset in the file, its length, source and offset there; whether
    /// digests follow; the digests.
    fn content(&mut self, content: &Content) -> Result<(), LayerError> {
        let segments = content.segments();
        self.number(content.len());
        if self.purpose == Purpose::Fingerprint {
            // A fingerprint is of the bytes, whether they are in a layer with a name or in one without a name yet.
            if let Some(known) = digests::piece(content).and_then(|piece| self.blobs.digests(piece)) {
                self.out.extend_from_slice(&known.sha256.0);
                return Ok(());
            }
            if matches!(content, Content::Sparse { .. }) {
                let taken = digests::of(content, self.blobs).map_err(LayerError::Read)?;
                self.out.extend_from_slice(&taken.sha256.0);
                return Ok(());
            }
        }
        self.number(segments.len() as u64);
        for segment in segments {
            let SourceOffset { source, at } = self.locate(&segment)?;
            self.number(segment.offset);
            self.number(segment.len);
            self.out.extend_from_slice(&source.to_le_bytes());
            self.number(at);
        }
        let has_digests = self.purpose == Purpose::Layer && !content.is_empty();
        self.out.push(u8::from(has_digests));
        if has_digests {
            let FileDigests { sha1, sha256 } = digests::of(content, self.blobs).map_err(LayerError::Read)?;
            self.out.extend_from_slice(&sha1);
            self.out.extend_from_slice(&sha256.0);
        }
        Ok(())
    }

    /// Locates the bytes of a segment in the store; bytes that are in no entry are copied into the layer.
    fn locate(&mut self, segment: &Segment) -> Result<SourceOffset, LayerError> {
        let end_of_layer = self.writer.len();
        match &segment.origin {
            Origin::Inline { bytes, at } => {
                let end = at.saturating_add(usize::try_from(segment.len).unwrap_or(usize::MAX));
                let missing = || LayerError::Read(std::io::ErrorKind::InvalidData.into());
                self.writer.write(bytes.get(*at..end).ok_or_else(missing)?)?;
            }
            Origin::Slice { source, at } => {
                if let Some(number) = self.number_of(*source)? {
                    return Ok(SourceOffset { source: number, at: *at });
                }
                let mut buf = vec![0; usize::try_from(segment.len.min(PIECE)).unwrap_or(0)];
                let mut done = 0;
                while done < segment.len {
                    let len = (segment.len - done).min(PIECE);
                    let piece = &mut buf[..len as usize];
                    self.blobs.read_exact_at(*source, at + done, piece).map_err(LayerError::Read)?;
                    self.writer.write(piece)?;
                    done += len;
                }
            }
        }
        Ok(SourceOffset { source: 0, at: end_of_layer })
    }

    /// The number of a source that is an entry of the store; none for other sources.
    fn number_of(&mut self, source: SourceId) -> Result<Option<u32>, LayerError> {
        if let Some(known) = self.known.get(&source) {
            return Ok(*known);
        }
        let entry = self.blobs.path(source).and_then(|path| self.store.entry_name(path));
        let opened = match entry {
            Some(name) => self.store.open(name)?.map(|opened| (name.to_owned(), opened)),
            None => None,
        };
        let number = opened.map(|(name, entry)| {
            self.references.push(Reference { name, len: entry.len, digest: entry.digest });
            self.references.len() as u32
        });
        self.known.insert(source, number);
        Ok(number)
    }

    fn number(&mut self, number: u64) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.out.extend_from_slice(bytes);
    }
}
