//! Writing a layer: contents that lie nowhere else in the store, then the index. Numbers are little-endian; texts and
//! lists have their length before them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use amiforge_formats::plan::{SourceId, Sources};
use amiforge_formats::tree::{Content, Meta, NodeId, NodeKind, Origin, Segment, Tree};

use super::{Digests, LayerError, MAGIC, Reference, tag};
use crate::blobs::Blobs;
use crate::digests::{self, FileDigests};
use crate::{Spooling, Store};

/// Bytes copied at a time.
const PIECE: u64 = 1 << 20;

/// Puts a tree into an entry of the store.
pub(super) struct Encoder<'a> {
    store: &'a Store,
    blobs: &'a Blobs,
    spooling: &'a mut Spooling,
    references: Vec<Reference>,
    /// The number of a source in the index, 0 being the layer itself; none for one whose bytes are copied.
    known: HashMap<SourceId, Option<u32>>,
    out: Vec<u8>,
    digests: Digests,
}

/// Where a stretch of a file lies: number of the source, first byte.
struct SourceOffset {
    source: u32,
    at: u64,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(
        store: &'a Store,
        blobs: &'a Blobs,
        spooling: &'a mut Spooling,
        digests: Digests,
    ) -> Self {
        let (references, known, out) = Default::default();
        Self { store, blobs, spooling, references, known, out, digests }
    }

    /// Copies what has to be copied; the index, and what the references of it are here.
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

    /// Length, number of stretches, and for each its place in the file, its length, and where its bytes lie; whether
    /// the digests follow, and they.
    fn content(&mut self, content: &Content) -> Result<(), LayerError> {
        let segments = content.segments();
        self.number(content.len());
        if self.digests == Digests::Left {
            // A fingerprint is of the bytes, wherever they lie: in a layer that has no name yet, or in one that has.
            if let Some(known) = digests::piece(content).and_then(|piece| self.blobs.known(piece)) {
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
            let SourceOffset { source, at } = self.stretch(&segment)?;
            self.number(segment.offset);
            self.number(segment.len);
            self.out.extend_from_slice(&source.to_le_bytes());
            self.number(at);
        }
        let kept = self.digests == Digests::Kept && !content.is_empty();
        self.out.push(u8::from(kept));
        if kept {
            let FileDigests { sha1, sha256 } = digests::of(content, self.blobs).map_err(LayerError::Read)?;
            self.out.extend_from_slice(&sha1);
            self.out.extend_from_slice(&sha256.0);
        }
        Ok(())
    }

    /// Where the bytes of a segment lie in the store; copied into the layer if they do not.
    fn stretch(&mut self, segment: &Segment) -> Result<SourceOffset, LayerError> {
        let here = self.spooling.len();
        match &segment.origin {
            Origin::Inline { bytes, at } => {
                let end = at.saturating_add(usize::try_from(segment.len).unwrap_or(usize::MAX));
                let missing = || LayerError::Read(std::io::ErrorKind::InvalidData.into());
                self.spooling.write(bytes.get(*at..end).ok_or_else(missing)?)?;
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
                    self.spooling.write(piece)?;
                    done += len;
                }
            }
        }
        Ok(SourceOffset { source: 0, at: here })
    }

    /// The number of a source that is an entry of the store.
    fn number_of(&mut self, source: SourceId) -> Result<Option<u32>, LayerError> {
        if let Some(known) = self.known.get(&source) {
            return Ok(*known);
        }
        let entry = self.blobs.path(source).and_then(|path| self.store.name_of(path));
        let spool = match entry {
            Some(name) => self.store.open(name)?.map(|spool| (name.to_owned(), spool)),
            None => None,
        };
        let number = spool.map(|(name, spool)| {
            self.references.push(Reference { name, len: spool.len, digest: spool.digest });
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
