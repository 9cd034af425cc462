//! The content of a regular file: references to bytes, never the bytes of a large file themselves.

use std::io;
use std::sync::Arc;

use crate::plan::{SourceId, Sources};

/// The origin of a range of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Bytes held in memory: `bytes[at..at + len]` with the length of the segment.
    Inline {
        /// The bytes.
        bytes: Arc<[u8]>,
        /// First byte used.
        at: usize,
    },
    /// Bytes of a source, from byte `at` on.
    Slice {
        /// Which source.
        source: SourceId,
        /// First byte used.
        at: u64,
    },
}

/// A range of a file that has bytes; a range between segments is a hole and reads as zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Offset in the file.
    pub offset: u64,
    /// Length in bytes, not zero.
    pub len: u64,
    /// Where the bytes come from.
    pub origin: Origin,
}

/// The content of a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes held in memory.
    Inline(Arc<[u8]>),
    /// One run of bytes of a source.
    Slice {
        /// Which source.
        source: SourceId,
        /// First byte.
        at: u64,
        /// Length in bytes.
        len: u64,
    },
    /// Segments, sorted and disjoint, within `len`; the rest are holes.
    Sparse {
        /// Length of the file in bytes.
        len: u64,
        /// The ranges with bytes.
        segments: Arc<[Segment]>,
    },
}

impl Content {
    /// An empty file.
    pub fn empty() -> Self {
        Self::Inline(Arc::from([]))
    }

    /// Length of the file in bytes, holes included.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Slice { len, .. } | Self::Sparse { len, .. } => *len,
        }
    }

    /// Whether the file has no bytes and no holes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ranges that have bytes, in order; an empty file has none.
    pub fn segments(&self) -> Vec<Segment> {
        match self {
            Self::Sparse { segments, .. } => segments.to_vec(),
            _ if self.is_empty() => Vec::new(),
            Self::Inline(bytes) => vec![Segment {
                offset: 0,
                len: bytes.len() as u64,
                origin: Origin::Inline { bytes: Arc::clone(bytes), at: 0 },
            }],
            Self::Slice { source, at, len } => {
                vec![Segment { offset: 0, len: *len, origin: Origin::Slice { source: *source, at: *at } }]
            }
        }
    }

    /// Fills `buf` from byte `at` of the file; holes, and what is behind its end, are zeros.
    ///
    /// # Errors
    /// The error of the medium; `InvalidData` for a segment that names more bytes than it holds.
    pub fn read_at(&self, sources: &dyn Sources, at: u64, buf: &mut [u8]) -> io::Result<()> {
        buf.fill(0);
        let end = at.saturating_add(buf.len() as u64);
        for segment in self.segments() {
            let from = segment.offset.max(at);
            let to = segment.offset.saturating_add(segment.len).min(end);
            if from >= to {
                continue;
            }
            let within = from - segment.offset;
            let into = &mut buf[(from - at) as usize..(to - at) as usize];
            match &segment.origin {
                Origin::Inline { bytes, at } => {
                    let bytes = bytes.get(*at + within as usize..).and_then(|rest| rest.get(..into.len()));
                    into.copy_from_slice(bytes.ok_or(io::ErrorKind::InvalidData)?);
                }
                Origin::Slice { source, at } => {
                    sources.read_exact_at(*source, at.saturating_add(within), into)?;
                }
            }
        }
        Ok(())
    }
}
