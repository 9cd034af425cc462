//! Whether two contents are the same bytes, holes read as zeros. Only paths with two contents are ever compared.

use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, Origin, Segment};

/// Bytes compared at a time.
const PIECE: usize = 64 << 10;

/// Compares two contents.
///
/// # Errors
/// A read error of the sources.
pub fn same_bytes(a: &Content, b: &Content, sources: &dyn Sources) -> io::Result<bool> {
    if a == b {
        return Ok(true);
    }
    if a.len() != b.len() {
        return Ok(false);
    }
    let (one, other) = (a.segments(), b.segments());
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < a.len() {
        let len = usize::try_from(a.len() - at).unwrap_or(PIECE).min(PIECE);
        read(&one, at, &mut left[..len], sources)?;
        read(&other, at, &mut right[..len], sources)?;
        if left[..len] != right[..len] {
            return Ok(false);
        }
        at += len as u64;
    }
    Ok(true)
}

/// Fills `buf` with the bytes at `offset` of the content that `segments` describe.
fn read(segments: &[Segment], offset: u64, buf: &mut [u8], sources: &dyn Sources) -> io::Result<()> {
    buf.fill(0);
    let end = offset + buf.len() as u64;
    let first = segments.partition_point(|segment| segment.offset + segment.len <= offset);
    for segment in segments[first..].iter().take_while(|segment| segment.offset < end) {
        let from = segment.offset.max(offset);
        let till = (segment.offset + segment.len).min(end);
        let skip = from - segment.offset;
        let part = &mut buf[(from - offset) as usize..(till - offset) as usize];
        match &segment.origin {
            Origin::Slice { source, at } => sources.read_exact_at(*source, at + skip, part)?,
            Origin::Inline { bytes, at } => {
                let at = at + skip as usize;
                part.copy_from_slice(&bytes[at..at + part.len()]);
            }
        }
    }
    Ok(())
}
