//! The bytes of a file into claims, without reading any.

use std::sync::Arc;

use crate::plan::{Claims, Data};
use crate::tree::{Content, Origin, Segment};

/// Contiguous bytes of a file in the plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContentRange {
    /// First byte in the file.
    pub start: u64,
    /// First byte after it in the file; it may be past the end of the file.
    pub end: u64,
    /// First byte in the plan.
    pub offset: u64,
}

impl ContentRange {
    /// Claims the part of a file's content in this range; what has no bytes is zero.
    pub(crate) fn write(&self, content: &Content, claims: &mut Claims) {
        let start = self.start;
        let at = match content {
            Content::Inline(bytes) => self.claim(0, bytes.len() as u64, start, claims, |skip| Data::Bytes {
                bytes: Arc::clone(bytes),
                at: skip as usize,
            }),
            Content::Slice { source, at, len } => {
                self.claim(0, *len, start, claims, |skip| Data::Slice { source: *source, at: at + skip })
            }
            Content::Sparse { segments, .. } => {
                let first = segments.partition_point(|segment| segment.offset + segment.len <= start);
                let own = segments[first..].iter().take_while(|segment| segment.offset < self.end);
                own.fold(start, |at, segment| {
                    self.claim(segment.offset, segment.len, at, claims, |skip| origin(segment, skip))
                })
            }
        };
        claims.claim(self.offset + (at - start), self.end - at, Data::Zero);
    }

    /// Claims the part of `from..from + len` in this range, and zeros from `at` up to it; gives its end.
    fn claim(&self, from: u64, len: u64, at: u64, claims: &mut Claims, data: impl Fn(u64) -> Data) -> u64 {
        let (first, last) = (from.max(self.start), (from + len).min(self.end));
        if first >= last {
            return at;
        }
        claims.claim(self.offset + (at - self.start), first - at, Data::Zero);
        claims.claim(self.offset + (first - self.start), last - first, data(first - from));
        last
    }
}

fn origin(segment: &Segment, skip: u64) -> Data {
    match &segment.origin {
        Origin::Inline { bytes, at } => Data::Bytes { bytes: Arc::clone(bytes), at: at + skip as usize },
        Origin::Slice { source, at } => Data::Slice { source: *source, at: at + skip },
    }
}

/// The blocks that segments touch, as runs of first block and length.
pub(crate) fn touched(segments: &[Segment], block_size: u64) -> Vec<(u32, u32)> {
    let mut out: Vec<(u32, u32)> = Vec::new();
    for segment in segments {
        let block = (segment.offset / block_size) as u32;
        let end = (segment.offset + segment.len).div_ceil(block_size) as u32;
        match out.last_mut() {
            Some((first, len)) if *first + *len >= block => *len = end - *first,
            _ => out.push((block, end - block)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SourceId;

    #[test]
    fn segments_that_touch_a_block_are_one_range() {
        let at = |offset, len| Segment { offset, len, origin: Origin::Slice { source: SourceId(0), at: 0 } };
        let segments = [at(10, 10), at(4000, 100), at(8192, 1), at(20480, 4096)];
        assert_eq!(touched(&segments, 4096), [(0, 3), (5, 1)]);
    }
}
