//! Sparse files: the map of old GNU headers and of GNU's PAX records 0.0, 0.1 and 1.0 (GNU tar manual, *Storing
//! Sparse Files*). A map is checked against the bytes that the archive stores and the length it announces.

use std::sync::Arc;

use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{Content, Origin, Segment};

use super::error::TarError;
use super::number::{bounded, decimal};
use super::window::{ArchiveWindow, BLOCK};
use crate::sources::entry_error::EntryError;

/// A range with data: offset in the file, length.
pub(super) type SparseRange = (u64, u64);

/// The values of `GNU.sparse.*` records.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    major: Option<u64>,
    minor: Option<u64>,
    map: Vec<SparseRange>,
    offset: Option<u64>,
}

impl Records {
    /// Takes one record, `GNU.sparse.` cut off; `None` when its value makes no sense, an error when the name does not.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Option<Result<(), EntryError>> {
        match key {
            b"name" if value.contains(&0) => return Some(Err(EntryError::Nul)),
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(decimal(value).filter(|n| i64::try_from(*n).is_ok())?),
            b"major" => self.major = Some(decimal(value)?),
            b"minor" => self.minor = Some(decimal(value)?),
            b"offset" => self.offset = Some(decimal(value)?),
            b"numbytes" => self.map.push((self.offset.take()?, decimal(value)?)),
            b"map" => {
                let mut numbers = value.split(|byte| *byte == b',').map(decimal);
                self.map.clear();
                while let Some(offset) = numbers.next() {
                    self.map.push((offset?, numbers.next()??));
                }
            }
            _ => {}
        }
        Some(Ok(()))
    }

    /// Whether the entry is sparse at all.
    pub(super) fn is_sparse(&self) -> bool {
        self.size.is_some() || self.major.is_some()
    }

    /// The map, and how many of the stored bytes it takes up itself.
    pub(super) fn map(
        self,
        window: &mut ArchiveWindow<'_>,
        at: u64,
        stored: u64,
    ) -> Result<(Vec<SparseRange>, u64), TarError> {
        match (self.major.unwrap_or(0), self.minor.unwrap_or(0)) {
            (0, _) => Ok((self.map, 0)),
            (1, 0) => in_front(window, at, stored),
            (major, minor) => {
                let value = format!("{major}.{minor}").into_bytes();
                let key = "GNU.sparse.major.minor".to_owned();
                Err(TarError::unnamed(at, EntryError::PaxValue { key, value }))
            }
        }
    }
}

/// Map 1.0 precedes the data: decimal numbers with a line each, first the number of ranges, padded to a block.
fn in_front(
    window: &mut ArchiveWindow<'_>,
    at: u64,
    stored: u64,
) -> Result<(Vec<SparseRange>, u64), TarError> {
    let mut lines = Lines { window, at, stored, text: Vec::new(), next: 0 };
    let count = lines.number()?;
    let mut map = Vec::new();
    for _ in 0..count {
        map.push((lines.number()?, lines.number()?));
    }
    let taken = (lines.next as u64).next_multiple_of(BLOCK as u64);
    Ok((map, taken))
}

/// Reads numbers block by block, so that a false count costs no more than the bytes that the archive has.
struct Lines<'w, 'a> {
    window: &'w mut ArchiveWindow<'a>,
    at: u64,
    stored: u64,
    text: Vec<u8>,
    next: usize,
}

impl Lines<'_, '_> {
    fn number(&mut self) -> Result<u64, TarError> {
        loop {
            let rest = self.text.get(self.next..).unwrap_or(&[]);
            if let Some(len) = rest.iter().take(22).position(|byte| *byte == b'\n') {
                let number = rest.get(..len).and_then(decimal);
                let error = EntryError::SparseText { at: self.next };
                self.next = self.next.saturating_add(len).saturating_add(1);
                return number.ok_or_else(|| TarError::unnamed(self.at, error));
            }
            let read = self.text.len() as u64;
            if rest.len() > 21
                || read.saturating_add(BLOCK as u64) > self.stored.next_multiple_of(BLOCK as u64)
            {
                return Err(TarError::unnamed(self.at, EntryError::SparseText { at: self.next }));
            }
            let block = self.window.bytes(self.at.saturating_add(read), BLOCK as u64, "the sparse map")?;
            self.text.extend_from_slice(&block);
        }
    }
}

/// The ranges in a block of an old GNU header; unused entries are zero or blank.
pub(super) fn parse_map(block: &[u8], map: &mut Vec<SparseRange>) -> Result<(), EntryError> {
    for entry in block.chunks_exact(24) {
        let Some((offset, len)) = entry.split_at_checked(12) else { continue };
        if entry.first().is_none_or(|first| *first == 0) {
            break;
        }
        let max = i128::from(i64::MAX);
        let offset = u64::try_from(bounded("offset", offset, 0, max)?).unwrap_or(0);
        map.push((offset, u64::try_from(bounded("numbytes", len, 0, max)?).unwrap_or(0)));
    }
    Ok(())
}

/// Checks a map against the file's length and the bytes stored for it, and makes the content.
pub(super) fn content(
    map: &[SparseRange],
    len: u64,
    stored: u64,
    source: SourceId,
    mut at: u64,
) -> Result<Content, EntryError> {
    let (mut segments, mut end, mut sum) = (Vec::new(), 0u64, 0u64);
    for &(offset, bytes) in map {
        if offset < end {
            return Err(EntryError::Sparse { what: "ranges are out of order", value: offset, other: end });
        }
        end = offset.saturating_add(bytes);
        if end > len {
            return Err(EntryError::Sparse { what: "range ends past the file", value: end, other: len });
        }
        sum = sum.saturating_add(bytes);
        if bytes > 0 {
            segments.push(Segment { offset, len: bytes, origin: Origin::Slice { source, at } });
        }
        at = at.saturating_add(bytes);
    }
    if sum != stored {
        return Err(EntryError::Sparse {
            what: "ranges and the bytes stored differ",
            value: sum,
            other: stored,
        });
    }
    match segments.as_slice() {
        [] if len == 0 => Ok(Content::empty()),
        [Segment { offset: 0, len: all, origin: Origin::Slice { source, at } }] if *all == len => {
            Ok(Content::Slice { source: *source, at: *at, len })
        }
        _ => Ok(Content::Sparse { len, segments: Arc::from(segments) }),
    }
}
