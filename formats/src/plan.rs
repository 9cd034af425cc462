//! The plan: a sorted list of extents that says where every byte of an image comes from.
//!
//! A format turns a tree into a plan; plans compose (a file system into a disk). The writer of the image file, the digests
//! and the cache of images read the same plan; an upload reads the finished image. A finished plan covers its length exactly, each byte claimed once. No I/O happens here
//! but through [`Sources`].

use std::fmt;
use std::io;
use std::sync::Arc;

/// Names a source of bytes: a file of the store, a tar, a file of the user. The [`Sources`] define its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// Gives the bytes of sources to the readers of a plan, from many threads at once.
pub trait Sources: Sync {
    /// Fills `buf` from byte `at` of `source`.
    ///
    /// # Errors
    /// `UnexpectedEof` past the end of the source; otherwise the error of the medium, with the source.
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()>;
}

impl<S: Sources + ?Sized> Sources for &S {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(source, at, buf)
    }
}

/// A plan that refers to no source may be read with this one.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSources;

impl Sources for NoSources {
    fn read_exact_at(&self, source: SourceId, _at: u64, _buf: &mut [u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::NotFound, format!("source {} is not open", source.0)))
    }
}

/// The data of an extent.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// Bytes made by us: `bytes[at..at + len]` with the length of the extent.
    Bytes {
        /// The bytes, shared.
        bytes: Arc<[u8]>,
        /// First byte used.
        at: usize,
    },
    /// Bytes of a source from `at` on.
    Slice {
        /// Which source.
        source: SourceId,
        /// First byte.
        at: u64,
    },
    /// Must read back as zero.
    Zero,
    /// Unallocated: not read before it is written. Read from the plan, it gives zeros.
    Free,
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { at, .. } => write!(f, "Bytes(+{at})"),
            Self::Slice { source, at } => write!(f, "Slice({}, {at})", source.0),
            Self::Zero => f.write_str("Zero"),
            Self::Free => f.write_str("Free"),
        }
    }
}

impl Data {
    /// The same data from `skip` bytes further on.
    #[must_use]
    pub fn advance(&self, skip: u64) -> Self {
        match self {
            Self::Bytes { bytes, at } => Self::Bytes { bytes: Arc::clone(bytes), at: at + skip as usize },
            Self::Slice { source, at } => Self::Slice { source: *source, at: at + skip },
            Self::Zero => Self::Zero,
            Self::Free => Self::Free,
        }
    }
}

/// A range of a plan with one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// First byte in the plan.
    pub offset: u64,
    /// Length in bytes, not zero.
    pub len: u64,
    /// Its data.
    pub data: Data,
}

impl Extent {
    /// First byte after the extent.
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// Why claims do not make a plan: a bug of the planner, never a mistake in the user's input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Two claims overlap.
    #[error("bytes {offset}..{end} are claimed twice")]
    Overlap {
        /// First byte claimed twice.
        offset: u64,
        /// First byte after the earlier claim.
        end: u64,
    },
    /// A claim reaches past the end.
    #[error("a claim ends at byte {end}, past the end of the plan at {len}")]
    PastEnd {
        /// End of the claim.
        end: u64,
        /// Length of the plan.
        len: u64,
    },
}

/// Collects claims in any order; [`Claims::finish`] makes the plan.
#[derive(Debug, Clone)]
pub struct Claims {
    len: u64,
    extents: Vec<Extent>,
}

impl Claims {
    /// Claims on `len` bytes.
    pub fn new(len: u64) -> Self {
        Self { len, extents: Vec::new() }
    }

    /// Claims `len` bytes at `offset`; a claim of no bytes is passed over.
    pub fn claim(&mut self, offset: u64, len: u64, data: Data) {
        if len > 0 {
            self.extents.push(Extent { offset, len, data });
        }
    }

    /// Claims the whole of `bytes` at `offset`.
    pub fn bytes(&mut self, offset: u64, bytes: impl Into<Arc<[u8]>>) {
        let bytes = bytes.into();
        self.claim(offset, bytes.len() as u64, Data::Bytes { bytes, at: 0 });
    }

    /// Claims the extents of another plan, moved to `offset`: a file system into its partition.
    pub fn plan(&mut self, offset: u64, plan: Plan) {
        self.extents.extend(plan.extents.into_iter().map(|mut extent| {
            extent.offset += offset;
            extent
        }));
    }

    /// Sorts the claims, checks that none overlap, and fills unclaimed ranges with `gap`
    /// ([`Data::Zero`] or [`Data::Free`]).
    ///
    /// # Errors
    /// [`PlanError`] when claims overlap or reach past the end.
    pub fn finish(mut self, gap: &Data) -> Result<Plan, PlanError> {
        self.extents.sort_unstable_by_key(|extent| extent.offset);
        let mut covered = Vec::with_capacity(self.extents.len() + self.extents.len() / 4);
        let mut at = 0;
        for extent in self.extents {
            if extent.offset < at {
                return Err(PlanError::Overlap { offset: extent.offset, end: at.min(extent.end()) });
            }
            if extent.end() > self.len {
                return Err(PlanError::PastEnd { end: extent.end(), len: self.len });
            }
            push(&mut covered, Extent { offset: at, len: extent.offset - at, data: gap.clone() });
            at = extent.end();
            push(&mut covered, extent);
        }
        push(&mut covered, Extent { offset: at, len: self.len - at, data: gap.clone() });
        Ok(Plan { len: self.len, extents: covered })
    }
}

