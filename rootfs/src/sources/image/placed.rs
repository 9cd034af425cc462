//! Where the bytes of a disk are once they are placed: in its file, or in an entry of the store where that holds them compressed.

use std::sync::Arc;

use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{Content, Origin, Segment};

use super::open::{DiskPlace, DiskRun};

/// Where the bytes of a disk are among the blobs.
pub(super) struct PlacedDisk {
    pub(super) file: SourceId,
    pub(super) spool: Option<Spool>,
}

impl PlacedDisk {
    /// Where a run is: its source and first byte there; none for zeros.
    pub(super) fn at(&self, run: &DiskRun) -> Option<(SourceId, u64)> {
        match (run.place, &self.spool) {
            (DiskPlace::File(at), _) => Some((self.file, at)),
            (DiskPlace::Packed, Some(spool)) => Some((spool.source, spool.place(run.start))),
            (DiskPlace::Packed, None) | (DiskPlace::Zeros, _) => None,
        }
    }
}

/// Ranges of the disk that are in an entry of the store, one after the other.
pub(super) struct Spool {
    pub(super) source: SourceId,
    /// First and last byte on the disk, and the first byte in the entry.
    pub(super) ranges: Vec<(u64, u64, u64)>,
}

impl Spool {
    /// Where a byte of the disk is in the entry.
    pub(super) fn place(&self, at: u64) -> u64 {
        let index = self.ranges.partition_point(|(start, _, _)| *start <= at).saturating_sub(1);
        self.ranges.get(index).map_or(0, |(start, _, placed)| placed + (at - start))
    }
}

/// The content of `len` bytes that the segments make.
pub(super) fn content(len: u64, segments: Vec<Segment>) -> Content {
    match segments.as_slice() {
        [Segment { offset: 0, len: all, origin: Origin::Slice { source, at } }] if *all == len => {
            Content::Slice { source: *source, at: *at, len }
        }
        _ => Content::Sparse { len, segments: Arc::from(segments) },
    }
}
