//! Where the bytes of the volume come from: ranges of sources, by which unchanged files are known again and of which the
//! amended volume consists.

use crate::plan::{Claims, Data, Plan, SourceId};
use crate::read_at::ReadAt;
use crate::tree::{Content, Origin, Segment};

use super::Ext4PatchError;

/// The bytes of a volume in a source that holds them in a row; holes of the medium are zeros.
///
/// # Errors
/// The error of the medium, or of a range that it gives twice.
pub fn origin_of(base: &dyn ReadAt, source: SourceId, offset: u64) -> Result<Plan, Ext4PatchError> {
    let len = base.size();
    let mut claims = Claims::new(len);
    let mut at = 0;
    while at < len {
        let held = base.data_from(at, len);
        let held = held.map_err(|source| crate::ext4::read::Ext4ReadError::Io {
            offset: at,
            len: len - at,
            source,
        })?;
        let Some(held) = held.filter(|held| held.start < len) else { break };
        let (start, end) = (held.start.max(at), held.end.min(len));
        if end <= start {
            break;
        }
        claims.claim(start, end - start, Data::Slice { source, at: offset.saturating_add(start) });
        at = end;
    }
    Ok(claims.finish(&Data::Zero)?)
}

/// The origin of a volume whose files are ranges of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct BaseOrigin<'a> {
    /// Every byte of the volume.
    pub(super) plan: &'a Plan,
    /// The source that holds the volume in a row, and its first byte there: what files of a raw image are ranges of,
    /// holes of the medium included.
    pub(super) row: Option<(SourceId, u64)>,
}

impl BaseOrigin<'_> {
    /// The content of a file of the volume as ranges of its sources, as long as they can be.
    pub(super) fn segments(&self, content: &Content) -> Vec<Segment> {
        let mut out: Vec<Segment> = Vec::new();
        for segment in content.segments() {
            let Origin::Slice { at: start, .. } = segment.origin else { continue };
            if let Some((source, offset)) = self.row {
                let origin = Origin::Slice { source, at: offset.saturating_add(start) };
                push(&mut out, Segment { origin, ..segment });
                continue;
            }
            for extent in self.plan.range(start, start.saturating_add(segment.len)) {
                let offset = segment.offset + (extent.offset - start);
                let origin = match extent.data {
                    Data::Slice { source, at } => Origin::Slice { source, at },
                    Data::Bytes { bytes, at } => Origin::Inline { bytes, at },
                    Data::Zero | Data::Free => continue,
                };
                push(&mut out, Segment { offset, len: extent.len, origin });
            }
        }
        out
    }

    /// Whether a content is known to be that of a file of the volume, without reading either.
    pub(super) fn is_same(&self, old: &Content, new: &Content) -> bool {
        let mut joined = Vec::new();
        new.segments().into_iter().for_each(|segment| push(&mut joined, segment));
        old.len() == new.len() && self.segments(old) == joined
    }
}

/// Appends a segment, joined to the one before it where it continues that.
fn push(segments: &mut Vec<Segment>, segment: Segment) {
    if let Some(last) = segments.last_mut() {
        let follows = last.offset + last.len == segment.offset;
        let joins = match (&last.origin, &segment.origin) {
            (Origin::Slice { source: a, at }, Origin::Slice { source: b, at: next }) => {
                a == b && at + last.len == *next
            }
            _ => false,
        };
        if follows && joins {
            last.len += segment.len;
            return;
        }
    }
    segments.push(segment);
}
