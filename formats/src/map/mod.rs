//! Maps: what every byte of a volume or a disk is.
//!
//! A map is made from the bytes alone, by the readers. Its ranges are sorted and cover its length exactly once: a range that
//! two structures claim, or that none does where the format says that it is in use, is refused by [`MapBuilder::finish`] and
//! named. Knows no format; each makes its own map.

mod sections;
mod subject;

use std::ops::Range;

pub use sections::FileSection;
pub use subject::{NodeName, NodePart, RangeKind, Subject, SubjectText};

/// A range with one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRange {
    /// First byte.
    pub start: u64,
    /// Length in bytes, not zero.
    pub len: u64,
    /// What the bytes are.
    pub subject: Subject,
}

impl MappedRange {
    /// First byte after the range.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// Why ranges make no map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Two structures have the same bytes.
    #[error("bytes {start} to {last} are {first} and {second}")]
    Overlap {
        /// First byte that both have.
        start: u64,
        /// Last byte that both have.
        last: u64,
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
    },
    /// Bytes are in use, and no structure has them.
    #[error("bytes {start} to {last} are in use, and neither a file nor a structure has them")]
    Gap {
        /// First byte.
        start: u64,
        /// Last byte.
        last: u64,
    },
    /// A structure reaches past the end.
    #[error("{subject} ends at byte {end}, past the end at {len}")]
    PastEnd {
        /// What it is.
        subject: String,
        /// First byte after it.
        end: u64,
        /// Length of the map.
        len: u64,
    },
}

/// What every byte of a volume is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeMap {
    len: u64,
    ranges: Vec<MappedRange>,
    nodes: Vec<NodeName>,
    /// Further names of nodes.
    aliases: Vec<(Box<[u8]>, u32)>,
}

impl RangeMap {
    /// A map of one range.
    pub fn of_one(len: u64, subject: Subject) -> Self {
        let ranges = if len == 0 { Vec::new() } else { vec![MappedRange { start: 0, len, subject }] };
        Self { len, ranges, ..Self::default() }
    }

    /// Length in bytes: the sum of the lengths of all ranges.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ranges, in order, without gaps.
    pub fn ranges(&self) -> &[MappedRange] {
        &self.ranges
    }

    /// The ranges that have a byte in `range`.
    pub fn within(&self, range: Range<u64>) -> &[MappedRange] {
        let first = self.ranges.partition_point(|one| one.end() <= range.start);
        let end = self.ranges.partition_point(|one| one.start < range.end);
        self.ranges.get(first..end.max(first)).unwrap_or_default()
    }

    /// The name of a node that a subject refers to.
    pub fn node(&self, node: u32) -> &NodeName {
        self.nodes.get(node as usize).unwrap_or(&NodeName::Reserved("a node without a name"))
    }

    /// The number of the node with a path of names joined by `/`, one of several paths included.
    pub fn find(&self, path: &[u8]) -> Option<u32> {
        let alias = || self.aliases.iter().find(|(alias, _)| **alias == *path).map(|(_, node)| *node);
        match self.nodes.iter().position(|name| name.path() == Some(path)) {
            Some(at) => u32::try_from(at).ok(),
            None => alias(),
        }
    }

    /// A subject as text, such as `inode 12 of /etc/motd`.
    pub fn text<'a>(&'a self, subject: &'a Subject) -> SubjectText<'a> {
        SubjectText { subject, nodes: &self.nodes }
    }
}

/// Collects ranges in any order.
#[derive(Debug, Clone, Default)]
pub struct MapBuilder {
    len: u64,
    ranges: Vec<MappedRange>,
    shared: Vec<MappedRange>,
    nodes: Vec<NodeName>,
    aliases: Vec<(Box<[u8]>, u32)>,
}

impl MapBuilder {
    /// A map of `len` bytes.
    pub fn new(len: u64) -> Self {
        Self { len, ..Self::default() }
    }

    /// Adds a node; gives the number by which subjects refer to it.
    pub fn node(&mut self, name: NodeName) -> u32 {
        self.nodes.push(name);
        u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
    }

    /// Adds a further path of a node (a hard link).
    pub fn alias(&mut self, path: &[u8], node: u32) {
        self.aliases.push((path.into(), node));
    }

    /// Adds a range; one of no bytes is passed over.
    pub fn add(&mut self, start: u64, len: u64, subject: Subject) {
        if len > 0 {
            self.ranges.push(MappedRange { start, len, subject });
        }
    }

    /// Adds a range that further files may have too, where the format lets files share bytes: the first of them names it.
    pub fn add_shared(&mut self, start: u64, len: u64, subject: Subject) {
        if len > 0 {
            self.shared.push(MappedRange { start, len, subject });
        }
    }

    /// Adds bytes that have to be zero.
    pub fn padding(&mut self, start: u64, end: u64, of: &'static str) {
        self.add(start, end.saturating_sub(start), Subject::Padding { of: of.into() });
    }

    /// The map. Bytes that no range has are `rest`, or else an error.
    ///
    /// # Errors
    /// [`MapError`] with the first range that is wrong.
    pub fn finish(mut self, rest: Option<&Subject>) -> Result<RangeMap, MapError> {
        self.take_shared();
        self.ranges.sort_by_key(|range| range.start);
        let mut ranges: Vec<MappedRange> = Vec::with_capacity(self.ranges.len());
        let text = |subject: &Subject| SubjectText { subject, nodes: &self.nodes }.to_string();
        let mut at = 0;
        for range in self.ranges {
            if let Some(before) = ranges.last().filter(|_| range.start < at) {
                let (first, second) = (text(&before.subject), text(&range.subject));
                let last = at.min(range.end()) - 1;
                return Err(MapError::Overlap { start: range.start, last, first, second });
            }
            if range.end() > self.len {
                let (subject, end) = (text(&range.subject), range.end());
                return Err(MapError::PastEnd { subject, end, len: self.len });
            }
            fill(&mut ranges, at..range.start, rest)?;
            at = range.end();
            push(&mut ranges, range);
        }
        fill(&mut ranges, at..self.len, rest)?;
        Ok(RangeMap { len: self.len, ranges, nodes: self.nodes, aliases: self.aliases })
    }

    /// Takes what is shared into the ranges: of bytes that several files have only the first file's range.
    fn take_shared(&mut self) {
        let mut shared = std::mem::take(&mut self.shared);
        shared.sort_by_key(|range| range.start);
        let mut at = 0;
        for mut range in shared {
            let end = range.end();
            if range.start < at {
                let cut = at - range.start;
                if let Subject::Content { offset, .. } = &mut range.subject {
                    *offset = offset.saturating_add(cut);
                }
                (range.start, range.len) = (at, range.len.saturating_sub(cut));
            }
            at = at.max(end);
            if range.len > 0 {
                self.ranges.push(range);
            }
        }
    }
}

/// Fills a gap.
fn fill(ranges: &mut Vec<MappedRange>, gap: Range<u64>, rest: Option<&Subject>) -> Result<(), MapError> {
    if gap.is_empty() {
        return Ok(());
    }
    let Some(subject) = rest else {
        return Err(MapError::Gap { start: gap.start, last: gap.end - 1 });
    };
    push(ranges, MappedRange { start: gap.start, len: gap.end - gap.start, subject: subject.clone() });
    Ok(())
}

/// Appends a range; one of free space or of a journal continues an equal one before it.
fn push(ranges: &mut Vec<MappedRange>, range: MappedRange) {
    match ranges.last_mut() {
        Some(last) if last.end() == range.start && last.subject.joins() && last.subject == range.subject => {
            last.len = last.len.saturating_add(range.len);
        }
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests;