/// Appends an extent, merged into the one before it where both are holes of a kind or adjoining bytes of a source.
fn push(extents: &mut Vec<Extent>, extent: Extent) {
    if extent.len == 0 {
        return;
    }
    if let Some(last) = extents.last_mut() {
        let joins = match (&last.data, &extent.data) {
            (Data::Zero, Data::Zero) | (Data::Free, Data::Free) => true,
            (Data::Slice { source: a, at }, Data::Slice { source: b, at: next }) => {
                a == b && at + last.len == *next
            }
            _ => false,
        };
        if joins {
            last.len += extent.len;
            return;
        }
    }
    extents.push(extent);
}

/// Where every byte of something comes from. Extents are sorted, disjoint, and cover `0..len`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    len: u64,
    extents: Vec<Extent>,
}

impl Plan {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the plan describes no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All extents, in order.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The extents within `start..end`, clipped to it, in order.
    pub fn range(&self, start: u64, end: u64) -> impl Iterator<Item = Extent> + '_ {
        let first = self.extents.partition_point(|extent| extent.end() <= start);
        self.extents[first..].iter().take_while(move |extent| extent.offset < end).map(move |extent| {
            let skip = start.saturating_sub(extent.offset);
            let offset = extent.offset + skip;
            Extent { offset, len: extent.end().min(end) - offset, data: extent.data.advance(skip) }
        })
    }

    /// Fills `buf` from byte `offset`; `Zero` and `Free` give zeros.
    ///
    /// # Errors
    /// The error of a source; `UnexpectedEof` past the end of the plan.
    pub fn read_exact_at(&self, sources: &dyn Sources, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        for extent in self.range(offset, end) {
            let from = (extent.offset - offset) as usize;
            let part = &mut buf[from..from + extent.len as usize];
            match &extent.data {
                Data::Bytes { bytes, at } => part.copy_from_slice(&bytes[*at..*at + part.len()]),
                Data::Slice { source, at } => sources.read_exact_at(*source, *at, part)?,
                Data::Zero | Data::Free => part.fill(0),
            }
        }
        Ok(())
    }
}

/// A plan with its sources, readable like an image that exists.
pub struct PlanReader<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Where its slices are read from.
    pub sources: &'a dyn Sources,
}

impl crate::read_at::ReadAt for PlanReader<'_> {
    fn size(&self) -> u64 {
        self.plan.len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.plan.read_exact_at(self.sources, offset, buf)
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<std::ops::Range<u64>>> {
        let mut held = self.plan.range(from, to).filter(|e| !matches!(e.data, Data::Zero | Data::Free));
        Ok(held.next().map(|extent| extent.offset..extent.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_sorted_filled_and_merged() {
        let mut claims = Claims::new(100);
        claims.claim(50, 10, Data::Slice { source: SourceId(1), at: 10 });
        claims.claim(40, 10, Data::Slice { source: SourceId(1), at: 0 });
        claims.claim(60, 5, Data::Free);
        claims.bytes(0, vec![7; 4]);
        let plan = claims.finish(&Data::Free).unwrap();
        let shape: Vec<_> = plan.extents().iter().map(|e| (e.offset, e.len)).collect();
        assert_eq!(shape, [(0, 4), (4, 36), (40, 20), (60, 40)]);
        let clipped: Vec<_> = plan.range(3, 45).collect();
        assert_eq!(clipped.len(), 3);
        assert_eq!(
            clipped[2],
            Extent { offset: 40, len: 5, data: Data::Slice { source: SourceId(1), at: 0 } }
        );
        let mut buf = [9; 6];
        plan.read_exact_at(&NoSources, 2, &mut buf).unwrap();
        assert_eq!(buf, [7, 7, 0, 0, 0, 0]);
        assert!(plan.read_exact_at(&NoSources, 98, &mut buf).is_err());
    }

    #[test]
    fn a_byte_claimed_twice_is_refused() {
        let mut claims = Claims::new(10);
        claims.bytes(0, vec![1; 4]);
        claims.bytes(3, vec![1; 4]);
        assert_eq!(claims.finish(&Data::Zero), Err(PlanError::Overlap { offset: 3, end: 4 }));
        let mut claims = Claims::new(10);
        claims.bytes(8, vec![1; 4]);
        assert_eq!(claims.finish(&Data::Zero), Err(PlanError::PastEnd { end: 12, len: 10 }));
    }
}
